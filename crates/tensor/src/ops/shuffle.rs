//! Channels exchanged for places, and among themselves.

use crate::tensor::Tensor;

impl Tensor {
    /// Channels spread into blocks of `r` x `r` places (Shi et al., 2016):
    /// `y[.., c, h r + i, w r + j] = x[.., c r² + i r + j, h, w]`.
    ///
    /// # Shapes
    /// `[.., c r², h, w]` to `[.., c, h r, w r]`
    ///
    /// # Gradient
    /// `dx` is [`Tensor::pixel_unshuffle`] of `dy`.
    ///
    /// # Panics
    /// With fewer than three axes, or when `r²` does not divide the channels.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let y = Tensor::arange(4).reshape([4, 1, 1]).pixel_shuffle(2);
    /// assert_eq!((y.shape().to_vec(), y.to_vec::<i64>()), (vec![1, 2, 2], vec![0, 1, 2, 3]));
    /// ```
    #[track_caller]
    pub fn pixel_shuffle(&self, r: usize) -> Tensor {
        let (n, [c, h, w]) = self.pictures("pixel_shuffle");
        assert!(
            r > 0 && c.is_multiple_of(r * r),
            "pixel_shuffle: {c} channels of {} do not make blocks of {r} x {r}; their number must be a multiple of \
             {}",
            self.shape(),
            r * r
        );
        let c = c / (r * r);
        let y = self.reshape([n, c, r, r, h, w]).permute([0, 1, 4, 2, 5, 3]);
        y.reshape(self.like_front(&[c, h * r, w * r]))
    }

    /// Blocks of `r` x `r` places made channels: the inverse of [`Tensor::pixel_shuffle`].
    ///
    /// # Shapes
    /// `[.., c, h r, w r]` to `[.., c r², h, w]`
    ///
    /// # Gradient
    /// `dx` is [`Tensor::pixel_shuffle`] of `dy`.
    ///
    /// # Panics
    /// With fewer than three axes, or when `r` does not divide height and width.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let y = Tensor::arange(4).reshape([1, 2, 2]).pixel_unshuffle(2);
    /// assert_eq!((y.shape().to_vec(), y.to_vec::<i64>()), (vec![4, 1, 1], vec![0, 1, 2, 3]));
    /// ```
    #[track_caller]
    pub fn pixel_unshuffle(&self, r: usize) -> Tensor {
        let (n, [c, h, w]) = self.pictures("pixel_unshuffle");
        assert!(
            r > 0 && h.is_multiple_of(r) && w.is_multiple_of(r),
            "pixel_unshuffle: {h} x {w} places of {} do not make blocks of {r} x {r}; height and width must be multiples of {r}",
            self.shape()
        );
        let (h, w) = (h / r, w / r);
        let y = self.reshape([n, c, h, r, w, r]).permute([0, 1, 3, 5, 2, 4]);
        y.reshape(self.like_front(&[c * r * r, h, w]))
    }

    /// The channels of `groups` groups dealt out in turns (Zhang et al., 2018): channel `i` of group `g` becomes
    /// channel `i groups + g`.
    ///
    /// # Shapes
    /// `[n, c, ..]`; the result has the same.
    ///
    /// # Gradient
    /// `dx` is `dy` with its channels dealt back.
    ///
    /// # Panics
    /// With fewer than three axes, or when `groups` does not divide the channels.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let y = Tensor::arange(4).reshape([1, 4, 1]).channel_shuffle(2);
    /// assert_eq!(y.to_vec::<i64>(), [0, 2, 1, 3]);
    /// ```
    #[track_caller]
    pub fn channel_shuffle(&self, groups: usize) -> Tensor {
        assert!(
            self.rank() >= 3,
            "channel_shuffle: needs at least three axes [n, c, ..], got {}",
            self.shape()
        );
        let (n, c) = (self.size(0), self.size(1));
        assert!(
            groups > 0 && c.is_multiple_of(groups),
            "channel_shuffle: {c} channels of {} do not make {groups} groups; choose a divisor of {c}",
            self.shape()
        );
        let inner: usize = self.shape().iter().skip(2).product();
        self.reshape([n, groups, c / groups, inner]).transpose(1, 2).reshape(self.shape())
    }

    /// The product of the leading sizes, and the last three.
    #[track_caller]
    fn pictures(&self, name: &str) -> (usize, [usize; 3]) {
        assert!(self.rank() >= 3, "{name}: needs at least three axes [.., c, h, w], got {}", self.shape());
        let front = self.shape().front(self.rank() - 3).numel();
        (front, [self.size(-3), self.size(-2), self.size(-1)])
    }

    /// The leading sizes, and three others.
    fn like_front(&self, last: &[usize]) -> Vec<usize> {
        let mut sizes = self.shape().front(self.rank() - 3).to_vec();
        sizes.extend(last);
        sizes
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Rng};

    crate::cases! {
        pixel_shuffle: |x| x[0].pixel_shuffle(2); shapes [[2, 4, 1, 3]] [[8, 2, 1]] [[0, 4, 1, 1]]  refuses [[3, 1, 1]] [[4]];
        pixel_unshuffle: |x| x[0].pixel_unshuffle(2); shapes [[2, 1, 2, 4]] [[3, 2, 2]] [[1, 0, 2]]
            refuses [[1, 3, 2]] [[2, 2]];
        channel_shuffle: |x| x[0].channel_shuffle(3); shapes [[2, 6, 2]] [[1, 3, 1, 2]] [[0, 3, 2]]
            refuses [[1, 4, 1]] [[2, 3]];
    }

    #[test]
    fn places_are_those_of_the_formula() {
        let x = Rng::seed(1).normal([2, 8, 3, 2], 0.0, 1.0, DType::F64);
        let (y, data) = (x.pixel_shuffle(2), x.to_vec::<f64>());
        assert_eq!(y.shape(), &[2, 2, 6, 4]);
        for (at, got) in y.to_vec::<f64>().iter().enumerate() {
            let (q, p, c, n) = (at % 4, at / 4 % 6, at / 24 % 2, at / 48);
            let channel = c * 4 + p % 2 * 2 + q % 2;
            assert_eq!(*got, data[((n * 8 + channel) * 3 + p / 2) * 2 + q / 2]);
        }
        assert_eq!(y.pixel_unshuffle(2).to_vec::<f64>(), data);
    }
}
