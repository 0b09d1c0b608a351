//! Transforms of batches against slow references that look at one pixel at a time.

use proptest::prelude::*;
use talweg_data::transforms::{Normalise, RandomCrop, RandomFlip, RandomShift, Transform};
use talweg_data::{Batch, Examples};
use talweg_tensor::{DType, Rng, Tensor};

/// `n` pictures of distinct values, counted up from 1.
fn pictures(n: usize, channels: usize, height: usize, width: usize) -> Batch {
    let count = n * channels * height * width;
    let values: Vec<f32> = (1..=count).map(|i| i as f32).collect();
    Batch { x: Tensor::from_slice(&values, [n, channels, height, width]), y: Tensor::arange(n) }
}

fn pixel(x: &Tensor, [n, c, row, column]: [isize; 4]) -> f32 {
    let [_, channels, height, width] = x.sizes();
    let inside = (0..height as isize).contains(&row) && (0..width as isize).contains(&column);
    let at = ((n as usize * channels + c as usize) * height) as isize + row;
    if inside { x.to_vec::<f32>()[(at * width as isize + column) as usize] } else { -1.0 }
}

/// Whether `new` is `old` seen through a window at (top, left), mirrored if so; outside is -1.
fn is_window(old: &Tensor, new: &Tensor, n: usize, top: isize, left: isize, flip: bool) -> bool {
    let [_, channels, height, width] = new.sizes();
    let mut places = (0..channels * height * width)
        .map(|i| [(i / (height * width)) as isize, (i / width % height) as isize, (i % width) as isize]);
    places.all(|[c, row, column]| {
        let from = if flip { width as isize - 1 - column } else { column };
        pixel(new, [n as isize, c, row, column]) == pixel(old, [n as isize, c, row + top, from + left])
    })
}

#[test]
fn flips_happen_with_their_probability() {
    for (probability, expected) in [(0.0, 0..=0), (0.25, 55..=145), (1.0, 400..=400)] {
        let batch = pictures(400, 1, 2, 2);
        let flipped = RandomFlip { probability }.apply(batch.clone(), &mut Rng::seed(1)).unwrap();
        let (old, new) = (batch.x.to_vec::<f32>(), flipped.x.to_vec::<f32>());
        let mirrored =
            old.chunks(4).zip(new.chunks(4)).filter(|(a, b)| [a[1], a[0], a[3], a[2]] == **b).count();
        let same = old.chunks(4).zip(new.chunks(4)).filter(|(a, b)| a == b).count();
        assert_eq!(mirrored + same, 400);
        assert!(expected.contains(&mirrored), "{probability}: {mirrored}");
    }
}

#[test]
fn the_same_generator_gives_the_same_pictures_and_moves_on() {
    let batch = pictures(20, 2, 5, 5);
    let shift = RandomShift::default();
    let rng = &mut Rng::seed(4);
    let [first, second] = [(); 2].map(|()| shift.apply(batch.clone(), rng).unwrap().x.to_vec::<f32>());
    assert_eq!(first, shift.apply(batch.clone(), &mut Rng::seed(4)).unwrap().x.to_vec::<f32>());
    assert_ne!(first, second);
}

#[test]
fn every_shift_occurs() {
    let batch = pictures(500, 1, 3, 3);
    let shifted = RandomShift { most: 1, fill: -1.0 }.apply(batch.clone(), &mut Rng::seed(9)).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for n in 0..500 {
        for (top, left) in (-1..=1).flat_map(|top| (-1..=1).map(move |left| (top, left))) {
            if is_window(&batch.x, &shifted.x, n, top, left, false) {
                seen.insert((top, left));
            }
        }
    }
    assert_eq!(seen.len(), 9, "{seen:?}");
}

#[test]
fn batches_that_are_no_pictures_are_refused() {
    let table = Batch { x: Tensor::zeros([4, 3], DType::F32), y: Tensor::arange(4) };
    let bytes = Batch { x: Tensor::zeros([4, 1, 2, 2], DType::U8), y: Tensor::arange(4) };
    let rng = &mut Rng::seed(0);
    let message = RandomFlip::default().apply(table.clone(), rng).unwrap_err().to_string();
    assert_eq!(
        message,
        "random flip: pictures [n, channels, height, width] of a floating-point type are needed, found f32 [4, 3]"
    );
    assert!(
        RandomShift::default().apply(bytes, rng).unwrap_err().to_string().contains("found u8 [4, 1, 2, 2]")
    );
    let message =
        RandomCrop { height: 2, width: 9 }.apply(pictures(1, 1, 4, 8), rng).unwrap_err().to_string();
    assert_eq!(message, "random crop: a part of 2 x 9 from pictures of 4 x 8");
    let normalise = Normalise { mean: vec![0.0; 2], deviation: vec![1.0; 2] };
    let message = normalise.apply(table, rng).unwrap_err().to_string();
    assert_eq!(message, "normalise: 2 means and 2 deviations for inputs [4, 3]; axis 1 must have as many");
    let flat = Examples::new(Tensor::zeros([3], DType::F32), Tensor::arange(3));
    let message = Normalise::fit(&flat).unwrap_err().to_string();
    assert_eq!(message, "normalise: inputs [n, channels, ..] with n > 0 are needed, found [3]");
}

#[test]
fn normalising_gives_each_channel_mean_0_and_deviation_1() {
    let rng = &mut Rng::seed(5);
    // More than one part of the sums, channels of different scale, one constant.
    let wide = rng.normal([1500, 1, 3, 2], 40.0, 7.0, DType::F32);
    let narrow = rng.normal([1500, 1, 3, 2], -2.0, 0.1, DType::F32);
    let constant = Tensor::full([1500, 1, 3, 2], 0.3, DType::F32);
    let x = Tensor::cat(&[&wide, &narrow, &constant], 1);
    let examples = Examples::new(x.clone(), Tensor::arange(1500));
    let normalise = Normalise::fit(&examples).unwrap();
    assert_eq!(normalise.deviation[2], 1.0);
    let batch = normalise.apply(Batch { x, y: Tensor::arange(1500) }, rng).unwrap();
    let values = batch.x.to_vec::<f32>();
    for channel in 0..3 {
        let of: Vec<f64> =
            values.chunks(6).skip(channel).step_by(3).flatten().map(|&value| f64::from(value)).collect();
        let mean = of.iter().sum::<f64>() / of.len() as f64;
        let variance = of.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / of.len() as f64;
        let expected = if channel == 2 { 0.0 } else { 1.0 };
        assert!(mean.abs() < 1e-4 && (variance - expected).abs() < 1e-4, "{channel}: {mean} {variance}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn each_picture_is_a_window_of_its_old_self(
        n in 1usize..4,
        channels in 1usize..3,
        height in 1usize..5,
        width in 1usize..5,
        most in 0usize..7,
        seed in any::<u64>(),
    ) {
        let batch = pictures(n, channels, height, width);
        let rng = &mut Rng::seed(seed);
        let shifted = RandomShift { most, fill: -1.0 }.apply(batch.clone(), rng).unwrap();
        let flipped = RandomFlip::default().apply(batch.clone(), rng).unwrap();
        let (small_height, small_width) = (1 + most % height, 1 + most % width);
        let cropped = RandomCrop { height: small_height, width: small_width }.apply(batch.clone(), rng).unwrap();
        prop_assert_eq!(cropped.x.sizes(), [n, channels, small_height, small_width]);
        for picture in 0..n {
            let most = most as isize;
            let places = || (-most..=most).flat_map(|top| (-most..=most).map(move |left| (top, left)));
            prop_assert!(places().any(|(top, left)| is_window(&batch.x, &shifted.x, picture, top, left, false)));
            prop_assert!([false, true].into_iter().any(|flip| is_window(&batch.x, &flipped.x, picture, 0, 0, flip)));
            let corners = (0..=height - small_height).flat_map(|top| (0..=width - small_width).map(move |left| (top, left)));
            let mut corners = corners.map(|(top, left)| (top as isize, left as isize));
            prop_assert!(corners.any(|(top, left)| is_window(&batch.x, &cropped.x, picture, top, left, false)));
        }
        prop_assert_eq!(cropped.y.to_vec::<i64>(), batch.y.to_vec::<i64>());
    }
}
