//! A run that is torn off at any step and resumed ends in the same bits as one that was not.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use talweg_data::{Examples, datasets};
use talweg_nn::{BatchNorm1d, CrossEntropy, Dropout, Flatten, Linear, Module, Relu, Sequential, seq};
use talweg_optim::{AdamW, Clip, Schedule};
use talweg_tensor::Rng;
use talweg_train::{Accuracy, Callback, Event, Flow, Report, Run, RunDir, StopReason, TrainError, Trainer};

extern crate talweg_nn as talweg;

/// A network with everything that has state: dropout's random numbers, batch normalisation's running statistics.
fn trainer(folder: &Path) -> Trainer<Sequential> {
    let rng = &mut Rng::seed(5);
    let model = seq![
        Flatten,
        Linear::new(64, 24, rng),
        BatchNorm1d::new(24),
        Relu,
        Dropout::new(0.2),
        Linear::new(24, 10, rng)
    ];
    Trainer::new(model, CrossEntropy::default())
        .optimizer(AdamW::default(), Schedule::one_cycle(5e-3).warmup(5))
        .clip(Clip::Norm(1.0))
        .metric(Accuracy)
        .epochs(3)
        .batch(100)
        .seed(9)
        .early_stopping(2)
        .save_every(2)
        .log_every(3)
        .run_dir(folder)
}

fn data() -> (Examples, Examples) {
    datasets::digits()
}

/// Tears the process's run off, as a kill would, but in the middle of a test.
struct Tear(u64);

impl Callback for Tear {
    fn on(&mut self, event: &Event<'_>, run: &Run<'_>) -> Flow {
        if matches!(event, Event::Step { .. }) && run.step == self.0 {
            panic!("torn off");
        }
        Flow::Continue
    }
}

fn outcome(folder: &Path, report: &Report) -> (Vec<u8>, String, u64) {
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    (read(RunDir::MODEL), String::from_utf8(read(RunDir::METRICS)).unwrap(), report.steps)
}

fn whole() -> (Vec<u8>, String, u64) {
    let folder = tempfile::tempdir().unwrap();
    let (train, test) = data();
    let report = trainer(folder.path()).fit(&train, &test).unwrap();
    outcome(folder.path(), &report)
}

#[test]
fn torn_off_anywhere_and_resumed_is_the_same_to_the_bit() {
    let (train, test) = data();
    let want = whole();
    // 15 steps an epoch: the first step, ends and beginnings of epochs, steps with and without a checkpoint.
    for at in [1, 2, 7, 14, 15, 16, 29, 30, 31, 44] {
        let folder = tempfile::tempdir().unwrap();
        let torn = catch_unwind(AssertUnwindSafe(|| {
            trainer(folder.path()).callback(Tear(at)).fit(&train, &test).unwrap()
        }));
        assert!(torn.is_err());
        let report = trainer(folder.path()).resume(&train, &test).unwrap();
        let got = outcome(folder.path(), &report);
        assert_eq!(got.1, want.1, "metrics after step {at}");
        assert!(got.0 == want.0 && got.2 == want.2, "weights after step {at}");
    }
}

#[test]
fn interrupted_again_and_again_is_the_same_to_the_bit() {
    let (train, test) = data();
    let want = whole();
    let folder = tempfile::tempdir().unwrap();
    struct Interrupt(Arc<AtomicBool>, u64);
    impl Callback for Interrupt {
        fn on(&mut self, event: &Event<'_>, run: &Run<'_>) -> Flow {
            if matches!(event, Event::Step { .. }) && run.step.is_multiple_of(self.1) {
                self.0.store(true, Ordering::Relaxed);
            }
            Flow::Continue
        }
    }
    let run = |resume: bool| {
        let flag = Arc::new(AtomicBool::new(false));
        let trainer = trainer(folder.path()).interrupt(flag.clone()).callback(Interrupt(flag, 5));
        let mut trainer = trainer;
        if resume { trainer.resume(&train, &test) } else { trainer.fit(&train, &test) }.unwrap()
    };
    let mut report = run(false);
    let mut times = 0;
    while report.stop == StopReason::Interrupted {
        report = run(true);
        times += 1;
    }
    assert!(times >= 8, "{times} interruptions");
    assert!(outcome(folder.path(), &report) == want);
}

#[test]
fn a_finished_run_is_not_begun_again() {
    let (train, test) = data();
    let folder = tempfile::tempdir().unwrap();
    trainer(folder.path()).fit(&train, &test).unwrap();
    let before = fs::read(folder.path().join(RunDir::METRICS)).unwrap();
    let error = trainer(folder.path()).fit(&train, &test).unwrap_err();
    assert!(matches!(error, TrainError::RunExists { .. }), "{error}");
    let report = trainer(folder.path()).resume(&train, &test).unwrap();
    assert_eq!(report.steps, 45);
    assert_eq!(fs::read(folder.path().join(RunDir::METRICS)).unwrap(), before);
}

#[test]
fn a_checkpoint_of_another_model_is_refused_and_stays() {
    let (train, test) = data();
    let folder = tempfile::tempdir().unwrap();
    trainer(folder.path()).fit(&train, &test).unwrap();
    let before = fs::read(folder.path().join(RunDir::CHECKPOINT)).unwrap();
    let rng = &mut Rng::seed(5);
    let model = seq![Flatten, Linear::new(64, 10, rng)];
    let mut other = Trainer::new(model, CrossEntropy::default()).batch(100).run_dir(folder.path());
    let error = other.resume(&train, &test).unwrap_err().to_string();
    assert!(error.contains("another model") && error.contains("1.weight"), "{error}");
    assert_eq!(fs::read(folder.path().join(RunDir::CHECKPOINT)).unwrap(), before);
    assert!(other.model().params()[0].1.get().to_vec::<f32>().iter().any(|x| *x != 0.0));
}
