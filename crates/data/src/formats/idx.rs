//! IDX files: arrays of numbers, the format of MNIST and Fashion-MNIST.
//!
//! The format: two zero bytes, a byte for the element type, a byte for the number of axes, then every axis' size as
//! a 32-bit integer, then the values with the last axis fastest; all numbers are big-endian.
//!
//! **Accepted:** the six element types (`u8`, `i8`, `i16`, `i32`, `f32`, `f64`), any number of axes from none (one
//! value) up, sizes of zero, plain or gzip-compressed files (told apart by their content, not their name).
//!
//! **Refused:** another magic number or element type, a file that ends inside the header, fewer or more values than
//! the header promises, sizes whose product does not fit in memory addresses, damaged gzip data.

use std::io::Read;
use std::path::Path;

use crate::error::DataError;

/// An array read from an IDX file.
#[derive(Debug, Clone, PartialEq)]
pub struct Idx {
    /// The size of every axis; an empty list means a single value.
    pub shape: Vec<usize>,
    /// The values, last axis fastest; as many as the product of the sizes.
    pub values: IdxValues,
}

/// The values of an IDX file in their element type.
#[derive(Debug, Clone, PartialEq)]
pub enum IdxValues {
    /// Type code 0x08, unsigned bytes: pictures and labels.
    U8(Vec<u8>),
    /// Type code 0x09.
    I8(Vec<i8>),
    /// Type code 0x0B.
    I16(Vec<i16>),
    /// Type code 0x0C.
    I32(Vec<i32>),
    /// Type code 0x0D.
    F32(Vec<f32>),
    /// Type code 0x0E.
    F64(Vec<f64>),
}

impl Idx {
    /// Reads a file, plain or gzip-compressed.
    ///
    /// # Errors
    /// As the [module](self) lists; each message names the file.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref();
        let (input, gzip) = super::open(path)?;
        parse(input, gzip, &path.display().to_string())
    }

    /// Reads bytes in memory, plain or gzip-compressed; `name` stands for the file in messages.
    ///
    /// # Errors
    /// As the [module](self) lists.
    ///
    /// # Example
    /// ```
    /// use talweg_data::formats::idx::{Idx, IdxValues};
    ///
    /// let bytes = [0, 0, 0x08, 2, 0, 0, 0, 2, 0, 0, 0, 3, 10, 20, 30, 40, 50, 60];
    /// let idx = Idx::from_bytes(&bytes, "six.idx")?;
    /// assert_eq!(idx.shape, [2, 3]);
    /// assert_eq!(idx.values, IdxValues::U8(vec![10, 20, 30, 40, 50, 60]));
    ///
    /// let error = Idx::from_bytes(&bytes[..15], "six.idx").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "six.idx: truncated: the header promises 6 bytes of values, the file holds 3"
    /// );
    /// # Ok::<(), talweg_data::DataError>(())
    /// ```
    pub fn from_bytes(bytes: &[u8], name: &str) -> Result<Self, DataError> {
        let (input, gzip) =
            super::decompress(bytes).map_err(|source| DataError::Gzip { file: name.to_string(), source })?;
        parse(input, gzip, name)
    }

    /// The file's bytes, not compressed: the inverse of [`from_bytes`](Self::from_bytes).
    ///
    /// # Panics
    /// If there are more than 255 axes, a size does not fit in 32 bits, or the number of values is not the product
    /// of the sizes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let axes = u8::try_from(self.shape.len()).expect("idx: an IDX file has at most 255 axes");
        assert_eq!(
            Some(self.values.len()),
            product(&self.shape, 1),
            "idx: shape {:?} does not hold {} values",
            self.shape,
            self.values.len()
        );
        let mut bytes = vec![0, 0, self.values.code(), axes];
        for &size in &self.shape {
            let size = u32::try_from(size).expect("idx: an axis size must fit in 32 bits");
            bytes.extend(size.to_be_bytes());
        }
        self.values.append(&mut bytes);
        bytes
    }
}

impl IdxValues {
    /// The number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(v) => v.len(),
            Self::I8(v) => v.len(),
            Self::I16(v) => v.len(),
            Self::I32(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
        }
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type's name as in Rust: `u8`, `i8`, `i16`, `i32`, `f32` or `f64`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::U8(_) => "u8",
            Self::I8(_) => "i8",
            Self::I16(_) => "i16",
            Self::I32(_) => "i32",
            Self::F32(_) => "f32",
            Self::F64(_) => "f64",
        }
    }

    fn code(&self) -> u8 {
        match self {
            Self::U8(_) => 0x08,
            Self::I8(_) => 0x09,
            Self::I16(_) => 0x0B,
            Self::I32(_) => 0x0C,
            Self::F32(_) => 0x0D,
            Self::F64(_) => 0x0E,
        }
    }

    fn append(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::U8(v) => bytes.extend_from_slice(v),
            Self::I8(v) => bytes.extend(v.iter().map(|&value| value as u8)),
            Self::I16(v) => bytes.extend(v.iter().flat_map(|value| value.to_be_bytes())),
            Self::I32(v) => bytes.extend(v.iter().flat_map(|value| value.to_be_bytes())),
            Self::F32(v) => bytes.extend(v.iter().flat_map(|value| value.to_be_bytes())),
            Self::F64(v) => bytes.extend(v.iter().flat_map(|value| value.to_be_bytes())),
        }
    }
}

/// The most bytes reserved on the word of a header alone; beyond it, memory grows only as data arrives.
const TRUSTED: usize = 1 << 20;

fn parse(mut input: Box<dyn Read + '_>, gzip: bool, file: &str) -> Result<Idx, DataError> {
    let failed = |source| match gzip {
        true => DataError::Gzip { file: file.to_string(), source },
        false => DataError::io(Path::new(file), source),
    };
    let magic = read_up_to(&mut input, 4).map_err(failed)?;
    let &[zero, zero2, code, axes] = magic.as_slice() else {
        return Err(cut_header(file, 4, magic.len()));
    };
    let width = match code {
        _ if (zero, zero2) != (0, 0) => return Err(bad_magic(file, &magic)),
        0x08 | 0x09 => 1,
        0x0B => 2,
        0x0C | 0x0D => 4,
        0x0E => 8,
        _ => return Err(bad_magic(file, &magic)),
    };
    let header = read_up_to(&mut input, usize::from(axes) * 4).map_err(failed)?;
    if header.len() < usize::from(axes) * 4 {
        return Err(cut_header(file, 4 + usize::from(axes) * 4, 4 + header.len()));
    }
    let (sizes, _) = header.as_chunks::<4>();
    let shape: Vec<usize> = sizes.iter().map(|&size| u32::from_be_bytes(size) as usize).collect();
    let Some(expected) = product(&shape, width) else {
        // Up to 255 sizes, where a damaged header says so.
        let (shown, more) = (&shape[..shape.len().min(8)], if shape.len() > 8 { ", …" } else { "" });
        let shown = shown.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        let problem =
            format!("the header's sizes [{shown}{more}] multiply to more bytes than memory can hold");
        return Err(DataError::malformed(file, problem));
    };
    let bytes = read_up_to(&mut input, expected).map_err(failed)?;
    if bytes.len() < expected {
        let (expected, found) = (expected as u64, bytes.len() as u64);
        return Err(DataError::Truncated { file: file.to_string(), expected, found });
    }
    if !read_up_to(&mut input, 1).map_err(failed)?.is_empty() {
        return Err(DataError::Oversized { file: file.to_string(), expected: expected as u64 });
    }
    Ok(Idx { shape, values: decode(code, bytes) })
}

/// Reads `count` bytes, or fewer where the input ends.
fn read_up_to(input: &mut dyn Read, count: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(count.min(TRUSTED));
    input.take(count as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The bytes of an array, or none where they exceed what an allocation may have. A size of zero makes the product
/// zero, however large the others are.
fn product(shape: &[usize], width: usize) -> Option<usize> {
    if shape.contains(&0) {
        return Some(0);
    }
    let bytes = shape.iter().try_fold(width, |total, &size| total.checked_mul(size))?;
    (bytes <= isize::MAX as usize).then_some(bytes)
}

fn decode(code: u8, bytes: Vec<u8>) -> IdxValues {
    match code {
        0x08 => IdxValues::U8(bytes),
        0x09 => IdxValues::I8(bytes.into_iter().map(|byte| byte as i8).collect()),
        0x0B => IdxValues::I16(bytes.as_chunks().0.iter().map(|&chunk| i16::from_be_bytes(chunk)).collect()),
        0x0C => IdxValues::I32(bytes.as_chunks().0.iter().map(|&chunk| i32::from_be_bytes(chunk)).collect()),
        0x0D => IdxValues::F32(bytes.as_chunks().0.iter().map(|&chunk| f32::from_be_bytes(chunk)).collect()),
        _ => IdxValues::F64(bytes.as_chunks().0.iter().map(|&chunk| f64::from_be_bytes(chunk)).collect()),
    }
}

fn cut_header(file: &str, expected: usize, found: usize) -> DataError {
    let problem = format!("truncated: an IDX header of {expected} bytes expected, the file holds {found}");
    DataError::malformed(file, problem)
}

fn bad_magic(file: &str, magic: &[u8]) -> DataError {
    let problem = format!(
        "not an IDX file: it starts with {magic:02x?}, but 00 00, a type code (08, 09, 0b, 0c, 0d or 0e) and the \
         number of axes are expected"
    );
    DataError::malformed(file, problem)
}
