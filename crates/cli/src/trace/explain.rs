//! One step of gradient descent in words, formulas and numbers.

use super::backward::backward;
use super::document::{Document, Section, Table, factor, number, sum_of_products};
use super::network::{Activation, H, Loss, Network, Stage, Step, Target};

/// The example and the settings of a step.
pub(crate) struct Subject<'a> {
    pub(crate) network: &'a Network,
    pub(crate) step: &'a Step,
    /// Where the example comes from, e.g. `row 2 of xor`.
    pub(crate) example: String,
    pub(crate) x: &'a [f64],
    pub(crate) target: &'a Target,
    /// The names of the inputs, if they have any.
    pub(crate) names: &'a [String],
    /// The name of the target's class.
    pub(crate) class: Option<String>,
    pub(crate) lr: f64,
    /// What the explanation leaves out, e.g. dropout.
    pub(crate) notes: Vec<String>,
}

/// Explains a step.
pub(crate) fn explain(subject: &Subject<'_>) -> Document {
    Document {
        title: "One step of gradient descent, number by number".into(),
        sections: vec![
            example(subject),
            forward(subject),
            loss(subject),
            backward(subject),
            gradients(subject),
            update(subject),
            after(subject),
        ],
    }
}

pub(super) fn table(caption: impl Into<String>, columns: &[&str]) -> Table {
    Table {
        caption: caption.into(),
        columns: columns.iter().map(|c| c.to_string()).collect(),
        rows: Vec::new(),
    }
}

fn list(values: &[f64]) -> String {
    format!("[{}]", values.iter().map(|&x| number(x)).collect::<Vec<_>>().join(", "))
}

/// The number of the linear stage among the linear ones, from 1: what the explanation calls a layer.
pub(super) fn layer_of(network: &Network, stage: usize) -> usize {
    network.stages[..=stage].iter().filter(|s| matches!(s, Stage::Linear { .. })).count()
}

fn example(s: &Subject<'_>) -> Section {
    let mut text: Vec<String> = vec![
        format!("Network: {}.", shape(s.network, s.x.len())),
        format!(
            "Example: {}, x = {}, target {}.",
            s.example,
            list(s.x),
            target(s.target, s.class.as_deref())
        ),
        format!("Loss: {}. Learning rate: η = {}.", loss_name(s.network.loss), number(s.lr)),
    ];
    text.extend(s.notes.iter().cloned());
    Section { heading: "1. The example".into(), text, tables: inputs(s).into_iter().collect() }
}

fn shape(network: &Network, inputs: usize) -> String {
    let mut parts = vec![count(inputs, "input")];
    for stage in &network.stages {
        match stage {
            Stage::Linear { weight, .. } => parts.push(count(weight.len(), "unit")),
            Stage::Activation(f) => {
                if let Some(last) = parts.last_mut() {
                    *last = format!("{last} ({})", f.name());
                }
            }
        }
    }
    format!("{}; {} weights and biases", parts.join(" → "), network.size())
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn target(target: &Target, class: Option<&str>) -> String {
    match target {
        Target::Numbers(y) if y.len() == 1 => format!("y = {}", number(y[0])),
        Target::Numbers(y) => format!("y = {}", list(y)),
        Target::Class(c) => {
            format!("class c = {}{}", c + 1, class.map_or(String::new(), |name| format!(", {name}")))
        }
    }
}

/// The inputs by name: as the network sees them.
fn inputs(s: &Subject<'_>) -> Option<Table> {
    if s.names.len() != s.x.len() {
        return None;
    }
    let caption = "The inputs as the network sees them: numbers standardised, a category as 1 among zeros";
    let mut t = table(caption, &["input", "x", "name"]);
    for (i, (x, name)) in s.x.iter().zip(s.names).enumerate() {
        t.rows.push(vec![(i + 1).to_string(), number(*x), name.clone()]);
    }
    Some(t)
}

fn loss_name(loss: Loss) -> &'static str {
    match loss {
        Loss::Mse => "mean squared error, L = 1/n Σ (a - y)²",
        Loss::Bce => "binary cross-entropy, L = 1/n Σ -(y ln a + (1 - y) ln(1 - a))",
        Loss::BceWithLogits => {
            "binary cross-entropy of logits, L = 1/n Σ -(y ln σ(z) + (1 - y) ln(1 - σ(z)))"
        }
        Loss::CrossEntropy => "cross-entropy of logits, L = -ln p_c with p = softmax(z)",
    }
}

fn forward(s: &Subject<'_>) -> Section {
    let mut tables = Vec::new();
    for (i, stage) in s.network.stages.iter().enumerate() {
        let (input, output) = (&s.step.values[i], &s.step.values[i + 1]);
        let l = layer_of(s.network, i);
        match stage {
            Stage::Linear { weight, bias } => {
                let from = if l == 1 { "x".to_string() } else { format!("a{}", l - 1) };
                let plus = if bias.is_some() { format!(" + b{l}") } else { String::new() };
                let mut t = table(
                    format!("Layer {l}: weighted sums z{l} = W{l} {from}{plus}"),
                    &["unit", "z", "= sum"],
                );
                for (j, row) in weight.iter().enumerate() {
                    let pairs: Vec<(f64, f64)> = row.iter().copied().zip(input.iter().copied()).collect();
                    let bias = bias.as_ref().map_or(String::new(), |b| format!(" + {}", factor(b[j])));
                    t.rows.push(vec![
                        (j + 1).to_string(),
                        number(output[j]),
                        format!("= {}{bias}", sum_of_products(&pairs)),
                    ]);
                }
                tables.push(t);
            }
            Stage::Activation(f) => {
                let mut t = table(
                    format!("Layer {l}: activations a{l} = {}(z{l})", f.name()),
                    &["unit", "a", "= f(z)"],
                );
                for (j, a) in output.iter().enumerate() {
                    t.rows.push(vec![(j + 1).to_string(), number(*a), format!("= {}", apply(*f, input[j]))]);
                }
                tables.push(t);
            }
        }
    }
    let text = vec![
        "Each unit adds up its inputs times its weights, and its bias; then its function is applied.".into(),
    ];
    Section { heading: "2. Forward pass".into(), text, tables }
}

fn apply(f: Activation, z: f64) -> String {
    match f {
        Activation::Sigmoid => format!("1 / (1 + e^-{})", factor(z)),
        Activation::Tanh => format!("tanh({})", number(z)),
        Activation::Relu => format!("max({}, 0)", number(z)),
        Activation::Gelu => format!("{}·Φ({})", factor(z), number(z)),
        Activation::Softmax => format!("e^{} / Σ e^z", factor(z)),
    }
}

fn loss(s: &Subject<'_>) -> Section {
    let output = s.step.values.last().expect("there is an output");
    let n = output.len();
    let (mean, end) = if n > 1 { (format!("1/{n} ("), ")") } else { (String::new(), "") };
    let sum = |term: &dyn Fn(f64, f64) -> String, y: &[f64]| {
        let terms: Vec<String> = output.iter().zip(y).map(|(&a, &y)| term(a, y)).collect();
        format!("L = {mean}{}{end} = {}", terms.join(" + "), number(s.step.loss))
    };
    let log = |p: &str, a: f64, y: f64| {
        format!("-({}·ln {p}{} + {}·ln(1 - {p}{}))", number(y), factor(a), number(1.0 - y), factor(a))
    };
    let line = match (s.network.loss, s.target) {
        (Loss::Mse, Target::Numbers(y)) => sum(&|a, y| format!("({} - {})²", number(a), factor(y)), y),
        (Loss::Bce, Target::Numbers(y)) => sum(&|a, y| log("", a, y), y),
        (Loss::BceWithLogits, Target::Numbers(y)) => sum(&|z, y| log("σ ", z, y), y),
        (_, Target::Class(c)) => {
            let p = (-s.step.loss).exp();
            format!(
                "p = softmax(z), p_{} = {}, L = -ln {} = {}",
                c + 1,
                number(p),
                number(p),
                number(s.step.loss)
            )
        }
        (Loss::CrossEntropy, Target::Numbers(_)) => format!("L = {}", number(s.step.loss)),
    };
    Section { heading: "3. Loss".into(), text: vec![line], tables: vec![] }
}

fn gradients(s: &Subject<'_>) -> Section {
    let mut tables = Vec::new();
    let mut worst = 0.0f64;
    for (i, gradient) in s.step.gradients.iter().enumerate() {
        let Some(g) = gradient else { continue };
        let (l, input, error) = (layer_of(s.network, i), &s.step.values[i], &s.step.errors[i + 1]);
        let from = if l == 1 { "x".to_string() } else { format!("a{}", l - 1) };
        let mut t = table(
            format!("Layer {l}: ∂L/∂W{l}[j,i] = δ{l}[j]·{from}[i], ∂L/∂b{l}[j] = δ{l}[j]"),
            &["weight", "gradient", "finite difference", "= with numbers"],
        );
        for (j, d) in error.iter().enumerate() {
            for (k, a) in input.iter().enumerate() {
                worst = worst.max((g.weight[j][k] - g.weight_numeric[j][k]).abs());
                t.rows.push(vec![
                    format!("W{l}[{},{}]", j + 1, k + 1),
                    number(g.weight[j][k]),
                    number(g.weight_numeric[j][k]),
                    format!("= {}·{}", factor(*d), factor(*a)),
                ]);
            }
            if let (Some(b), Some(n)) = (&g.bias, &g.bias_numeric) {
                worst = worst.max((b[j] - n[j]).abs());
                t.rows.push(vec![
                    format!("b{l}[{}]", j + 1),
                    number(b[j]),
                    number(n[j]),
                    format!("= {}", number(*d)),
                ]);
            }
        }
        tables.push(t);
    }
    let library = s.network.compare(s.step, s.x, s.target);
    let text = vec![
        format!(
            "Next to each gradient: (L(w + h) - L(w - h)) / 2h with h = {H:.0e}, for which only the forward pass is needed."
        ),
        format!(
            "Greatest difference: {worst:.1e} from finite differences, {library:.1e} from Talweg's own backward pass."
        ),
    ];
    Section { heading: "5. Gradients".into(), text, tables }
}

fn update(s: &Subject<'_>) -> Section {
    let next = s.network.updated(s.step, s.lr);
    let mut tables = Vec::new();
    for (i, stage) in s.network.stages.iter().enumerate() {
        let (Stage::Linear { weight, bias }, Some(g)) = (stage, &s.step.gradients[i]) else { continue };
        let Stage::Linear { weight: new_weight, bias: new_bias } = &next.stages[i] else { continue };
        let l = layer_of(s.network, i);
        let mut t = table(format!("Layer {l}"), &["weight", "before", "after", "= with numbers"]);
        let mut row = |name: String, before: f64, gradient: f64, after: f64| {
            let numbers = format!("= {} - {}·{}", number(before), number(s.lr), factor(gradient));
            t.rows.push(vec![name, number(before), number(after), numbers]);
        };
        for j in 0..weight.len() {
            for k in 0..weight[j].len() {
                row(format!("W{l}[{},{}]", j + 1, k + 1), weight[j][k], g.weight[j][k], new_weight[j][k]);
            }
            if let (Some(b), Some(g), Some(n)) = (bias, &g.bias, new_bias) {
                row(format!("b{l}[{}]", j + 1), b[j], g[j], n[j]);
            }
        }
        tables.push(t);
    }
    let text = vec!["Every weight moves against its gradient: w ← w - η g.".into()];
    Section { heading: "6. Update".into(), text, tables }
}

fn after(s: &Subject<'_>) -> Section {
    let next = s.network.updated(s.step, s.lr);
    let (before, after) = (s.step.loss, next.loss(s.x, s.target));
    let squares: f64 = s
        .step
        .gradients
        .iter()
        .flatten()
        .map(|g| {
            let bias = g.bias.iter().flatten().map(|x| x * x).sum::<f64>();
            g.weight.iter().flatten().map(|x| x * x).sum::<f64>() + bias
        })
        .sum();
    let text = vec![
        format!(
            "The loss on this example was {} and is now {}: a change of {}.",
            number(before),
            number(after),
            number(after - before)
        ),
        format!(
            "To first order it should change by -η Σ g² = -{}·{} = {}.",
            number(s.lr),
            number(squares),
            number(-s.lr * squares)
        ),
    ];
    Section { heading: "7. What the step brought".into(), text, tables: vec![] }
}
