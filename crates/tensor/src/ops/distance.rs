//! How far and how alike vectors are.

use crate::op::check;
use crate::ops::group_norm::length;
use crate::tensor::Tensor;

/// `(Σ |x|^p)^(1/p)` along the last axis, which goes; the gradient of a vector of zeros is 0.
fn norm(x: &Tensor, p: f64) -> Tensor {
    if p == 0.0 {
        return x.sign().abs().sum(-1);
    }
    if p == 1.0 {
        return x.abs().sum(-1);
    }
    if p == f64::INFINITY {
        return x.abs().max(-1);
    }
    let power = if p == 2.0 { x.square().sum(-1) } else { powers(x, p).sum(-1) };
    // A root has no slope at 0: where there is nothing, another number takes its place and is not chosen.
    let zero = power.zeros_like();
    let some = power.gt(&zero);
    let safe = some.select(&power, &power.ones_like());
    let root = if p == 2.0 { safe.sqrt() } else { safe.powf(1.0 / p) };
    some.select(&root, &zero)
}

/// `|x|^p` whose gradient at 0 is 0, also for p below 1.
fn powers(x: &Tensor, p: f64) -> Tensor {
    let (size, zero) = (x.abs(), x.zeros_like());
    let some = size.gt(&zero);
    some.select(&some.select(&size, &x.ones_like()).powf(p), &zero)
}

#[track_caller]
fn check_pair(name: &str, x: &Tensor, y: &Tensor) {
    let specs = [x.spec(), y.spec()];
    let all = check::float(name, &specs[0]).and_then(|()| check::alike(name, &specs));
    check::accept(all);
}

#[track_caller]
fn check_broadcast(name: &str, x: &Tensor, y: &Tensor) {
    check_pair(name, x, y);
    check::accept(check::broadcast(name, &x.spec(), &y.spec()));
}

impl Tensor {
    /// The cosine of the angle between vectors along an axis, `y = Σ a b / (max(‖a‖, ε) max(‖b‖, ε))`: 1 for the same direction, −1
    /// for the opposite one.
    ///
    /// # Shapes
    /// Broadcast together; the axis, of what comes out of that, goes.
    ///
    /// # Gradient
    /// `da = dy (b / ‖b‖ − y a / ‖a‖) / ‖a‖`, and `db` likewise.
    ///
    /// # Panics
    /// When shapes do not broadcast, there is no such axis, or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let (a, b) = (Tensor::from_slice(&[3.0f64, 4.0], [2]), Tensor::from_slice(&[1.0f64, 0.0], [2]));
    /// assert!((a.cosine_similarity(&b, 0, 1e-8).item() - 0.6).abs() < 1e-12);
    /// ```
    #[track_caller]
    pub fn cosine_similarity(&self, other: &Tensor, axis: isize, eps: f64) -> Tensor {
        check_broadcast("cosine_similarity", self, other);
        let shape = self.shape().broadcast(other.shape()).expect("just checked");
        check::accept(check::axis("cosine_similarity", axis, &shape));
        let (a, b) = (self.broadcast_to(shape), other.broadcast_to(shape));
        let unit = |x: &Tensor| x / length(x, 2.0, axis, eps);
        (unit(&a) * unit(&b)).sum(axis)
    }

    /// The distance of vectors along the last axis, `y = ‖a − b + ε‖_p`. A small ε keeps the gradient at equal vectors finite.
    ///
    /// # Shapes
    /// `[.., d]` and `[.., d]`, broadcast together, to `[..]`.
    ///
    /// # Gradient
    /// With `x = a − b + ε`: `da = dy sign(x) |x|^(p−1) / y^(p−1)`, 0 at a distance of 0, and `db = −da`.
    ///
    /// # Panics
    /// When shapes do not broadcast, an input has no axis, `p` is negative, or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let (a, b) = (Tensor::from_slice(&[3.0f64, 0.0], [1, 2]), Tensor::from_slice(&[0.0f64, 4.0], [1, 2]));
    /// assert_eq!(a.pairwise_distance(&b, 2.0, 0.0).to_vec::<f64>(), [5.0]);
    /// assert_eq!(a.pairwise_distance(&b, 1.0, 0.0).to_vec::<f64>(), [7.0]);
    /// ```
    #[track_caller]
    pub fn pairwise_distance(&self, other: &Tensor, p: f64, eps: f64) -> Tensor {
        check_broadcast("pairwise_distance", self, other);
        let ranks = self.rank().min(other.rank());
        assert!(
            ranks > 0 && p >= 0.0,
            "pairwise_distance: inputs {} x {} with p {p}; both need an axis, and p must be 0 or more",
            self.shape(),
            other.shape()
        );
        let difference = self - other;
        norm(&if eps == 0.0 { difference } else { difference + eps }, p)
    }

    /// The distances of all vectors of one set from all of another, `y[i, j] = ‖a[i] − b[j]‖_p`; `p` is 0 (how many numbers differ), 1,
    /// 2, infinity, or any other above 0.
    ///
    /// # Shapes
    /// `[.., m, d]` and `[.., n, d]`, the first axes broadcast together, to `[.., m, n]`.
    ///
    /// # Gradient
    /// That of the distances, 0 at a distance of 0 and for `p = 0`.
    ///
    /// # Panics
    /// When the sizes do not fit, `p` is negative, or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let a = Tensor::from_slice(&[0.0f64, 0.0, 3.0, 0.0], [2, 2]);
    /// let b = Tensor::from_slice(&[0.0f64, 4.0], [1, 2]);
    /// assert_eq!(a.cdist(&b, 2.0).to_vec::<f64>(), [4.0, 5.0]);
    /// ```
    #[track_caller]
    pub fn cdist(&self, other: &Tensor, p: f64) -> Tensor {
        check_pair("cdist", self, other);
        let fits = self.rank() >= 2 && other.rank() >= 2 && self.size(-1) == other.size(-1) && p >= 0.0;
        assert!(
            fits,
            "cdist: inputs {} x {} with p {p}; they must be [.., m, d] and [.., n, d] with one d, and p 0 or more",
            self.shape(),
            other.shape()
        );
        let (a, b) = (self.unsqueeze(-2), other.unsqueeze(-3));
        check_broadcast("cdist", &a, &b);
        norm(&(a - b), p)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;

    crate::cases! {
        cosine_similarity: |x| x[0].cosine_similarity(x[1], -1, 1e-8); shapes [[2, 3], [2, 3]] [[2, 3], [3]] [[0, 2], [0, 2]]
            refuses [[2, 3], [2, 2]] [[], []];
        cosine_similarity_along_the_first: |x| x[0].cosine_similarity(x[1], 0, 1e-8); shapes [[3, 2], [3, 1]];
        pairwise_distance: |x| x[0].pairwise_distance(x[1], 2.0, 1e-6); shapes [[2, 3], [2, 3]] [[2, 3], [3]] [[0, 2], [0, 2]]
            refuses [[2, 3], [2, 2]] [[], []];
        pairwise_distance_in_other_norms: |x| {
            x[0].pairwise_distance(x[1], 1.0, 0.0) + x[0].pairwise_distance(x[1], 3.0, 0.0) + x[0].pairwise_distance(x[1], 1.5, 0.0)
        }; shapes [[2, 3], [2, 3]];
        cdist: |x| x[0].cdist(x[1], 2.0); shapes [[2, 3], [4, 3]] [[2, 1, 2, 3], [3, 2, 3]] [[0, 3], [2, 3]]
            refuses [[2, 3], [4, 2]] [[3], [4, 3]] [[2, 2, 3], [3, 2, 3]];
        cdist_of_sums: |x| x[0].cdist(x[1], 1.0); shapes [[2, 3], [2, 3]];
        cdist_of_the_greatest: |x| x[0].cdist(x[1], f64::INFINITY); shapes [[2, 3], [2, 3]];
        cdist_of_a_fraction: |x| x[0].cdist(x[1], 0.5); shapes [[2, 2], [2, 2]];
    }

    #[test]
    fn at_no_distance_the_gradient_is_zero() {
        let x = Tensor::from_slice(&[1.0f64, 2.0, 1.0, 5.0], [2, 2]).requires_grad();
        for p in [0.0, 0.5, 1.0, 2.0, 3.0, f64::INFINITY] {
            let y = x.cdist(&x.detach(), p);
            assert_eq!(y.to_vec::<f64>()[0], 0.0, "{p}");
            let dx = y.sum(..).backward().wrt(&x).to_vec::<f64>();
            // The rows differ in their second number only, by 3.
            let want = if p == 0.0 { [0.0; 4] } else { [0.0, -1.0, 0.0, 1.0] };
            assert!(dx.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-12), "p {p}: {dx:?}");
        }
        let counted = x.cdist(&Tensor::from_slice(&[1.0f64, 0.0], [1, 2]), 0.0);
        assert_eq!(counted.to_vec::<f64>(), [1.0, 1.0]);
        assert_eq!(counted.dtype(), DType::F64);
    }
}
