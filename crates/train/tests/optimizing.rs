//! What the trainer makes of optimizers that need more than a step: averages, plateaus, groups, parts of batches, SAM.

extern crate talweg_nn as talweg;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use talweg_data::{DataLoader, datasets};
use talweg_nn::{CrossEntropy, Flatten, Linear, Load, Module, Relu, Sequential, StateFile, seq};
use talweg_optim::{
    Adam, AdamW, Clip, Ema, Group, Lion, Muon, Plateau, Rule, Sam, ScheduleFreeAdamW, Sgd, Swa,
};
use talweg_tensor::Rng;
use talweg_train::{
    Accuracy, Callback, Event, Flow, Metric, Monitor, Report, Run, RunDir, StopReason, Trainer, evaluate,
};

fn network() -> Sequential {
    let rng = &mut Rng::seed(3);
    seq![Flatten, Linear::new(64, 24, rng), Relu, Linear::new(24, 10, rng)]
}

fn trainer(rule: impl Rule + 'static, lr: f64) -> Trainer<Sequential> {
    Trainer::new(network(), CrossEntropy::default())
        .optimizer(rule, lr)
        .metric(Accuracy)
        .batch(100)
        .epochs(3)
        .seed(4)
}

fn fit(mut trainer: Trainer<Sequential>) -> (Report, Vec<Vec<f32>>) {
    let (train, test) = datasets::digits();
    let report = trainer.fit(&train, &test).unwrap();
    let weights = trainer.model().params().iter().map(|(_, p)| p.get().to_vec::<f32>()).collect();
    (report, weights)
}

fn accuracy(report: &Report) -> f64 {
    report.last().unwrap().validation.as_ref().unwrap().get("accuracy").unwrap()
}

/// The largest difference between two models' weights.
fn apart(a: &[Vec<f32>], b: &[Vec<f32>]) -> f32 {
    let pairs = a.iter().flatten().zip(b.iter().flatten());
    pairs.fold(0.0, |most, (a, b)| most.max((a - b).abs()))
}

#[test]
fn averages_are_evaluated_and_saved_but_not_trained() {
    let rules: [(Arc<dyn Rule>, f64); 3] = [
        (Arc::new(Ema { rule: Adam::default(), decay: 0.9 }), 5e-3),
        (Arc::new(Swa { rule: Adam::default(), start: 20, every: 5 }), 5e-3),
        (Arc::new(ScheduleFreeAdamW::default()), 1e-2),
    ];
    for (rule, lr) in rules {
        let folder = tempfile::tempdir().unwrap();
        let (train, test) = datasets::digits();
        let mut trainer = trainer(rule.clone(), lr).epochs(8).run_dir(folder.path());
        let report = trainer.fit(&train, &test).unwrap();
        assert!(accuracy(&report) > 0.85, "{rule:?}: {report}");
        // The model that is left, and the one in the file, have the score of the report.
        let measure = |model: &Sequential| {
            let loader = DataLoader::new(test.clone()).batch(256);
            let metrics: [Arc<dyn Metric>; 1] = [Arc::new(Accuracy)];
            evaluate(model, &CrossEntropy::default(), &metrics, &loader).unwrap()
        };
        let want = report.last().unwrap().validation.clone().unwrap();
        assert_eq!(measure(trainer.model()), want, "{rule:?}");
        let file = StateFile::from_bytes(&fs::read(folder.path().join(RunDir::MODEL)).unwrap()).unwrap();
        let other = network();
        other.load_state(&file.tensors, Load::Strict).unwrap();
        assert_eq!(measure(&other), want, "{rule:?}, from the file");
    }
    // Taking averages changes nothing of what is trained.
    let losses = |report: &Report| report.epochs.iter().map(|e| e.train.loss).collect::<Vec<_>>();
    let (plain, _) = fit(trainer(Adam::default(), 5e-3));
    let (averaged, _) = fit(trainer(Ema { rule: Adam::default(), decay: 0.9 }, 5e-3));
    assert_eq!(losses(&plain), losses(&averaged));
}

#[test]
fn parts_of_a_batch_make_the_step_of_the_whole() {
    let (_, whole) = fit(trainer(AdamW::default(), 1e-3).clip(Clip::Norm(0.5)));
    // 100 into 40, 40 and 20; the last batch of an epoch is smaller anyway.
    let (_, parts) = fit(trainer(AdamW::default(), 1e-3).clip(Clip::Norm(0.5)).accumulate(3));
    let (_, before) = fit(trainer(AdamW::default(), 1e-3).epochs(1).iterations(1));
    // Sums in another order differ by 1e-7; AdamW turns that into up to the share of a step where a gradient is tiny.
    let (difference, way) = (apart(&whole, &parts), apart(&whole, &before));
    assert!(difference < 1e-3 && difference < way / 20.0, "{difference} over a way of {way}");
    let (_, whole) = fit(trainer(Sgd::default(), 0.1));
    let (_, parts) = fit(trainer(Sgd::default(), 0.1).accumulate(7));
    assert!(apart(&whole, &parts) < 1e-6, "{}", apart(&whole, &parts));
    let (report, single) = fit(trainer(Sgd::default(), 0.1).accumulate(1000));
    assert!(apart(&whole, &single) < 1e-6 && report.steps == 45, "parts of one example");
}

#[test]
fn groups_reach_the_optimizer() {
    let still = || Group { lr: Some(0.0), ..Default::default() };
    let (_, weights) = fit(trainer(Sgd::default(), 0.1).group("1.*", still()));
    let start: Vec<Vec<f32>> = network().params().iter().map(|(_, p)| p.get().to_vec::<f32>()).collect();
    assert_eq!(weights[..2], start[..2]);
    assert!(apart(&weights[2..], &start[2..]) > 1e-2);
}

#[test]
fn sam_trains() {
    let (report, with) =
        fit(trainer(Sgd { momentum: 0.9, ..Default::default() }, 0.1).epochs(6).sam(Sam::default()));
    assert!(accuracy(&report) > 0.85, "{report}");
    let (_, without) = fit(trainer(Sgd { momentum: 0.9, ..Default::default() }, 0.1).epochs(6));
    assert!(apart(&with, &without) > 1e-3);
}

#[test]
fn newer_rules_learn_and_are_replayed_to_the_bit() {
    let rules: [(Arc<dyn Rule>, f64); 3] = [
        (Arc::new(Lion::default()), 3e-3),
        (Arc::new(Muon::default()), 0.02),
        (Arc::new(ScheduleFreeAdamW::default()), 1e-2),
    ];
    for (rule, lr) in rules {
        let (report, replayed) = fit(trainer(rule.clone(), lr).epochs(6));
        assert!(accuracy(&report) > 0.85, "{rule:?}: {report}");
        let (_, plain) = fit(trainer(rule.clone(), lr).epochs(6).capture(false));
        assert!(replayed == plain, "{rule:?}");
    }
}

#[test]
fn a_plateau_watches_its_score() {
    // No score is ever better by half: two epochs of waiting each time.
    let plateau = Plateau { factor: 0.5, patience: 1, threshold: 0.5, ..Default::default() };
    let rates = |monitor: Monitor| {
        let (report, _) = fit(trainer(Sgd::default(), 1e-4).plateau(plateau, monitor).epochs(6));
        report.epochs.iter().map(|e| e.lr).collect::<Vec<f64>>()
    };
    assert_eq!(rates(Monitor::Loss), [1e-4, 1e-4, 1e-4, 5e-5, 5e-5, 2.5e-5]);
    assert_eq!(rates(Monitor::Metric("accuracy".into()))[..3], [1e-4; 3]);
}

/// Interrupts at every so many steps.
struct Interrupt(Arc<AtomicBool>, u64);

impl Callback for Interrupt {
    fn on(&mut self, event: &Event<'_>, run: &Run<'_>) -> Flow {
        if matches!(event, Event::Step { .. }) && run.step.is_multiple_of(self.1) {
            self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        }
        Flow::Continue
    }
}

/// Averages, a plateau, parts and SAM all have state or order of their own; none of it may be lost.
#[test]
fn interrupted_runs_go_on_to_the_bit() {
    let (train, test) = datasets::digits();
    let plateau = Plateau { factor: 0.5, patience: 0, threshold: 0.3, ..Default::default() };
    let new = |folder: &Path| {
        let rule = Ema { rule: ScheduleFreeAdamW::default(), decay: 0.9 };
        trainer(rule, 1e-2)
            .group("*.bias", Group { weight_decay: Some(0.1), ..Default::default() })
            .plateau(plateau, Monitor::Loss)
            .sam(Sam::default())
            .accumulate(2)
            .epochs(4)
            .run_dir(folder)
    };
    let outcome = |folder: &Path| {
        let read = |name: &str| fs::read(folder.join(name)).unwrap();
        (read(RunDir::MODEL), String::from_utf8(read(RunDir::METRICS)).unwrap())
    };
    let folder = tempfile::tempdir().unwrap();
    new(folder.path()).fit(&train, &test).unwrap();
    let want = outcome(folder.path());
    let folder = tempfile::tempdir().unwrap();
    let mut times = 0;
    loop {
        let flag = Arc::new(AtomicBool::new(false));
        let mut trainer = new(folder.path()).interrupt(flag.clone()).callback(Interrupt(flag, 7));
        let report = if times == 0 { trainer.fit(&train, &test) } else { trainer.resume(&train, &test) };
        if report.unwrap().stop != StopReason::Interrupted {
            break;
        }
        times += 1;
    }
    let got = outcome(folder.path());
    assert!(times >= 7, "{times} interruptions");
    assert_eq!(got.1, want.1);
    assert!(got.0 == want.0, "weights");
}
