//! Products of vectors, matrices and tensors, as views and matrix products.

use crate::shape::Shape;
use crate::tensor::Tensor;

#[track_caller]
fn assert_rank(name: &str, x: &Tensor, rank: usize, meaning: &str) {
    assert!(x.rank() == rank, "{name}: needs {rank} axes ({meaning}), got {}; reshape it", x.shape());
}

impl Tensor {
    /// The inner product of two vectors, `y = Σ a[i] b[i]`.
    ///
    /// # Shapes
    /// `[n]` and `[n]` to `[]`.
    ///
    /// # Gradient
    /// `da = dy b`, `db = dy a`
    ///
    /// # Panics
    /// When the inputs are no vectors of one length, or not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::from([1.0f32, 2.0]).dot(&Tensor::from([10.0f32, 100.0])).item(), 210.0);
    /// ```
    #[track_caller]
    pub fn dot(&self, b: &Tensor) -> Tensor {
        assert!(
            self.rank() == 1 && self.shape() == b.shape(),
            "dot: needs two vectors of one length, got {} x {}; matmul takes matrices",
            self.shape(),
            b.shape()
        );
        self.matmul(b)
    }

    /// All products of the elements of two vectors, `y[i, j] = a[i] b[j]`.
    ///
    /// # Shapes
    /// `[n]` and `[m]` to `[n, m]`.
    ///
    /// # Gradient
    /// `da = dy b`, `db = dyᵀ a`
    ///
    /// # Panics
    /// When the inputs are no vectors, or of different types.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let y = Tensor::from([1.0f32, 2.0]).outer(&Tensor::from([10.0f32, 100.0]));
    /// assert_eq!(y.to_vec::<f32>(), [10.0, 100.0, 20.0, 200.0]);
    /// ```
    #[track_caller]
    pub fn outer(&self, b: &Tensor) -> Tensor {
        assert!(
            self.rank() == 1 && b.rank() == 1,
            "outer: needs two vectors, got {} x {}; reshape them to one axis",
            self.shape(),
            b.shape()
        );
        self.unsqueeze(1) * b.unsqueeze(0)
    }

    /// The product of a matrix and a vector, `y[i] = Σ a[i, j] b[j]`.
    ///
    /// # Shapes
    /// `[m, n]` and `[n]` to `[m]`.
    ///
    /// # Gradient
    /// `da = dy bᵀ`, `db = aᵀ dy`
    ///
    /// # Panics
    /// When the shapes do not fit, or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let a = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!(a.mv(&Tensor::from([10.0f32, 100.0])).to_vec::<f32>(), [210.0, 430.0]);
    /// ```
    #[track_caller]
    pub fn mv(&self, b: &Tensor) -> Tensor {
        assert_rank("mv", self, 2, "rows, columns");
        assert_rank("mv", b, 1, "columns");
        self.matmul(b)
    }

    /// The products of the matrices of two batches.
    ///
    /// # Shapes
    /// `[b, m, k]` and `[b, k, n]` to `[b, m, n]`; nothing broadcasts.
    ///
    /// # Gradient
    /// That of [`Tensor::matmul`].
    ///
    /// # Panics
    /// When the shapes do not fit, or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let a = Tensor::from([[[1.0f32, 2.0]], [[3.0, 4.0]]]);
    /// assert_eq!(a.bmm(&Tensor::from([[[1.0f32], [10.0]], [[100.0], [0.0]]])).to_vec::<f32>(), [21.0, 300.0]);
    /// ```
    #[track_caller]
    pub fn bmm(&self, b: &Tensor) -> Tensor {
        assert_rank("bmm", self, 3, "batch, rows, inner");
        assert_rank("bmm", b, 3, "batch, inner, columns");
        assert!(
            self.size(0) == b.size(0),
            "bmm: batches differ, {} x {} ({} vs {}); matmul broadcasts a batch of 1",
            self.shape(),
            b.shape(),
            self.size(0),
            b.size(0)
        );
        self.matmul(b)
    }

    /// A scaled tensor and a scaled product of matrices, `y = beta x + alpha a b`.
    ///
    /// # Shapes
    /// `a [m, k]`, `b [k, n]`, and `x` broadcasts to `[m, n]`.
    ///
    /// # Gradient
    /// `dx = beta dy`, `da = alpha dy bᵀ`, `db = alpha aᵀ dy`
    ///
    /// # Panics
    /// When the shapes do not fit, or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let (a, b) = (Tensor::from([[1.0f32, 2.0]]), Tensor::from([[10.0f32], [100.0]]));
    /// assert_eq!(Tensor::scalar(1.0f32).addmm(&a, &b, 2.0, 0.5).to_vec::<f32>(), [107.0]);
    /// ```
    #[track_caller]
    pub fn addmm(&self, a: &Tensor, b: &Tensor, beta: f64, alpha: f64) -> Tensor {
        assert_rank("addmm", a, 2, "rows, inner");
        assert_rank("addmm", b, 2, "inner, columns");
        scaled_sum("addmm", self, a.matmul(b), beta, alpha)
    }

    /// [`Tensor::addmm`] for each matrix of two batches.
    ///
    /// # Shapes
    /// `a [b, m, k]`, `b [b, k, n]`, and `x` broadcasts to `[b, m, n]`.
    ///
    /// # Gradient
    /// `dx = beta dy`, `da = alpha dy bᵀ`, `db = alpha aᵀ dy`
    ///
    /// # Panics
    /// When the shapes do not fit, or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let (a, b) = (Tensor::from([[[1.0f32, 2.0]]]), Tensor::from([[[10.0f32], [100.0]]]));
    /// assert_eq!(Tensor::scalar(1.0f32).baddbmm(&a, &b, 2.0, 0.5).to_vec::<f32>(), [107.0]);
    /// ```
    #[track_caller]
    pub fn baddbmm(&self, a: &Tensor, b: &Tensor, beta: f64, alpha: f64) -> Tensor {
        scaled_sum("baddbmm", self, a.bmm(b), beta, alpha)
    }

    /// The Kronecker product: every element of this tensor times the whole other one.
    ///
    /// # Shapes
    /// Sizes are multiplied axis by axis; missing axes in front count as 1.
    ///
    /// # Gradient
    /// By the product rule, summed over the copies.
    ///
    /// # Panics
    /// When the result has too many axes on the way, more than eight, or the types differ.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let y = Tensor::from([[1.0f32, 2.0]]).kron(&Tensor::from([[1.0f32], [10.0]]));
    /// assert_eq!(y.to_vec::<f32>(), [1.0, 2.0, 10.0, 20.0]);
    /// ```
    #[track_caller]
    pub fn kron(&self, b: &Tensor) -> Tensor {
        let rank = self.rank().max(b.rank());
        assert!(
            rank <= 4,
            "kron: {} x {} has {rank} axes; it is computed with twice as many, at most 8; reshape them",
            self.shape(),
            b.shape()
        );
        let padded = |x: &Tensor| [vec![1; rank - x.rank()], x.shape().to_vec()].concat();
        let (left, right) = (padded(self), padded(b));
        let between = |sizes: &[usize], first: bool| -> Vec<usize> {
            sizes.iter().flat_map(|&n| if first { [n, 1] } else { [1, n] }).collect()
        };
        let y = self.reshape(between(&left, true)) * b.reshape(between(&right, false));
        y.reshape(left.iter().zip(&right).map(|(a, b)| a * b).collect::<Vec<usize>>())
    }

    /// The sum of products over the last `axes` axes of this tensor and the first `axes` of the other.
    ///
    /// # Shapes
    /// `[a.., k..]` and `[k.., b..]` to `[a.., b..]`.
    ///
    /// # Gradient
    /// That of [`Tensor::matmul`], for the tensors as matrices.
    ///
    /// # Panics
    /// When the sizes of the axes differ, or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let (a, b) = (Tensor::from([[1.0f32, 2.0]]), Tensor::from([[10.0f32], [100.0]]));
    /// assert_eq!(a.tensordot(&b, 1).to_vec::<f32>(), [210.0]);
    /// ```
    #[track_caller]
    pub fn tensordot(&self, b: &Tensor, axes: usize) -> Tensor {
        let (left, right) = (self.shape().to_vec(), b.shape().to_vec());
        let fits = axes <= left.len() && axes <= right.len() && left[left.len() - axes..] == right[..axes];
        assert!(
            fits,
            "tensordot: the last {axes} axes of {} are not the first {axes} of {}; permute them",
            self.shape(),
            b.shape()
        );
        let (rows, columns) = (&left[..left.len() - axes], &right[axes..]);
        let inner: usize = right[..axes].iter().product();
        let (m, n) = (rows.iter().product::<usize>(), columns.iter().product::<usize>());
        let y = self.reshape([m, inner]).matmul(&b.reshape([inner, n]));
        y.reshape(Shape::new(&[rows, columns].concat()))
    }
}

#[track_caller]
fn scaled_sum(name: &str, x: &Tensor, product: Tensor, beta: f64, alpha: f64) -> Tensor {
    assert!(
        x.shape().broadcast(product.shape()) == Some(*product.shape()),
        "{name}: {} does not broadcast to the product {}; sizes must be equal or 1",
        x.shape(),
        product.shape()
    );
    let product = if alpha == 1.0 { product } else { product * alpha };
    // With a factor of 0 not even a NaN counts.
    match beta {
        0.0 => product,
        1.0 => x + product,
        _ => x * beta + product,
    }
}

#[cfg(test)]
mod tests {
    crate::cases! {
        dot: |x| x[0].dot(x[1]); shapes [[3], [3]] [[0], [0]]  refuses [[3], [2]] [[1, 3], [3]];
        outer: |x| x[0].outer(x[1]); shapes [[3], [2]] [[0], [2]]  refuses [[3, 1], [2]];
        mv: |x| x[0].mv(x[1]); shapes [[0, 3], [3]] [[2, 3], [3]]  refuses [[2, 3], [2]] [[3], [3]] [[2, 3], [3, 1]];
        bmm: |x| x[0].bmm(x[1]); shapes [[2, 2, 3], [2, 3, 1]] [[0, 2, 3], [0, 3, 1]]  refuses [[1, 2, 3], [2, 3, 1]] [[2, 3], [3, 1]];
        addmm: |x| x[0].addmm(x[1], x[2], 0.5, 2.0); shapes [[4], [0, 3], [3, 4]] [[2, 4], [2, 3], [3, 4]] [[4], [2, 3], [3, 4]]
            refuses [[3], [2, 3], [3, 4]] [[2], [2], [2, 2]];
        addmm_alone: |x| x[0].addmm(x[1], x[2], 0.0, 1.0) + x[0].addmm(x[1], x[2], 1.0, 1.0); shapes [[1], [2, 3], [3, 2]];
        baddbmm: |x| x[0].baddbmm(x[1], x[2], 0.5, 2.0); shapes [[4], [0, 2, 3], [0, 3, 4]] [[2, 2, 4], [2, 2, 3], [2, 3, 4]] [[4], [2, 2, 3], [2, 3, 4]]
            refuses [[3], [1, 2, 3], [1, 3, 4]];
        kron: |x| x[0].kron(x[1]); shapes [[2, 2], [3, 1]] [[2], [2, 3]] [[], [2]] [[0, 2], [2, 2]]
            refuses [[1, 1, 1, 1, 1], [1]];
        tensordot: |x| x[0].tensordot(x[1], 2); shapes [[0, 3, 2], [3, 2, 4]] [[2, 3, 2], [3, 2, 4]] [[3, 2], [3, 2]]  refuses [[2, 3], [3, 2]] [[2], [2]];
        tensordot_of_nothing: |x| x[0].tensordot(x[1], 0); shapes [[2], [3]];
    }
}
