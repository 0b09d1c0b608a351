//! Which parameters a backward pass did not reach, and why that may be.

use std::fmt::{self, Display};

use talweg_tensor::{Grad, Gradients, Param};

/// What a backward pass gave to the parameters of a model, see
/// [`Module::gradient_report`](crate::Module::gradient_report). Its text names every parameter that is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GradientReport {
    /// How many parameters have a gradient that is not zero.
    pub reached: usize,
    /// Parameters without gradient, with the likely cause.
    pub missing: Vec<(String, String)>,
    /// Parameters whose gradient is zero in every element.
    pub zero: Vec<String>,
    /// Parameters that are frozen, and get none on purpose.
    pub frozen: Vec<String>,
}

impl GradientReport {
    pub(crate) fn of(params: &[(String, Param)], gradients: &Gradients) -> GradientReport {
        let mut report = GradientReport::default();
        let got = |param: &Param| gradients.get(param).is_some();
        for (name, param) in params {
            let Some(grad) = gradients.get(param) else {
                match param.is_trainable() {
                    true => report.missing.push((name.clone(), cause(name, params, &got))),
                    false => report.frozen.push(name.clone()),
                }
                continue;
            };
            let values = match grad {
                Grad::Dense(values) | Grad::Rows { values, .. } => values,
            };
            // NaN is not zero.
            match values.numel() == 0 || values.abs().max(..).item() == 0.0 {
                true => report.zero.push(name.clone()),
                false => report.reached += 1,
            }
        }
        report
    }

    /// Whether every parameter that is trained has a gradient that is not zero.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.zero.is_empty()
    }
}

/// Why a parameter has no gradient: the largest module around it that has none at all says most.
fn cause(name: &str, params: &[(String, Param)], got: &dyn Fn(&Param) -> bool) -> String {
    let trained = |prefix: &str| {
        let prefix = format!("{prefix}.");
        params
            .iter()
            .filter(move |(name, param)| name.starts_with(&prefix) && param.is_trainable())
            .map(|(_, param)| param)
            .collect::<Vec<_>>()
    };
    if !params.iter().any(|(_, param)| got(param)) {
        return "no parameter of the model has a gradient: the loss does not depend on the model's output, or it was \
                cut by detach(), no_grad() or an operation with whole numbers such as argmax"
            .into();
    }
    let modules = name.match_indices('.').map(|(end, _)| &name[..end]);
    for module in modules {
        let inside = trained(module);
        if inside.len() > 1 && !inside.iter().any(|param| got(param)) {
            return format!(
                "nothing in `{module}` has a gradient: it was not called, or its result was cut by detach() or \
                 no_grad(), or takes no part in the loss"
            );
        }
    }
    match name.rsplit_once('.') {
        Some((module, _)) if trained(module).len() > 1 => {
            format!("other parameters of `{module}` have one: its forward pass does not use this one")
        }
        _ => "it was not used, or its result was cut by detach() or no_grad(), or takes no part in the loss"
            .into(),
    }
}

impl Display for GradientReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trained = self.reached + self.missing.len() + self.zero.len();
        write!(f, "{} of {trained} trained parameters have a gradient", self.reached)?;
        for (name, cause) in &self.missing {
            write!(f, "\n{name}: none; {cause}")?;
        }
        for name in &self.zero {
            write!(
                f,
                "\n{name}: zero in every element; what it feeds is cut off for this input, as by a rectifier that is \
                 off everywhere"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use talweg_tensor::{DType, Rng, Tensor};

    use crate::{Layer, Linear, Mode, Module, Relu, seq};

    #[derive(Module)]
    struct Heads {
        body: Linear,
        used: Linear,
        unused: Linear,
        scale: talweg_tensor::Param,
    }

    #[test]
    fn modules_that_were_not_called_are_named() {
        let rng = &mut Rng::seed(1);
        let scale = talweg_tensor::Param::new(Tensor::ones([1], DType::F32));
        let heads = Heads {
            body: Linear::new(2, 3, rng),
            used: Linear::new(3, 1, rng),
            unused: Linear::new(3, 1, rng),
            scale,
        };
        heads.freeze("body.weight");
        let x = Tensor::ones([4, 2], DType::F32);
        let mode = &mut Mode::Eval;
        let y = heads.used.forward(&heads.body.forward(&x, mode), mode);
        let report = heads.gradient_report(&y.square().sum(..).backward());
        assert_eq!((report.reached, report.frozen.as_slice()), (3, &["body.weight".to_owned()][..]));
        let names: Vec<&str> = report.missing.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["unused.weight", "unused.bias", "scale"]);
        assert!(report.missing[0].1.starts_with("nothing in `unused` has a gradient: it was not called"));
        assert!(report.missing[2].1.starts_with("it was not used"));
        assert!(
            report
                .to_string()
                .starts_with("3 of 6 trained parameters have a gradient\nunused.weight: none; ")
        );
        assert!(!report.is_complete());
    }

    #[test]
    fn unused_parts_of_a_layer_and_a_loss_without_the_model_are_told_apart() {
        let rng = &mut Rng::seed(1);
        let (model, x) = (seq![Linear::new(2, 3, rng)], Tensor::ones([4, 2], DType::F32));
        let weight = model.params()[0].1.get();
        let report = model.gradient_report(&x.matmul(&weight.t()).sum(..).backward());
        assert!(report.missing[0].1.starts_with("other parameters of `0` have one"), "{report}");
        let other = Tensor::ones([1], DType::F32).requires_grad();
        let report = model.gradient_report(&other.sum(..).backward());
        assert!(report.missing[0].1.starts_with("no parameter of the model has a gradient"), "{report}");
    }

    #[test]
    fn gradients_that_are_zero_everywhere_are_told() {
        let rng = &mut Rng::seed(1);
        let model = seq![Linear::new(2, 3, rng), Relu, Linear::new(3, 1, rng)];
        // The rectifier is off for every unit.
        model.params()[1].1.set(&Tensor::full([3], -100.0, DType::F32));
        let y = model.forward(&Tensor::ones([4, 2], DType::F32), &mut Mode::Eval);
        let report = model.gradient_report(&y.sum(..).backward());
        assert_eq!(report.zero, ["0.weight", "0.bias", "2.weight"]);
        assert_eq!((report.reached, report.missing.len()), (1, 0));
    }
}
