//! Orders and splits: permutations, evenness, and numbers that may never change.

use std::collections::BTreeMap;

use proptest::prelude::*;
use talweg_data::embedded::{DIGITS_SPLIT_SEED, DIGITS_TEST_SHARE, raw_digits};
use talweg_data::split::{permutation, split, stratified};

/// An interrupted run continues with the order that a later version computes, so these numbers are fixed. They were
/// computed by `tests/split.py`, a second implementation.
#[test]
fn the_order_of_an_epoch_never_changes() {
    assert_eq!(permutation(10, 0, 0), ORDER_0_0);
    assert_eq!(permutation(10, 7, 3), ORDER_7_3);
    assert_eq!(permutation(10, u64::MAX, u64::MAX), ORDER_MAX);
    let long = permutation(60_000, 1, 2);
    assert_eq!([long[0], long[1], long[59_999]], ORDER_LONG);
}
const ORDER_0_0: [usize; 10] = [7, 4, 9, 5, 2, 0, 6, 3, 1, 8];
const ORDER_7_3: [usize; 10] = [9, 1, 0, 3, 7, 4, 5, 8, 6, 2];
const ORDER_MAX: [usize; 10] = [1, 0, 2, 5, 4, 3, 8, 6, 9, 7];
const ORDER_LONG: [usize; 3] = [23296, 31706, 47582];

#[test]
fn every_order_is_equally_likely() {
    // 24 orders of 4 items over 24,000 epochs: chi-square with 23 degrees of freedom is below 49.7 with p = 0.999.
    let mut counts = BTreeMap::<Vec<usize>, f64>::new();
    for epoch in 0..24_000 {
        *counts.entry(permutation(4, 3, epoch)).or_default() += 1.0;
    }
    assert_eq!(counts.len(), 24);
    let chi_square: f64 = counts.values().map(|count| (count - 1000.0).powi(2) / 1000.0).sum();
    assert!(chi_square < 49.7, "{chi_square}");
}

#[test]
fn the_digits_are_those_of_the_source() {
    let digits = raw_digits();
    let count = |digit| digits.labels.iter().filter(|&&label| label == digit).count();
    let counts: Vec<_> = (0..10).map(count).collect();
    assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    assert_eq!(digits.pixels.iter().max(), Some(&16));
    // Sums that a reader in another language found in the source file.
    assert_eq!(digits.pixels.iter().map(|&p| u64::from(p)).sum::<u64>(), PIXEL_SUM);
    let weighted = digits.pixels.iter().enumerate().map(|(i, &p)| (i as u64 % 1009 + 1) * u64::from(p));
    assert_eq!(weighted.sum::<u64>(), WEIGHTED_SUM);
    let (train, test) = stratified(&digits.labels, DIGITS_TEST_SHARE, DIGITS_SPLIT_SEED);
    assert_eq!((train.len(), test.len()), (1438, 359));
}
const PIXEL_SUM: u64 = 561_718;
const WEIGHTED_SUM: u64 = 283_701_122;

#[test]
#[should_panic(expected = "split: share 1.5 is not between 0 and 1")]
fn a_share_above_one_is_refused() {
    split(3, 1.5, 0);
}

proptest! {
    #[test]
    fn orders_are_permutations(len in 0usize..200, seed in any::<u64>(), epoch in any::<u64>()) {
        let mut order = permutation(len, seed, epoch);
        order.sort_unstable();
        prop_assert_eq!(order, (0..len).collect::<Vec<_>>());
    }

    #[test]
    fn parts_are_disjoint_and_complete(labels in prop::collection::vec(0u8..4, 0..100), share in 0.0f64..=1.0) {
        for (first, second) in [split(labels.len(), share, 5), stratified(&labels, share, 5)] {
            let mut all = [first, second].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..labels.len()).collect::<Vec<_>>());
        }
        let (_, second) = stratified(&labels, share, 5);
        for class in 0..4 {
            let of = |indices: &[usize]| indices.iter().filter(|&&i| labels[i] == class).count();
            let all: Vec<_> = (0..labels.len()).collect();
            let most = of(&all).saturating_sub(usize::from(share < 1.0));
            prop_assert_eq!(of(&second), ((of(&all) as f64 * share).round() as usize).min(most));
        }
        prop_assert_eq!(split(labels.len(), share, 5).1.len(), (labels.len() as f64 * share).round() as usize);
    }
}
