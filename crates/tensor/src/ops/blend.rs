//! Sums of scaled tensors: interpolation, and a tensor plus a scaled product or quotient.

use crate::op::check;
use crate::tensor::Tensor;

/// Refuses what does not broadcast together, under the operation's own name.
#[track_caller]
pub(super) fn fit(name: &str, [a, b, c]: [&Tensor; 3]) {
    let specs = [a, b, c].map(Tensor::spec);
    let all = check::alike(name, &specs).and_then(|()| {
        let inner = specs[1].with_shape(check::broadcast(name, &specs[1], &specs[2])?);
        check::broadcast(name, &specs[0], &inner)
    });
    check::accept(all);
}

impl Tensor {
    /// The number between this one and `end`, `y = x + weight (end - x)`: x at weight 0, `end` at weight 1.
    ///
    /// # Shapes
    /// All three broadcast together.
    ///
    /// # Gradient
    /// `dx = (1 - weight) dy`, `dend = weight dy`, `dweight = (end - x) dy`
    ///
    /// # Panics
    /// When the shapes do not broadcast, or element types differ.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let (x, end) = (Tensor::scalar(1.0f32), Tensor::scalar(3.0f32));
    /// assert_eq!(x.lerp(&end, &Tensor::scalar(0.25f32)).item(), 1.5);
    /// ```
    #[track_caller]
    pub fn lerp(&self, end: &Tensor, weight: &Tensor) -> Tensor {
        fit("lerp", [self, end, weight]);
        self + (end - self) * weight
    }

    /// This tensor and a scaled product, `y = x + scale a b`.
    ///
    /// # Shapes
    /// All three broadcast together.
    ///
    /// # Gradient
    /// `dx = dy`, `da = scale b dy`, `db = scale a dy`
    ///
    /// # Panics
    /// When the shapes do not broadcast, or element types differ.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let number = |x: f32| Tensor::scalar(x);
    /// assert_eq!(number(1.0).addcmul(&number(2.0), &number(3.0), 0.5).item(), 4.0);
    /// ```
    #[track_caller]
    pub fn addcmul(&self, a: &Tensor, b: &Tensor, scale: f64) -> Tensor {
        fit("addcmul", [self, a, b]);
        self + a * b * scale
    }

    /// This tensor and a scaled quotient, `y = x + scale a / b`.
    ///
    /// # Shapes
    /// All three broadcast together.
    ///
    /// # Gradient
    /// `dx = dy`, `da = scale dy / b`, `db = -scale a dy / b²`
    ///
    /// # Panics
    /// When the shapes do not broadcast, or element types differ.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let number = |x: f32| Tensor::scalar(x);
    /// assert_eq!(number(1.0).addcdiv(&number(2.0), &number(4.0), 3.0).item(), 2.5);
    /// ```
    #[track_caller]
    pub fn addcdiv(&self, a: &Tensor, b: &Tensor, scale: f64) -> Tensor {
        fit("addcdiv", [self, a, b]);
        self + a / b * scale
    }
}

#[cfg(test)]
mod tests {
    crate::cases! {
        lerp: |x| x[0].lerp(x[1], x[2]); shapes [[2, 3], [3], []] [[0], [1], [0]]  refuses [[2], [3], []];
        addcmul: |x| x[0].addcmul(x[1], x[2], -0.7); shapes [[2, 3], [3], [2, 1]] [[0], [], [0]]  refuses [[2], [3], []];
        addcdiv: |x| x[0].addcdiv(x[1], x[2], -0.7); shapes [[2, 3], [3], [2, 1]] [[0], [], [0]] on 0.5..2.0
            refuses [[2], [3], []];
    }
}
