//! Pictures that stay on the disk until a batch needs them.

use std::path::Path;

use talweg_tensor::Tensor;

use crate::dataset::{Dataset, Example};
use crate::error::DataError;
use crate::examples::Examples;
use crate::formats::image::{ClassFolder, Picture, PictureOptions};

/// A folder with a sub-folder of pictures for each class; each picture is read when its batch is made, so that the
/// folder may be larger than the memory. Use workers with it: decoding takes longer than a small model's step.
#[derive(Debug, Clone)]
pub struct ImageFolder {
    /// The classes and files.
    pub listing: ClassFolder,
    /// What each picture is brought to.
    pub options: PictureOptions,
}

impl ImageFolder {
    /// Lists a folder; no picture is opened yet.
    ///
    /// # Errors
    /// As for [`ClassFolder::list`].
    pub fn new(root: impl AsRef<Path>, options: PictureOptions) -> Result<Self, DataError> {
        Ok(Self { listing: ClassFolder::list(root)?, options })
    }

    /// Reads all pictures into memory, as bytes.
    ///
    /// # Errors
    /// The first picture that cannot be read.
    pub fn load(&self) -> Result<Examples, DataError> {
        let pictures = &self.listing.pictures;
        let shape = [self.options.colours.channels(), self.options.height, self.options.width];
        let mut pixels = Vec::new();
        for (path, _) in pictures {
            pixels.extend(Picture::read(path, &self.options)?.pixels);
        }
        let classes: Vec<i64> = pictures.iter().map(|&(_, class)| class as i64).collect();
        let x = Tensor::from_slice(&pixels, [pictures.len(), shape[0], shape[1], shape[2]]);
        let y = Tensor::from_slice(&classes, [classes.len()]);
        Ok(Examples { classes: self.listing.classes.clone(), ..Examples::new(x, y) })
    }
}

impl Dataset for ImageFolder {
    type Item = Example;

    fn len(&self) -> usize {
        self.listing.pictures.len()
    }

    /// The picture, `f32` from 0 to 1 and `[channels, height, width]`, and its class, `i64` and `[]`.
    fn get(&self, i: usize) -> Result<Example, DataError> {
        let (path, class) =
            self.listing.pictures.get(i).ok_or(DataError::NoSuchItem { index: i, len: self.len() })?;
        let picture = Picture::read(path, &self.options)?;
        Ok(Example {
            x: Tensor::from_slice(&picture.values(), picture.shape),
            y: Tensor::scalar(*class as i64),
        })
    }
}
