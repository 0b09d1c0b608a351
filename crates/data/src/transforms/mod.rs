//! Changes of whole batches: scaling of inputs, and random changes of pictures that make more of few.
//!
//! A transform gets its random numbers from the loader, which derives them from its seed, the epoch and the number of
//! the batch: the same batch changes in the same way whatever thread makes it, and after an interruption.

mod normalise;
mod pictures;

use talweg_tensor::Rng;

pub use normalise::Normalise;
pub use pictures::{RandomCrop, RandomFlip, RandomShift};

use crate::error::DataError;

/// A change of a batch. The loader calls it from several threads.
///
/// # Example
/// ```
/// use talweg_data::transforms::Transform;
/// use talweg_data::{Batch, DataError};
/// use talweg_tensor::{DType, Rng};
///
/// /// Adds normally distributed noise to the inputs.
/// struct Noise(f64);
///
/// impl Transform<Batch> for Noise {
///     fn apply(&self, batch: Batch, rng: &mut Rng) -> Result<Batch, DataError> {
///         let noise = rng.normal(*batch.x.shape(), 0.0, self.0, DType::F32);
///         Ok(Batch { x: batch.x + noise, y: batch.y })
///     }
/// }
/// # let (train, _) = talweg_data::datasets::digits();
/// # let loader = talweg_data::DataLoader::new(train).batch(8).transform(Noise(0.1));
/// # assert_eq!(loader.epoch(0).next().unwrap()?.x.size(0), 8);
/// # Ok::<(), DataError>(())
/// ```
pub trait Transform<B>: Send + Sync {
    /// The changed batch.
    ///
    /// # Errors
    /// A batch that the transform cannot change, such as one of tables where pictures are needed.
    fn apply(&self, batch: B, rng: &mut Rng) -> Result<B, DataError>;
}
