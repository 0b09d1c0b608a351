//! Data sets that travel inside the library: the XOR table and the 1,797 UCI hand-written digits.

use crate::formats::idx::{Idx, IdxValues};

/// The four inputs of the exclusive or, in the order of [`XOR_TARGETS`].
pub const XOR_INPUTS: [[f32; 2]; 4] = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];

/// The exclusive or of each pair of [`XOR_INPUTS`].
pub const XOR_TARGETS: [f32; 4] = [0.0, 1.0, 1.0, 0.0];

/// The UCI hand-written digits: grey pictures of 8 x 8 pixels and what they show.
#[derive(Debug, Clone, PartialEq)]
pub struct RawDigits {
    /// The grey values, 0 (background) to 16, picture by picture and row by row: 1,797 x 8 x 8 of them.
    pub pixels: Vec<u8>,
    /// The digit that each picture shows, 0 to 9: 1,797 of them.
    pub labels: Vec<u8>,
}

/// The share of the digits that is held out for testing, of each digit alike.
pub const DIGITS_TEST_SHARE: f64 = 0.2;

/// The seed of the digits' split into training and test part.
pub const DIGITS_SPLIT_SEED: u64 = 0;

/// Unpacks the digits, in the order of the source (see `assets/digits/README.md` for source and licence).
///
/// # Example
/// ```
/// let digits = talweg_data::embedded::raw_digits();
/// assert_eq!((digits.pixels.len(), digits.labels.len()), (1797 * 64, 1797));
/// assert_eq!(digits.labels[..5], [0, 1, 2, 3, 4]);
/// ```
pub fn raw_digits() -> RawDigits {
    RawDigits {
        pixels: bytes(include_bytes!("../assets/digits/images-idx3-ubyte.gz")),
        labels: bytes(include_bytes!("../assets/digits/labels-idx1-ubyte.gz")),
    }
}

/// The values of an embedded file, which the build has fixed, so that a failure is a mistake in this crate.
fn bytes(file: &[u8]) -> Vec<u8> {
    match Idx::from_bytes(file, "embedded digits").expect("the embedded digits are a valid IDX file").values {
        IdxValues::U8(values) => values,
        other => panic!("the embedded digits are of type {}, not u8", other.type_name()),
    }
}
