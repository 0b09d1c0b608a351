//! IDX files: round trips, a table of malformed files, and bytes at random.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use talweg_data::DataError;
use talweg_data::formats::idx::{Idx, IdxValues};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// One file of every element type, written out by hand as bytes, with the values that it holds.
fn files() -> Vec<(Vec<u8>, Idx)> {
    let file = |head: &[u8], body: &[u8]| [head, body].concat();
    vec![
        (
            file(&[0, 0, 8, 1, 0, 0, 0, 3], &[0, 127, 255]),
            Idx { shape: vec![3], values: IdxValues::U8(vec![0, 127, 255]) },
        ),
        (
            file(&[0, 0, 9, 2, 0, 0, 0, 1, 0, 0, 0, 2], &[0x80, 0xff]),
            Idx { shape: vec![1, 2], values: IdxValues::I8(vec![-128, -1]) },
        ),
        (
            file(&[0, 0, 0x0b, 1, 0, 0, 0, 2], &[0x80, 0, 0x01, 0x02]),
            Idx { shape: vec![2], values: IdxValues::I16(vec![-32768, 258]) },
        ),
        (
            file(&[0, 0, 0x0c, 0], &[0xff, 0xff, 0xff, 0xfe]),
            Idx { shape: vec![], values: IdxValues::I32(vec![-2]) },
        ),
        (
            file(&[0, 0, 0x0d, 1, 0, 0, 0, 2], &[0x3f, 0x80, 0, 0, 0xc0, 0x20, 0, 0]),
            Idx { shape: vec![2], values: IdxValues::F32(vec![1.0, -2.5]) },
        ),
        (
            file(&[0, 0, 0x0e, 1, 0, 0, 0, 1], &[0x40, 0x09, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18]),
            Idx { shape: vec![1], values: IdxValues::F64(vec![std::f64::consts::PI]) },
        ),
        (
            file(&[0, 0, 8, 2, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], &[]),
            Idx { shape: vec![0, 4294967295], values: IdxValues::U8(vec![]) },
        ),
    ]
}

#[test]
fn every_type_reads_plain_and_compressed_and_writes_the_same_bytes() {
    for (bytes, expected) in files() {
        assert_eq!(Idx::from_bytes(&bytes, "a").unwrap(), expected);
        assert_eq!(Idx::from_bytes(&gzip(&bytes), "a").unwrap(), expected);
        assert_eq!(expected.to_bytes(), bytes);
    }
}

#[test]
fn files_are_told_apart_by_content() {
    let folder = tempfile::tempdir().unwrap();
    let (bytes, expected) = files().remove(0);
    for (name, content) in [("plain.gz", bytes.clone()), ("compressed.idx", gzip(&bytes))] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        assert_eq!(Idx::read(&path).unwrap(), expected);
    }
}

#[test]
fn a_cut_at_any_byte_is_refused() {
    for (bytes, _) in files() {
        for cut in 0..bytes.len() {
            let message = Idx::from_bytes(&bytes[..cut], "cut.idx").unwrap_err().to_string();
            assert!(message.starts_with("cut.idx: truncated"), "{cut} of {bytes:x?}: {message}");
        }
        let packed = gzip(&bytes);
        for cut in 0..packed.len() {
            let error = Idx::from_bytes(&packed[..cut], "cut.gz").unwrap_err();
            assert!(error.to_string().starts_with("cut.gz: "), "{cut}: {error}");
        }
    }
}

#[test]
fn one_byte_more_is_refused() {
    for (mut bytes, _) in files() {
        bytes.push(0);
        for bytes in [bytes.clone(), gzip(&bytes)] {
            let error = Idx::from_bytes(&bytes, "long.idx").unwrap_err();
            assert!(matches!(error, DataError::Oversized { .. }), "{error}");
        }
    }
}

#[test]
fn malformed_files_get_one_clear_message() {
    let huge = [&[0, 0, 8, 3][..], &[0xff; 12], &[1, 2, 3]].concat();
    let absurd = [&[0, 0, 0x0e, 1, 0xff, 0xff, 0xff, 0xff][..], &[0; 20]].concat();
    let deep = [&[0, 0, 8, 255][..], &[0, 0, 0, 2].repeat(255), &[0; 9]].concat();
    let mut damaged = gzip(&files()[0].0);
    let middle = damaged.len() - 6;
    damaged[middle] ^= 0xff;
    let table: [(&[u8], &str); 9] = [
        (b"", "truncated: an IDX header of 4 bytes expected, the file holds 0"),
        (b"\0\0\x08", "truncated: an IDX header of 4 bytes expected, the file holds 3"),
        (b"\x89PNG\r\n", "not an IDX file: it starts with [89, 50, 4e, 47], but 00 00, a type code"),
        (b"\0\0\x0a\x01", "not an IDX file: it starts with [00, 00, 0a, 01]"),
        (b"\0\0\x08\x02\0\0\0\x01", "truncated: an IDX header of 12 bytes expected, the file holds 8"),
        (&huge, "the header's sizes [4294967295, 4294967295, 4294967295] multiply to more bytes than memory"),
        (&absurd, "truncated: the header promises 34359738360 bytes of values, the file holds 20"),
        (&deep, "the header's sizes [2, 2, 2,"),
        (&damaged, "the gzip data is damaged or cut off"),
    ];
    for (bytes, expected) in table {
        let message = Idx::from_bytes(bytes, "bad.idx").unwrap_err().to_string();
        assert!(message.starts_with(&format!("bad.idx: {expected}")), "{message}");
    }
}

#[test]
fn a_file_that_is_not_there_and_a_folder_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.idx");
    let error = Idx::read(&path).unwrap_err();
    assert!(error.to_string().starts_with(&format!("{}: cannot be read: ", path.display())), "{error}");
    assert!(std::error::Error::source(&error).is_some());
    let error = Idx::read(folder.path()).unwrap_err().to_string();
    assert_eq!(error, format!("{}: is a folder, not a file", folder.path().display()));
}

proptest! {
    #[test]
    fn bytes_at_random_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..64),
        code in 7u8..16,
        sizes in prop::collection::vec(0u8..4, 0..4),
    ) {
        let outcome = Idx::from_bytes(&bytes, "random");
        prop_assert!(outcome.is_err() || bytes[..2] == [0, 0]);
        let header = [0, 0, code, sizes.len() as u8].into_iter().chain(sizes.iter().flat_map(|&s| [0, 0, 0, s]));
        let headed: Vec<u8> = header.chain(bytes).collect();
        if let Ok(idx) = Idx::from_bytes(&headed, "headed") {
            prop_assert_eq!(idx.values.len(), idx.shape.iter().product::<usize>());
            prop_assert_eq!(idx.to_bytes(), headed);
        }
    }
}
