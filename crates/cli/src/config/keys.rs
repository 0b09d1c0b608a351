//! Every key that a configuration may hold, in one table per section.

mod data;
mod forms;
mod layers;
mod model;
mod optimizers;
mod schedules;
mod steps;
mod train;

use super::schema::{Choice, Group};

/// The sections, in the order of the file: what a later one takes as default may follow from an earlier one.
pub(crate) static GROUPS: [&Group; 3] = [&data::DATA, &model::MODEL, &train::TRAIN];

/// The families of named things, each with the key that chooses one.
pub(crate) static FAMILIES: [(&Choice, &str); 6] = [
    (&layers::LAYERS, "model.layers"),
    (&optimizers::OPTIMIZERS, "train.optimizer"),
    (&schedules::SCHEDULES, "train.schedule"),
    (&steps::AVERAGES, "train.average"),
    (&train::LOSSES, "train.loss"),
    (&model::INITS, "model.init"),
];
