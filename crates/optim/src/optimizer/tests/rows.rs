//! Row-sparse gradients.

use std::time::{Duration, Instant};

use super::*;
use talweg_tensor::{Grad, Rng};

/// A step by rows 2, 0 and 2 of a table, from a given gradient for each listed row.
fn step(optimizer: &mut Optimizer, table: &Param, rows: &[i64], values: &Tensor, dense: bool) {
    let index = Tensor::from_slice(rows, [rows.len()]);
    let mut grads = Gradients::default();
    let grad = match dense {
        true => Grad::Dense(values.scatter_rows(&index, table.shape().size(0))),
        false => Grad::Rows { index, values: values.clone() },
    };
    grads.set(table.id(), grad);
    optimizer.step(&grads);
}

/// For these the rows' step is the whole table's; for all other rules the gradient is made dense.
#[test]
fn rows_alone_are_the_same_step_as_the_table() {
    for trial in rules().into_iter().filter(|trial| trial.rule.name() != "sparse_adam") {
        let rng = &mut Rng::seed(5);
        let start = rng.normal([4, 3], 0.0, 1.0, DType::F64);
        let (a, b) = (Param::new(start.clone()), Param::new(start));
        let (mut whole, mut sparse) = (trial.optimizer(0.05, &a), trial.optimizer(0.05, &b));
        for rows in [&[2i64, 0, 2][..], &[1], &[], &[0, 1, 2, 2, 2]] {
            let values = rng.normal([rows.len(), 3], 0.0, 1.0, DType::F64);
            step(&mut whole, &a, rows, &values, true);
            step(&mut sparse, &b, rows, &values, false);
        }
        let rule = &trial.rule;
        assert_eq!(a.get().to_vec::<f64>(), b.get().to_vec::<f64>(), "{rule:?}");
    }
}

#[test]
fn lazy_adam_leaves_the_other_rows_as_they_are() {
    let table = Param::new(Tensor::ones([3, 1], DType::F64));
    let rule: Arc<dyn Rule> = Arc::new(SparseAdam::default());
    let mut optimizer = optimizer(&rule, 0.1, &table);
    let one = Tensor::from_slice(&[1.0f64], [1, 1]);
    step(&mut optimizer, &table, &[1], &one, false);
    step(&mut optimizer, &table, &[2], &one, false);
    step(&mut optimizer, &table, &[2], &one, false);
    let w = table.get().to_vec::<f64>();
    // Row 1: one step of 0.1. Row 2: steps 2 and 3 of the table, by the formulas.
    let by_hand = |ts: [i32; 2]| {
        let (mut m, mut v, mut w) = (0.0f64, 0.0f64, 1.0f64);
        for t in ts {
            m = 0.9 * m + 0.1;
            v = 0.999 * v + 0.001;
            w -= 0.1 * (1.0 - 0.999f64.powi(t)).sqrt() / (1.0 - 0.9f64.powi(t)) * m / (v.sqrt() + 1e-8);
        }
        w
    };
    assert_eq!(w[0], 1.0);
    assert!((w[1] - 0.9).abs() < 1e-6 && (w[2] - by_hand([2, 3])).abs() < 1e-12, "{w:?}");
}

/// A table of 100 MB, of which a step reads three rows: what a step costs must not depend on the other rows. A step on
/// the whole table takes tens of milliseconds, one on three rows tens of microseconds.
#[test]
fn the_work_is_that_of_the_rows() {
    let rules: [Arc<dyn Rule>; 3] =
        [Arc::new(Sgd::default()), Arc::new(Adagrad::default()), Arc::new(SparseAdam::default())];
    for rule in rules {
        let table = Param::new(Tensor::zeros([400_000, 64], DType::F32));
        let mut optimizer = optimizer(&rule, 0.1, &table);
        let values = Tensor::ones([3, 64], DType::F32);
        let mut time = |dense: bool, steps: usize| -> Duration {
            let start = Instant::now();
            (0..steps).for_each(|_| step(&mut optimizer, &table, &[399_999, 7, 399_999], &values, dense));
            start.elapsed()
        };
        // The first step makes the state.
        time(false, 1);
        let before = talweg_tensor::pool_stats().allocated_bytes;
        let rows = time(false, 50);
        let grown = talweg_tensor::pool_stats().allocated_bytes - before;
        let whole = time(true, 5);
        assert!(rows < whole, "{rule:?}: 50 steps on three rows took {rows:?}, 5 on the table {whole:?}");
        assert!(grown < 10_000_000, "{rule:?}: {grown} bytes more for steps on three rows");
        assert_eq!(table.get().narrow(0, 8, 1).to_vec::<f32>(), [0.0; 64]);
        assert!(table.get().narrow(0, 7, 1).to_vec::<f32>()[0] < 0.0);
    }
}
