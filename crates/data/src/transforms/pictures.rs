//! Random changes of pictures `[n, channels, height, width]`, drawn for each picture anew.

use talweg_tensor::{DType, Rng, Tensor};

use super::Transform;
use crate::dataset::Batch;
use crate::error::DataError;

/// Mirrors each picture, left to right, with a probability.
///
/// Of use where a mirrored thing is the same thing (animals, clothes), not for digits and letters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RandomFlip {
    /// The probability, 0 to 1. Default: 0.5.
    pub probability: f64,
}

impl Default for RandomFlip {
    fn default() -> Self {
        Self { probability: 0.5 }
    }
}

impl Transform<Batch> for RandomFlip {
    fn apply(&self, batch: Batch, rng: &mut Rng) -> Result<Batch, DataError> {
        let [_, _, height, width] = picture_sizes("random flip", &batch)?;
        let draw = &mut |rng: &mut Rng| Window { flip: rng.unit() < self.probability, ..Window::default() };
        Ok(cut(batch, [height, width], 0.0, rng, draw))
    }
}

/// Moves each picture by a random number of pixels up or down and left or right; what is uncovered is filled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RandomShift {
    /// The most pixels in each direction. Default: 2.
    pub most: usize,
    /// The value of uncovered pixels. Default: 0, black.
    pub fill: f32,
}

impl Default for RandomShift {
    fn default() -> Self {
        Self { most: 2, fill: 0.0 }
    }
}

impl Transform<Batch> for RandomShift {
    fn apply(&self, batch: Batch, rng: &mut Rng) -> Result<Batch, DataError> {
        let [_, _, height, width] = picture_sizes("random shift", &batch)?;
        let most = self.most.min(height.max(width));
        let draw = &mut |rng: &mut Rng| {
            let mut step = || rng.below(2 * most + 1) as isize - most as isize;
            Window { top: step(), left: step(), flip: false }
        };
        Ok(cut(batch, [height, width], self.fill, rng, draw))
    }
}

/// Cuts a part of fixed size out of each picture, at a random place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RandomCrop {
    /// Rows of the part.
    pub height: usize,
    /// Columns of the part.
    pub width: usize,
}

impl Transform<Batch> for RandomCrop {
    fn apply(&self, batch: Batch, rng: &mut Rng) -> Result<Batch, DataError> {
        let [_, _, height, width] = picture_sizes("random crop", &batch)?;
        if self.height > height || self.width > width {
            let (wanted_height, wanted_width) = (self.height, self.width);
            return Err(DataError::Options(format!(
                "random crop: a part of {wanted_height} x {wanted_width} from pictures of {height} x {width}"
            )));
        }
        let draw = &mut |rng: &mut Rng| Window {
            top: rng.below(height - self.height + 1) as isize,
            left: rng.below(width - self.width + 1) as isize,
            flip: false,
        };
        Ok(cut(batch, [self.height, self.width], 0.0, rng, draw))
    }
}

/// The part of a picture that becomes the new picture: its upper left corner, which may lie outside, and whether it
/// is mirrored.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    top: isize,
    left: isize,
    flip: bool,
}

fn picture_sizes(transform: &str, batch: &Batch) -> Result<[usize; 4], DataError> {
    if batch.x.rank() == 4 && batch.x.dtype().is_float() {
        return Ok(batch.x.sizes());
    }
    Err(DataError::Options(format!(
        "{transform}: pictures [n, channels, height, width] of a floating-point type are needed, found {} {}",
        batch.x.dtype(),
        batch.x.shape()
    )))
}

/// Replaces each picture by a window of it, of `height` x `width`, drawn by `draw`; outside of the picture is `fill`.
fn cut(
    batch: Batch,
    [height, width]: [usize; 2],
    fill: f32,
    rng: &mut Rng,
    draw: &mut dyn FnMut(&mut Rng) -> Window,
) -> Batch {
    let [n, channels, old_height, old_width] = batch.x.sizes();
    let old = batch.x.cast(DType::F32).to_vec::<f32>();
    let mut new = vec![fill; n * channels * height * width];
    let old_picture = channels * old_height * old_width;
    for picture in 0..n {
        let window = draw(rng);
        // The columns of the new picture that lie inside the old one, before mirroring.
        let first = (-window.left).clamp(0, width as isize) as usize;
        let end = (old_width as isize - window.left).clamp(first as isize, width as isize) as usize;
        for (channel, row) in (0..channels).flat_map(|channel| (0..height).map(move |row| (channel, row))) {
            let old_row = window.top + row as isize;
            if old_row < 0 || old_row >= old_height as isize || first == end {
                continue;
            }
            let start = picture * old_picture + (channel * old_height + old_row as usize) * old_width;
            let from = (start as isize + first as isize + window.left) as usize;
            let to = ((picture * channels + channel) * height + row) * width;
            let line = &mut new[to..to + width];
            line[first..end].copy_from_slice(&old[from..from + end - first]);
            if window.flip {
                line.reverse();
            }
        }
    }
    let x = Tensor::from_slice(&new, [n, channels, height, width]).cast(batch.x.dtype());
    Batch { x, y: batch.y }
}
