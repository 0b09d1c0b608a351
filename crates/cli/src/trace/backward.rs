//! The error terms of a step, in words, formulas and numbers.

use super::document::{Section, Table, factor, number, sum_of_products};
use super::explain::{Subject, layer_of, table};
use super::network::{Activation, Loss, Stage, Target};

/// The chain rule from the loss back through every layer.
pub(super) fn backward(s: &Subject<'_>) -> Section {
    let mut tables = vec![output_errors(s)];
    for (i, stage) in s.network.stages.iter().enumerate().rev() {
        let l = layer_of(s.network, i);
        match stage {
            Stage::Activation(f) => tables.push(through_activation(s, i, *f, l)),
            // The errors of the input itself change nothing.
            Stage::Linear { weight, .. } if i > 0 => {
                let error = &s.step.errors[i + 1];
                let mut t = table(
                    format!(
                        "To layer {}: ∂L/∂a{} = W{l}ᵀ δ{l}, each unit's share of the errors it caused",
                        l - 1,
                        l - 1
                    ),
                    &["unit", "∂L/∂a", "= Σ weight·δ"],
                );
                for (j, value) in s.step.errors[i].iter().enumerate() {
                    let pairs: Vec<(f64, f64)> =
                        weight.iter().map(|row| row[j]).zip(error.iter().copied()).collect();
                    t.rows.push(vec![
                        (j + 1).to_string(),
                        number(*value),
                        format!("= {}", sum_of_products(&pairs)),
                    ]);
                }
                tables.push(t);
            }
            Stage::Linear { .. } => {}
        }
    }
    let text = vec![
        "The chain rule, from the loss back: how much the loss changes with each output, each activation, each sum.".into(),
        "The error term of a unit is δ = ∂L/∂z, the derivative of the loss by its weighted sum.".into(),
    ];
    Section { heading: "4. Backward pass: error terms".into(), text, tables }
}

/// The derivative of the loss by the network's outputs.
fn output_errors(s: &Subject<'_>) -> Table {
    let output = s.step.values.last().expect("there is an output");
    let errors = s.step.errors.last().expect("there is an output");
    let n = output.len();
    let over = if n > 1 { format!(" / {n}") } else { String::new() };
    let (formula, is_sum) = match s.network.loss {
        Loss::Mse => ("∂L/∂a = 2 (a - y)", false),
        Loss::Bce => ("∂L/∂a = (a - y) / (a (1 - a))", false),
        Loss::BceWithLogits => ("δ = ∂L/∂z = σ(z) - y", true),
        Loss::CrossEntropy => ("δ = ∂L/∂z = softmax(z) - [1 at the class c]", true),
    };
    let over_text = if s.network.loss == Loss::CrossEntropy { String::new() } else { over };
    let name = if is_sum { "δ" } else { "∂L/∂a" };
    let mut t = table(format!("At the output: {formula}{over_text}"), &["unit", name, "= with numbers"]);
    for (j, (&a, &e)) in output.iter().zip(errors).enumerate() {
        let numbers = match s.target {
            Target::Class(c) => format!("{} - {}", number(e + (j == *c) as u8 as f64), (j == *c) as u8),
            Target::Numbers(y) => match s.network.loss {
                Loss::Mse => format!("2·({} - {}){over_text}", number(a), factor(y[j])),
                Loss::Bce => {
                    format!(
                        "({} - {}) / ({}·{}){over_text}",
                        number(a),
                        number(y[j]),
                        number(a),
                        number(1.0 - a)
                    )
                }
                _ => format!("({} - {}){over_text}", number(1.0 / (1.0 + (-a).exp())), number(y[j])),
            },
        };
        t.rows.push(vec![(j + 1).to_string(), number(e), format!("= {numbers}")]);
    }
    t
}

fn through_activation(s: &Subject<'_>, i: usize, f: Activation, l: usize) -> Table {
    let (z, a) = (&s.step.values[i], &s.step.values[i + 1]);
    let (dz, da) = (&s.step.errors[i], &s.step.errors[i + 1]);
    let formula = match f {
        Activation::Sigmoid => "∂L/∂a · a (1 - a)",
        Activation::Tanh => "∂L/∂a · (1 - a²)",
        Activation::Relu => "∂L/∂a · [1 if z > 0, else 0]",
        Activation::Gelu => "∂L/∂a · (Φ(z) + z φ(z))",
        Activation::Softmax => "a (∂L/∂a - Σ a ∂L/∂a)",
    };
    let mut t = table(format!("Layer {l}: error terms δ{l} = {formula}"), &["unit", "δ", "= with numbers"]);
    let mean: f64 = a.iter().zip(da).map(|(a, d)| a * d).sum();
    for j in 0..dz.len() {
        let numbers = match f {
            Activation::Sigmoid => format!("{}·{}·(1 - {})", factor(da[j]), factor(a[j]), number(a[j])),
            Activation::Tanh => format!("{}·(1 - {}²)", factor(da[j]), factor(a[j])),
            Activation::Softmax => format!("{}·({} - {})", factor(a[j]), number(da[j]), factor(mean)),
            Activation::Relu | Activation::Gelu => {
                format!("{}·{}", factor(da[j]), number(f.slope(z[j], a[j])))
            }
        };
        t.rows.push(vec![(j + 1).to_string(), number(dz[j]), format!("= {numbers}")]);
    }
    t
}
