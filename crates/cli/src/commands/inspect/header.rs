//! The head of a safetensors file: what tensors it holds, without reading their numbers.
//!
//! The format: 8 bytes with the length of the header (little-endian), the header as JSON, then the numbers of all
//! tensors, one after the other.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;

/// What the header says, in the order of the numbers in the file.
pub(super) struct Header {
    pub(super) tensors: Vec<Tensor>,
    pub(super) metadata: BTreeMap<String, String>,
    /// The size of all numbers.
    pub(super) bytes: u64,
}

/// One tensor of the file.
pub(super) struct Tensor {
    pub(super) name: String,
    pub(super) dtype: String,
    pub(super) shape: Vec<u64>,
    pub(super) numbers: u64,
}

/// The entry of one tensor as the file writes it.
#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

#[derive(Deserialize)]
struct Json {
    #[serde(rename = "__metadata__", default)]
    metadata: BTreeMap<String, String>,
    #[serde(flatten)]
    tensors: BTreeMap<String, Entry>,
}

/// The format allows no longer header.
const LONGEST: u64 = 100_000_000;

impl Header {
    /// Reads and checks the header; the error says what is wrong with the file.
    pub(super) fn read(path: &Path) -> Result<Header, String> {
        let unreadable = |why: std::io::Error| format!("cannot be read: {why}");
        let mut file = File::open(path).map_err(unreadable)?;
        let size = file.metadata().map_err(unreadable)?.len();
        let mut length = [0; 8];
        if size < 8 {
            return Err(format!("no safetensors file: {size} bytes, but the header's length alone takes 8"));
        }
        file.read_exact(&mut length).map_err(unreadable)?;
        let length = u64::from_le_bytes(length);
        if length > LONGEST || length > size - 8 {
            return Err(format!(
                "no safetensors file, or cut off: a header of {length} bytes in a file of {size} bytes"
            ));
        }
        let mut json = Vec::new();
        file.take(length).read_to_end(&mut json).map_err(unreadable)?;
        let json: Json = serde_json::from_slice(&json)
            .map_err(|why| format!("no safetensors file: its header is damaged: {why}"))?;
        Header::check(json, size - 8 - length)
    }

    /// Checks that the tensors fill the rest of the file without a gap.
    fn check(json: Json, bytes: u64) -> Result<Header, String> {
        let mut entries: Vec<(String, Entry)> = json.tensors.into_iter().collect();
        entries.sort_by_key(|(_, entry)| entry.data_offsets);
        let mut end = 0;
        let mut tensors = Vec::new();
        for (name, entry) in entries {
            let size = width(&entry.dtype).ok_or_else(|| {
                format!("tensor {name:?} has the type {:?}, which is none of safetensors' types", entry.dtype)
            })?;
            let numbers = entry.shape.iter().try_fold(1u64, |numbers, extent| numbers.checked_mul(*extent));
            let [from, to] = entry.data_offsets;
            let needs = numbers.and_then(|numbers| numbers.checked_mul(size));
            if from != end || to < from || Some(to - from) != needs {
                return Err(format!(
                    "damaged: tensor {name:?} of type {} and shape {:?} lies at bytes {from} to {to}; expected from {end}",
                    entry.dtype, entry.shape
                ));
            }
            end = to;
            tensors.push(Tensor {
                name,
                dtype: entry.dtype,
                shape: entry.shape,
                numbers: (to - from) / size,
            });
        }
        if end != bytes {
            let what = if end > bytes { "cut off" } else { "too long" };
            return Err(format!("{what}: its tensors take {end} bytes, but {bytes} follow the header"));
        }
        Ok(Header { tensors, metadata: json.metadata, bytes })
    }
}

/// The bytes of one number.
fn width(dtype: &str) -> Option<u64> {
    match dtype {
        "BOOL" | "U8" | "I8" | "F8_E5M2" | "F8_E4M3" => Some(1),
        "I16" | "U16" | "F16" | "BF16" => Some(2),
        "I32" | "U32" | "F32" => Some(4),
        "I64" | "U64" | "F64" => Some(8),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str, rest: usize) -> Result<Header, String> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + rest, 0);
        read_bytes(&bytes)
    }

    fn read_bytes(bytes: &[u8]) -> Result<Header, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.safetensors");
        std::fs::write(&path, bytes).expect("a file");
        Header::read(&path)
    }

    const TWO: &str = r#"{"__metadata__":{"made by":"hand"},
        "b":{"dtype":"F32","shape":[2,3],"data_offsets":[16,40]},"a":{"dtype":"F64","shape":[2],"data_offsets":[0,16]}}"#;

    #[test]
    fn a_right_file_is_listed_in_its_own_order() {
        let header = read(TWO, 40).unwrap_or_else(|why| panic!("{why}"));
        let names: Vec<_> =
            header.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.numbers)).collect();
        assert_eq!(names, [("a", 2), ("b", 6)]);
        assert_eq!(header.metadata["made by"], "hand");
        assert_eq!(header.bytes, 40);
    }

    #[test]
    fn damaged_files_are_refused_with_numbers() {
        for (header, rest, expected) in [
            (TWO, 39, "cut off: its tensors take 40 bytes, but 39 follow"),
            (TWO, 41, "too long: its tensors take 40 bytes, but 41 follow"),
            ("{", 0, "its header is damaged: EOF"),
            ("[]", 0, "its header is damaged"),
            (r#"{"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}}"#, 4, "\"F31\", which is none"),
            (r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4, "lies at bytes 0 to 4"),
            (r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, 8, "expected from 0"),
            (
                r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}"#,
                4,
                "damaged: tensor",
            ),
            (r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, 4, "damaged: tensor"),
            (r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4, "its header is damaged"),
        ] {
            let why = read(header, rest).err().unwrap_or_else(|| panic!("{header} was taken"));
            assert!(why.contains(expected), "{why}");
        }
    }

    #[test]
    fn every_cut_is_noticed() {
        let mut bytes = (TWO.len() as u64).to_le_bytes().to_vec();
        bytes.extend(TWO.as_bytes());
        bytes.resize(bytes.len() + 40, 0);
        assert!(read_bytes(&bytes).is_ok());
        for length in 0..bytes.len() {
            assert!(read_bytes(&bytes[..length]).is_err(), "{length} of {} bytes were taken", bytes.len());
        }
        assert!(
            read_bytes(&[0xff; 64])
                .err()
                .is_some_and(|why| why.contains("a header of 18446744073709551615 bytes"))
        );
    }
}
