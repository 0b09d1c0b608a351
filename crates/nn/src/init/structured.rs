//! Weights with a structure: orthogonal, sparse, and those that hand their input on.

use talweg_tensor::{DType, Rng, Shape, Tensor};

/// So many rows are made orthogonal to each other one by one; to all rows before them, by matrix products.
const BLOCK: usize = 32;

/// `gain` times a matrix with orthonormal rows or columns, in f64.
///
/// # Panics
/// When the shape has fewer than two axes.
#[track_caller]
pub(super) fn orthogonal(shape: Shape, gain: f64, rng: &mut Rng) -> Tensor {
    assert!(
        shape.rank() >= 2,
        "init: orthogonal is for weights with at least 2 axes, [outputs, inputs, kernel..], got {shape}; use Uniform or \
         Normal"
    );
    let (rows, columns) = (shape.size(0), shape.iter().skip(1).product::<usize>());
    let q = orthonormal(rows.min(columns), rows.max(columns), rng) * gain;
    let q = if rows > columns { q.t() } else { q };
    q.reshape(shape)
}

/// `n` orthonormal rows of length `m`, uniform among all such: Gram and Schmidt's method on normal numbers, twice over,
/// so that rounding does not add up.
fn orthonormal(n: usize, m: usize, rng: &mut Rng) -> Tensor {
    let mut done = Tensor::zeros([0, m], DType::F64);
    for start in (0..n).step_by(BLOCK) {
        let mut rows = rng.normal([BLOCK.min(n - start), m], 0.0, 1.0, DType::F64);
        for _ in 0..2 {
            rows = &rows - rows.matmul(&done.t()).matmul(&done);
        }
        done = Tensor::cat(&[&done, &among_themselves(&rows)], 0);
    }
    done
}

fn among_themselves(rows: &Tensor) -> Tensor {
    let m = rows.size(1);
    let mut numbers = rows.to_vec::<f64>();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for i in 0..rows.size(0) {
        let (before, row) = numbers.split_at_mut(i * m);
        let row = &mut row[..m];
        for _ in 0..2 {
            for other in before.chunks_exact(m) {
                let along = dot(row, other);
                row.iter_mut().zip(other).for_each(|(x, y)| *x -= along * y);
            }
            let norm = dot(row, row).sqrt();
            row.iter_mut().for_each(|x| *x /= norm);
        }
    }
    Tensor::from_slice(&numbers, *rows.shape())
}

/// Normal numbers, and in each column a share of zeros.
///
/// # Panics
/// When the shape is no matrix, or the share is not between 0 and 1.
#[track_caller]
pub(super) fn sparse(shape: Shape, sparsity: f64, std: f64, dtype: DType, rng: &mut Rng) -> Tensor {
    assert!(
        shape.rank() == 2 && (0.0..=1.0).contains(&sparsity),
        "init: sparse is for matrices, with a share of zeros between 0 and 1, got {shape} and {sparsity}"
    );
    let [rows, columns] = [shape.size(0), shape.size(1)];
    let zeros = (sparsity * rows as f64).ceil() as usize;
    let mut numbers = rng.normal(shape, 0.0, std, DType::F64).to_vec::<f64>();
    for column in 0..columns {
        for row in rng.permutation(rows).into_iter().take(zeros) {
            numbers[row * columns + column] = 0.0;
        }
    }
    Tensor::from_slice(&numbers, shape).cast(dtype)
}

/// The weight of a convolution that hands its input on.
///
/// # Panics
/// When the shape is not that of a convolution, or its outputs do not divide by the groups.
#[track_caller]
pub(super) fn dirac(shape: Shape, groups: usize, dtype: DType) -> Tensor {
    assert!(
        (3..=5).contains(&shape.rank()) && groups > 0 && shape.size(0).is_multiple_of(groups),
        "init: dirac is for convolutions, [outputs, inputs, kernel..] with 1 to 3 kernel sizes and outputs that divide by \
         the groups, got {shape} and {groups} groups"
    );
    let mut numbers = vec![0.0; shape.numel()];
    let (outputs, inputs) = (shape.size(0) / groups, shape.size(1));
    let kernel: Vec<usize> = shape.iter().skip(2).collect();
    let size: usize = kernel.iter().product();
    let middle = kernel.iter().fold(0, |at, size| at * size + size / 2);
    if size > 0 {
        for group in 0..groups {
            for i in 0..outputs.min(inputs) {
                numbers[((group * outputs + i) * inputs + i) * size + middle] = 1.0;
            }
        }
    }
    Tensor::from_slice::<f64>(&numbers, shape).cast(dtype)
}

/// 1 on the diagonal.
///
/// # Panics
/// When the shape is no matrix.
#[track_caller]
pub(super) fn identity(shape: Shape, dtype: DType) -> Tensor {
    assert!(shape.rank() == 2, "init: identity is for matrices, got {shape}; use Dirac for a convolution");
    let [rows, columns] = [shape.size(0), shape.size(1)];
    Tensor::eye(rows.max(columns), dtype).narrow(0, 0, rows).narrow(1, 0, columns)
}
