//! The trainer: what is to be done, before it is done.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use talweg_data::{Batch, Collate, DataLoader, Dataset};
use talweg_nn::{Layer, Loss, Penalty};
use talweg_optim::{Clip, Group, Plateau, Rule, Sam, Schedule, Sgd};
use talweg_tensor::Precision;

use crate::callback::Callback;
use crate::error::TrainError;
use crate::fit;
use crate::metrics::Metric;
use crate::report::Report;
use crate::stopping::{Convergence, EarlyStopping, Monitor};

/// Trains a model: the loop of forward pass, loss, backward pass and update, with what a run needs around it.
///
/// # Examples
/// ```
/// use talweg_data::datasets;
/// use talweg_nn::{CrossEntropy, Flatten, Linear, Relu, seq};
/// use talweg_optim::{AdamW, Schedule};
/// use talweg_tensor::Rng;
/// use talweg_train::{Accuracy, Trainer};
///
/// # extern crate talweg_nn as talweg;
/// let rng = &mut Rng::seed(7);
/// let (train, test) = datasets::digits();
/// let model = seq![Flatten, Linear::new(64, 32, rng), Relu, Linear::new(32, 10, rng)];
/// let report = Trainer::new(model, CrossEntropy::default())
///     .optimizer(AdamW::default(), Schedule::one_cycle(1e-2))
///     .metric(Accuracy)
///     .epochs(3)
///     .fit(&train, &test)?;
/// assert!(report.last().unwrap().validation.as_ref().unwrap().get("accuracy").unwrap() > 0.8);
/// # Ok::<(), talweg_train::TrainError>(())
/// ```
pub struct Trainer<M> {
    pub(crate) model: M,
    pub(crate) loss: Box<dyn Loss>,
    pub(crate) rule: Arc<dyn Rule>,
    pub(crate) schedule: Schedule,
    pub(crate) metrics: Vec<Arc<dyn Metric>>,
    pub(crate) callbacks: Vec<Box<dyn Callback>>,
    pub(crate) penalty: Option<Penalty>,
    pub(crate) clip: Option<Clip>,
    pub(crate) groups: Vec<(String, Group)>,
    pub(crate) plateau: Option<(Plateau, Monitor)>,
    pub(crate) sam: Option<Sam>,
    /// Into how many parts a batch is cut.
    pub(crate) parts: usize,
    pub(crate) epochs: u64,
    pub(crate) iterations: Option<u64>,
    pub(crate) batch: usize,
    pub(crate) workers: usize,
    pub(crate) seed: u64,
    pub(crate) early_stopping: Option<EarlyStopping>,
    pub(crate) convergence: Option<Convergence>,
    pub(crate) run_dir: Option<PathBuf>,
    pub(crate) save_steps: Option<u64>,
    pub(crate) save_interval: Duration,
    pub(crate) log_steps: Option<u64>,
    pub(crate) interrupt: Option<Arc<AtomicBool>>,
    pub(crate) capture: bool,
    pub(crate) anomaly: bool,
    pub(crate) precision: Precision,
}

impl<M: Layer> Trainer<M> {
    /// A trainer with defaults: gradient descent with the rate 0.01 and momentum 0.9, 10 epochs of batches of 64,
    /// seed 0.
    pub fn new(model: M, loss: impl Loss + 'static) -> Trainer<M> {
        Trainer::boxed(model, Box::new(loss))
    }

    /// The same for a loss chosen at run time.
    pub fn boxed(model: M, loss: Box<dyn Loss>) -> Trainer<M> {
        Trainer {
            model,
            loss,
            rule: Arc::new(Sgd { momentum: 0.9, ..Default::default() }),
            schedule: Schedule::constant(0.01),
            metrics: Vec::new(),
            callbacks: Vec::new(),
            penalty: None,
            clip: None,
            groups: Vec::new(),
            plateau: None,
            sam: None,
            parts: 1,
            epochs: 10,
            iterations: None,
            batch: 64,
            workers: 0,
            seed: 0,
            early_stopping: None,
            convergence: None,
            run_dir: None,
            save_steps: None,
            save_interval: Duration::from_secs(30),
            log_steps: None,
            interrupt: None,
            capture: true,
            anomaly: false,
            precision: Precision::Full,
        }
    }

    /// The optimizer and its learning rate; the schedule may be a plain number.
    pub fn optimizer(self, rule: impl Rule + 'static, schedule: impl Into<Schedule>) -> Trainer<M> {
        self.rule(Arc::new(rule), schedule)
    }

    /// The same for a rule chosen at run time.
    pub fn rule(mut self, rule: Arc<dyn Rule>, schedule: impl Into<Schedule>) -> Trainer<M> {
        (self.rule, self.schedule) = (rule, schedule.into());
        self
    }

    /// Measures something besides the loss.
    pub fn metric(self, metric: impl Metric + 'static) -> Trainer<M> {
        self.metrics([Arc::new(metric) as Arc<dyn Metric>])
    }

    /// The same for metrics chosen at run time.
    pub fn metrics(mut self, metrics: impl IntoIterator<Item = Arc<dyn Metric>>) -> Trainer<M> {
        self.metrics.extend(metrics);
        self
    }

    /// Lets something listen to the run.
    pub fn callback(mut self, callback: impl Callback + 'static) -> Trainer<M> {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Adds a penalty on the weights to the loss.
    pub fn penalty(mut self, penalty: Penalty) -> Trainer<M> {
        self.penalty = Some(penalty);
        self
    }

    /// Limits gradients before each step.
    pub fn clip(mut self, clip: Clip) -> Trainer<M> {
        self.clip = Some(clip);
        self
    }

    /// Gives the parameters whose names fit a pattern other options, see [`talweg_optim::Optimizer::group_by`].
    ///
    /// [`Trainer::fit`] panics when no parameter fits.
    pub fn group(mut self, pattern: &str, group: Group) -> Trainer<M> {
        self.groups.push((pattern.into(), group));
        self
    }

    /// Lowers the learning rate when the validation loss, or another score, has got no better for a while; judged after
    /// each epoch. Whether higher is better follows from the score.
    pub fn plateau(mut self, plateau: Plateau, monitor: Monitor) -> Trainer<M> {
        self.plateau = Some((plateau, monitor));
        self
    }

    /// Takes the gradient of every step at the worst point nearby, see [`Sam`]: twice the work. Running statistics of
    /// normalisations hear of both passes.
    pub fn sam(mut self, sam: Sam) -> Trainer<M> {
        self.sam = Some(sam);
        self
    }

    /// Cuts every batch into so many parts, and adds their gradients up before the step: the step of the whole batch, with
    /// the memory of a part.
    ///
    /// The same but for rounding, where the loss is a mean over the examples and no layer looks at several examples at
    /// once, as batch normalisation does. Each part draws its own random numbers.
    ///
    /// # Panics
    /// When it is 0.
    #[track_caller]
    pub fn accumulate(mut self, parts: usize) -> Trainer<M> {
        assert!(parts > 0, "trainer: a batch cannot be cut into 0 parts");
        self.parts = parts;
        self
    }

    /// How often all examples are seen.
    pub fn epochs(mut self, epochs: u64) -> Trainer<M> {
        self.epochs = epochs;
        self
    }

    /// Ends the run after this many steps, in the middle of an epoch if it comes to that.
    pub fn iterations(mut self, steps: u64) -> Trainer<M> {
        self.iterations = Some(steps);
        self
    }

    /// How many examples a step sees.
    ///
    /// # Panics
    /// When it is 0.
    #[track_caller]
    pub fn batch(mut self, examples: usize) -> Trainer<M> {
        assert!(examples > 0, "trainer: a batch cannot have 0 examples");
        self.batch = examples;
        self
    }

    /// Threads that prepare batches while the model trains; 0 prepares each when it is needed.
    pub fn workers(mut self, workers: usize) -> Trainer<M> {
        self.workers = workers;
        self
    }

    /// The seed of the examples' order and of the layers' random numbers.
    pub fn seed(mut self, seed: u64) -> Trainer<M> {
        self.seed = seed;
        self
    }

    /// Ends the run when the validation loss has got no better for `patience` epochs, and puts the best weights back.
    pub fn early_stopping(self, patience: u64) -> Trainer<M> {
        self.early_stopping_by(EarlyStopping { patience, ..Default::default() })
    }

    /// The same with every choice.
    pub fn early_stopping_by(mut self, rule: EarlyStopping) -> Trainer<M> {
        self.early_stopping = Some(rule);
        self
    }

    /// Ends the run when the training loss has changed by less than `tolerance` from epoch to epoch, `patience` times
    /// in a row.
    pub fn convergence(mut self, tolerance: f64, patience: u64) -> Trainer<M> {
        self.convergence = Some(Convergence { tolerance, patience });
        self
    }

    /// Keeps checkpoints, metrics and weights in a folder; see [`crate::RunDir`].
    pub fn run_dir(mut self, path: impl Into<PathBuf>) -> Trainer<M> {
        self.run_dir = Some(path.into());
        self
    }

    /// Writes a checkpoint after every so many steps, besides those at the end of each epoch and every 30 seconds.
    pub fn save_every(mut self, steps: u64) -> Trainer<M> {
        self.save_steps = Some(steps.max(1));
        self
    }

    /// The longest time between two checkpoints; 30 seconds unless said otherwise.
    pub fn save_interval(mut self, interval: Duration) -> Trainer<M> {
        self.save_interval = interval;
        self
    }

    /// Adds a line to the metrics file after every so many steps, besides those at the end of each epoch.
    pub fn log_every(mut self, steps: u64) -> Trainer<M> {
        self.log_steps = Some(steps.max(1));
        self
    }

    /// Ends the run after the present step when the flag is set, with a checkpoint, so that it can be resumed: for
    /// Ctrl-C.
    pub fn interrupt(mut self, flag: Arc<AtomicBool>) -> Trainer<M> {
        self.interrupt = Some(flag);
        self
    }

    /// Whether steps are recorded and replayed where they allow it, see [`talweg_tensor::capture`]; on unless said
    /// otherwise. The numbers are the same.
    ///
    /// Switch it off for a model whose forward pass changes its ways by a variable of its own, such as a counter of
    /// steps: a replay would go on as recorded. What the model computes by its input, parameters, buffers and generator
    /// is safe.
    pub fn capture(mut self, on: bool) -> Trainer<M> {
        self.capture = on;
        self
    }

    /// Whether each step is searched for the operation that first makes a NaN, forward or backward; off unless said
    /// otherwise. [`Trainer::fit`] then ends with [`TrainError::Anomaly`]. For finding a mistake: it makes steps slow, see
    /// [`talweg_tensor::detect_anomaly`].
    pub fn anomaly(mut self, on: bool) -> Trainer<M> {
        self.anomaly = on;
        self
    }

    /// How exactly the factors of the model's matrix products enter, forward and backward: [`Precision::Bf16`] trains in
    /// mixed precision, see [`talweg_tensor::mixed_precision`]. Weights, gradients, loss and evaluation stay as they are.
    pub fn precision(mut self, precision: Precision) -> Trainer<M> {
        self.precision = precision;
        self
    }

    /// The model.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// Trains, and measures after each epoch on the validation data.
    ///
    /// The model is trained in place; keep it by giving the trainer an [`Arc`] of it, or take it back with
    /// [`Trainer::model`].
    ///
    /// # Errors
    /// When data cannot be read, the run folder cannot be written or holds a run already, or the loss becomes NaN or
    /// infinite. What was computed is in the last checkpoint.
    pub fn fit<D, V>(&mut self, train: &D, validation: &V) -> Result<Report, TrainError>
    where
        D: Dataset + Clone + 'static,
        D::Item: Collate<Batch = Batch>,
        V: Dataset + Clone + 'static,
        V::Item: Collate<Batch = Batch>,
    {
        let (train, validation) = (self.training_loader(train), self.validation_loader(validation));
        self.fit_loaders(train, Some(validation))
    }

    /// Goes on with the run in the run folder, from its last checkpoint: everything that follows is what would have
    /// followed without the interruption, to the bit. Model, loss, optimizer, data and seed must be those of the run.
    ///
    /// # Errors
    /// Those of [`Trainer::fit`]; when there is no run in the folder; when its checkpoint does not fit the model or
    /// the optimizer.
    pub fn resume<D, V>(&mut self, train: &D, validation: &V) -> Result<Report, TrainError>
    where
        D: Dataset + Clone + 'static,
        D::Item: Collate<Batch = Batch>,
        V: Dataset + Clone + 'static,
        V::Item: Collate<Batch = Batch>,
    {
        let (train, validation) = (self.training_loader(train), self.validation_loader(validation));
        self.resume_loaders(train, Some(validation))
    }

    /// Trains with loaders of the caller's making: with augmentation, samplers, or without validation data.
    ///
    /// # Errors
    /// Those of [`Trainer::fit`].
    pub fn fit_loaders<D, V>(
        &mut self,
        train: DataLoader<D>,
        validation: Option<DataLoader<V>>,
    ) -> Result<Report, TrainError>
    where
        D: Dataset + 'static,
        D::Item: Collate<Batch = Batch>,
        V: Dataset + 'static,
        V::Item: Collate<Batch = Batch>,
    {
        fit::fit(self, train, validation, false)
    }

    /// Goes on with a run with loaders of the caller's making.
    ///
    /// # Errors
    /// Those of [`Trainer::resume`].
    pub fn resume_loaders<D, V>(
        &mut self,
        train: DataLoader<D>,
        validation: Option<DataLoader<V>>,
    ) -> Result<Report, TrainError>
    where
        D: Dataset + 'static,
        D::Item: Collate<Batch = Batch>,
        V: Dataset + 'static,
        V::Item: Collate<Batch = Batch>,
    {
        fit::fit(self, train, validation, true)
    }

    fn training_loader<D>(&self, data: &D) -> DataLoader<D>
    where
        D: Dataset + Clone + 'static,
        D::Item: Collate<Batch = Batch>,
    {
        DataLoader::new(data.clone()).batch(self.batch).shuffle(self.seed).workers(self.workers)
    }

    fn validation_loader<D>(&self, data: &D) -> DataLoader<D>
    where
        D: Dataset + Clone + 'static,
        D::Item: Collate<Batch = Batch>,
    {
        // Evaluation keeps no graph, so that its batches can be larger.
        DataLoader::new(data.clone()).batch(self.batch.max(256)).workers(self.workers)
    }
}
