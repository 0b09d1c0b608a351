//! Readers of file formats: each turns bytes into plain numbers or text and refuses what it cannot read whole.
//!
//! A reader never trusts a size that a file states: it reads what is there and compares. What it returns is either
//! all of the file or an error that names the file, the place, what was found and what was expected.

pub mod csv;
pub mod idx;
pub mod image;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::error::DataError;

/// Opens a file for reading, decompressing it when its first two bytes are those of gzip, whatever its name.
pub(crate) fn open(path: &Path) -> Result<(Box<dyn Read>, bool), DataError> {
    let file = File::open(path).map_err(|source| DataError::io(path, source))?;
    if file.metadata().map_err(|source| DataError::io(path, source))?.is_dir() {
        return Err(DataError::malformed(&path.display().to_string(), "is a folder, not a file"));
    }
    decompress(BufReader::new(file)).map_err(|source| DataError::io(path, source))
}

/// Whether the input is gzip, found by looking at its first two bytes, and a reader of what it holds.
pub(crate) fn decompress<'a>(
    mut input: impl Read + 'a,
) -> Result<(Box<dyn Read + 'a>, bool), std::io::Error> {
    let mut magic = Vec::with_capacity(2);
    (&mut input).take(2).read_to_end(&mut magic)?;
    let gzip = magic == [0x1f, 0x8b];
    let whole = std::io::Cursor::new(magic).chain(input);
    Ok(if gzip { (Box::new(MultiGzDecoder::new(whole)), true) } else { (Box::new(whole), false) })
}
