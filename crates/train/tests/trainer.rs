//! What a run does besides its steps.

use talweg_data::{DataLoader, Examples, datasets};
use talweg_nn::{
    Bce, CrossEntropy, Flatten, Layer, Linear, Mode, Module, Mse, Relu, Sequential, Sigmoid, Tanh, seq,
};
use talweg_optim::{Adam, Schedule, Sgd};
use talweg_tensor::{DType, Rng, Tensor};
use talweg_train::{
    Accuracy, BinaryAccuracy, EarlyStopping, Monitor, Report, StopReason, TrainError, Trainer, evaluate,
};

extern crate talweg_nn as talweg;

fn dense(seed: u64) -> Sequential {
    let rng = &mut Rng::seed(seed);
    seq![Flatten, Linear::new(64, 32, rng), Relu, Linear::new(32, 10, rng)]
}

fn digits(trainer: Trainer<Sequential>) -> (Report, Trainer<Sequential>) {
    let (train, test) = datasets::digits();
    let mut trainer = trainer;
    (trainer.fit(&train, &test).unwrap(), trainer)
}

#[test]
fn digits_are_learnt() {
    let trainer = Trainer::new(dense(1), CrossEntropy::default());
    let trainer = trainer.optimizer(Adam::default(), Schedule::one_cycle(1e-2)).metric(Accuracy).epochs(12);
    let (report, _) = digits(trainer);
    let accuracy = report.last().unwrap().validation.as_ref().unwrap().get("accuracy").unwrap();
    // Chance is 0.1; with 12 epochs the network reaches about 0.95, a little more or less by the seed.
    assert!(accuracy >= 0.93, "{report}");
    assert_eq!((report.stop, report.epochs.len()), (StopReason::Epochs, 12));
}

#[test]
fn a_sigmoid_network_learns_xor() {
    let rng = &mut Rng::seed(3);
    let model = seq![Linear::new(2, 8, rng), Tanh, Linear::new(8, 1, rng), Sigmoid];
    let (data, _) = datasets::xor();
    let mut trainer = Trainer::new(model, Bce::default())
        .optimizer(Adam::default(), 0.05)
        .metric(BinaryAccuracy { threshold: 0.5 })
        .epochs(300)
        .batch(4);
    let report = trainer.fit(&data, &data).unwrap();
    assert_eq!(report.last().unwrap().train.get("accuracy"), Some(1.0), "{report}");
}

#[test]
fn iterations_end_a_run_in_the_middle_of_an_epoch() {
    let (report, _) = digits(Trainer::new(dense(1), CrossEntropy::default()).iterations(30));
    assert_eq!((report.steps, report.stop, report.epochs.len()), (30, StopReason::Iterations, 2));
}

/// The square root, which nobody should put behind a layer without a lower bound.
#[derive(Debug, Module)]
struct Root;

impl Layer for Root {
    fn forward(&self, x: &Tensor, _: &mut Mode<'_>) -> Tensor {
        x.sqrt()
    }
}

#[test]
fn the_operation_that_makes_a_nan_is_named() {
    let rng = &mut Rng::seed(3);
    let (data, _) = datasets::xor();
    let model = seq![Linear::new(2, 8, rng), seq![Root], Linear::new(8, 1, rng)];
    let mut trainer = Trainer::new(model, Mse::default()).anomaly(true).batch(4);
    let error = trainer.fit(&data, &data).unwrap_err();
    let TrainError::Anomaly { step: 1, epoch: 1, found, .. } = &error else { panic!("{error}") };
    assert_eq!((found.op, found.module.as_str()), ("sqrt", "1.0"));
    let text = error.to_string();
    assert!(text.starts_with("step 1 (epoch 1): sqrt: made NaN in "), "{text}");
    assert!(
        text.contains("; inputs f32 [4, 8]; in the module 1.0; called at crates/train/tests/trainer.rs:"),
        "{text}"
    );
}

#[test]
fn an_operation_that_receives_a_nan_is_named_with_its_parameters() {
    let rng = &mut Rng::seed(3);
    let model = seq![Linear::new(2, 8, rng), Tanh, Linear::new(8, 1, rng)];
    let weight = model.params()[2].1.clone();
    weight.set(&weight.get().full_like(f64::NAN));
    let (data, _) = datasets::xor();
    let error = Trainer::new(model, Mse::default()).anomaly(true).batch(4).fit(&data, &data).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("received NaN in 8 of 8 elements of input 1 f32 [1, 8]"), "{text}");
    assert!(text.ends_with("; it reads 2.weight, 2.bias"), "{text}");
}

#[test]
fn a_sound_run_is_the_same_with_the_search() {
    let losses = |on: bool| {
        let trainer = Trainer::new(dense(1), CrossEntropy::default()).iterations(5).anomaly(on);
        let (report, trainer) = digits(trainer);
        assert_eq!(report.steps, 5);
        trainer.model().params().iter().map(|(_, p)| p.get().to_bytes()).collect::<Vec<_>>()
    };
    assert!(losses(true) == losses(false));
}

#[test]
fn a_loss_that_has_settled_ends_the_run() {
    let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [4, 1]);
    let data = Examples::new(x.clone(), x * 2.0);
    let model = seq![Linear::new(1, 1, &mut Rng::seed(1))];
    let mut trainer = Trainer::new(model, Mse::default())
        .optimizer(Sgd::default(), 0.02)
        .batch(4)
        .epochs(10_000)
        .convergence(1e-6, 3);
    let report = trainer.fit(&data, &data).unwrap();
    assert_eq!(report.stop, StopReason::Convergence);
    assert!(report.epochs.len() > 10 && report.last().unwrap().train.loss < 1e-2, "{report}");
}

#[test]
fn early_stopping_puts_the_best_weights_back() {
    let (train, test) = datasets::digits();
    let few = Examples { x: train.x.narrow(0, 0, 100), y: train.y.narrow(0, 0, 100), ..train };
    let monitor = Monitor::Metric("accuracy".into());
    let mut trainer = Trainer::new(dense(2), CrossEntropy::default())
        .optimizer(Adam::default(), 0.02)
        .metric(Accuracy)
        .batch(10)
        .epochs(200)
        .early_stopping_by(EarlyStopping { patience: 5, monitor, ..Default::default() });
    let report = trainer.fit(&few, &test).unwrap();
    assert_eq!(report.stop, StopReason::EarlyStopping);
    let of = |r: &talweg_train::EpochRecord| r.validation.as_ref().unwrap().get("accuracy").unwrap();
    let best = report.epochs.iter().map(of).fold(0.0, f64::max);
    assert_eq!(of(report.last().unwrap()), best);
    let loader = DataLoader::new(test).batch(256);
    let metrics: [std::sync::Arc<dyn talweg_train::Metric>; 1] = [std::sync::Arc::new(Accuracy)];
    let now = evaluate(trainer.model(), &CrossEntropy::default(), &metrics, &loader).unwrap();
    assert_eq!(now.get("accuracy"), Some(best));
}

#[test]
fn a_loss_that_is_no_number_ends_the_run_with_advice() {
    let (train, test) = datasets::digits();
    let mut trainer = Trainer::new(dense(1), CrossEntropy::default()).optimizer(Sgd::default(), 1e30);
    let error = trainer.fit(&train, &test).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { .. }));
    assert!(error.to_string().contains("lower the learning rate"), "{error}");
}

#[test]
fn a_parameter_without_gradient_is_reported() {
    #[derive(Debug, Module)]
    struct Forgetful {
        used: Linear,
        forgotten: Linear,
    }
    impl Layer for Forgetful {
        fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Tensor {
            self.used.forward(&x.flatten(1), mode)
        }
    }
    let (train, test) = datasets::digits();
    let rng = &mut Rng::seed(1);
    let model = Forgetful { used: Linear::new(64, 10, rng), forgotten: Linear::new(64, 10, rng) };
    let report = Trainer::new(model, CrossEntropy::default()).epochs(1).fit(&train, &test).unwrap();
    assert_eq!(report.warnings.len(), 2);
    assert!(report.warnings[0].contains("forgotten.weight got no gradient"), "{:?}", report.warnings);
}

#[test]
fn results_do_not_depend_on_threads_or_workers() {
    let run = |threads: usize, workers: usize| {
        talweg_tensor::set_threads(threads);
        let trainer =
            Trainer::new(dense(1), CrossEntropy::default()).metric(Accuracy).epochs(2).workers(workers);
        let (report, trainer) = digits(trainer);
        let weights: Vec<Vec<f32>> = trainer.model().params().iter().map(|(_, p)| p.get().to_vec()).collect();
        (report.epochs, weights)
    };
    let want = run(1, 0);
    assert!(run(2, 0) == want && run(2, 3) == want);
}

#[test]
fn no_data_is_an_error() {
    let (train, test) = datasets::digits();
    let none = Examples::new(Tensor::zeros([0, 1, 8, 8], DType::F32), Tensor::zeros([0], DType::I64));
    let mut trainer = Trainer::new(dense(1), CrossEntropy::default());
    assert_eq!(
        trainer.fit(&none, &test).unwrap_err().to_string(),
        "the training data is empty; there must be at least one example"
    );
    assert!(trainer.fit(&train, &none).unwrap_err().to_string().contains("the validation data is empty"));
}
