//! Reductions: sums, means, extrema over any axes, and positions of extrema.

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::dtype::DType;
use crate::op::{Op, OpError, Saved, Spec, apply, check};
use crate::shape::{Axes, AxisSet, Shape};
use crate::tensor::Tensor;

/// What a reduction computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduce {
    /// The sum.
    Sum,
    /// The mean.
    Mean,
    /// The greatest element.
    Max,
    /// The least element.
    Min,
}

impl Reduce {
    const fn name(self) -> &'static str {
        match self {
            Reduce::Sum => "sum",
            Reduce::Mean => "mean",
            Reduce::Max => "max",
            Reduce::Min => "min",
        }
    }
}

#[derive(Debug)]
struct Reduction {
    kind: Reduce,
    axes: Axes,
    keep: bool,
}

impl Reduction {
    fn axes(&self, shape: &Shape) -> Result<AxisSet, OpError> {
        AxisSet::of(&self.axes, shape).map_err(|e| OpError::new(format!("{}: {e}", self.kind.name())))
    }

    /// The output's numbers with the reduced axes back, as size 1, so that they broadcast to the input.
    fn kept(&self, y: &Tensor, axes: AxisSet, input: &Shape) -> Tensor {
        if self.keep { y.clone() } else { y.reshape(axes.reduce(input, true)) }
    }
}

impl Op for Reduction {
    fn name(&self) -> &'static str {
        self.kind.name()
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let x = &inputs[0];
        let axes = self.axes(&x.shape)?;
        let counted = self.kind == Reduce::Sum && matches!(x.dtype, DType::U8 | DType::Bool);
        let whole = x.dtype == DType::I64 && self.kind != Reduce::Mean;
        if !whole && !counted {
            check::float(self.name(), x)?;
        }
        let extremum = matches!(self.kind, Reduce::Max | Reduce::Min);
        let count: usize = (0..x.shape.rank()).filter(|&a| axes.contains(a)).map(|a| x.shape.at(a)).product();
        let shape = axes.reduce(&x.shape, self.keep);
        if extremum && count == 0 && shape.numel() > 0 {
            return Err(OpError::new(format!(
                "{}: there is no {} of no elements, got {}; reduce other axes, or leave empty tensors out",
                self.name(),
                if self.kind == Reduce::Max { "greatest" } else { "least" },
                x.shape
            )));
        }
        Ok(if counted { x.with_shape(shape).with_dtype(DType::I64) } else { x.with_shape(shape) })
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        let axes = self.axes(inputs[0].shape()).expect("the shape rule accepted the axes");
        let kernel = Kernel::Reduce(self.kind, axes);
        let y = match inputs[0].dtype() == out.dtype {
            true => Tensor::run(&kernel, inputs, out),
            false => Tensor::run(&kernel, &[&inputs[0].cast(out.dtype)], out),
        };
        if matches!(self.kind, Reduce::Max | Reduce::Min) {
            saved.keep_input(0, inputs[0]);
            saved.keep_output(&y);
        }
        y
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        let input = saved.shape(0);
        let axes = self.axes(input).expect("the shape rule accepted the axes");
        let count = input.numel() / dy.numel().max(1);
        let dy = self.kept(&dy, axes, input);
        let dx = match self.kind {
            Reduce::Sum => dy,
            Reduce::Mean => dy * (1.0 / count as f64),
            Reduce::Max | Reduce::Min => {
                let y = self.kept(&saved.output().detach(), axes, input);
                let x = saved.input(0).detach();
                // NaN is the extremum wherever it is an element.
                let hit = x.eq(&y).logical_or(&x.is_nan()).cast(dy.dtype());
                let share = &hit / hit.reduce(Reduce::Sum, self.axes.clone(), true);
                dy * share
            }
        };
        vec![Some(dx.into())]
    }
}

impl Tensor {
    #[track_caller]
    fn reduce(&self, kind: Reduce, axes: impl Into<Axes>, keep: bool) -> Tensor {
        apply(Reduction { kind, axes: axes.into(), keep }, &[self])
    }

    /// This tensor summed down to a shape that broadcasts to its own: the adjoint of broadcasting.
    pub(crate) fn sum_to(&self, shape: &Shape) -> Tensor {
        let lead = self.rank() - shape.rank();
        let summed = |axis: usize| axis < lead || (shape.at(axis - lead) == 1 && self.shape().at(axis) != 1);
        if !self.is_tracked() {
            let axes = AxisSet::where_true(self.rank(), summed);
            return Tensor::run(&Kernel::Reduce(Reduce::Sum, axes), &[self], &self.spec().with_shape(shape));
        }
        let axes: Vec<isize> = (0..self.rank()).filter(|&a| summed(a)).map(|a| a as isize).collect();
        self.reduce(Reduce::Sum, axes.as_slice(), true).reshape(shape)
    }
}

macro_rules! reductions {
    ($($(#[$doc:meta])* $kind:ident $name:ident $keep:ident;)*) => {
        impl Tensor {
            $(
                $(#[$doc])*
                #[track_caller]
                pub fn $name(&self, axes: impl Into<Axes>) -> Tensor {
                    self.reduce(Reduce::$kind, axes, false)
                }

                #[doc = concat!("Like [`Tensor::", stringify!($name), "`], but the axes stay, with size 1.")]
                ///
                /// # Shapes
                /// The input's with the reduced axes 1.
                ///
                /// # Gradient
                #[doc = concat!("That of [`Tensor::", stringify!($name), "`].")]
                ///
                /// # Panics
                #[doc = concat!("As [`Tensor::", stringify!($name), "`].")]
                ///
                /// # Examples
                /// ```
                /// # use talweg_tensor::Tensor;
                /// let x = Tensor::from_slice(&[1.0f32, 3.0], [1, 2]);
                #[doc = concat!("assert_eq!(x.", stringify!($keep), "(-1).shape(), &[1, 1]);")]
                /// ```
                #[track_caller]
                pub fn $keep(&self, axes: impl Into<Axes>) -> Tensor {
                    self.reduce(Reduce::$kind, axes, true)
                }
            )*
        }
    };
}

reductions! {
    /// The sum over axes: `..` for all, `-1` for the last, `[0, 2]` for several. Truth values and bytes are added up as
    /// `i64`.
    ///
    /// # Shapes
    /// The input's without the reduced axes.
    ///
    /// # Gradient
    /// `dx = dy`, repeated along the axes.
    ///
    /// # Panics
    /// For axes out of range or named twice, and for `bf16`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [2, 2]);
    /// assert_eq!(x.sum(0).to_vec::<f32>(), [4.0, 6.0]);
    /// assert_eq!(x.sum(..).item(), 10.0);
    /// ```
    Sum sum sum_keep;
    /// The mean over axes. Of no elements it is NaN.
    ///
    /// # Shapes
    /// The input's without the reduced axes.
    ///
    /// # Gradient
    /// `dx = dy / n`, repeated along the axes, with `n` elements in each mean.
    ///
    /// # Panics
    /// For axes out of range or named twice, and for tensors that are not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [2, 2]);
    /// assert_eq!(x.mean(1).to_vec::<f32>(), [1.5, 3.5]);
    /// ```
    Mean mean mean_keep;
    /// The greatest element over axes; NaN if one is.
    ///
    /// # Shapes
    /// The input's without the reduced axes.
    ///
    /// # Gradient
    /// `dy` to the greatest element; equal ones share it.
    ///
    /// # Panics
    /// For axes out of range or named twice, and for no elements.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 0.0], [2, 2]);
    /// assert_eq!(x.max(0).to_vec::<f32>(), [3.0, 2.0]);
    /// ```
    Max max max_keep;
    /// The least element over axes; NaN if one is.
    ///
    /// # Shapes
    /// The input's without the reduced axes.
    ///
    /// # Gradient
    /// `dy` to the least element; equal ones share it.
    ///
    /// # Panics
    /// For axes out of range or named twice, and for no elements.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 0.0], [2, 2]);
    /// assert_eq!(x.min(..).item(), 0.0);
    /// ```
    Min min min_keep;
}

impl Tensor {
    /// The variance over axes, `mean((x - mean x)²) n / (n - correction)`; `correction` 1 gives the unbiased
    /// estimate, 0 that of the elements themselves.
    ///
    /// # Shapes
    /// The input's with the reduced axes 1.
    ///
    /// # Gradient
    /// `dx = 2 dy (x - mean x) / (n - correction)`
    ///
    /// # Panics
    /// For axes out of range or named twice, and for tensors that are not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0], [3]);
    /// assert_eq!(x.var_keep(.., 1).item(), 1.0);
    /// ```
    #[track_caller]
    pub fn var_keep(&self, axes: impl Into<Axes>, correction: usize) -> Tensor {
        let axes = axes.into();
        let variance = (self - self.mean_keep(axes.clone())).square().mean_keep(axes);
        let n = self.numel() / variance.numel().max(1);
        variance * (n as f64 / n.saturating_sub(correction) as f64)
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Tensor};

    crate::cases! {
        sum: |x| x[0].sum([0, -1]); shapes [[2, 3, 4]] [[2, 0]] [[5, 1]]  refuses [[]] [[3]];
        sum_all: |x| x[0].sum(..); shapes [[2, 3, 4]] [[0]] [[]];
        mean: |x| x[0].mean(1); shapes [[2, 3, 4]] [[0, 3]] [[5, 1]]  refuses [[3]];
        mean_keep: |x| x[0] - x[0].mean_keep(-2); shapes [[2, 3, 4]];
        max: |x| x[0].max(-1); shapes [[2, 3]] [[4, 1]] [[0, 3]]  refuses [[]] [[2, 0]];
        min: |x| x[0].min(..); shapes [[2, 3]] [[1]] [[]]  refuses [[0]];
        min_rows: |x| x[0].min(0); shapes [[2, 3]] [[2, 0]]  refuses [[0, 2]];
        var_keep: |x| x[0].var_keep(0, 1); shapes [[4, 2]];
    }

    #[test]
    fn sums_over_every_choice_of_axes_agree_with_loops() {
        let x = Tensor::from_slice(&(0..120).map(|i| (i * i % 17) as f64).collect::<Vec<_>>(), [2, 3, 4, 5]);
        let data = x.to_vec::<f64>();
        for bits in 0..16u32 {
            let axes: Vec<isize> = (0..4).filter(|a| bits >> a & 1 == 1).collect();
            let y = x.sum_keep(axes.as_slice());
            let mut want = vec![0.0; y.numel()];
            for (flat, value) in data.iter().enumerate() {
                let at = [flat / 60, flat / 20 % 3, flat / 5 % 4, flat % 5];
                let to =
                    (0..4).fold(0, |to, a| to * y.shape().at(a) + if bits >> a & 1 == 1 { 0 } else { at[a] });
                want[to] += value;
            }
            assert_eq!(y.to_vec::<f64>(), want, "{axes:?}");
        }
    }

    #[test]
    fn ties_of_a_maximum_share_the_gradient() {
        let x = Tensor::from_slice(&[2.0f64, 2.0, 1.0, 2.0], [4]).requires_grad();
        let dx = x.max(..).backward().wrt(&x).to_vec::<f64>();
        assert_eq!(dx, [1.0 / 3.0, 1.0 / 3.0, 0.0, 1.0 / 3.0]);
    }

    #[test]
    fn whole_numbers_add_up() {
        assert_eq!(Tensor::arange(5).sum(..).to_vec::<i64>(), [10]);
        assert_eq!(Tensor::from_slice(&[200u8, 100], [2]).sum(..).to_vec::<i64>(), [300]);
        assert_eq!(Tensor::from_slice(&[true, false, true, true], [2, 2]).sum(0).to_vec::<i64>(), [2, 1]);
        assert!(Tensor::zeros([0], DType::F32).mean(..).item().is_nan());
    }
}
