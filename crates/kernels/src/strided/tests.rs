use proptest::prelude::*;

use super::*;
use crate::threads;

/// All positions of a view, in row-major order, by plain recursion.
fn positions(shape: &[usize], strides: &[isize], offset: isize) -> Vec<usize> {
    let Some((&size, shape)) = shape.split_first() else { return vec![offset as usize] };
    (0..size).flat_map(|i| positions(shape, &strides[1..], offset + i as isize * strides[0])).collect()
}

fn check_view(shape: &[usize], strides: &[isize], offset: usize, len: usize) {
    let at = positions(shape, strides, offset as isize);
    let src: Vec<f32> = (0..len).map(|i| i as f32).collect();
    let mut out = vec![-1.0; at.len()];
    copy(shape, strides, offset, &src, &mut out);
    for (i, &at) in at.iter().enumerate() {
        assert_eq!(out[i], src[at], "copy {shape:?} {strides:?} at {i}");
    }
    let mut want = src.clone();
    let values: Vec<f32> = (0..at.len()).map(|i| (i % 5) as f32).collect();
    for (&at, &value) in at.iter().zip(&values) {
        want[at] += value;
    }
    let mut got = src;
    scatter_add(shape, strides, offset, &values, &mut got);
    assert_eq!(got, want, "scatter_add {shape:?} {strides:?}");
}

#[test]
fn typical_views() {
    check_view(&[], &[], 3, 4);
    check_view(&[3, 4], &[4, 1], 0, 12);
    check_view(&[0, 4], &[4, 1], 0, 0);
    check_view(&[100, 70], &[1, 100], 0, 7000);
    check_view(&[33, 65], &[1, 33], 5, 33 * 65 + 5);
    check_view(&[3, 5, 7], &[0, 1, 0], 2, 7);
    check_view(&[4, 6], &[-6, -1], 23, 24);
    check_view(&[2, 50, 3, 40], &[6000, 1, 50, 150], 0, 12_000);
    check_view(&[300, 200], &[1, 300], 0, 60_000);
    check_view(&[2, 3, 40, 50], &[6000, 1, 150, 3], 0, 12_000);
    check_view(&[5, 1, 4], &[8, 77, 2], 1, 40);
}

proptest! {
    #[test]
    fn any_view(
        axes in prop::collection::vec((0usize..12, -20isize..21), 0..5),
        extra in 0usize..10,
    ) {
        let shape: Vec<usize> = axes.iter().map(|&(size, _)| size).collect();
        let strides: Vec<isize> = axes.iter().map(|&(_, stride)| stride).collect();
        let reach = |sign: isize| -> usize {
            axes.iter().map(|&(size, stride)| size.saturating_sub(1) * (sign * stride).max(0) as usize).sum()
        };
        check_view(&shape, &strides, reach(-1) + extra, reach(-1) + extra + reach(1) + 1);
    }

    #[test]
    fn any_permutation(sizes in prop::array::uniform4(1usize..40), order in Just([0usize, 1, 2, 3]).prop_shuffle()) {
        let natural = [sizes[1] * sizes[2] * sizes[3], sizes[2] * sizes[3], sizes[3], 1];
        prop_assume!(natural[0] * sizes[0] < 60_000);
        check_view(&order.map(|k| sizes[k]), &order.map(|k| natural[k] as isize), 0, natural[0] * sizes[0]);
    }

    #[test]
    fn rows(rows in 1usize..50, row_len in 0usize..40, picks in prop::collection::vec(0usize..1000, 0..200)) {
        let index: Vec<i64> = picks.iter().map(|pick| (pick % rows) as i64).collect();
        let table: Vec<f32> = (0..rows * row_len).map(|i| i as f32).collect();
        let mut out = vec![-1.0; index.len() * row_len];
        gather_rows(&table, row_len, &index, &mut out);
        let mut want = table.clone();
        for i in 0..out.len() {
            let at = index[i / row_len] as usize * row_len + i % row_len;
            prop_assert_eq!(out[i], table[at]);
            want[at] += out[i];
        }
        let mut sums = table;
        scatter_add_rows(&out, row_len, &index, &mut sums);
        prop_assert_eq!(sums, want);
    }
}

#[test]
fn large_scatters_split_by_columns_and_give_the_same_bits() {
    let (rows, row_len, picks) = (50, 200, 2000);
    let index: Vec<i64> = (0..picks).map(|i| (i * i % rows) as i64).collect();
    let src: Vec<f32> = (0..picks * row_len).map(|i| (i as f32).sin()).collect();
    let mut want = vec![0.0; rows * row_len];
    for (i, &x) in src.iter().enumerate() {
        want[index[i / row_len] as usize * row_len + i % row_len] += x;
    }
    let before = threads::threads();
    for n in [1, 2] {
        threads::set_threads(n);
        let mut got = vec![0.0; rows * row_len];
        scatter_add_rows(&src, row_len, &index, &mut got);
        assert_eq!(got, want);
    }
    threads::set_threads(before);
}

#[test]
fn other_types_are_copied_too() {
    let mut out = [0i64; 6];
    copy(&[3, 2], &[1, 3], 0, &[1i64, 2, 3, 4, 5, 6], &mut out);
    assert_eq!(out, [1, 4, 2, 5, 3, 6]);
    let mut out = [0u8; 4];
    gather_rows(&[1u8, 2, 3, 4], 2, &[1, 0], &mut out);
    assert_eq!(out, [3, 4, 1, 2]);
}

#[test]
#[should_panic(
    expected = "copy: the view of shape [2, 3], strides [3, 1], offset 1 reaches from 1 to 6, outside 6"
)]
fn a_view_that_leaves_the_source_is_refused() {
    copy(&[2, 3], &[3, 1], 1, &[0.0f32; 6], &mut [0.0; 6]);
}

#[test]
#[should_panic(expected = "gather_rows: index 2 at position 1 is outside a table of 2 rows")]
fn an_index_outside_the_table_is_refused() {
    gather_rows(&[0.0f32; 6], 3, &[0, 2], &mut [0.0; 6]);
}

#[test]
#[should_panic(expected = "scatter_add_rows: index -1 at position 0 is outside a table of 2 rows")]
fn a_negative_index_is_refused() {
    scatter_add_rows(&[0.0f32; 3], 3, &[-1], &mut [0.0; 6]);
}
