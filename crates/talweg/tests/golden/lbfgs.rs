//! L-BFGS, call by call: every direction and every length of the line search.

use talweg::optim::{Lbfgs, LbfgsOptions, LineSearch};
use talweg::tensor::{Param, Tensor};

use crate::file::{Case, Golden, Judge, data};

fn options(case: &Case) -> LbfgsOptions {
    LbfgsOptions {
        lr: case.number("lr"),
        max_iter: case.size("max_iter") as u64,
        max_eval: Some(case.size("max_eval") as u64),
        tolerance_grad: case.number("tolerance_grad"),
        tolerance_change: case.number("tolerance_change"),
        history: case.size("history_size"),
        line_search: match case.text("line_search") {
            "strong_wolfe" => LineSearch::StrongWolfe,
            "none" => LineSearch::None,
            other => panic!("no line search {other}"),
        },
    }
}

/// Rosenbrock's function in several dimensions.
fn valley(x: &Tensor) -> Tensor {
    let n = x.numel() - 1;
    let (here, next) = (x.narrow(0, 0, n), x.narrow(0, 1, n));
    (100.0 * (next - here.square()).square() + (1.0 - &here).square()).sum(..)
}

#[test]
fn every_call_of_lbfgs() {
    let golden = Golden::read(&data(), "lbfgs", "f64");
    // A trajectory amplifies the rounding of its first steps: 1e-10 over up to 24 directions in a curved valley.
    let mut judge = Judge::new("lbfgs", 1e-10);
    let (a, b) = (golden.tensor("a"), golden.tensor("b"));
    for case in &golden.cases {
        let x = Param::new(golden.tensor("init"));
        let mut optimizer = Lbfgs::new(options(case), vec![("x".into(), x.clone())]);
        let mut loss = || match case.text("op") {
            "valley" => valley(&x.get()),
            _ => (a.matmul(&x.get().unsqueeze(1)).squeeze(1) - &b).square().sum(..),
        };
        let losses = &golden.array(&format!("{}/loss", case.name())).data;
        for (call, want) in losses.iter().enumerate() {
            let before = optimizer.step(&mut loss);
            judge.slices(&format!("{} loss {call}", case.name()), &[before], &[*want]);
            let want = golden.array(&format!("{}/x", case.name())).row(call);
            judge.tensor(&format!("{} call {call}", case.name()), &x.get(), &want);
        }
    }
    judge.finish();
}
