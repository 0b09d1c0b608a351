//! Compares Talweg with the numbers that PyTorch computed; `tests/golden/README.md` says how they were made and how
//! errors are measured.

mod file;
mod layers;
mod lbfgs;
mod losses;
mod models;
mod optimizers;
mod schedules;
mod sequences;
