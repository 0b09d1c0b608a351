//! Examples that are all in memory.

use talweg_tensor::{DType, Tensor};

use crate::dataset::{Batch, Dataset, Example};
use crate::error::DataError;
use crate::split::{split, stratified};

/// Inputs and targets in memory, the first axis of each numbering the examples.
///
/// Bytes stay bytes: inputs of type `u8` become `f32` and are divided by [`divisor`](Self::divisor) only when a batch
/// is made, so that 60,000 pictures of 28 x 28 take 47 MB instead of 188. Cloning copies no numbers.
///
/// # Example
/// ```
/// use talweg_data::{Dataset, Examples};
/// use talweg_tensor::Tensor;
///
/// let x = Tensor::from_slice(&[0u8, 51, 102, 255], [2, 2]);
/// let examples = Examples::new(x, Tensor::from_slice(&[1i64, 0], [2]));
/// let batch = examples.batch(&[1, 0])?;
/// assert_eq!(batch.x.to_vec::<f32>(), [0.4, 1.0, 0.0, 0.2]);
/// assert_eq!(batch.y.to_vec::<i64>(), [0, 1]);
/// # Ok::<(), talweg_data::DataError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Examples {
    /// The inputs, `[n, ..]`.
    pub x: Tensor,
    /// The targets, `[n, ..]`: class indices `[n]` of type `i64`, or numbers.
    pub y: Tensor,
    /// What inputs of type `u8` are divided by; other types are taken as they are. 255 at first.
    pub divisor: f64,
    /// The names of the classes, or none where the targets are numbers.
    pub classes: Vec<String>,
}

impl Examples {
    /// Inputs and targets, with the divisor 255 for bytes and no names of classes.
    ///
    /// # Panics
    /// If one has no axis or their first axes differ in size.
    #[track_caller]
    pub fn new(x: Tensor, y: Tensor) -> Self {
        assert!(
            x.rank() > 0 && y.rank() > 0 && x.size(0) == y.size(0),
            "examples: the first axes must have one size, the number of examples: x {}, y {}",
            x.shape(),
            y.shape()
        );
        Self { x, y, divisor: 255.0, classes: Vec::new() }
    }

    /// The shape of one input, as a model sees it.
    pub fn input_shape(&self) -> Vec<usize> {
        self.x.shape().iter().skip(1).collect()
    }

    /// The given examples, copied, in the given order.
    ///
    /// # Errors
    /// [`NoSuchItem`](DataError::NoSuchItem).
    pub fn select(&self, indices: &[usize]) -> Result<Self, DataError> {
        let index = self.index(indices)?;
        Ok(Self { x: self.x.index_rows(&index), y: self.y.index_rows(&index), ..self.clone() })
    }

    /// Splits at random into two parts, the second with `round(len * share)` examples.
    ///
    /// # Panics
    /// If `share` is not between 0 and 1.
    #[track_caller]
    pub fn split(&self, share: f64, seed: u64) -> (Self, Self) {
        self.parts(split(self.len(), share, seed))
    }

    /// Splits at random into two parts, the second with `share` of every class.
    ///
    /// # Panics
    /// If the targets are not class indices, or `share` is not between 0 and 1.
    #[track_caller]
    pub fn split_stratified(&self, share: f64, seed: u64) -> (Self, Self) {
        assert!(
            self.y.dtype() == DType::I64 && self.y.rank() == 1,
            "split_stratified: class indices i64 [n] are needed, the targets are {} {}; use split",
            self.y.dtype(),
            self.y.shape()
        );
        self.parts(stratified(&self.y.to_vec::<i64>(), share, seed))
    }

    #[track_caller]
    fn parts(&self, (first, second): (Vec<usize>, Vec<usize>)) -> (Self, Self) {
        let part = |indices: &[usize]| self.select(indices).expect("a split holds only numbers of examples");
        (part(&first), part(&second))
    }

    fn index(&self, indices: &[usize]) -> Result<Tensor, DataError> {
        let len = self.len();
        if let Some(&index) = indices.iter().find(|&&index| index >= len) {
            return Err(DataError::NoSuchItem { index, len });
        }
        let index: Vec<i64> = indices.iter().map(|&index| index as i64).collect();
        Ok(Tensor::from_slice(&index, [index.len()]))
    }
}

impl Dataset for Examples {
    type Item = Example;

    fn len(&self) -> usize {
        self.x.size(0)
    }

    fn get(&self, i: usize) -> Result<Example, DataError> {
        let batch = self.batch(&[i])?;
        Ok(Example { x: batch.x.squeeze(0), y: batch.y.squeeze(0) })
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch, DataError> {
        let index = self.index(indices)?;
        let x = self.x.index_rows(&index);
        // Divided by a tensor, not by a number: the latter multiplies by the rounded inverse, and 102 / 255 would not
        // be 0.4.
        let divisor = Tensor::scalar(self.divisor as f32);
        let x = if x.dtype() == DType::U8 { x.cast(DType::F32) / divisor } else { x };
        Ok(Batch { x, y: self.y.index_rows(&index) })
    }
}
