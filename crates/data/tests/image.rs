//! Pictures: known pixels through PNG and JPEG, a table of malformed files, folders of classes.

use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use proptest::prelude::*;
use talweg_data::formats::image::{ClassFolder, Colours, Picture, PictureOptions};

fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Two rows of three pixels, all different.
fn six() -> RgbImage {
    RgbImage::from_fn(3, 2, |x, y| Rgb([10 * x as u8, 100 + y as u8, 200]))
}

fn options(height: usize, width: usize, colours: Colours) -> PictureOptions {
    PictureOptions { height, width, colours, invert: false }
}

#[test]
fn pixels_come_channel_by_channel() {
    let bytes = encoded(six(), ImageFormat::Png);
    let picture = Picture::from_bytes(&bytes, "six.png", &options(2, 3, Colours::Rgb)).unwrap();
    assert_eq!(picture.shape, [3, 2, 3]);
    assert_eq!(picture.pixels[..6], [0, 10, 20, 0, 10, 20]);
    assert_eq!(picture.pixels[6..12], [100, 100, 100, 101, 101, 101]);
    assert_eq!(picture.pixels[12..], [200; 6]);
    assert_eq!(picture.values()[1], 10.0 / 255.0);
    let inverted = PictureOptions { invert: true, ..options(2, 3, Colours::Rgb) };
    let inverted = Picture::from_bytes(&bytes, "six.png", &inverted).unwrap();
    assert!(inverted.pixels.iter().zip(&picture.pixels).all(|(a, b)| a + b == 255));
}

#[test]
fn grey_is_the_luma_of_the_colours() {
    let bytes = encoded(six(), ImageFormat::Png);
    let picture = Picture::from_bytes(&bytes, "six.png", &options(2, 3, Colours::Grey)).unwrap();
    assert_eq!(picture.shape, [1, 2, 3]);
    for (pixel, Rgb([r, g, b])) in picture.pixels.iter().zip(six().pixels()) {
        let luma = 0.2126 * f64::from(*r) + 0.7152 * f64::from(*g) + 0.0722 * f64::from(*b);
        assert!((f64::from(*pixel) - luma).abs() <= 1.0, "{pixel} {luma}");
    }
}

#[test]
fn transparent_parts_are_white() {
    let picture =
        RgbaImage::from_fn(2, 1, |x, _| if x == 0 { Rgba([0, 0, 0, 0]) } else { Rgba([0, 0, 0, 127]) });
    let bytes = encoded(picture, ImageFormat::Png);
    let picture = Picture::from_bytes(&bytes, "clear.png", &options(1, 2, Colours::Grey)).unwrap();
    assert_eq!(picture.pixels, [255, 128]);
}

#[test]
fn shrinking_averages_and_jpeg_is_read() {
    let flat = RgbImage::from_pixel(64, 48, Rgb([90, 90, 90]));
    for format in [ImageFormat::Png, ImageFormat::Jpeg] {
        let bytes = encoded(flat.clone(), format);
        let picture = Picture::from_bytes(&bytes, "flat", &options(8, 5, Colours::Grey)).unwrap();
        assert_eq!(picture.shape, [1, 8, 5]);
        assert!(picture.pixels.iter().all(|&pixel| pixel.abs_diff(90) <= 1), "{:?}", picture.pixels);
    }
    let checks = RgbImage::from_fn(64, 64, |x, y| Rgb([if (x + y) % 2 == 0 { 0 } else { 254 }; 3]));
    let bytes = encoded(checks, ImageFormat::Png);
    let picture = Picture::from_bytes(&bytes, "checks.png", &options(8, 8, Colours::Grey)).unwrap();
    assert!(picture.pixels.iter().all(|&pixel| pixel.abs_diff(127) <= 2), "{:?}", picture.pixels);
}

#[test]
fn malformed_files_get_one_clear_message() {
    // A PNG whose header claims 100,000 x 100,000 pixels; its checksum is that of the true header otherwise.
    let mut enormous = encoded(six(), ImageFormat::Png);
    enormous[16..24].copy_from_slice(&[0, 1, 0x86, 0xa0, 0, 1, 0x86, 0xa0]);
    let sum = crc32(&enormous[12..29]);
    enormous[29..33].copy_from_slice(&sum.to_be_bytes());
    let table: [&[u8]; 7] =
        [b"", b"\x89PNG", b"GIF89a", b"hello, this is text", b"\xff\xd8\xff\xd9", &enormous, &[0; 300]];
    for bytes in table {
        let message =
            Picture::from_bytes(bytes, "bad.png", &PictureOptions::default()).unwrap_err().to_string();
        assert!(message.starts_with("bad.png: not a readable picture (PNG or JPEG): "), "{message}");
    }
    let bytes = encoded(six(), ImageFormat::Png);
    for (height, width) in [(0, 3), (3, 0), (20_000, 3), (usize::MAX, 1)] {
        let message =
            Picture::from_bytes(&bytes, "a.png", &options(height, width, Colours::Grey)).unwrap_err();
        assert!(message.to_string().ends_with("both must be between 1 and 16384"), "{message}");
    }
}

/// The checksum of PNG chunks, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { 0xEDB8_8320 ^ (crc >> 1) } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}

#[test]
fn a_cut_in_the_pixels_is_refused() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg] {
        let noise = RgbImage::from_fn(16, 16, |x, y| Rgb([(x * 37 + y * 91) as u8, (x * y) as u8, 7]));
        let bytes = encoded(noise, format);
        for cut in 0..bytes.len() {
            let outcome = Picture::from_bytes(&bytes[..cut], "cut", &PictureOptions::default());
            // The last chunk of a PNG, 12 bytes, only marks its end; without it all pixels are there.
            let complete = format == ImageFormat::Png && cut + 16 >= bytes.len();
            assert!(outcome.is_err() || complete, "{format:?} cut at {cut} of {}", bytes.len());
        }
    }
}

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_folder_of_classes_is_listed_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for name in ["dog/2.png", "dog/10.JPG", "cat/1.jpeg", "cat/notes.txt", "cat/.hidden.png", "read me.md"] {
        write(root, name, b"");
    }
    let listed = ClassFolder::list(root).unwrap();
    assert_eq!(listed.classes, ["cat", "dog"]);
    let expected = [("cat/1.jpeg", 0), ("dog/10.JPG", 1), ("dog/2.png", 1)];
    assert_eq!(listed.pictures, expected.map(|(name, class)| (root.join(name), class)));
    assert_eq!(listed.skipped, ["cat/notes.txt", "read me.md"].map(|name| root.join(name)));
}

#[test]
fn folders_that_hold_no_classes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let message = || ClassFolder::list(root).unwrap_err().to_string();
    assert!(
        message().contains("no sub-folders; expected one folder of pictures for each class"),
        "{}",
        message()
    );
    write(root, "cat/notes.txt", b"");
    assert!(message().contains("class `cat` holds no pictures"), "{}", message());
    let missing = ClassFolder::list(root.join("none")).unwrap_err().to_string();
    assert!(missing.contains("none: cannot be read: "), "{missing}");
}

proptest! {
    #[test]
    fn bytes_at_random_never_panic(
        place in 0usize..200,
        bytes in prop::collection::vec(any::<u8>(), 1..40),
        jpeg in any::<bool>(),
    ) {
        let format = if jpeg { ImageFormat::Jpeg } else { ImageFormat::Png };
        let mut file = encoded(six(), format);
        for (index, byte) in bytes.iter().enumerate() {
            if let Some(target) = file.get_mut(place + index) {
                *target = *byte;
            }
        }
        for bytes in [&file, &bytes] {
            if let Ok(picture) = Picture::from_bytes(bytes, "random", &PictureOptions::default()) {
                prop_assert_eq!(picture.pixels.len(), 28 * 28);
            }
        }
    }
}
