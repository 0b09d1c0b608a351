//! Elements put at numbered places of a tensor: what scattering, masks and indices are made of.
//!
//! A place is the number of an element in row-major order. A tensor of places is made by taking the same view of
//! [`Tensor::places`] as of the tensor itself.

use std::sync::Arc;

use talweg_kernels::{Bf16, F16, Pod};

use crate::autograd::Grad;
use crate::backend::{CustomKernel, HostArray, HostArrayMut, Kernel};
use crate::dtype::DType;
use crate::op::{Op, OpError, Saved, Spec, apply, check};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// How what comes to a place joins what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    /// The last one to come stays.
    Set,
    /// `a + b`
    Add,
    /// `a b`
    Mul,
    /// The greater one.
    Max,
    /// The smaller one.
    Min,
}

/// `x` with values put at places: inputs `x`, places (`i64`), values of the places' shape.
#[derive(Debug)]
struct Put(Join);

impl Op for Put {
    fn name(&self) -> &'static str {
        match self.0 {
            Join::Set => "put",
            Join::Add => "put_add",
            Join::Mul => "put_prod",
            Join::Max => "put_amax",
            Join::Min => "put_amin",
        }
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let [x, places, values] = inputs else { unreachable!("three inputs") };
        check::index(self.name(), places)?;
        check::alike(self.name(), &[*x, *values])?;
        let number = !matches!(x.dtype, DType::Bf16 | DType::F16);
        if !number && self.0 != Join::Set {
            check::float(self.name(), x)?;
        }
        if places.shape != values.shape {
            return Err(OpError::new(format!(
                "{}: values {} for places {} of {}; give one value a place",
                self.name(),
                values.shape,
                places.shape,
                x.shape
            )));
        }
        Ok(*x)
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        saved.keep_input(1, inputs[1]);
        let y = Tensor::run_custom(Arc::new(PutKernel(self.0)), inputs, out);
        if !matches!(self.0, Join::Set | Join::Add) {
            saved.keep_input(0, inputs[0]);
            saved.keep_input(2, inputs[2]);
            saved.keep_output(&y);
        }
        y
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, needs: &[bool]) -> Vec<Option<Grad>> {
        let places = saved.input(1);
        let (dx, dv) = match self.0 {
            Join::Set => {
                let zeros = Tensor::run(&Kernel::Fill(0.0), &[], &dy.spec().with_shape(places.shape()));
                (needs[0].then(|| dy.with_places(places, &zeros)), needs[2].then(|| dy.at_places(places)))
            }
            Join::Add => (needs[0].then(|| dy.clone()), needs[2].then(|| dy.at_places(places))),
            Join::Mul => factors(saved, &dy, needs),
            Join::Max | Join::Min => extremes(saved, &dy),
        };
        vec![dx.map(Grad::Dense), None, dv.map(Grad::Dense)]
    }
}

/// The gradient of a greatest or least element, shared equally by all that attain it.
fn extremes(saved: &Saved, dy: &Tensor) -> (Option<Tensor>, Option<Tensor>) {
    let (x, places, values, y) = (saved.input(0), saved.input(1), saved.input(2), saved.output());
    let holds = |a: &Tensor, b: &Tensor| a.detach().eq(&b.detach()).cast(dy.dtype());
    let (x_holds, v_holds) = (holds(x, y), holds(values, &y.detach().at_places(places)));
    let share = dy / x_holds.added_at_places(places, &v_holds);
    (Some(&share * x_holds), Some(share.at_places(places) * v_holds))
}

/// The gradient of a product: the product of the other factors. Where one factor is 0 that is computed without it;
/// where several are, it is 0.
fn factors(saved: &Saved, dy: &Tensor, needs: &[bool]) -> (Option<Tensor>, Option<Tensor>) {
    let (x, places, values) = (saved.input(0), saved.input(1), saved.input(2));
    let dx = needs[0].then(|| dy * x.ones_like().joined_at_places(Join::Mul, places, values));
    let dv = needs[2].then(|| {
        let is_zero = values.detach().eq(&values.zeros_like());
        let zeros = x.zeros_like().added_at_places(places, &is_zero.cast(dy.dtype())).at_places(places);
        let alone = is_zero.logical_and(&zeros.eq(&zeros.ones_like()));
        let one = Tensor::run(&Kernel::Fill(1.0), &[], &dy.spec().with_shape(Shape::SCALAR));
        // Without the factor that is 0, and with all of them.
        let without = x.joined_at_places(Join::Mul, places, &alone.select(&one, values));
        let with = (dy * saved.output()).at_places(places) / is_zero.select(&one, values);
        alone.select(&(dy * without).at_places(places), &with)
    });
    (dx, dv)
}

impl Tensor {
    /// The numbers of a shape's elements in row-major order.
    pub(super) fn places(shape: &Shape) -> Tensor {
        Tensor::arange(shape.numel()).reshape(shape)
    }

    /// The elements at places.
    #[track_caller]
    pub(super) fn at_places(&self, places: &Tensor) -> Tensor {
        self.reshape([self.numel()]).index_rows(places)
    }

    /// This tensor with values at places; of several for one place the last one stays.
    #[track_caller]
    pub(super) fn with_places(&self, places: &Tensor, values: &Tensor) -> Tensor {
        self.joined_at_places(Join::Set, places, values)
    }

    /// This tensor with values added at places.
    #[track_caller]
    pub(super) fn added_at_places(&self, places: &Tensor, values: &Tensor) -> Tensor {
        self.joined_at_places(Join::Add, places, values)
    }

    #[track_caller]
    pub(super) fn joined_at_places(&self, join: Join, places: &Tensor, values: &Tensor) -> Tensor {
        apply(Put(join), &[self, places, values])
    }
}

#[derive(Debug)]
struct PutKernel(Join);

impl CustomKernel for PutKernel {
    fn run(&self, inputs: &[HostArray<'_>], outputs: &mut [HostArrayMut<'_>]) {
        let (join, out) = (self.0, &mut outputs[0]);
        match out.dtype {
            DType::F32 => put::<f32>(inputs, out, number(join, |a, b| a + b, |a, b| a * b, f32::is_nan)),
            DType::F64 => put::<f64>(inputs, out, number(join, |a, b| a + b, |a, b| a * b, f64::is_nan)),
            DType::I64 => {
                put::<i64>(inputs, out, number(join, i64::wrapping_add, i64::wrapping_mul, |_| false))
            }
            DType::U8 => put::<u8>(inputs, out, number(join, u8::wrapping_add, u8::wrapping_mul, |_| false)),
            // Of truth values a sum is "or", a product "and".
            DType::Bool => put::<u8>(inputs, out, number(join, |a, b| a | b, |a, b| a & b, |_| false)),
            DType::Bf16 => put::<Bf16>(inputs, out, |_, b| b),
            DType::F16 => put::<F16>(inputs, out, |_, b| b),
        }
    }
}

/// The joining function; the greater or smaller of a number and NaN is NaN.
fn number<T: Pod>(
    join: Join,
    add: fn(T, T) -> T,
    mul: fn(T, T) -> T,
    nan: fn(T) -> bool,
) -> impl Fn(T, T) -> T {
    move |a, b| match join {
        Join::Set => b,
        Join::Add => add(a, b),
        Join::Mul => mul(a, b),
        Join::Max if b > a || nan(b) => b,
        Join::Min if b < a || nan(b) => b,
        Join::Max | Join::Min => a,
    }
}

fn put<T: Pod>(inputs: &[HostArray<'_>], out: &mut HostArrayMut<'_>, join: impl Fn(T, T) -> T) {
    let [x, places, values] = inputs else { unreachable!("three inputs") };
    let n = out.shape.numel();
    let out = &mut out.buffer.as_mut_slice::<T>()[..n];
    out.copy_from_slice(&x.buffer.as_slice::<T>()[..n]);
    let count = places.shape.numel();
    let (places, values) =
        (&places.buffer.as_slice::<i64>()[..count], &values.buffer.as_slice::<T>()[..count]);
    for (&place, &value) in places.iter().zip(values) {
        let at = usize::try_from(place).ok().filter(|&at| at < n);
        let Some(at) = at else {
            panic!("put: place {place} does not exist in {}, which has {n} elements", x.shape)
        };
        out[at] = join(out[at], value);
    }
}

impl Tensor {
    /// Elements by their numbers in row-major order, whatever the shape.
    ///
    /// # Shapes
    /// `x` of any shape, index `[a, b]` to `[a, b]`.
    ///
    /// # Gradient
    /// `dx` at each number is the sum of `dy` where it was read.
    ///
    /// # Panics
    /// When the index is not `i64`, or an element does not exist; negative numbers count from the end.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [2, 2]);
    /// assert_eq!(x.take(&Tensor::from_slice(&[2i64, -1], [2])).to_vec::<f32>(), [3.0, 4.0]);
    /// ```
    #[track_caller]
    pub fn take(&self, index: &Tensor) -> Tensor {
        self.at_places(&super::indexing::numbers("take", &[index], &[self.numel()]))
    }

    /// This tensor with values at elements by their numbers in row-major order; or with the values added there.
    /// Of several values for one element the last one stays.
    ///
    /// # Shapes
    /// `x` of any shape; index and values with as many elements.
    ///
    /// # Gradient
    /// `dx` is `dy`, 0 where a value was put in its place; the values' is `dy` at their elements.
    ///
    /// # Panics
    /// When the index is not `i64`, an element does not exist, or the numbers of elements differ.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let (i, v) = (Tensor::from_slice(&[0i64, 0], [2]), Tensor::from_slice(&[5i64, 6], [2]));
    /// assert_eq!(Tensor::arange(2).put(&i, &v, false).to_vec::<i64>(), [6, 1]);
    /// assert_eq!(Tensor::arange(2).put(&i, &v, true).to_vec::<i64>(), [11, 1]);
    /// ```
    #[track_caller]
    pub fn put(&self, index: &Tensor, values: &Tensor, accumulate: bool) -> Tensor {
        let places = super::indexing::numbers("put", &[index], &[self.numel()]);
        assert!(
            values.numel() == index.numel(),
            "put: {} values {} for {} places {} of {}; give one value a place",
            values.numel(),
            values.shape(),
            index.numel(),
            index.shape(),
            self.shape()
        );
        let join = if accumulate { Join::Add } else { Join::Set };
        self.joined_at_places(join, &places, &values.reshape(index.shape()))
    }
}

#[cfg(test)]
mod tests {
    use super::Join;
    use crate::{DType, Tensor};

    fn places() -> Tensor {
        Tensor::from_slice(&[4i64, 1, 1], [3])
    }

    fn joined(x: &[&Tensor], join: Join) -> Tensor {
        x[0].joined_at_places(join, &places(), x[1])
    }

    fn nothing(x: &[&Tensor], join: Join) -> Tensor {
        x[0].joined_at_places(join, &Tensor::zeros([0], DType::I64), x[1])
    }

    crate::cases! {
        take: |x| x[0].take(&Tensor::from_slice(&[5i64, -2, 5, 0], [2, 2])); shapes [[2, 3]] [[6]]  refuses [[3]];
        take_none: |x| x[0].take(&Tensor::zeros([0], DType::I64)); shapes [[2, 3]] [[0]];
        // Two values for one place: which of them stays is no smooth function of anything but the last.
        put_one: |x| x[0].put(&Tensor::from_slice(&[4i64, -1], [2]), x[1], false); shapes [[2, 3], [2]] [[6], [2, 1]]
            refuses [[2, 3], [3]];
        put_none: |x| x[0].put(&Tensor::zeros([0], DType::I64), x[1], false); shapes [[2, 3], [0]];
        put: |x| joined(x, Join::Add); shapes [[2, 3], [3]] [[5], [3]]  refuses [[2, 3], [2]];
        put_add: |x| x[0].put(&places(), x[1], true); shapes [[2, 3], [3]]  refuses [[2, 3], [2]];
        put_add_none: |x| nothing(x, Join::Add); shapes [[2, 3], [0]];
        put_prod: |x| joined(x, Join::Mul); shapes [[2, 3], [3]] on 0.5..2.0  refuses [[2, 3], [2]];
        put_prod_none: |x| nothing(x, Join::Mul); shapes [[2, 3], [0]];
        put_amax: |x| joined(x, Join::Max); shapes [[2, 3], [3]]  refuses [[2, 3], [2]];
        put_amax_none: |x| nothing(x, Join::Max); shapes [[2, 3], [0]];
        put_amin: |x| joined(x, Join::Min); shapes [[2, 3], [3]]  refuses [[2, 3], [2]];
        put_amin_none: |x| nothing(x, Join::Min); shapes [[2, 3], [0]];
    }

    #[test]
    fn products_with_zeros_have_gradients() {
        let x = Tensor::from_slice(&[2.0f64, 3.0], [2]).requires_grad();
        let at = Tensor::from_slice(&[0i64, 0, 0], [3]);
        for (values, want) in [([0.0, 5.0, 7.0], [70.0, 0.0, 0.0]), ([0.0, 0.0, 7.0], [0.0, 0.0, 0.0])] {
            let v = Tensor::from_slice(&values, [3]).requires_grad();
            let grads = x.joined_at_places(Join::Mul, &at, &v).sum(..).backward();
            assert_eq!(grads.wrt(&x).to_vec::<f64>(), [0.0, 1.0]);
            assert_eq!(grads.wrt(&v).to_vec::<f64>(), want);
        }
    }

    #[test]
    fn ties_share_the_gradient() {
        let x = Tensor::from_slice(&[2.0f64, 3.0], [2]).requires_grad();
        let v = Tensor::from_slice(&[2.0f64, 2.0, 1.0], [3]).requires_grad();
        let at = Tensor::from_slice(&[0i64, 0, 1], [3]);
        let grads = x.joined_at_places(Join::Max, &at, &v).sum(..).backward();
        assert_eq!(grads.wrt(&x).to_vec::<f64>(), [1.0 / 3.0, 1.0]);
        assert_eq!(grads.wrt(&v).to_vec::<f64>(), [1.0 / 3.0, 1.0 / 3.0, 0.0]);
    }

    #[test]
    fn every_type_is_put() {
        let at = Tensor::from_slice(&[1i64, 1], [2]);
        let b = Tensor::from_slice(&[false, false], [2]);
        let put =
            |v: [bool; 2], join| b.joined_at_places(join, &at, &Tensor::from_slice(&v, [2])).to_vec::<bool>();
        assert_eq!(put([true, false], Join::Add), [false, true]);
        assert_eq!(put([true, false], Join::Set), [false, false]);
        let u = Tensor::from_slice(&[250u8, 250], [2]);
        let y = u.joined_at_places(Join::Add, &at, &Tensor::from_slice(&[3u8, 4], [2]));
        assert_eq!(y.to_vec::<u8>(), [250, 1]);
        let nan = Tensor::scalar(f32::NAN).broadcast_to([2]);
        assert!(nan.ones_like().joined_at_places(Join::Max, &at, &nan).to_vec::<f32>()[1].is_nan());
    }
}
