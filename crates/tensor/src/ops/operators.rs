//! The operators `+ - * /` between tensors, and between tensors and numbers.
//!
//! A tensor that is given away, as in `a + &b`, lends its memory to the result when nobody else sees it.

use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::autograd::is_watched;
use crate::backend::Kernel;
use crate::op::apply;
use crate::ops::binary::{Binary, Pairwise};
use crate::tensor::Tensor;

/// `a op b` where the left tensor is given away: its memory is used again when nobody else sees it.
#[track_caller]
fn into(a: Tensor, b: &Tensor, binary: Binary) -> Tensor {
    let fits = a.dtype().is_float()
        && a.dtype() == b.dtype()
        && a.device() == b.device()
        && (a.shape() == b.shape() || b.rank() == 0);
    if fits && !a.is_tracked() && !b.is_tracked() && !is_watched() {
        return a.run_over(&Kernel::Binary(binary), &[b]);
    }
    apply(Pairwise(binary), &[&a, b])
}

#[track_caller]
fn affine_into(x: Tensor, scale: f64, shift: f64) -> Tensor {
    if x.is_tracked() || !x.dtype().is_float() || is_watched() {
        return x.affine(scale, shift);
    }
    x.run_over(&Kernel::Affine(scale, shift), &[])
}

macro_rules! operator {
    ($($trait:ident $method:ident $variant:ident;)*) => {$(
        impl $trait<&Tensor> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, b: &Tensor) -> Tensor {
                apply(Pairwise(Binary::$variant), &[self, b])
            }
        }

        impl $trait<&Tensor> for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, b: &Tensor) -> Tensor {
                into(self, b, Binary::$variant)
            }
        }

        impl $trait<Tensor> for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, b: Tensor) -> Tensor {
                into(self, &b, Binary::$variant)
            }
        }
    )*};
}
operator! { Add add Add; Sub sub Sub; Mul mul Mul; Div div Div; }

/// `a op b` with only the right tensor given away. A sum and a product do not mind the order.
macro_rules! right_operator {
    ($($trait:ident $method:ident |$a:ident, $b:ident| $value:expr;)*) => {$(
        impl $trait<Tensor> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, b: Tensor) -> Tensor {
                let ($a, $b) = (self, b);
                $value
            }
        }
    )*};
}
right_operator! {
    Add add |a, b| into(b, a, Binary::Add);
    Mul mul |a, b| into(b, a, Binary::Mul);
    Sub sub |a, b| apply(Pairwise(Binary::Sub), &[a, &b]);
    Div div |a, b| apply(Pairwise(Binary::Div), &[a, &b]);
}

/// Operators with a number, which takes the tensor's type.
macro_rules! number_operator {
    ($($trait:ident $method:ident |$x:ident, $n:ident| $right:expr, $left:expr;)*) => {$(
        impl $trait<f64> for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, $n: f64) -> Tensor {
                let $x = self;
                $right
            }
        }

        impl $trait<f64> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, n: f64) -> Tensor {
                $trait::$method(self.clone(), n)
            }
        }

        impl $trait<Tensor> for f64 {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, $x: Tensor) -> Tensor {
                let $n = self;
                $left
            }
        }

        impl $trait<&Tensor> for f64 {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, x: &Tensor) -> Tensor {
                $trait::$method(self, x.clone())
            }
        }
    )*};
}
number_operator! {
    Add add |x, n| affine_into(x, 1.0, n), affine_into(x, 1.0, n);
    Sub sub |x, n| affine_into(x, 1.0, -n), affine_into(x, -1.0, n);
    Mul mul |x, n| affine_into(x, n, 0.0), affine_into(x, n, 0.0);
    Div div |x, n| affine_into(x, 1.0 / n, 0.0), affine_into(x.recip(), n, 0.0);
}

impl Neg for Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        affine_into(self, -1.0, 0.0)
    }
}

impl Neg for &Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        self.affine(-1.0, 0.0)
    }
}

#[cfg(test)]
mod tests {
    use crate::Tensor;

    #[test]
    fn giving_a_tensor_away_does_not_change_its_clones() {
        let a = Tensor::from_slice(&[1.0f32, 2.0], [2]);
        let kept = a.clone();
        let b = a + 1.0;
        let c = b.clone() * &kept;
        assert_eq!(kept.to_vec::<f32>(), [1.0, 2.0]);
        assert_eq!((b.to_vec::<f32>(), c.to_vec::<f32>()), (vec![2.0, 3.0], vec![2.0, 6.0]));
    }
}
