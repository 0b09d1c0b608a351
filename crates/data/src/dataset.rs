//! What a data set is: numbered items, and how several become a batch.

use std::sync::Arc;

use talweg_tensor::Tensor;

use crate::error::DataError;

/// Items with the numbers `0..len`.
///
/// Implement it for your own data: `len` and `get` are enough. The loader calls them from several threads.
///
/// # Example
/// ```
/// use talweg_data::{DataError, DataLoader, Dataset, Example};
/// use talweg_tensor::Tensor;
///
/// /// The squares of the first numbers.
/// struct Squares(usize);
///
/// impl Dataset for Squares {
///     type Item = Example;
///     fn len(&self) -> usize {
///         self.0
///     }
///     fn get(&self, i: usize) -> Result<Example, DataError> {
///         let x = i as f32;
///         Ok(Example { x: Tensor::from_slice(&[x], [1]), y: Tensor::from_slice(&[x * x], [1]) })
///     }
/// }
///
/// let loader = DataLoader::new(Squares(5)).batch(2);
/// let sizes: Vec<usize> = loader.epoch(0).map(|batch| Ok(batch?.y.size(0))).collect::<Result<_, DataError>>()?;
/// assert_eq!(sizes, [2, 2, 1]);
/// # Ok::<(), DataError>(())
/// ```
pub trait Dataset: Send + Sync {
    /// What `get` returns: an [`Example`], or a type of your own that implements [`Collate`].
    type Item: Collate;

    /// The number of items.
    fn len(&self) -> usize;

    /// The item of number `i`.
    ///
    /// # Errors
    /// [`NoSuchItem`](DataError::NoSuchItem) from `len` on; whatever goes wrong where an item is read from a file.
    fn get(&self, i: usize) -> Result<Self::Item, DataError>;

    /// Whether there is no item.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The items of several numbers as one batch, in the order of the numbers.
    ///
    /// A data set that can collect several items faster than one by one overrides this.
    ///
    /// # Errors
    /// Those of [`get`](Self::get) and of [`Collate::collate`].
    fn batch(&self, indices: &[usize]) -> Result<<Self::Item as Collate>::Batch, DataError> {
        let items = indices.iter().map(|&i| self.get(i)).collect::<Result<_, _>>()?;
        Self::Item::collate(items)
    }
}

impl<D: Dataset + ?Sized> Dataset for Arc<D> {
    type Item = D::Item;

    fn len(&self) -> usize {
        (**self).len()
    }

    fn get(&self, i: usize) -> Result<Self::Item, DataError> {
        (**self).get(i)
    }

    fn batch(&self, indices: &[usize]) -> Result<<Self::Item as Collate>::Batch, DataError> {
        (**self).batch(indices)
    }
}

/// How items become a batch.
pub trait Collate: Sized {
    /// Several items as one value.
    type Batch: Send + 'static;

    /// Puts items together, in their order.
    ///
    /// # Errors
    /// Items that do not fit together, such as pictures of unequal sizes.
    fn collate(items: Vec<Self>) -> Result<Self::Batch, DataError>;
}

/// An input and its target, both without a batch axis: a picture `[channels, height, width]`, a class `[]`.
#[derive(Debug, Clone)]
pub struct Example {
    /// The input.
    pub x: Tensor,
    /// The target.
    pub y: Tensor,
}

/// Several examples, stacked along a new first axis.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The inputs, `[n, ..]`.
    pub x: Tensor,
    /// The targets, `[n, ..]`.
    pub y: Tensor,
}

impl Collate for Example {
    type Batch = Batch;

    /// Stacks inputs and targets.
    ///
    /// # Errors
    /// No items, or items whose shapes or types differ.
    fn collate(items: Vec<Self>) -> Result<Batch, DataError> {
        let first = items.first().ok_or_else(|| DataError::Options("a batch of no examples".to_string()))?;
        let kind = |tensor: &Tensor| (*tensor.shape(), tensor.dtype());
        for (number, item) in items.iter().enumerate() {
            for (role, found, expected) in [("input", &item.x, &first.x), ("target", &item.y, &first.y)] {
                if kind(found) != kind(expected) {
                    let describe = |tensor: &Tensor| format!("{} {}", tensor.dtype(), tensor.shape());
                    let (found, expected) = (describe(found), describe(expected));
                    return Err(DataError::UnequalItems { role, number, found, expected });
                }
            }
        }
        let stack =
            |part: fn(&Self) -> &Tensor| Tensor::stack(&items.iter().map(part).collect::<Vec<_>>(), 0);
        Ok(Batch { x: stack(|item| &item.x), y: stack(|item| &item.y) })
    }
}

/// Some items of a data set, in an order of their own: a view, nothing is copied.
#[derive(Debug, Clone)]
pub struct Subset<D> {
    /// The whole.
    pub data: D,
    /// The numbers of the chosen items, as often as they are listed.
    pub indices: Vec<usize>,
}

impl<D: Dataset> Subset<D> {
    fn whole_index(&self, i: usize) -> Result<usize, DataError> {
        self.indices.get(i).copied().ok_or(DataError::NoSuchItem { index: i, len: self.indices.len() })
    }
}

impl<D: Dataset> Dataset for Subset<D> {
    type Item = D::Item;

    fn len(&self) -> usize {
        self.indices.len()
    }

    fn get(&self, i: usize) -> Result<Self::Item, DataError> {
        self.data.get(self.whole_index(i)?)
    }

    fn batch(&self, indices: &[usize]) -> Result<<Self::Item as Collate>::Batch, DataError> {
        let whole: Vec<usize> = indices.iter().map(|&i| self.whole_index(i)).collect::<Result<_, _>>()?;
        self.data.batch(&whole)
    }
}
