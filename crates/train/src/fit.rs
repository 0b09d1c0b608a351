//! The loop.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde::Serialize;
use talweg_data::{Batch, Collate, DataLoader, Dataset};
use talweg_nn::{Layer, Load};
use talweg_optim::{Optimizer, Plateau};
use talweg_tensor::{Gradients, Recordings, Rng, Status, Tensor};

use crate::callback::{Event, Flow, Run};
use crate::checkpoint::{Checkpoint, write_atomic};
use crate::error::TrainError;
use crate::evaluate::{Sums, evaluate};
use crate::report::{EpochRecord, Report, StopReason};
use crate::run_dir::RunDir;
use crate::state::RunState;
use crate::step::{Forward, run, run_often, searched};
use crate::stopping::Verdict;
use crate::trainer::Trainer;

/// The stream of the trainer's seed that layers draw from; the order of examples has its own.
const LAYERS: u64 = 1;

/// Checkpoints at the end of epochs are at least this far apart.
const EPOCH_INTERVAL: Duration = Duration::from_secs(1);

/// A line of the metrics file for one step.
#[derive(Serialize)]
struct StepRecord {
    step: u64,
    loss: f64,
    lr: f64,
}

/// Trains or goes on.
pub(crate) fn fit<M, D, V>(
    trainer: &mut Trainer<M>,
    train: DataLoader<D>,
    validation: Option<DataLoader<V>>,
    resume: bool,
) -> Result<Report, TrainError>
where
    M: Layer,
    D: Dataset + 'static,
    D::Item: Collate<Batch = Batch>,
    V: Dataset + 'static,
    V::Item: Collate<Batch = Batch>,
{
    let batches = train.batches(0) as u64;
    if batches == 0 {
        return Err(TrainError::Empty { part: "training" });
    }
    let mut fit = Fit::open(trainer, batches, resume)?;
    fit.tell(&Event::Start);
    while fit.state.stop.is_none() {
        fit.epoch(&train)?;
        // An interrupted epoch goes on later; one that ends for another reason is measured as far as it came.
        if fit.state.stop != Some(StopReason::Interrupted) || fit.state.position == batches {
            fit.end_epoch(validation.as_ref())?;
        }
    }
    fit.finish()
}

struct Fit<'a, M> {
    trainer: &'a mut Trainer<M>,
    optimizer: Optimizer,
    recordings: Recordings,
    /// How steps run, as last told.
    told: Option<String>,
    state: RunState,
    /// The best weights, if early stopping keeps them.
    best: Vec<(String, Tensor)>,
    dir: Option<RunDir>,
    batches: u64,
    started: Instant,
    saved: Instant,
    asked_to_stop: bool,
}

impl<'a, M: Layer> Fit<'a, M> {
    fn open(trainer: &'a mut Trainer<M>, batches: u64, resume: bool) -> Result<Fit<'a, M>, TrainError> {
        let steps = trainer.iterations.unwrap_or(u64::MAX).min(trainer.epochs.saturating_mul(batches));
        let schedule = trainer.schedule.clone().over(steps, batches);
        let mut optimizer = Optimizer::with_rule(trainer.rule.clone(), schedule, trainer.model.params());
        if let Some(clip) = trainer.clip {
            optimizer = optimizer.clip(clip);
        }
        for (pattern, group) in &trainer.groups {
            optimizer = optimizer.group_by(pattern, group.clone());
        }
        if let Some((plateau, monitor)) = &trainer.plateau {
            let higher_is_better = monitor.higher_is_better(&trainer.metrics);
            optimizer = optimizer.plateau(Plateau { higher_is_better, ..*plateau });
        }
        let rng = Rng::seed(trainer.seed).stream(LAYERS);
        let state = RunState::new(&rng, &trainer.metrics);
        let dir = match &trainer.run_dir {
            Some(path) if resume => Some(RunDir::resume(path)?),
            Some(path) => Some(RunDir::create(path)?),
            None if resume => panic!("trainer: resume needs a run folder; name it with .run_dir(..)"),
            None => None,
        };
        let now = Instant::now();
        let recordings = if trainer.capture { Recordings::new() } else { Recordings::off() };
        let mut fit = Fit {
            trainer,
            optimizer,
            recordings,
            told: None,
            state,
            best: Vec::new(),
            dir,
            batches,
            started: now,
            saved: now,
            asked_to_stop: false,
        };
        if resume {
            fit.load()?;
        } else {
            fit.save()?;
        }
        // A run that was interrupted goes on; one that had ended is over, unless there is more to do now.
        let ended = match fit.state.stop {
            Some(StopReason::Interrupted | StopReason::Callback) | None => false,
            Some(StopReason::Epochs) => fit.state.epoch >= fit.trainer.epochs,
            Some(StopReason::Iterations) => fit.state.step >= steps,
            Some(StopReason::EarlyStopping | StopReason::Convergence) => true,
        };
        if !ended {
            let nothing_left = steps == 0 || fit.state.epoch >= fit.trainer.epochs;
            fit.state.stop = nothing_left.then_some(StopReason::Epochs);
        }
        Ok(fit)
    }

    /// Puts the state of the last checkpoint in.
    fn load(&mut self) -> Result<(), TrainError> {
        let Some(dir) = &mut self.dir else { return Ok(()) };
        let path = dir.file(RunDir::CHECKPOINT);
        let refuse = |reason: String| TrainError::Checkpoint { path: path.clone(), reason };
        let checkpoint = Checkpoint::load(&path)?;
        let run = &checkpoint.run;
        if run.position > self.batches {
            return Err(refuse(format!(
                "it stands at batch {} of an epoch, but the data now has {} batches: it is of other data, or of another \
                 batch size",
                run.position, self.batches
            )));
        }
        if run.sums.scores(&[]).metrics.len() > self.trainer.metrics.len() {
            return Err(refuse("it is of a run with other metrics".into()));
        }
        self.trainer
            .model
            .load_state(&checkpoint.model, Load::Strict)
            .map_err(|e| refuse(format!("it is of another model: {e}")))?;
        self.optimizer.load_state(&checkpoint.optimizer).map_err(|e| refuse(e.to_string()))?;
        dir.rewind(run.metrics_bytes)?;
        self.state = checkpoint.run;
        self.best = checkpoint.best;
        Ok(())
    }

    /// Writes a checkpoint, if there is a folder.
    fn save(&mut self) -> Result<(), TrainError> {
        let Some(dir) = &self.dir else { return Ok(()) };
        let path = dir.file(RunDir::CHECKPOINT);
        let checkpoint = Checkpoint {
            model: self.trainer.model.state(),
            best: self.best.clone(),
            optimizer: self.optimizer.state(),
            run: self.state.clone(),
        };
        checkpoint.save(&path)?;
        self.saved = Instant::now();
        self.tell(&Event::Saved(&path));
        Ok(())
    }

    /// The rest of an epoch, from the state's position.
    fn epoch<D>(&mut self, train: &DataLoader<D>) -> Result<(), TrainError>
    where
        D: Dataset + 'static,
        D::Item: Collate<Batch = Batch>,
    {
        for batch in train.epoch_from(self.state.epoch, self.state.position as usize) {
            let Batch { x, y, .. } = batch?;
            self.step(&x, &y)?;
            let interrupted =
                self.trainer.interrupt.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed));
            let reason = if interrupted {
                Some(StopReason::Interrupted)
            } else if self.asked_to_stop {
                Some(StopReason::Callback)
            } else {
                let reached = self.trainer.iterations.is_some_and(|steps| self.state.step >= steps);
                reached.then_some(StopReason::Iterations)
            };
            if reason.is_some() {
                self.state.stop = reason;
                return Ok(());
            }
            let due = self.trainer.save_steps.is_some_and(|steps| self.state.step.is_multiple_of(steps));
            // At the end of the epoch a checkpoint is written anyway, with its record.
            let last = self.state.position == self.batches;
            if !last && (due || self.saved.elapsed() >= self.trainer.save_interval) {
                self.save()?;
            }
        }
        Ok(())
    }

    /// One step of gradient descent: forward pass, loss, backward pass, update.
    fn step(&mut self, x: &Tensor, y: &Tensor) -> Result<(), TrainError> {
        let mut rng = self.state.rng();
        let (step, epoch) = (self.state.step + 1, self.state.epoch + 1);
        let mut own = Gradients::default();
        let (trainer, recordings) = (&*self.trainer, &mut self.recordings);
        let (forward, gradients) = searched(trainer, (step, epoch), || {
            if trainer.runs_once() {
                return run(trainer, recordings, [x, y], &mut rng);
            }
            let ran = run_often(trainer, recordings, &self.optimizer, [x, y], &mut rng);
            own = ran.1;
            (ran.0, &mut own)
        })?;
        let Forward { total, loss: data_loss, prediction } = forward;
        if !total.is_finite() {
            let lr = self.optimizer.schedule().at(self.state.step);
            let place = |dir: &RunDir| {
                format!("; the last good state is in {}", dir.file(RunDir::CHECKPOINT).display())
            };
            let kept = self.dir.as_ref().map_or(String::new(), place);
            return Err(TrainError::Diverged { step, epoch, loss: total, lr, kept });
        }
        let report = self.optimizer.step_mut(gradients);
        self.state.set_rng(&rng);
        (self.state.step, self.state.lr) = (step, report.lr);
        self.state.position += 1;
        self.state.sums.add(&self.trainer.metrics, data_loss, &prediction, y);
        for name in report.without_gradient {
            let text = format!(
                "the parameter {name} got no gradient: it took no part in the loss, or its gradient was cut on the way"
            );
            self.tell(&Event::Warning(&text));
            self.state.warnings.push(text);
        }
        if let (Some(every), Some(dir)) = (self.trainer.log_steps, &mut self.dir)
            && step.is_multiple_of(every)
        {
            self.state.metrics_bytes += dir.log(&StepRecord { step, loss: data_loss, lr: report.lr })?;
        }
        self.tell_how();
        self.tell(&Event::Step { loss: data_loss, lr: report.lr });
        Ok(())
    }

    /// Says once whether steps are replayed, and again if that changes.
    fn tell_how(&mut self) {
        let status = self.recordings.status();
        let known = match (&status, &self.told) {
            (Status::Recording, _) => true,
            // Batches of other sizes are replayed in other numbers of calls.
            (Status::Replaying { .. }, Some(told)) => told.is_empty(),
            (Status::Eager(reason), Some(told)) => told == reason,
            (_, None) => false,
        };
        if !known {
            let reason = if let Status::Eager(reason) = status { reason.to_owned() } else { String::new() };
            let text = status.to_string();
            self.told = Some(reason);
            self.tell(&Event::Note(&text));
        }
    }

    /// Validates, decides whether the run goes on, and writes the epoch down.
    fn end_epoch<V>(&mut self, validation: Option<&DataLoader<V>>) -> Result<(), TrainError>
    where
        V: Dataset + 'static,
        V::Item: Collate<Batch = Batch>,
    {
        let Trainer { model, loss, metrics, .. } = &*self.trainer;
        // Averages, where the rule keeps some: they are judged, kept as the best, and taken back out.
        let averaged = self.optimizer.evaluation_weights();
        let validation =
            validation.map(|loader| evaluate(model, loss.as_ref(), metrics, loader)).transpose()?;
        let record = EpochRecord {
            epoch: self.state.epoch + 1,
            step: self.state.step,
            lr: self.state.lr,
            train: self.state.sums.scores(metrics),
            validation,
        };
        let decision = self.judge(&record);
        drop(averaged);
        self.observe(&record);
        self.state.epoch += 1;
        self.state.position = 0;
        self.state.sums = Sums::new(&self.trainer.metrics);
        self.state.history.push(record.clone());
        if let Some(dir) = &mut self.dir {
            self.state.metrics_bytes += dir.log(&record)?;
        }
        // The events come before the checkpoint, so that a callback's wish to stop is in it.
        self.tell(&Event::Epoch(&record));
        if self.state.stop.is_none() {
            let all = (self.state.epoch >= self.trainer.epochs).then_some(StopReason::Epochs);
            self.state.stop = decision.or(self.asked_to_stop.then_some(StopReason::Callback)).or(all);
        }
        // Short epochs share a checkpoint: the disk is slower than a small network.
        if self.saved.elapsed() >= EPOCH_INTERVAL.min(self.trainer.save_interval) {
            self.save()
        } else {
            Ok(())
        }
    }

    /// Early stopping and convergence.
    fn judge(&mut self, record: &EpochRecord) -> Option<StopReason> {
        let mut stop = None;
        if let Some(rule) = &self.trainer.early_stopping {
            let higher = rule.monitor.higher_is_better(&self.trainer.metrics);
            let scores = record.validation.as_ref().unwrap_or(&record.train);
            match self.state.best.judge(rule, record.epoch, scores, higher) {
                Verdict::Better => self.best = self.trainer.model.state(),
                Verdict::Wait => {}
                Verdict::Stop => stop = Some(StopReason::EarlyStopping),
            }
        }
        if let Some(rule) = &self.trainer.convergence
            && self.state.settling.judge(rule, record.train.loss)
        {
            stop = stop.or(Some(StopReason::Convergence));
        }
        stop
    }

    /// Tells the plateau, if there is one, the score that it watches.
    fn observe(&mut self, record: &EpochRecord) {
        if let Some((_, monitor)) = &self.trainer.plateau {
            let scores = record.validation.as_ref().unwrap_or(&record.train);
            self.optimizer.observe(monitor.score(scores));
        }
    }

    /// Puts the best weights back, writes the model, and reports.
    fn finish(mut self) -> Result<Report, TrainError> {
        let stop = self.state.stop.unwrap_or(StopReason::Epochs);
        let resumable = matches!(stop, StopReason::Interrupted | StopReason::Callback);
        // A run that can go on must be found as it was left; the checkpoint holds the last weights in any case.
        self.save()?;
        self.optimizer.evaluation_weights().forget();
        let restored_epoch = (!self.best.is_empty() && !resumable).then_some(self.state.best.epoch);
        if restored_epoch.is_some() {
            let fits = self.trainer.model.load_state(&self.best, Load::Strict);
            fits.map_err(|e| TrainError::Checkpoint {
                path: "the best weights".into(),
                reason: e.to_string(),
            })?;
        }
        if let Some(dir) = &self.dir {
            let bytes = talweg_nn::to_safetensors(&self.trainer.model.state(), &Default::default());
            let path = dir.file(RunDir::MODEL);
            write_atomic(&path, &bytes).map_err(TrainError::io("write", &path))?;
        }
        let report = Report {
            epochs: self.state.history.clone(),
            steps: self.state.step,
            stop,
            restored_epoch,
            warnings: self.state.warnings.clone(),
            seconds: self.started.elapsed().as_secs_f64(),
        };
        self.tell(&Event::End(&report));
        Ok(report)
    }

    /// Tells every callback.
    fn tell(&mut self, event: &Event<'_>) {
        let mut callbacks = std::mem::take(&mut self.trainer.callbacks);
        let run = Run {
            epoch: self.state.epoch + 1,
            epochs: Some(self.trainer.epochs),
            position: self.state.position,
            batches: self.batches,
            step: self.state.step,
            mean_loss: self.state.sums.mean_loss(),
            model: &self.trainer.model,
        };
        for callback in &mut callbacks {
            self.asked_to_stop |= callback.on(event, &run) == Flow::Stop;
        }
        self.trainer.callbacks = callbacks;
    }
}
