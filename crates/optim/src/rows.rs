//! Steps on row-sparse gradients, as embeddings give: only the rows that were read move, and the work is theirs alone.

use talweg_tensor::{Grad, Tensor};

use crate::rule::Slots;

/// The distinct rows of a row-sparse gradient in increasing order, and their gradients: those of a row that is listed
/// more than once are added up in the order of the list.
///
/// Which rows there are is read on the host.
pub(crate) fn distinct(index: &Tensor, values: &Tensor) -> (Tensor, Tensor) {
    let listed = index.to_vec::<i64>();
    if listed.is_sorted_by(|a, b| a < b) {
        return (index.clone(), values.clone());
    }
    let mut rows = listed.clone();
    rows.sort_unstable();
    rows.dedup();
    let place = |row: &i64| rows.binary_search(row).expect("every listed row is among the rows") as i64;
    let places: Vec<i64> = listed.iter().map(place).collect();
    let sums = values.scatter_rows(&Tensor::from_slice(&places, [places.len()]), rows.len());
    (Tensor::from_slice(&rows, [rows.len()]), sums)
}

/// Runs a rule's step on the rows that a gradient lists, with their part of the state, and writes them back. A dense
/// gradient is a step on the whole parameter.
///
/// What the rows' step gets has the rows' shape: `[k, ..]` of `[n, ..]`.
pub(crate) fn step_on_rows(
    param: &mut Tensor,
    grad: &Grad,
    slots: &mut Slots,
    step: impl FnOnce(&mut Tensor, &Tensor, &mut [Tensor]),
) {
    let (index, values) = match grad {
        Grad::Dense(grad) => return step(param, grad, slots.tensors_mut()),
        Grad::Rows { index, values } => distinct(index, values),
    };
    if index.numel() == 0 {
        return;
    }
    let mut rows = param.index_rows(&index);
    let mut state: Vec<Tensor> = slots.tensors_mut().iter().map(|x| x.index_rows(&index)).collect();
    step(&mut rows, &values, &mut state);
    param.put_rows(&index, &rows);
    for (whole, rows) in slots.tensors_mut().iter_mut().zip(&state) {
        whole.put_rows(&index, rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_listed_twice_are_added_up() {
        let index = Tensor::from_slice(&[4i64, 1, 4], [3]);
        let values = Tensor::from_slice(&[1.0f64, 2.0, 3.0, 4.0, 10.0, 20.0], [3, 2]);
        let (rows, sums) = distinct(&index, &values);
        assert_eq!(rows.to_vec::<i64>(), [1, 4]);
        assert_eq!(sums.to_vec::<f64>(), [3.0, 4.0, 11.0, 22.0]);
        let (rows, sums) = distinct(&rows, &sums);
        assert_eq!((rows.to_vec::<i64>(), sums.numel()), (vec![1, 4], 4), "distinct rows stay as they are");
    }
}
