//! Activations with kinks or parameters, made of choices between branches.
//!
//! A branch that is not chosen is given a harmless number in place of its own, because its gradient is then 0 times
//! something finite: 0 times infinity would be NaN.

use crate::op::{OpError, Spec, check};
use crate::tensor::Tensor;

/// Pieces that the activations are made of.
impl Tensor {
    /// A number of this tensor's type.
    fn number(&self, x: f64) -> Tensor {
        Tensor::full([], x, self.dtype())
    }

    /// This tensor where it is at most 0, else 0; and where that is. NaN is above 0.
    fn negative_part(&self) -> (Tensor, Tensor) {
        let zero = self.number(0.0);
        let below = self.le(&zero);
        (below.select(self, &zero), below)
    }
}

#[track_caller]
fn float(name: &str, x: &Tensor) {
    check::accept(check::float(name, &x.spec()));
}

/// The shape of the factors along axis 1 of an input: `[1, c, 1, ..]`.
fn channels(x: &Spec, weight: &Spec) -> Result<Vec<usize>, OpError> {
    check::float("prelu", x)?;
    check::alike("prelu", &[*x, *weight])?;
    let count = weight.shape.numel();
    let fits = match x.shape.rank() {
        0 | 1 => count == 1,
        _ => count == 1 || count == x.shape.at(1),
    };
    if !fits || weight.shape.rank() > 1 {
        return Err(OpError::new(format!(
            "prelu: the weight {} does not fit {}; make it a list of one factor, or of one for each element of axis 1",
            weight.shape, x.shape
        )));
    }
    let mut shape = vec![1; x.shape.rank()];
    if count != 1 {
        shape[1] = count;
    }
    Ok(shape)
}

impl Tensor {
    /// The leaky rectifier, `y = x` above 0, else `slope x` (Maas, Hannun and Ng, 2013); PyTorch's default slope is 0.01.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `dx = dy` where `x > 0`, else `slope dy`, also at 0.
    ///
    /// # Panics
    /// When the tensor is not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::scalar(-2.0f64).leaky_relu(0.25).item(), -0.5);
    /// ```
    #[track_caller]
    pub fn leaky_relu(&self, slope: f64) -> Tensor {
        float("leaky_relu", self);
        self.gt(&self.number(0.0)).select(self, &(self * slope))
    }

    /// The leaky rectifier whose slopes below 0 are learnt, `y = x` above 0, else `w x` (He, Zhang, Ren and Sun, 2015).
    ///
    /// # Shapes
    /// `x [n, c, ..]` with `w [c]`; any `x` with `w [1]` or `[]`. The result has the shape of `x`.
    ///
    /// # Gradient
    /// `dx = dy` where `x > 0`, else `w dy`; `dw = Σ x dy` over the elements not above 0.
    ///
    /// # Panics
    /// When the weight has other sizes, or the element types differ or are not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[-1.0f32, -1.0], [1, 2]);
    /// assert_eq!(x.prelu(&Tensor::from_slice(&[0.5f32, 2.0], [2])).to_vec::<f32>(), [-0.5, -2.0]);
    /// ```
    #[track_caller]
    pub fn prelu(&self, weight: &Tensor) -> Tensor {
        let shape = check::accept(channels(&self.spec(), &weight.spec()));
        let (negative, _) = self.negative_part();
        self.gt(&self.number(0.0)).select(self, &(weight.reshape(shape) * negative))
    }

    /// The exponential linear unit, `y = x` above 0, else `alpha (e^x - 1)` (Clevert, Unterthiner and Hochreiter, 2015);
    /// PyTorch's default alpha is 1.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `dx = dy` where `x > 0`, else `alpha e^x dy`, also at 0.
    ///
    /// # Panics
    /// When the tensor is not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert!((Tensor::scalar(-1.0f64).elu(2.0).item() + 1.264241117657).abs() < 1e-9);
    /// ```
    #[track_caller]
    pub fn elu(&self, alpha: f64) -> Tensor {
        float("elu", self);
        let (negative, below) = self.negative_part();
        below.select(&(negative.expm1() * alpha), self)
    }

    /// The exponential linear unit whose slope is continuous, `y = x` above 0, else `alpha (e^(x/alpha) - 1)` (Barron,
    /// 2017); PyTorch's default alpha is 1.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `dx = dy` where `x > 0`, else `e^(x/alpha) dy`
    ///
    /// # Panics
    /// When the tensor is not floating-point, or alpha is 0.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert!((Tensor::scalar(-1.0f64).celu(2.0).item() + 0.786938680575).abs() < 1e-9);
    /// ```
    #[track_caller]
    pub fn celu(&self, alpha: f64) -> Tensor {
        float("celu", self);
        assert!(alpha != 0.0, "celu: alpha 0 for {} would divide by 0; use relu()", self.shape());
        let (negative, below) = self.negative_part();
        below.select(&((negative * (1.0 / alpha)).expm1() * alpha), self)
    }

    /// The scaled exponential linear unit, `y = s x` above 0, else `s a (e^x - 1)` with `a = 1.6733` and `s = 1.0507`,
    /// which keep means at 0 and variances at 1 (Klambauer, Unterthiner, Mayr and Hochreiter, 2017).
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `dx = s dy` where `x > 0`, else `s a e^x dy`, also at 0.
    ///
    /// # Panics
    /// When the tensor is not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert!((Tensor::scalar(1.0f64).selu().item() - 1.050700987356).abs() < 1e-9);
    /// ```
    #[track_caller]
    pub fn selu(&self) -> Tensor {
        float("selu", self);
        self.elu(1.673_263_242_354_377_2) * 1.050_700_987_355_480_5
    }

    /// Every element limited to `low..=high`, as [`Tensor::clamp`].
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `dx = dy` inside, 0 outside and at the limits.
    ///
    /// # Panics
    /// When the tensor is not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::scalar(-3.0f32).hardtanh(-1.0, 1.0).item(), -1.0);
    /// ```
    #[track_caller]
    pub fn hardtanh(&self, low: f64, high: f64) -> Tensor {
        float("hardtanh", self);
        assert!(
            low <= high,
            "hardtanh: the limits {low} and {high} for {} are the wrong way round; the lower one comes first",
            self.shape()
        );
        let (low, high) = (self.number(low), self.number(high));
        self.le(&low).select(&low, &self.ge(&high).select(&high, self))
    }

    /// The rectifier that stops at 6, `y = min(max(x, 0), 6)`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `dx = dy` where `0 < x < 6`, else 0.
    ///
    /// # Panics
    /// When the tensor is not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::scalar(7.0f32).relu6().item(), 6.0);
    /// ```
    #[track_caller]
    pub fn relu6(&self) -> Tensor {
        float("relu6", self);
        self.hardtanh(0.0, 6.0)
    }

    /// The logistic function in straight pieces, `y = min(max(x + 3, 0), 6) / 6`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `dx = dy / 6` where `-3 < x < 3`, else 0.
    ///
    /// # Panics
    /// When the tensor is not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::scalar(1.5f64).hardsigmoid().item(), 0.75);
    /// ```
    #[track_caller]
    pub fn hardsigmoid(&self) -> Tensor {
        float("hardsigmoid", self);
        (self + 3.0).relu6() / 6.0
    }

    /// [`Tensor::silu`] in simple pieces, `y = x hardsigmoid(x)` (Howard and others, 2019).
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `dx = dy (2 x + 3) / 6` where `-3 < x < 3`, else `dy` above and 0 below.
    ///
    /// # Panics
    /// When the tensor is not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::scalar(1.5f64).hardswish().item(), 1.125);
    /// ```
    #[track_caller]
    pub fn hardswish(&self) -> Tensor {
        float("hardswish", self);
        let zero = self.number(0.0);
        let (low, high) = (self.le(&self.number(-3.0)), self.ge(&self.number(3.0)));
        let middle = low.logical_or(&high).select(&zero, self);
        let curve = &middle * (&middle + 3.0) / 6.0;
        low.select(&zero, &high.select(self, &curve))
    }

    /// What the hyperbolic tangent cuts off, `y = x - tanh x`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `dx = dy tanh² x`
    ///
    /// # Panics
    /// When the tensor is not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert!((Tensor::scalar(0.5f64).tanhshrink().item() - 0.037882842740).abs() < 1e-9);
    /// ```
    #[track_caller]
    pub fn tanhshrink(&self) -> Tensor {
        float("tanhshrink", self);
        self - self.tanh()
    }

    /// Every element moved towards 0 by `lambda`, and 0 within it; PyTorch's default is 0.5.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `dx = dy` where `|x| > lambda`, else 0.
    ///
    /// # Panics
    /// When the tensor is not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::scalar(-2.0f64).softshrink(0.5).item(), -1.5);
    /// ```
    #[track_caller]
    pub fn softshrink(&self, lambda: f64) -> Tensor {
        float("softshrink", self);
        assert!(
            lambda >= 0.0,
            "softshrink: the threshold {lambda} for {} is negative; it must be 0 or more",
            self.shape()
        );
        let (zero, limit) = (self.number(0.0), self.number(lambda));
        let inside = self.abs().le(&limit);
        let moved = self.gt(&zero).select(&(self - lambda), &(self + lambda));
        inside.select(&zero, &moved)
    }

    /// Every element, but 0 where its size is at most `lambda`; PyTorch's default is 0.5.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `dx = dy` where `|x| > lambda`, else 0.
    ///
    /// # Panics
    /// When the tensor is not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::scalar(0.25f64).hardshrink(0.5).item(), 0.0);
    /// ```
    #[track_caller]
    pub fn hardshrink(&self, lambda: f64) -> Tensor {
        float("hardshrink", self);
        self.abs().le(&self.number(lambda)).select(&self.number(0.0), self)
    }

    /// A squashing function with polynomial tails, `y = x / (1 + |x|)`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `dx = dy / (1 + |x|)²`
    ///
    /// # Panics
    /// When the tensor is not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::scalar(-3.0f64).softsign().item(), -0.75);
    /// ```
    #[track_caller]
    pub fn softsign(&self) -> Tensor {
        float("softsign", self);
        self / (self.abs() + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Tensor};

    crate::cases! {
        leaky_relu: |x| x[0].leaky_relu(0.1); shapes [[2, 3]] [[0]] [[]];
        prelu: |x| x[0].prelu(x[1]); shapes [[2, 3, 2], [3]] [[4], [1]] [[2, 3], []] [[0, 3], [3]]
            refuses [[2, 3], [2]] [[3], [3]] [[2, 3], [3, 1]];
        elu: |x| x[0].elu(1.3); shapes [[2, 3]] [[0]] [[]];
        celu: |x| x[0].celu(1.3); shapes [[2, 3]] [[0]] [[]];
        selu: |x| x[0].selu(); shapes [[2, 3]] [[0]] [[]];
        hardtanh: |x| x[0].hardtanh(-0.7, 0.9); shapes [[7]] [[0]] [[]];
        relu6: |x| x[0].relu6(); shapes [[7]] [[0]] [[]] on -4.0..8.0;
        hardsigmoid: |x| x[0].hardsigmoid(); shapes [[7]] [[0]] [[]] on -5.0..5.0;
        hardswish: |x| x[0].hardswish(); shapes [[7]] [[0]] [[]] on -5.0..5.0;
        tanhshrink: |x| x[0].tanhshrink(); shapes [[2, 3]] [[0]] [[]];
        softshrink: |x| x[0].softshrink(0.4); shapes [[7]] [[0]] [[]];
        hardshrink: |x| x[0].hardshrink(0.4); shapes [[7]] [[0]] [[]];
        softsign: |x| x[0].softsign(); shapes [[2, 3]] [[0]] [[]];
    }

    type Row<'a> = (&'a str, fn(&Tensor) -> Tensor, &'a [f64], &'a [f64], &'a [f64]);

    /// At kinks, infinities and NaN, as PyTorch 2.15 gives them: `x = torch.tensor([..], dtype=torch.float64,
    /// requires_grad=True); y = F.relu6(x); y.sum().backward(); print(y, x.grad)`, and so on. The gradient at NaN is
    /// not compared: PyTorch has 0, 1 or NaN there, as its comparisons happen to be written.
    #[test]
    fn kinks_and_infinities_are_those_of_pytorch() {
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        let rows: &[Row<'_>] = &[
            (
                "relu6",
                Tensor::relu6,
                &[0., 6., 3., nan, inf, -inf],
                &[0., 6., 3., nan, 6., 0.],
                &[0., 0., 1., nan, 0., 0.],
            ),
            (
                "hardswish",
                Tensor::hardswish,
                &[-3., 3., 0., nan, inf, -4.],
                &[0., 3., 0., nan, inf, 0.],
                &[0., 1., 0.5, nan, 1., 0.],
            ),
            (
                "hardtanh",
                |x| x.hardtanh(-1., 1.),
                &[-1., 1., 0., inf, -inf],
                &[-1., 1., 0., 1., -1.],
                &[0., 0., 1., 0., 0.],
            ),
            (
                "softshrink",
                |x| x.softshrink(0.5),
                &[-0.5, 0.5, nan, inf, -inf, 1.],
                &[0., 0., nan, inf, -inf, 0.5],
                &[0., 0., nan, 1., 1., 1.],
            ),
            (
                "hardshrink",
                |x| x.hardshrink(0.5),
                &[-0.5, 0.5, nan, inf, -inf, 1.],
                &[0., 0., nan, inf, -inf, 1.],
                &[0., 0., nan, 1., 1., 1.],
            ),
            ("elu", |x| x.elu(2.), &[0., nan, inf, -inf], &[0., nan, inf, -2.], &[2., nan, 1., 0.]),
            ("celu", |x| x.celu(2.), &[0., nan, inf, -inf], &[0., nan, inf, -2.], &[1., nan, 1., 0.]),
            (
                "leaky_relu",
                |x| x.leaky_relu(0.125),
                &[0., nan, inf, -inf],
                &[0., nan, inf, -inf],
                &[0.125, nan, 1., 0.125],
            ),
            ("hardsigmoid", Tensor::hardsigmoid, &[-3., 3., inf, -inf], &[0., 1., 1., 0.], &[0., 0., 0., 0.]),
            ("softsign", Tensor::softsign, &[0., -1.], &[0., -0.5], &[1., 0.25]),
        ];
        for (name, f, at, value, slope) in rows {
            let x = Tensor::from_slice(at, [at.len()]).requires_grad();
            let y = f(&x);
            let dx = y.sum(..).backward().wrt(&x).to_vec::<f64>();
            for (k, y) in y.to_vec::<f64>().iter().enumerate() {
                let same = *y == value[k] || y.is_nan() && value[k].is_nan();
                assert!(same, "{name}({}): {y}, not {}", at[k], value[k]);
                assert!(
                    at[k].is_nan() || dx[k] == slope[k],
                    "{name}'({}): {}, not {}",
                    at[k],
                    dx[k],
                    slope[k]
                );
            }
        }
    }

    #[test]
    fn an_unused_factor_of_prelu_gets_no_nan() {
        let x = Tensor::from_slice(&[f64::INFINITY, -2.0], [2]);
        let w = Tensor::from_slice(&[0.5f64], [1]).requires_grad();
        let y = x.prelu(&w);
        assert_eq!(y.to_vec::<f64>(), [f64::INFINITY, -1.0]);
        assert_eq!(y.sum(..).backward().wrt(&w).to_vec::<f64>(), [-2.0]);
    }

    #[test]
    #[should_panic(
        expected = "elu: needs a floating-point tensor, got i64 [2]; convert it with .cast(DType::F32)"
    )]
    fn whole_numbers_are_refused() {
        Tensor::zeros([2], DType::I64).elu(1.0);
    }
}
