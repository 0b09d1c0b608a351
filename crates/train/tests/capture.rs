//! Steps that are replayed train as those that are not, to the bit; those that cannot be are told of.

extern crate talweg_nn as talweg;

use std::cell::RefCell;
use std::rc::Rc;

use talweg_data::datasets;
use talweg_nn::{
    BatchNorm1d, CrossEntropy, Dropout, Flatten, Layer, Linear, Mode, Module, Penalty, Relu, Sequential, seq,
};
use talweg_optim::{AdamW, Clip, Schedule};
use talweg_tensor::{Precision, Rng, Tensor};
use talweg_train::{Accuracy, Callback, Event, Flow, Run, Trainer};

/// What a run said besides its numbers.
#[derive(Clone, Default)]
struct Notes(Rc<RefCell<Vec<String>>>);

impl Callback for Notes {
    fn on(&mut self, event: &Event<'_>, _: &Run<'_>) -> Flow {
        if let Event::Note(text) = event {
            self.0.borrow_mut().push(text.to_string());
        }
        Flow::Continue
    }
}

fn network() -> Sequential {
    let rng = &mut Rng::seed(3);
    seq![
        Flatten,
        Linear::new(64, 24, rng),
        BatchNorm1d::new(24),
        Relu,
        Dropout::new(0.2),
        Linear::new(24, 10, rng)
    ]
}

/// Trains for two epochs, the last batch of which is smaller; gives losses, weights and notes.
fn train(
    model: impl Layer + 'static,
    change: impl FnOnce(Trainer<Box<dyn Layer>>) -> Trainer<Box<dyn Layer>>,
) -> (Vec<f64>, Vec<Vec<f32>>, Vec<String>) {
    let (train, test) = datasets::digits();
    let notes = Notes::default();
    let model: Box<dyn Layer> = Box::new(model);
    let trainer = Trainer::new(model, CrossEntropy::default())
        .optimizer(AdamW::default(), Schedule::one_cycle(1e-2))
        .metric(Accuracy)
        .penalty(Penalty { l2: 1e-4, ..Penalty::default() })
        .clip(Clip::Norm(1.0))
        .callback(notes.clone())
        .epochs(2);
    let mut trainer = change(trainer);
    let report = trainer.fit(&train, &test).expect("nothing stands in the way");
    let losses = report
        .epochs
        .iter()
        .flat_map(|e| [e.train.loss, e.validation.as_ref().expect("there is a test part").loss]);
    let state = trainer.model().state().into_iter().filter(|(_, x)| x.dtype().is_float());
    let weights = state.map(|(_, x)| x.to_vec::<f32>()).collect();
    let notes = notes.0.borrow().clone();
    (losses.collect(), weights, notes)
}

#[test]
fn replayed_steps_train_as_others_to_the_bit() {
    let (losses, weights, notes) = train(network(), |t| t);
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].starts_with("the step is replayed in "), "{notes:?}");
    let (plain_losses, plain_weights, notes) = train(network(), |t| t.capture(false));
    assert_eq!(notes, ["the step is not replayed: capture is switched off"]);
    assert_eq!((losses, weights), (plain_losses, plain_weights));
}

#[test]
fn mixed_precision_is_replayed_too_and_learns() {
    let run = |on: bool| train(network(), |t| t.precision(Precision::Bf16).capture(on));
    let ((losses, weights, _), (plain_losses, plain_weights, _)) = (run(true), run(false));
    assert_eq!((&losses, &weights), (&plain_losses, &plain_weights));
    let (exact, exact_weights, _) = train(network(), |t| t);
    assert_ne!(weights, exact_weights, "the factors were not rounded");
    // Factors are off by up to 2^-9; the losses after two epochs differ by less than a twentieth here.
    assert!((losses[2] / exact[2] - 1.0).abs() < 0.1, "{losses:?} and {exact:?}");
}

/// A layer that decides by what it computes.
#[derive(Debug, Module)]
struct Deciding(Linear);

impl Layer for Deciding {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Tensor {
        let y = self.0.forward(&x.flatten(1), mode);
        if y.abs().mean(..).item() > 1.0 { y * 0.5 } else { y }
    }
}

#[test]
fn a_step_that_looks_at_its_numbers_runs_as_it_is() {
    let layer = || Deciding(Linear::new(64, 10, &mut Rng::seed(4)));
    let (losses, weights, notes) = train(layer(), |t| t);
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].starts_with("the step is not replayed: "), "{notes:?}");
    let (plain_losses, plain_weights, _) = train(layer(), |t| t.capture(false));
    assert_eq!((losses, weights), (plain_losses, plain_weights));
}
