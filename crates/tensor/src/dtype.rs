//! Element types.

use std::fmt::{self, Debug, Display};

use talweg_kernels::{Bf16, F16, Pod};

/// The type of a tensor's elements.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DType {
    /// IEEE 754 single precision: parameters, activations and gradients in training.
    F32,
    /// IEEE 754 double precision: gradient checks and reference computations.
    F64,
    /// The upper half of `F32`, for storage and matrix products: half the memory, 8 significant bits. Apart from
    /// [`matmul`](crate::Tensor::matmul), arithmetic needs a [`cast`](crate::Tensor::cast) first.
    Bf16,
    /// IEEE 754 half precision, for storage: half the memory of `F32`, 11 significant bits, up to 65504. All arithmetic
    /// needs a [`cast`](crate::Tensor::cast) first.
    F16,
    /// 64-bit signed integers: class labels and indices.
    I64,
    /// Unsigned bytes: image data as it comes from files.
    U8,
    /// Truth values, stored as one byte, 0 or 1.
    Bool,
}

impl DType {
    /// Bytes per element.
    pub const fn size(self) -> usize {
        match self {
            DType::F32 => 4,
            DType::Bf16 | DType::F16 => 2,
            DType::F64 | DType::I64 => 8,
            DType::U8 | DType::Bool => 1,
        }
    }

    /// Whether the type is one that all arithmetic is defined for: `F32` or `F64`. Parameters have such a type.
    pub const fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64)
    }

    /// Whether the numbers have fractions: `F32`, `F64`, `Bf16` or `F16`. Only such tensors carry gradients.
    pub const fn is_real(self) -> bool {
        matches!(self, DType::F32 | DType::F64 | DType::Bf16 | DType::F16)
    }

    /// The name that messages and files use: `f32`, `f64`, `bf16`, `f16`, `i64`, `u8` or `bool`.
    pub const fn name(self) -> &'static str {
        match self {
            DType::F32 => "f32",
            DType::F64 => "f64",
            DType::Bf16 => "bf16",
            DType::F16 => "f16",
            DType::I64 => "i64",
            DType::U8 => "u8",
            DType::Bool => "bool",
        }
    }
}

impl Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Debug for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
    impl Sealed for talweg_kernels::Bf16 {}
    impl Sealed for talweg_kernels::F16 {}
    impl Sealed for i64 {}
    impl Sealed for u8 {}
    impl Sealed for bool {}
}

/// A Rust type that can be the element of a tensor: `f32`, `f64`, [`Bf16`], [`F16`], `i64`, `u8`, `bool`.
pub trait Element: sealed::Sealed + Copy + Send + Sync + Debug + PartialEq + 'static {
    /// The tensor's type for this Rust type.
    const DTYPE: DType;
    /// How one element is stored.
    type Stored: Pod;
    /// The stored form.
    fn store(self) -> Self::Stored;
    /// The value of a stored form.
    fn load(stored: Self::Stored) -> Self;
}

macro_rules! element {
    ($($t:ty: $dtype:ident;)*) => {$(
        impl Element for $t {
            const DTYPE: DType = DType::$dtype;
            type Stored = $t;
            fn store(self) -> $t {
                self
            }
            fn load(stored: $t) -> $t {
                stored
            }
        }
    )*};
}
element! { f32: F32; f64: F64; Bf16: Bf16; F16: F16; i64: I64; u8: U8; }

impl Element for bool {
    const DTYPE: DType = DType::Bool;
    type Stored = u8;
    fn store(self) -> u8 {
        self as u8
    }
    fn load(stored: u8) -> bool {
        stored != 0
    }
}
