//! Batches of a data set, epoch by epoch, made in the background.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};

use crate::dataset::{Collate, Dataset};
use crate::error::DataError;
use crate::sampler::{Sampler, Sequential, Shuffled};
use crate::split::Purpose;
use crate::transforms::Transform;

/// The batch type of a data set.
pub type BatchOf<D> = <<D as Dataset>::Item as Collate>::Batch;

/// Cuts a data set into batches, in the order of a [`Sampler`], and makes them, if wanted, in background threads.
///
/// The batches of an epoch are a pure function of the data, the options, the seed and the epoch's number: the number
/// of workers changes neither their order nor a single bit.
///
/// # Example
/// ```
/// use talweg_data::{DataError, DataLoader, datasets};
///
/// let (train, _test) = datasets::digits();
/// let loader = DataLoader::new(train).batch(64).shuffle(7).workers(1);
/// let mut seen = 0;
/// for batch in loader.epoch(0) {
///     seen += batch?.x.size(0);
/// }
/// assert_eq!(seen, 1438);
/// # Ok::<(), DataError>(())
/// ```
pub struct DataLoader<D: Dataset> {
    data: Arc<D>,
    sampler: Arc<dyn Sampler>,
    transforms: Vec<Arc<dyn Transform<BatchOf<D>>>>,
    batch: usize,
    drop_last: bool,
    workers: usize,
    seed: u64,
}

impl<D: Dataset> Clone for DataLoader<D> {
    fn clone(&self) -> Self {
        Self {
            data: Arc::clone(&self.data),
            sampler: Arc::clone(&self.sampler),
            transforms: self.transforms.clone(),
            ..*self
        }
    }
}

impl<D: Dataset> DataLoader<D> {
    /// A loader of single items in their order, without workers.
    pub fn new(data: D) -> Self {
        Self {
            data: Arc::new(data),
            sampler: Arc::new(Sequential),
            transforms: Vec::new(),
            batch: 1,
            drop_last: false,
            workers: 0,
            seed: 0,
        }
    }

    /// Items in a batch; the last batch of an epoch may have fewer.
    ///
    /// # Panics
    /// If `size` is 0.
    #[track_caller]
    pub fn batch(mut self, size: usize) -> Self {
        assert!(size > 0, "data loader: a batch of 0 items; set batch to 1 or more");
        self.batch = size;
        self
    }

    /// Visits the items in a random order, another one in every epoch; the seed also serves the transforms.
    pub fn shuffle(self, seed: u64) -> Self {
        self.sampler(Shuffled { seed }).seed(seed)
    }

    /// Visits the items in the order of `sampler`.
    pub fn sampler(mut self, sampler: impl Sampler + 'static) -> Self {
        self.sampler = Arc::new(sampler);
        self
    }

    /// The seed of the transforms' random numbers; 0 at first.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Whether to leave out the last batch of an epoch where it would have fewer items than the others.
    pub fn drop_last(mut self, drop_last: bool) -> Self {
        self.drop_last = drop_last;
        self
    }

    /// Threads that make batches while the program works on earlier ones; with 0, a batch is made when it is asked
    /// for. Each worker is at most two finished batches ahead.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Changes every batch by `transform`, after those that were added before.
    pub fn transform(mut self, transform: impl Transform<BatchOf<D>> + 'static) -> Self {
        self.transforms.push(Arc::new(transform));
        self
    }

    /// The data set.
    pub fn data(&self) -> &D {
        &self.data
    }

    /// The number of batches in `epoch`.
    pub fn batches(&self, epoch: u64) -> usize {
        self.count(self.sampler.order(self.data.len(), epoch).len())
    }

    fn count(&self, items: usize) -> usize {
        if self.drop_last { items / self.batch } else { items.div_ceil(self.batch) }
    }
}

impl<D: Dataset + 'static> DataLoader<D> {
    /// The batches of an epoch, from the first on.
    ///
    /// Each is the batch or the reason why it could not be made; an error does not end the epoch, and a panic in the
    /// data set, the transforms or [`Collate`] arrives as [`WorkerPanicked`](DataError::WorkerPanicked) in its place.
    pub fn epoch(&self, epoch: u64) -> Epoch<D> {
        self.epoch_from(epoch, 0)
    }

    /// The batches of an epoch from number `position` on, as an interrupted run needs it: exactly those that
    /// [`epoch`](Self::epoch) would have had after `position` batches.
    pub fn epoch_from(&self, epoch: u64, position: usize) -> Epoch<D> {
        let order = self.sampler.order(self.data.len(), epoch);
        let end = self.count(order.len());
        let start = position.min(end);
        let recipe = Arc::new(Recipe { loader: self.clone(), order, epoch });
        let workers = self.workers.min(end - start);
        let spawn = |first| Worker::spawn(Arc::clone(&recipe), (start + first..end).step_by(workers));
        let workers = (0..workers).map(spawn).collect();
        Epoch { recipe, workers, start, next: start, end }
    }
}

/// The batches of one epoch, in order: see [`DataLoader::epoch`]. Dropping it ends its threads, after the batch that
/// each is busy with.
pub struct Epoch<D: Dataset> {
    recipe: Arc<Recipe<D>>,
    workers: Vec<Worker<BatchOf<D>>>,
    start: usize,
    next: usize,
    end: usize,
}

impl<D: Dataset> Epoch<D> {
    /// How many batches of the epoch are behind: what [`DataLoader::epoch_from`] needs to continue here.
    pub fn position(&self) -> usize {
        self.next
    }
}

impl<D: Dataset> Iterator for Epoch<D> {
    type Item = Result<BatchOf<D>, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.end {
            return None;
        }
        let number = self.next;
        self.next += 1;
        Some(match self.workers.len() {
            0 => self.recipe.make(number),
            // Worker w makes every batch whose number is w more than a multiple of the number of workers.
            count => self.workers[(number - self.start) % count].receive(number),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.end - self.next, Some(self.end - self.next))
    }
}

impl<D: Dataset> ExactSizeIterator for Epoch<D> {}

/// All that a batch depends on.
struct Recipe<D: Dataset> {
    loader: DataLoader<D>,
    order: Vec<usize>,
    epoch: u64,
}

impl<D: Dataset> Recipe<D> {
    fn make(&self, number: usize) -> Result<BatchOf<D>, DataError> {
        // Whatever the panic left half done is dropped with the batch; the data set is only read.
        catch_unwind(AssertUnwindSafe(|| self.try_make(number))).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().map(ToString::to_string);
            let message = text.or_else(|| panic.downcast_ref::<String>().cloned());
            let message = message.unwrap_or_else(|| "a panic without a message".to_string());
            Err(DataError::WorkerPanicked { batch: number, message })
        })
    }

    fn try_make(&self, number: usize) -> Result<BatchOf<D>, DataError> {
        let DataLoader { batch: size, data, transforms, seed, .. } = &self.loader;
        let start = number * size;
        let indices = &self.order[start..self.order.len().min(start + size)];
        let mut batch = data.batch(indices)?;
        let rng = &mut Purpose::Transform.rng(*seed, self.epoch << 32 | number as u64);
        for transform in transforms {
            batch = transform.apply(batch, rng)?;
        }
        Ok(batch)
    }
}

/// A thread and the batches that it has finished.
struct Worker<B> {
    batches: Option<Receiver<Result<B, DataError>>>,
    thread: Option<JoinHandle<()>>,
}

/// Batches that a worker finishes before it waits for the program to take one.
const AHEAD: usize = 2;

impl<B: Send + 'static> Worker<B> {
    fn spawn<D>(recipe: Arc<Recipe<D>>, numbers: impl Iterator<Item = usize> + Send + 'static) -> Self
    where
        D: Dataset + 'static,
        D::Item: Collate<Batch = B>,
    {
        let (sender, batches) = sync_channel(AHEAD);
        let work = move || {
            for number in numbers {
                // Sending fails when the epoch was dropped: nobody wants the rest.
                if sender.send(recipe.make(number)).is_err() {
                    break;
                }
            }
        };
        // Where the system has no thread to give, the channel closes, and `receive` says so.
        let thread = thread::Builder::new().name("talweg-data".to_string()).spawn(work).ok();
        Self { batches: Some(batches), thread }
    }
}

impl<B> Worker<B> {
    fn receive(&self, batch: usize) -> Result<B, DataError> {
        let received = self.batches.as_ref().and_then(|batches| batches.recv().ok());
        received.unwrap_or_else(|| {
            let message = "the worker thread could not be started or ended early".to_string();
            Err(DataError::WorkerPanicked { batch, message })
        })
    }
}

impl<B> Drop for Worker<B> {
    fn drop(&mut self) {
        // A worker that waits to send is woken by the closing of the channel.
        drop(self.batches.take());
        if let Some(thread) = self.thread.take() {
            // `make` catches panics, so there is nothing to learn from how the thread ended.
            let _ended = thread.join();
        }
    }
}
