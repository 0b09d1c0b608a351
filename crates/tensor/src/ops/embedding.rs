//! Tables of vectors read by number: words, categories, and bags of them.

use std::sync::Arc;

use crate::backend::{CustomKernel, HostArray, HostArrayMut};
use crate::dtype::DType;
use crate::op::check;
use crate::tensor::Tensor;

/// The options of [`Tensor::embedding_with`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EmbeddingOptions {
    /// A row that gets no gradient: that of the filler at the end of short texts.
    pub padding: Option<usize>,
    /// Whether the gradient lists the rows that were read instead of filling a whole table.
    pub sparse: bool,
}

/// What [`Tensor::embedding_bag`] makes of the rows of one bag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BagMode {
    /// Their sum.
    Sum,
    /// Their mean.
    #[default]
    Mean,
    /// The greatest of each column; the first of equal ones gets the gradient.
    Max,
}

/// The options of [`Tensor::embedding_bag`].
#[derive(Clone, Copy, Debug, Default)]
pub struct EmbeddingBagOptions<'a> {
    /// What becomes of the rows of a bag; the mean if nothing is said.
    pub mode: BagMode,
    /// Where each bag begins, `[bags]`, in a list of numbers; without it the numbers are `[bags, numbers]`.
    pub offsets: Option<&'a Tensor>,
    /// Whether the last offset is the end of the last bag instead of the start of one more.
    pub include_last_offset: bool,
    /// A factor for each number, of the index's shape; only with [`BagMode::Sum`].
    pub per_sample_weights: Option<&'a Tensor>,
    /// A row that counts for nothing, in the value and in the gradient.
    pub padding: Option<usize>,
    /// Whether the gradient lists the rows that were read instead of filling a whole table.
    pub sparse: bool,
}

/// The bag of each number: input the offsets of the bags.
#[derive(Debug)]
struct Bags;

impl CustomKernel for Bags {
    fn run(&self, inputs: &[HostArray<'_>], outputs: &mut [HostArrayMut<'_>]) {
        let (bags, numbers) = (inputs[0].shape.numel(), outputs[0].shape.numel());
        let offsets = &inputs[0].buffer.as_slice::<i64>()[..bags];
        let out = &mut outputs[0].buffer.as_mut_slice::<i64>()[..numbers];
        let ordered = offsets.windows(2).all(|w| w[0] <= w[1]);
        assert!(
            ordered
                && offsets.first().is_none_or(|&first| first == 0)
                && offsets.last().is_none_or(|&last| last <= numbers as i64),
            "embedding_bag: the offsets {offsets:?} must begin with 0, not decrease, and not exceed the {numbers} numbers"
        );
        for (bag, &start) in offsets.iter().enumerate() {
            out[start as usize..].fill(bag as i64);
        }
    }
}

/// Which number of a bag has the greatest element of each column: inputs rows `[n, d]`, bags `[n]`, and whether each
/// number counts `[n]`; output `[bags, d]`, -1 for a bag that holds nothing.
#[derive(Debug)]
struct Greatest;

impl CustomKernel for Greatest {
    fn run(&self, inputs: &[HostArray<'_>], outputs: &mut [HostArrayMut<'_>]) {
        match inputs[0].dtype {
            DType::F32 => greatest::<f32>(inputs, outputs, f32::is_nan),
            DType::F64 => greatest::<f64>(inputs, outputs, f64::is_nan),
            other => unreachable!("the method refuses {other}"),
        }
    }
}

fn greatest<T: talweg_kernels::Pod>(
    inputs: &[HostArray<'_>],
    outputs: &mut [HostArrayMut<'_>],
    nan: impl Fn(T) -> bool,
) {
    let [rows, bags, counts] = inputs else { unreachable!("three inputs") };
    let (n, d) = (rows.shape.size(0), rows.shape.size(1));
    let rows = rows.buffer.as_slice::<T>();
    let out = &mut outputs[0];
    let size = out.shape.numel();
    let out = &mut out.buffer.as_mut_slice::<i64>()[..size];
    out.fill(-1);
    for i in (0..n).filter(|&i| counts.buffer.as_slice::<u8>()[i] != 0) {
        let bag = bags.buffer.as_slice::<i64>()[i] as usize;
        for (best, j) in out[bag * d..(bag + 1) * d].iter_mut().zip(0..) {
            let x = rows[i * d + j];
            let held = usize::try_from(*best).ok().map(|at| rows[at * d + j]);
            if held.is_none_or(|held| x > held || nan(x) && !nan(held)) {
                *best = i as i64;
            }
        }
    }
}

impl Tensor {
    /// Rows of this table by number, like [`Tensor::index_rows`], whose gradient lists the rows that were read instead
    /// of filling a whole table: for large vocabularies.
    ///
    /// # Shapes
    /// `x [n, d]`, index of any shape `[a, b]` to `[a, b, d]`.
    ///
    /// # Gradient
    /// [`Grad::Rows`](crate::Grad::Rows) with the rows read and their gradients.
    ///
    /// # Panics
    /// When the index is not `i64`, or a row does not exist.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Grad, Tensor};
    /// let table = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [2, 2]).requires_grad();
    /// let grads = table.embedding(&Tensor::from_slice(&[1i64], [1])).sum(..).backward();
    /// assert!(matches!(grads.get(&table), Some(Grad::Rows { .. })));
    /// assert_eq!(grads.wrt(&table).to_vec::<f32>(), [0.0, 0.0, 1.0, 1.0]);
    /// ```
    #[track_caller]
    pub fn embedding(&self, index: &Tensor) -> Tensor {
        self.rows(index, true, None)
    }

    /// Rows of this table by number, with a row that gets no gradient, and with the kind of gradient.
    ///
    /// # Shapes
    /// `x [n, d]`, index of any shape `[a, b]` to `[a, b, d]`.
    ///
    /// # Gradient
    /// `dx[index[i]] += dy[i]`, but for the padding row.
    ///
    /// # Panics
    /// When the index is not `i64`, or a row does not exist, the padding row too.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{EmbeddingOptions, Tensor};
    /// let table = Tensor::from_slice(&[1.0f32, 2.0], [2, 1]).requires_grad();
    /// let options = EmbeddingOptions { padding: Some(0), ..Default::default() };
    /// let y = table.embedding_with(&Tensor::from_slice(&[0i64, 1], [2]), &options);
    /// assert_eq!(y.sum(..).backward().wrt(&table).to_vec::<f32>(), [0.0, 1.0]);
    /// ```
    #[track_caller]
    pub fn embedding_with(&self, index: &Tensor, options: &EmbeddingOptions) -> Tensor {
        self.check_padding("embedding_with", options.padding);
        self.rows(index, options.sparse, options.padding)
    }

    #[track_caller]
    fn check_padding(&self, name: &str, padding: Option<usize>) {
        if let Some(row) = padding {
            let rows = if self.rank() > 0 { self.size(0) } else { 0 };
            assert!(
                row < rows,
                "{name}: the padding row {row} does not exist in the table {}; choose one below {rows}",
                self.shape()
            );
        }
    }

    /// Sums, means or maxima of rows of this table: a row for each bag of numbers. A bag that holds nothing gives 0.
    ///
    /// # Shapes
    /// `x [n, d]`, index `[bags, numbers]` to `[bags, d]`; or index `[numbers]` and offsets `[bags]` to `[bags, d]`.
    ///
    /// # Gradient
    /// Each row's is the sum of its bags' gradients, times its factor, over the size of the bag, or where it was the
    /// greatest; a factor's is its row times its bag's gradient.
    ///
    /// # Panics
    /// When shapes or types do not fit, a row does not exist, offsets decrease, or factors come without
    /// [`BagMode::Sum`].
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{EmbeddingBagOptions, Tensor};
    /// let table = Tensor::from_slice(&[1.0f32, 2.0, 6.0], [3, 1]);
    /// let (index, offsets) = (Tensor::from_slice(&[0i64, 1, 2], [3]), Tensor::from_slice(&[0i64, 1], [2]));
    /// let options = EmbeddingBagOptions { offsets: Some(&offsets), ..Default::default() };
    /// assert_eq!(table.embedding_bag(&index, &options).to_vec::<f32>(), [1.0, 4.0]);
    /// ```
    #[track_caller]
    pub fn embedding_bag(&self, index: &Tensor, options: &EmbeddingBagOptions<'_>) -> Tensor {
        self.check_bags(index, options);
        let (count, bag) = bags(index, options);
        let index = index.reshape([index.numel()]);
        let mut rows = self.rows(&index, options.sparse, options.padding);
        let numbers = index.numel();
        let counts = match options.padding {
            Some(row) => index.ne(&Tensor::full([], row as f64, DType::I64)),
            None => Tensor::full([numbers], 1.0, DType::Bool),
        };
        if options.mode == BagMode::Max {
            return max_of(&rows, &bag, &counts, count);
        }
        if let Some(weights) = options.per_sample_weights {
            rows = rows * weights.reshape([numbers, 1]);
        }
        if options.padding.is_some() {
            rows = rows.masked_fill(&counts.logical_not().unsqueeze(1), 0.0);
        }
        let sum = rows.scatter_rows(&bag, count);
        if options.mode == BagMode::Sum {
            return sum;
        }
        let sizes = counts.cast(self.dtype()).unsqueeze(1).scatter_rows(&bag, count);
        sum / sizes.maximum(&sizes.ones_like())
    }

    #[track_caller]
    fn check_bags(&self, index: &Tensor, options: &EmbeddingBagOptions<'_>) {
        let name = "embedding_bag";
        if let Err(e) = check::float(name, &self.spec())
            .and(check::rank(name, &self.spec(), 2, "a table [rows, size]"))
            .and(check::index(name, &index.spec()))
        {
            panic!("{e}");
        }
        self.check_padding(name, options.padding);
        match options.offsets {
            None => assert!(
                index.rank() == 2,
                "{name}: the index {} must be [bags, numbers], or a list with offsets; table {}",
                index.shape(),
                self.shape()
            ),
            Some(offsets) => {
                if let Err(e) = check::index(name, &offsets.spec()) {
                    panic!("{e}");
                }
                assert!(
                    index.rank() == 1 && offsets.rank() == 1,
                    "{name}: with offsets, index {} and offsets {} must be lists; table {}",
                    index.shape(),
                    offsets.shape(),
                    self.shape()
                );
            }
        }
        if let Some(weights) = options.per_sample_weights {
            assert!(
                options.mode == BagMode::Sum && weights.shape() == index.shape(),
                "{name}: factors {} for the index {} in mode {:?}; they have the index's shape, and are for sums",
                weights.shape(),
                index.shape(),
                options.mode
            );
        }
    }
}

/// The number of bags, and the bag of each number.
fn bags(index: &Tensor, options: &EmbeddingBagOptions<'_>) -> (usize, Tensor) {
    let numbers = index.numel();
    let Some(offsets) = options.offsets else {
        let [count, size] = index.sizes();
        return (count, Tensor::arange(count).repeat_interleave(size, 0));
    };
    let count = offsets.numel() - usize::from(options.include_last_offset && offsets.numel() > 0);
    let starts = offsets.narrow(0, 0, count);
    let spec = index.spec().with_shape([numbers]);
    (count, Tensor::run_custom(Arc::new(Bags), &[&starts], &spec))
}

fn max_of(rows: &Tensor, bag: &Tensor, counts: &Tensor, count: usize) -> Tensor {
    let [numbers, d] = rows.sizes();
    let spec = rows.spec().with_shape([count, d]);
    if numbers == 0 {
        return Tensor::run(&crate::backend::Kernel::Fill(0.0), &[], &spec);
    }
    let best =
        Tensor::run_custom(Arc::new(Greatest), &[&rows.detach(), bag, counts], &spec.with_dtype(DType::I64));
    let none = best.lt(&best.zeros_like());
    let best = none.select(&best.zeros_like(), &best);
    rows.gather(0, &best).masked_fill(&none, 0.0)
}

#[cfg(test)]
mod tests {
    use super::{BagMode, EmbeddingBagOptions, EmbeddingOptions};
    use crate::{DType, Grad, Tensor};

    fn index(numbers: &[i64], shape: &[usize]) -> Tensor {
        Tensor::from_slice(numbers, shape)
    }

    fn list() -> Tensor {
        index(&[2, 0, 2, 1, 0], &[5])
    }

    /// The second and the last bag hold nothing.
    fn offsets() -> Tensor {
        index(&[0, 3, 3, 5], &[4])
    }

    fn bag(x: &Tensor, mode: BagMode, padding: Option<usize>) -> Tensor {
        let offsets = offsets();
        x.embedding_bag(
            &list(),
            &EmbeddingBagOptions { mode, padding, offsets: Some(&offsets), ..Default::default() },
        )
    }

    fn weighed(x: &[&Tensor]) -> Tensor {
        let options =
            EmbeddingBagOptions { mode: BagMode::Sum, per_sample_weights: Some(x[1]), ..Default::default() };
        x[0].embedding_bag(&index(&[2, 0, 2, 1], &[2, 2]), &options)
    }

    crate::cases! {
        embedding: |x| x[0].embedding(&index(&[2, 0, 2], &[3])); shapes [[3, 2]] [[3, 0]]  refuses [[]];
        embedding_with: |x| x[0].embedding_with(&index(&[2, 0, 2], &[3, 1]), &EmbeddingOptions::default());
            shapes [[3, 2]] [[3, 0]]  refuses [[]];
        embedding_bag: |x| bag(x[0], BagMode::Mean, None); shapes [[3, 2]] [[3, 1]]  refuses [[3]] [[3, 2, 1]];
        embedding_bag_sum: |x| bag(x[0], BagMode::Sum, None); shapes [[3, 2]];
        embedding_bag_max: |x| bag(x[0], BagMode::Max, None); shapes [[3, 2]];
        embedding_bag_weights: |x| weighed(x); shapes [[3, 2], [2, 2]]  refuses [[3, 2], [4]];
    }

    /// `torch.nn.functional.embedding_bag` of the table `[[1, 6], [2, 5], [3, 4]]`, row 2 the padding.
    #[test]
    fn padding_counts_for_nothing() {
        let table = Tensor::from_slice(&[1.0f64, 6.0, 2.0, 5.0, 3.0, 4.0], [3, 2]).requires_grad();
        let run = |mode| bag(&table, mode, Some(2)).to_vec::<f64>();
        assert_eq!(run(BagMode::Sum), [1.0, 6.0, 0.0, 0.0, 3.0, 11.0, 0.0, 0.0]);
        assert_eq!(run(BagMode::Mean), [1.0, 6.0, 0.0, 0.0, 1.5, 5.5, 0.0, 0.0]);
        assert_eq!(run(BagMode::Max), [1.0, 6.0, 0.0, 0.0, 2.0, 6.0, 0.0, 0.0]);
        let grads = bag(&table, BagMode::Mean, Some(2)).sum(..).backward();
        assert_eq!(grads.wrt(&table).to_vec::<f64>(), [1.5, 1.5, 0.5, 0.5, 0.0, 0.0]);
    }

    #[test]
    fn a_padding_row_gets_no_gradient_sparse_or_dense() {
        for sparse in [false, true] {
            let table = Tensor::ones([3, 2], DType::F64).requires_grad();
            let options = EmbeddingOptions { padding: Some(2), sparse };
            let grads = table.embedding_with(&index(&[2, 0, 2], &[3]), &options).sum(..).backward();
            assert_eq!(matches!(grads.get(&table), Some(Grad::Rows { .. })), sparse);
            assert_eq!(grads.wrt(&table).to_vec::<f64>(), [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        }
    }

    #[test]
    fn the_last_offset_may_be_the_end() {
        let table = Tensor::from_slice(&[1.0f32, 2.0, 3.0], [3, 1]);
        let offsets = index(&[0, 2, 3], &[3]);
        let options = EmbeddingBagOptions {
            mode: BagMode::Sum,
            offsets: Some(&offsets),
            include_last_offset: true,
            ..Default::default()
        };
        assert_eq!(table.embedding_bag(&index(&[0, 1, 2], &[3]), &options).to_vec::<f32>(), [3.0, 3.0]);
    }

    #[test]
    #[should_panic(expected = "embedding_bag: the offsets [0, 4, 2] must begin with 0, not decrease")]
    fn offsets_that_decrease_are_refused() {
        let offsets = index(&[0, 4, 2], &[3]);
        let options = EmbeddingBagOptions { offsets: Some(&offsets), ..Default::default() };
        Tensor::ones([3, 1], DType::F32).embedding_bag(&list(), &options);
    }
}
