//! Pooling: what windows hold, made one number each. Windows slide over sequences, pictures or volumes, or are as many as
//! the output needs.
//!
//! Those of one and two axes that slide without dilation and rounding up have kernels. The others go through a loop of
//! their own for the greatest element, and axis by axis for the mean.

mod adaptive;
mod avg;
mod lp;
mod max;
#[cfg(test)]
mod tests;
mod unpool;
mod windows;

use talweg_kernels::pool2d::Pool2d as Planes;

use crate::op::{OpError, Spec, check};
use crate::ops::conv::AXES;
use crate::shape::Shape;

pub(super) use windows::{Divide, Windows};

/// How a window moves over `N` axes: a sequence, a picture (rows, columns) or a volume (depth, rows, columns).
///
/// # Examples
/// ```
/// # use talweg_tensor::{Pool1dOptions, Pool2dOptions};
/// let quarters = Pool2dOptions::default();
/// assert_eq!((quarters.kernel, quarters.stride, quarters.padding), ([2, 2], None, [0, 0]));
/// let sliding = Pool1dOptions { kernel: [3], stride: Some([1]), ..Default::default() };
/// assert_eq!((sliding.dilation, sliding.ceil_mode), ([1], false));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolOptions<const N: usize> {
    /// The size of the window; 2 along each axis by default.
    pub kernel: [usize; N],
    /// The distance between windows; `None` is the window's size, so that windows lie side by side.
    pub stride: Option<[usize; N]>,
    /// Places added on both sides of each axis, at most half of what the window covers. They are never the greatest
    /// element, and count as zeros in a mean.
    pub padding: [usize; N],
    /// The distance between a window's elements; 1 is dense. For the greatest element only.
    pub dilation: [usize; N],
    /// Whether the number of windows is rounded up, so that the last one may hang over the padded input's end, unless it
    /// would begin behind the input. What hangs over is never the greatest element and takes no part in a mean.
    pub ceil_mode: bool,
    /// Whether a mean divides by the size of the window with its padding (as by default), or by the number of its
    /// elements that are not padding. For means only.
    pub count_include_pad: bool,
    /// What a mean divides by instead of the window's size. For means only.
    pub divisor_override: Option<usize>,
}

/// See [`PoolOptions`].
pub type Pool1dOptions = PoolOptions<1>;
/// See [`PoolOptions`].
pub type Pool2dOptions = PoolOptions<2>;
/// See [`PoolOptions`].
pub type Pool3dOptions = PoolOptions<3>;

impl<const N: usize> Default for PoolOptions<N> {
    fn default() -> PoolOptions<N> {
        PoolOptions {
            kernel: [2; N],
            stride: None,
            padding: [0; N],
            dilation: [1; N],
            ceil_mode: false,
            count_include_pad: true,
            divisor_override: None,
        }
    }
}

impl<const N: usize> PoolOptions<N> {
    fn strides(&self) -> [usize; N] {
        self.stride.unwrap_or(self.kernel)
    }

    /// The windows, or what does not fit.
    fn windows(&self, sizes: [usize; N]) -> Result<[Windows; N], String> {
        let PoolOptions { kernel, padding, dilation, .. } = *self;
        let (stride, thing) = (self.strides(), AXES[N - 1].2);
        if kernel.contains(&0) || stride.contains(&0) {
            return Err(format!("window {kernel:?} and stride {stride:?} must be at least 1"));
        }
        if dilation.contains(&0) || self.divisor_override == Some(0) {
            return Err(format!("dilation {dilation:?} and what a mean divides by must be at least 1"));
        }
        let span: [usize; N] = std::array::from_fn(|i| dilation[i] * (kernel[i] - 1) + 1);
        if (0..N).any(|i| 2 * padding[i] > span[i]) {
            return Err(format!(
                "padding {padding:?} is more than half the window {span:?}, so that windows would lie in it"
            ));
        }
        let mut windows = [Windows::Covering { size: 1, count: 1 }; N];
        for i in 0..N {
            let of = [sizes[i], kernel[i], stride[i], padding[i], dilation[i]];
            let Some(fitting) = Windows::sliding(of, self.ceil_mode).filter(|_| sizes[i] > 0) else {
                let padded: [usize; N] = std::array::from_fn(|i| sizes[i] + 2 * padding[i]);
                return Err(format!(
                    "window {span:?} is larger than the {thing} with its padding {padded:?}; use a smaller window, or \
                     pool less often"
                ));
            };
            // The gaps of a dilated window may be all that lies inside.
            if dilation[i] > 1 && (0..fitting.count()).any(|w| fitting.places(w).len() == 0) {
                return Err(format!(
                    "a window of {kernel:?} elements with dilation {dilation:?} has all of them in the padding \
                     {padding:?}; use less padding"
                ));
            }
            windows[i] = fitting;
        }
        Ok(windows)
    }
}

/// Which windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pooling<const N: usize> {
    Sliding(PoolOptions<N>),
    /// So many that cover the input.
    Adaptive([usize; N]),
}

impl<const N: usize> Pooling<N> {
    /// The first name, with so many axes as this has, where windows slide, the second where they are counted.
    fn named(&self, sliding: [&'static str; 3], adaptive: [&'static str; 3]) -> &'static str {
        match self {
            Pooling::Sliding(_) => sliding[N - 1],
            Pooling::Adaptive(_) => adaptive[N - 1],
        }
    }

    /// The windows along each axis of `[n, c, ..]`, or what does not fit.
    fn windows(&self, x: &Shape) -> Result<[Windows; N], String> {
        let sizes: [usize; N] = std::array::from_fn(|i| x.at(i + 2));
        match *self {
            Pooling::Sliding(options) => options.windows(sizes),
            Pooling::Adaptive(_) if sizes.contains(&0) => {
                Err(format!("a {} without elements has no windows", AXES[N - 1].2))
            }
            Pooling::Adaptive(counts) => {
                Ok(std::array::from_fn(|i| Windows::Covering { size: sizes[i], count: counts[i] }))
            }
        }
    }

    /// The windows of an input that the shape rule accepted.
    fn fitting(&self, x: &Shape) -> [Windows; N] {
        self.windows(x).expect("the shape rule accepted the input")
    }

    /// The output's shape, or what does not fit.
    fn output(&self, name: &str, x: &Spec) -> Result<Shape, OpError> {
        check::float(name, x)?;
        let refuse = |cause: String| OpError::new(format!("{name}: input {}: {cause}", x.shape));
        let (axes, _, thing) = AXES[N - 1];
        if x.shape.rank() != N + 2 {
            let hint = match x.shape.rank() == N + 1 {
                true => format!("; make a batch of one {thing} with .unsqueeze(0)"),
                false => String::new(),
            };
            return Err(refuse(format!("the input needs {} axes (batch, channels, {axes}){hint}", N + 2)));
        }
        let windows = self.windows(&x.shape).map_err(refuse)?;
        Ok((0..N).fold(x.shape, |shape, i| shape.with(i + 2, windows[i].count())))
    }

    /// The sizes for the kernels of planes, where they do this pooling.
    fn planes(&self, x: &Shape) -> Option<Planes> {
        let sizes: [usize; N] = std::array::from_fn(|i| x.at(i + 2));
        let (options, counts) = match *self {
            _ if N > 2 => return None,
            Pooling::Sliding(o) if o.dilation != [1; N] || o.divisor_override.is_some() => return None,
            Pooling::Sliding(o) => (o, self.fitting(x).map(|w| w.count())),
            Pooling::Adaptive(counts) => {
                let kernel: [usize; N] = std::array::from_fn(|i| (sizes[i] / counts[i].max(1)).max(1));
                (PoolOptions { kernel, ..PoolOptions::default() }, counts)
            }
        };
        // A sequence is a picture of one row.
        let pair = |all: [usize; N], row: usize| if N == 1 { [row, all[0]] } else { [all[0], all[N - 1]] };
        let [height, width] = pair(sizes, 1);
        let planes = Planes {
            batch: x.at(0) * x.at(1),
            height,
            width,
            kernel: pair(options.kernel, 1),
            stride: pair(options.strides(), 1),
            padding: pair(options.padding, 0),
            count_include_pad: options.count_include_pad,
        };
        let whole = match self {
            Pooling::Sliding(_) => true,
            Pooling::Adaptive(_) => (0..N).all(|i| options.kernel[i] * counts[i] == sizes[i]),
        };
        (whole && planes.output() == pair(counts, 1)).then_some(planes)
    }
}

/// The windows of three axes: those in front that are missing have one window of one place.
fn three<const N: usize>(windows: [Windows; N]) -> [Windows; 3] {
    let mut all = [Windows::Covering { size: 1, count: 1 }; 3];
    all[3 - N..].copy_from_slice(&windows);
    all
}
