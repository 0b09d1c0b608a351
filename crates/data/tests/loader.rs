//! The loader: the same batches whatever the workers, errors and panics in their place, ends without leaks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use talweg_data::transforms::Transform;
use talweg_data::{
    Batch, DataError, DataLoader, Dataset, Example, Examples, Sampler, Sequential, Shuffled, Subset, Weighted,
};
use talweg_tensor::{DType, Rng, Tensor};

fn numbers(n: usize) -> Examples {
    let x: Vec<f32> = (0..n).map(|i| i as f32).collect();
    Examples::new(Tensor::from_slice(&x, [n, 1]), Tensor::arange(n))
}

/// The numbers of the items of each batch.
fn items(batches: impl Iterator<Item = Result<Batch, DataError>>) -> Vec<Vec<i64>> {
    batches.map(|batch| batch.unwrap().y.to_vec::<i64>()).collect()
}

/// Adds to each input a number that depends on the generator alone.
struct Noise;

impl Transform<Batch> for Noise {
    fn apply(&self, batch: Batch, rng: &mut Rng) -> Result<Batch, DataError> {
        let noise = rng.uniform(*batch.x.shape(), 0.0, 1.0, DType::F32);
        Ok(Batch { x: batch.x + noise, y: batch.y })
    }
}

/// A data set whose items can go wrong, and that counts the calls.
struct Faulty {
    len: usize,
    fails_at: usize,
    panics_at: usize,
    calls: Arc<AtomicUsize>,
}

impl Dataset for Faulty {
    type Item = Example;

    fn len(&self) -> usize {
        self.len
    }

    fn get(&self, i: usize) -> Result<Example, DataError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        assert!(i != self.panics_at, "item {i} is cursed");
        if i == self.fails_at {
            return Err(DataError::NoSuchItem { index: i, len: self.len });
        }
        // Uneven work, so that workers overtake one another.
        thread::sleep(Duration::from_micros((i as u64 * 7919) % 300));
        Ok(Example { x: Tensor::from_slice(&[i as f32], [1]), y: Tensor::scalar(i as i64) })
    }
}

fn faulty(len: usize, fails_at: usize, panics_at: usize) -> Faulty {
    Faulty { len, fails_at, panics_at, calls: Arc::default() }
}

/// Fails the test instead of hanging it where `work` deadlocks.
fn within_ten_seconds(work: impl FnOnce() + Send + 'static) {
    let (done, finished) = mpsc::channel();
    let handle = thread::spawn(move || {
        work();
        done.send(()).unwrap();
    });
    let outcome = finished.recv_timeout(Duration::from_secs(10));
    assert_ne!(outcome, Err(mpsc::RecvTimeoutError::Timeout), "no end after ten seconds");
    handle.join().unwrap();
}

#[test]
fn batches_cover_the_data_in_order() {
    let loader = DataLoader::new(numbers(7)).batch(3);
    assert_eq!(items(loader.epoch(0)), [vec![0, 1, 2], vec![3, 4, 5], vec![6]]);
    assert_eq!((loader.batches(0), loader.epoch(0).len()), (3, 3));
    let loader = loader.drop_last(true);
    assert_eq!(items(loader.epoch(5)), [[0, 1, 2], [3, 4, 5]]);
    let loader = DataLoader::new(numbers(0)).batch(3).workers(2);
    assert_eq!((loader.batches(0), items(loader.epoch(0)).len()), (0, 0));
}

#[test]
fn an_epoch_follows_the_documented_order() {
    let loader = DataLoader::new(numbers(50)).batch(8).shuffle(3).workers(2);
    let flat: Vec<usize> = items(loader.epoch(4)).concat().into_iter().map(|i| i as usize).collect();
    assert_eq!(flat, talweg_data::split::permutation(50, 3, 4));
    assert_ne!(items(loader.epoch(0)), items(loader.epoch(1)));
    assert_eq!(Sequential.order(3, 9), [0, 1, 2]);
    assert_eq!(Shuffled { seed: 3 }.order(50, 4), flat);
}

#[test]
fn errors_and_panics_arrive_in_their_place_and_the_rest_goes_on() {
    for workers in [0, 1, 2, 3, 8] {
        within_ten_seconds(move || {
            let loader = DataLoader::new(faulty(20, 5, 12)).batch(2).workers(workers);
            for (number, batch) in loader.epoch(0).enumerate() {
                let message = batch.as_ref().map(|_| ()).map_err(ToString::to_string);
                match number {
                    2 => assert_eq!(
                        message.unwrap_err(),
                        "item 5 of a data set of 20; the numbers go from 0 to one less"
                    ),
                    6 => assert_eq!(
                        message.unwrap_err(),
                        "batch 6: a panic while it was made: item 12 is cursed"
                    ),
                    _ => {
                        let start = number as i64 * 2;
                        assert_eq!(batch.unwrap().y.to_vec::<i64>(), [start, start + 1]);
                    }
                }
            }
        });
    }
}

#[test]
fn dropping_an_epoch_early_ends_its_workers() {
    for workers in [1, 2, 4] {
        within_ten_seconds(move || {
            let data = Arc::new(faulty(10_000, usize::MAX, usize::MAX));
            let loader = DataLoader::new(Arc::clone(&data)).batch(5).workers(workers);
            for take in [0, 1, 7] {
                let mut epoch = loader.epoch(0);
                assert_eq!(epoch.by_ref().take(take).count(), take);
                drop(epoch);
                // All threads have been joined: nothing is read any more, and nobody else holds the data.
                let calls = data.calls.load(Ordering::SeqCst);
                thread::sleep(Duration::from_millis(20));
                assert_eq!(data.calls.load(Ordering::SeqCst), calls);
                assert_eq!(Arc::strong_count(&data), 2);
                assert!(calls < 1_000, "{calls} items were read for {take} batches");
            }
        });
    }
}

#[test]
fn workers_stay_a_few_batches_ahead() {
    let data = Arc::new(faulty(1_000, usize::MAX, usize::MAX));
    let loader = DataLoader::new(Arc::clone(&data)).workers(2);
    let _epoch = loader.epoch(0);
    thread::sleep(Duration::from_millis(100));
    // Two finished batches wait for each worker, and one is in its hands.
    assert_eq!(data.calls.load(Ordering::SeqCst), 6);
}

#[test]
fn epochs_can_be_abandoned_and_run_side_by_side() {
    within_ten_seconds(|| {
        let loader = DataLoader::new(numbers(100)).batch(7).shuffle(1).workers(2);
        let alone = (items(loader.epoch(0)), items(loader.epoch(1)));
        let (mut first, mut second) = (loader.epoch(0), loader.epoch(1));
        let mut mixed = (Vec::new(), Vec::new());
        while let (Some(a), Some(b)) = (first.next(), second.next()) {
            mixed.0.push(a.unwrap().y.to_vec::<i64>());
            mixed.1.push(b.unwrap().y.to_vec::<i64>());
        }
        assert_eq!(mixed, alone);
        assert!(first.next().is_none() && first.next().is_none());
    });
}

#[test]
fn items_that_do_not_fit_together_are_refused() {
    struct Growing;
    impl Dataset for Growing {
        type Item = Example;
        fn len(&self) -> usize {
            2
        }
        fn get(&self, i: usize) -> Result<Example, DataError> {
            Ok(Example { x: Tensor::zeros([3, i + 1], DType::F32), y: Tensor::scalar(0i64) })
        }
    }
    let message = DataLoader::new(Growing).batch(2).epoch(0).next().unwrap().unwrap_err().to_string();
    assert_eq!(
        message,
        "item 1 of the batch has the input f32 [3, 2], but f32 [3, 1] is expected, as in the first item"
    );
}

#[test]
fn a_subset_is_a_view() {
    let subset = Subset { data: numbers(10), indices: vec![9, 0, 9] };
    assert_eq!(items(DataLoader::new(subset.clone()).batch(3).epoch(0)), [[9, 0, 9]]);
    assert_eq!(subset.get(1).unwrap().y.item(), 0.0);
    let error = subset.get(3).unwrap_err().to_string();
    assert_eq!(error, "item 3 of a data set of 3; the numbers go from 0 to one less");
    assert!(numbers(10).get(10).is_err() && numbers(10).batch(&[0, 10]).is_err());
}

#[test]
fn weighted_draws_follow_the_weights() {
    let sampler = Weighted { weights: vec![0.0, 1.0, 0.0, 3.0, 0.0], draws: 40_000, seed: 2 };
    let mut counts = BTreeMap::<usize, f64>::new();
    for item in sampler.order(5, 1) {
        *counts.entry(item).or_default() += 1.0;
    }
    // Binomial with deviation sqrt(40,000 * 0.25 * 0.75) = 87: four of them.
    assert_eq!(counts.keys().copied().collect::<Vec<_>>(), [1, 3]);
    assert!((counts[&1] - 10_000.0).abs() < 350.0, "{counts:?}");
    assert_ne!(sampler.order(5, 1), sampler.order(5, 2));
}

#[test]
#[should_panic(expected = "weighted sampler: weight 1 is -1")]
fn negative_weights_are_refused() {
    Weighted { weights: vec![1.0, -1.0], draws: 1, seed: 0 }.order(2, 0);
}

#[test]
fn single_items_agree_with_batches() {
    let x = Tensor::from_slice(&[0u8, 51, 255, 102], [2, 1, 2]);
    let examples = Examples::new(x, Tensor::from_slice(&[4i64, 2], [2]));
    let item = examples.get(1).unwrap();
    assert_eq!((item.x.shape().to_vec(), item.y.rank()), (vec![1, 2], 0));
    assert_eq!((item.x.to_vec::<f32>(), item.y.item()), (vec![1.0, 102.0 / 255.0], 2.0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Neither the workers nor an interruption changes a bit of what follows.
    #[test]
    fn batches_are_a_function_of_seed_epoch_and_position(
        len in 0usize..60,
        size in 1usize..12,
        seed in any::<u64>(),
        epoch in 0u64..1_000,
        workers in 0usize..5,
        drop_last in any::<bool>(),
        position in 0usize..20,
    ) {
        let loader = DataLoader::new(numbers(len)).batch(size).shuffle(seed).drop_last(drop_last).transform(Noise);
        let bits = |batches: talweg_data::Epoch<Examples>| -> Vec<(Vec<u32>, Vec<i64>)> {
            let of = |batch: Batch| (batch.x.to_vec::<f32>().into_iter().map(f32::to_bits).collect(), batch.y.to_vec());
            batches.map(|batch| of(batch.unwrap())).collect()
        };
        let whole = bits(loader.epoch(epoch));
        let loader = loader.workers(workers);
        prop_assert_eq!(&bits(loader.epoch(epoch)), &whole);
        let rest = loader.epoch_from(epoch, position);
        prop_assert_eq!(rest.position(), position.min(whole.len()));
        prop_assert_eq!(bits(rest), &whole[position.min(whole.len())..]);
        let expected = if drop_last { len / size } else { len.div_ceil(size) };
        prop_assert_eq!((loader.batches(epoch), whole.len()), (expected, expected));
    }
}
