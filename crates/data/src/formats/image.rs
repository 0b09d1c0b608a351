//! Pictures: PNG and JPEG files of any size, brought to the size and colours of a model's input.
//!
//! **Accepted:** PNG (grey, palette, RGB, with or without transparency, up to 16 bits) and JPEG, told apart by their
//! content, not their name. Transparent parts are shown on white. 16-bit values are rounded to 8 bits.
//!
//! **Refused:** every other format, damaged or truncated files, pictures wider or higher than 16,384 pixels or that
//! need more than 512 MiB while they are decoded.

use std::fs;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use ::image::imageops::FilterType;
use ::image::{DynamicImage, ImageError, ImageReader, Limits, Rgba};

use crate::error::DataError;

/// Grey values or colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// One channel, luma of the colours: 0.2126 R + 0.7152 G + 0.0722 B.
    Grey,
    /// Three channels: red, green, blue.
    Rgb,
}

impl Colours {
    /// The number of channels: 1 or 3.
    pub fn channels(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb => 3,
        }
    }
}

/// What a picture is brought to before a model sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureOptions {
    /// Rows of pixels. Default: 28.
    pub height: usize,
    /// Pixels in a row. Default: 28.
    pub width: usize,
    /// Grey or colours. Default: grey.
    pub colours: Colours,
    /// Whether to exchange light and dark, for a drawing in black on white where the model was trained on white on
    /// black, as in MNIST. Default: false.
    pub invert: bool,
}

impl Default for PictureOptions {
    fn default() -> Self {
        Self { height: 28, width: 28, colours: Colours::Grey, invert: false }
    }
}

/// A picture as bytes, channel by channel, in each row by row: shape `[channels, height, width]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Channels, height, width.
    pub shape: [usize; 3],
    /// 0 is black, 255 full brightness; a model sees them divided by 255.
    pub pixels: Vec<u8>,
}

impl Picture {
    /// Reads a PNG or JPEG file, converts its colours, and scales it to the wanted size by linear interpolation
    /// (averaging when it shrinks); the proportions are not kept.
    ///
    /// # Errors
    /// As the [module](self) lists, and a wanted size of zero.
    pub fn read(path: impl AsRef<Path>, options: &PictureOptions) -> Result<Self, DataError> {
        let path = path.as_ref();
        let failed = |source| DataError::io(path, source);
        let mut bytes = Vec::new();
        let file = fs::File::open(path).map_err(failed)?;
        file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
        Self::from_bytes(&bytes, &path.display().to_string(), options)
    }

    /// Reads the bytes of a PNG or JPEG file; `name` stands for the file in messages.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub fn from_bytes(bytes: &[u8], name: &str, options: &PictureOptions) -> Result<Self, DataError> {
        if bytes.len() as u64 > LARGEST_FILE {
            return Err(DataError::malformed(name, "larger than 256 MiB, too large for a picture"));
        }
        if bytes.starts_with(&[0xFF, 0xD8]) && !jpeg_is_complete(bytes) {
            return Err(DataError::malformed(name, "truncated: the JPEG data has no end mark"));
        }
        decode(bytes, name, options)
    }

    /// The pixels from 0 (black) to 1 (full brightness).
    pub fn values(&self) -> Vec<f32> {
        self.pixels.iter().map(|&pixel| f32::from(pixel) / 255.0).collect()
    }
}

/// A folder whose sub-folders are the classes and hold the pictures of each.
///
/// ```text
/// pets/cat/1.png   pets/cat/2.jpg   pets/dog/1.png
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassFolder {
    /// The names of the sub-folders, sorted: the class of index i is `classes[i]`.
    pub classes: Vec<String>,
    /// Every picture file and the index of its class, sorted by class, then by name.
    pub pictures: Vec<(PathBuf, usize)>,
    /// Files that do not end in `.png`, `.jpg` or `.jpeg`, to be reported: nothing of them is used.
    pub skipped: Vec<PathBuf>,
}

impl ClassFolder {
    /// Lists a folder without opening the pictures. Names that start with a dot are passed over.
    ///
    /// # Errors
    /// A folder that cannot be read, one without sub-folders, a sub-folder without pictures, or a name that is not
    /// Unicode.
    pub fn list(root: impl AsRef<Path>) -> Result<Self, DataError> {
        let root = root.as_ref();
        let mut found = Self { classes: Vec::new(), pictures: Vec::new(), skipped: Vec::new() };
        for (name, path) in entries(root)? {
            if !path.is_dir() {
                found.skipped.push(path);
                continue;
            }
            let before = found.pictures.len();
            for (file, path) in entries(&path)? {
                match is_picture(&file) {
                    true => found.pictures.push((path, found.classes.len())),
                    false => found.skipped.push(path),
                }
            }
            if found.pictures.len() == before {
                let problem = format!("class `{name}` holds no pictures (.png, .jpg or .jpeg)");
                return Err(DataError::malformed(&root.display().to_string(), problem));
            }
            found.classes.push(name);
        }
        if found.classes.is_empty() {
            let problem =
                "no sub-folders; expected one folder of pictures for each class, as in cat/1.png, dog/1.png";
            return Err(DataError::malformed(&root.display().to_string(), problem));
        }
        Ok(found)
    }
}

fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, DataError> {
    let failed = |source| DataError::io(folder, source);
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(name) = entry.file_name().into_string() else {
            let problem = format!("the name of {:?} is not Unicode; rename it", entry.path());
            return Err(DataError::malformed(&folder.display().to_string(), problem));
        };
        if !name.starts_with('.') {
            entries.push((name, entry.path()));
        }
    }
    entries.sort();
    Ok(entries)
}

fn is_picture(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".png", ".jpg", ".jpeg"].iter().any(|ending| name.ends_with(ending))
}

/// The largest file that is read, since all of it is held in memory while it is decoded.
const LARGEST_FILE: u64 = 256 << 20;

/// Whether a JPEG file goes on to its end mark. The decoder would fill up what is missing with grey.
fn jpeg_is_complete(bytes: &[u8]) -> bool {
    let mut rest = &bytes[2..];
    // A mark is FF and a byte that is neither 00 nor FF; in the compressed pixels FF is followed by 00.
    while let Some(at) = rest.windows(2).position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0x00 | 0xFF)) {
        let mark = rest[at + 1];
        rest = &rest[at + 2..];
        match mark {
            0xD9 => return true,
            // Restart marks and the temporary mark stand alone; all others are followed by their length, by which
            // a thumbnail with an end mark of its own is passed over.
            0x01 | 0xD0..=0xD8 => {}
            _ => match rest.split_first_chunk::<2>() {
                Some((length, _)) => {
                    let length = usize::from(u16::from_be_bytes(*length));
                    rest = rest.get(length..).unwrap_or_default();
                }
                None => return false,
            },
        }
    }
    false
}

fn decode(bytes: &[u8], file: &str, options: &PictureOptions) -> Result<Picture, DataError> {
    const LARGEST: u32 = 16_384;
    let failed = |source: ImageError| DataError::Picture { file: file.to_string(), source };
    let size = |wanted: usize| u32::try_from(wanted).ok().filter(|&size| (1..=LARGEST).contains(&size));
    let (Some(width), Some(height)) = (size(options.width), size(options.height)) else {
        let (height, width) = (options.height, options.width);
        return Err(DataError::Options(format!(
            "pictures of {height} x {width} pixels asked for; both must be between 1 and {LARGEST}"
        )));
    };
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|e| failed(ImageError::IoError(e)))?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(LARGEST);
    limits.max_image_height = Some(LARGEST);
    limits.max_alloc = Some(512 << 20);
    reader.limits(limits);
    let picture = reader.decode().map_err(failed)?;
    let picture = on_white(picture).resize_exact(width, height, FilterType::Triangle);
    let mut interleaved = match options.colours {
        Colours::Grey => picture.to_luma8().into_raw(),
        Colours::Rgb => picture.to_rgb8().into_raw(),
    };
    if options.invert {
        interleaved.iter_mut().for_each(|value| *value = 255 - *value);
    }
    let channels = options.colours.channels();
    let channel = |c: usize| interleaved.iter().skip(c).step_by(channels).copied();
    let pixels = (0..channels).flat_map(channel).collect();
    Ok(Picture { shape: [channels, options.height, options.width], pixels })
}

/// Shows the transparent parts of a picture on white; an opaque picture passes as it is.
fn on_white(picture: DynamicImage) -> DynamicImage {
    if !picture.color().has_alpha() {
        return picture;
    }
    let mut pixels = picture.into_rgba8();
    for Rgba([red, green, blue, alpha]) in pixels.pixels_mut() {
        for value in [red, green, blue] {
            let blended = u32::from(*value) * u32::from(*alpha) + 255 * (255 - u32::from(*alpha));
            *value = ((blended + 127) / 255) as u8;
        }
        *alpha = 255;
    }
    DynamicImage::ImageRgba8(pixels)
}
