//! Mean 0 and standard deviation 1.

use talweg_tensor::{DType, Rng, Tensor};

use super::Transform;
use crate::dataset::{Batch, Dataset};
use crate::error::DataError;
use crate::examples::Examples;

/// x\[:, c\] = (x\[:, c\] - mean\[c\]) / deviation\[c\]: channel c of pictures `[n, channels, height, width]`, column c
/// of tables `[n, columns]`.
///
/// # Example
/// ```
/// use talweg_data::transforms::{Normalise, Transform};
/// use talweg_data::{Dataset, Examples};
/// use talweg_tensor::{Rng, Tensor};
///
/// let x = Tensor::from_slice(&[1.0f32, 10.0, 3.0, 10.0], [2, 2]);
/// let examples = Examples::new(x, Tensor::from_slice(&[0i64, 1], [2]));
/// let normalise = Normalise::fit(&examples)?;
/// assert_eq!(normalise, Normalise { mean: vec![2.0, 10.0], deviation: vec![1.0, 1.0] });
/// let batch = normalise.apply(examples.batch(&[0, 1])?, &mut Rng::seed(0))?;
/// assert_eq!(batch.x.to_vec::<f32>(), [-1.0, 0.0, 1.0, 0.0]);
/// # Ok::<(), talweg_data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Normalise {
    /// What is subtracted, for each channel.
    pub mean: Vec<f64>,
    /// What is divided by afterwards, for each channel.
    pub deviation: Vec<f64>,
}

impl Normalise {
    /// Learns mean and standard deviation (with the number of values as divisor) of every channel of the training
    /// examples; a constant channel gets the deviation 1.
    ///
    /// # Errors
    /// Inputs without an axis of channels, or no examples.
    pub fn fit(examples: &Examples) -> Result<Self, DataError> {
        let shape = examples.input_shape();
        let (Some(&channels), false) = (shape.first(), examples.is_empty()) else {
            return Err(DataError::Options(format!(
                "normalise: inputs [n, channels, ..] with n > 0 are needed, found {}",
                examples.x.shape()
            )));
        };
        let inner = shape[1..].iter().product::<usize>();
        let mut sums = vec![(0.0, 0.0); channels];
        for start in (0..examples.len()).step_by(PART) {
            let part: Vec<usize> = (start..examples.len().min(start + PART)).collect();
            let values = examples.batch(&part)?.x.cast(DType::F64).to_vec::<f64>();
            for (index, value) in values.into_iter().enumerate() {
                let (sum, squares) = &mut sums[index / inner % channels];
                *sum += value;
                *squares += value * value;
            }
        }
        let count = (examples.len() * inner) as f64;
        let mean: Vec<f64> = sums.iter().map(|(sum, _)| sum / count).collect();
        let deviation = sums.iter().zip(&mean).map(|((_, squares), mean)| {
            // The difference of two large numbers: what is below their rounding is no deviation.
            let variance = squares / count - mean * mean;
            if variance > 1e-12 * mean * mean { variance.sqrt() } else { 1.0 }
        });
        Ok(Self { deviation: deviation.collect(), mean })
    }
}

/// Examples whose values are summed up at a time.
const PART: usize = 1024;

impl Transform<Batch> for Normalise {
    fn apply(&self, batch: Batch, _rng: &mut Rng) -> Result<Batch, DataError> {
        let channels = self.mean.len();
        if batch.x.rank() < 2 || batch.x.size(1) != channels || self.deviation.len() != channels {
            return Err(DataError::Options(format!(
                "normalise: {channels} means and {} deviations for inputs {}; axis 1 must have as many",
                self.deviation.len(),
                batch.x.shape()
            )));
        }
        let mut shape = vec![1; batch.x.rank()];
        shape[1] = channels;
        let row = |values: &[f64]| Tensor::from_slice(values, &shape[..]).cast(batch.x.dtype());
        let x = (&batch.x - &row(&self.mean)) / &row(&self.deviation);
        Ok(Batch { x, y: batch.y })
    }
}
