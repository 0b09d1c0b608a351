//! Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
//! 1, 2, 3", 2011).
//!
//! A number is a pure function of (seed, stream, position), so results do not depend on threads or on the order of
//! calls, and a generator's whole state is one counter.
//!
//! **What is drawn where.** The key is `seed`; the 128-bit counter is `stream` in the upper and `offset` in the lower
//! 64 bits; each counter yields four 32-bit words w0..w3. A call starts at counter `offset`:
//!
//! | function | type | element i uses | counters for n elements |
//! | --- | --- | --- | --- |
//! | [`uniform`], [`normal`] | `f32` | word i mod 4 of counter `offset + i/4` | n/4, rounded up |
//! | [`uniform`], [`normal`] | `f64` | words 2 (i mod 2) and the next of counter `offset + i/2` | n/2, rounded up |
//! | [`dropout`], [`bernoulli`] | both | word i mod 4 of counter `offset + i/4` | n/4, rounded up |
//! | [`next_u64`] | | words 0 (low) and 1 (high) of counter `offset` | 1 |
//!
//! ([`normal`] makes two elements from two uniform numbers, so the words of a pair belong to both.)
//! [`counters`] computes the last column. Offsets wrap around at 2^64.

use crate::dispatch::{CHUNK, chunks, ln, multiversion};
use crate::float::{Float, FloatKind};

/// Counters whose words are kept together in a buffer.
const BATCH: usize = 32;
/// The words of one batch.
const WORDS: usize = 4 * BATCH;

/// The place in the random sequence at which a call draws: see the [module](self).
#[derive(Clone, Copy, Debug)]
struct Place {
    seed: u64,
    stream: u64,
    offset: u64,
}

/// How many counters [`uniform`] and [`normal`] of `n` elements use; the next call's offset is larger by this.
/// [`dropout`] and [`bernoulli`] use `counters::<f32>(n)` for either type.
pub fn counters<T: Float>(n: usize) -> u64 {
    match T::KIND {
        FloatKind::F32 => n.div_ceil(4) as u64,
        FloatKind::F64 => n.div_ceil(2) as u64,
    }
}

/// The first 64 bits of one counter.
pub fn next_u64(seed: u64, stream: u64, offset: u64) -> u64 {
    let [w0, w1, ..] = philox(seed, stream, offset);
    u64::from(w1) << 32 | u64::from(w0)
}

/// The four words of one counter.
pub fn philox(seed: u64, stream: u64, offset: u64) -> [u32; 4] {
    let place = Place { seed, stream, offset };
    place.keys().into_iter().fold(place.start(0), round).map(|word| word as u32)
}

const M0: u64 = 0xD251_1F53;
const M1: u64 = 0xCD9E_8D57;
const W0: u32 = 0x9E37_79B9;
const W1: u32 = 0xBB67_AE85;

/// Fills `out` with numbers uniform on \[low, high): multiples of 2^-24 (`f32`) or 2^-53 (`f64`) of the width.
pub fn uniform<T: Float>(seed: u64, stream: u64, offset: u64, low: T, high: T, out: &mut [T]) {
    let place = Place { seed, stream, offset };
    chunks(out, CHUNK, &|start, part| uniform_part::<T>(place.after::<T>(start), low, high, part));
}

/// Fills `out` with normally distributed numbers (Box and Muller 1958: one radius and one angle make two of them).
pub fn normal<T: Float>(seed: u64, stream: u64, offset: u64, mean: T, std: T, out: &mut [T]) {
    let place = Place { seed, stream, offset };
    chunks(out, CHUNK, &|start, part| normal_part::<T>(place.after::<T>(start), mean, std, part));
}

/// Fills `out` with 1 with probability `p` (to a multiple of 2^-32), else 0.
///
/// # Panics
/// If `p` is not in \[0, 1\].
#[track_caller]
pub fn bernoulli<T: Float>(seed: u64, stream: u64, offset: u64, p: f64, out: &mut [T]) {
    check_probability("bernoulli", p);
    if p == 0.0 {
        return out.fill(T::ZERO);
    }
    let place = Place { seed, stream, offset };
    chunks(out, CHUNK, &|start, part| {
        part.fill(T::ONE);
        dropout_part::<T>(place.after::<f32>(start), threshold(1.0 - p), T::ONE, part);
    });
}

/// out\[i\] = x\[i\] / (1 - p) with probability 1 - p, else 0.
///
/// The mask is stored nowhere: the gradient is this same function of dy with the same seed, stream and offset.
/// `p` counts to a multiple of 2^-32; `p` = 1 gives zeros.
///
/// # Panics
/// If the lengths differ or `p` is not in \[0, 1\].
#[track_caller]
pub fn dropout<T: Float>(seed: u64, stream: u64, offset: u64, p: f64, x: &[T], out: &mut [T]) {
    assert!(x.len() == out.len(), "dropout: lengths differ, {} and {}", x.len(), out.len());
    check_probability("dropout", p);
    if p == 1.0 {
        return out.fill(T::ZERO);
    }
    let place = Place { seed, stream, offset };
    let scale = T::from_f64(1.0 / (1.0 - p));
    chunks(out, CHUNK, &|start, part| {
        let x = &x[start..start + part.len()];
        dropout_into::<T>(place.after::<f32>(start), threshold(p), scale, x, part);
    });
}

/// The factors by which [`dropout`] multiplies its elements from number `from` on, 0 or 1 / (1 - p); `from` must be a
/// multiple of 4.
pub(crate) fn dropout_factors<T: Float>(
    [seed, stream, offset]: [u64; 3],
    p: f64,
    from: usize,
    out: &mut [T],
) {
    debug_assert!(from.is_multiple_of(4), "counters have four words each");
    if p == 1.0 {
        return out.fill(T::ZERO);
    }
    out.fill(T::ONE);
    let place = Place { seed, stream, offset }.plus((from / 4) as u64);
    dropout_part::<T>(place, threshold(p), T::from_f64(1.0 / (1.0 - p)), out);
}

impl Place {
    /// The place after `n` elements of a type; `n` is whole counters.
    fn after<T: Float>(self, n: usize) -> Place {
        self.plus(counters::<T>(n))
    }

    #[inline(always)]
    fn plus(self, counters: u64) -> Place {
        Place { offset: self.offset.wrapping_add(counters), ..self }
    }

    /// The words of [`BATCH`] counters, counter by counter.
    #[inline(always)]
    fn words(self) -> [u32; WORDS] {
        let keys = self.keys();
        let mut words = [0; WORDS];
        let (first, second) = words.as_chunks_mut::<4>().0.split_at_mut(BATCH / 2);
        // Two counters at a time, because a round alone would wait for its product; and the rounds written out, so
        // that this loop is the innermost one and becomes vector code.
        for (i, (first, second)) in first.iter_mut().zip(second).enumerate() {
            let mut pair = [self.start(i as u64), self.start((i + BATCH / 2) as u64)];
            pair = pair.map(|x| round(x, keys[0]));
            pair = pair.map(|x| round(x, keys[1]));
            pair = pair.map(|x| round(x, keys[2]));
            pair = pair.map(|x| round(x, keys[3]));
            pair = pair.map(|x| round(x, keys[4]));
            pair = pair.map(|x| round(x, keys[5]));
            pair = pair.map(|x| round(x, keys[6]));
            pair = pair.map(|x| round(x, keys[7]));
            pair = pair.map(|x| round(x, keys[8]));
            pair = pair.map(|x| round(x, keys[9]));
            *first = pair[0].map(|word| word as u32);
            *second = pair[1].map(|word| word as u32);
        }
        words
    }

    /// The counter `i` places further as four words, each of 32 bits in 64 because that is the shape of the products.
    #[inline(always)]
    fn start(self, i: u64) -> [u64; 4] {
        let offset = self.offset.wrapping_add(i);
        [offset & LOW, offset >> 32, self.stream & LOW, self.stream >> 32]
    }

    /// The keys of the ten rounds.
    #[inline(always)]
    fn keys(self) -> [[u64; 2]; 10] {
        let mut keys = [[0; 2]; 10];
        let (mut k0, mut k1) = (self.seed as u32, (self.seed >> 32) as u32);
        for key in &mut keys {
            *key = [u64::from(k0), u64::from(k1)];
            k0 = k0.wrapping_add(W0);
            k1 = k1.wrapping_add(W1);
        }
        keys
    }
}

/// The lower half of 64 bits.
const LOW: u64 = 0xffff_ffff;

/// One round of Philox on four words, the lower halves of 64 bits; what the upper halves hold means nothing, and the
/// instruction that multiplies two of 32 bits does not look at it.
#[inline(always)]
fn round([x0, x1, x2, x3]: [u64; 4], [k0, k1]: [u64; 2]) -> [u64; 4] {
    let (a, b) = ((x0 & LOW) * M0, (x2 & LOW) * M1);
    [b >> 32 ^ (x1 ^ k0), b, a >> 32 ^ (x3 ^ k1), a]
}

/// The smallest word that is kept when numbers are dropped with probability p below 1.
fn threshold(p: f64) -> u32 {
    // The conversion saturates, so that a p next to 1 keeps the largest word only.
    (p * 4_294_967_296.0).round() as u32
}

/// The 53 upper bits of two words as a fraction in \[0, 1).
#[inline(always)]
fn fraction(low: u32, high: u32) -> f64 {
    ((u64::from(high) << 32 | u64::from(low)) >> 11) as f64 / 9_007_199_254_740_992.0
}

/// Two independent normal numbers from two words.
#[inline(always)]
fn normal_pair<const FUSED: bool>(w0: u32, w1: u32) -> (f32, f32) {
    // In (0, 1): 31 bits, so that the tail ends at 6.6 standard deviations.
    let u = ((w0 >> 1) as i32 as f32 + 0.5) * (1.0 / 2_147_483_648.0);
    let radius = (-2.0 * ln::<FUSED, f32>(u)).max(0.0).sqrt();
    // The angle is w1 / 2^32 turns: the nearest quarter turn and a remainder of at most an eighth, both exact.
    let quarter = w1.wrapping_add(1 << 29) >> 30;
    let rest = w1.wrapping_sub(quarter << 30) as i32 as f32 * (std::f32::consts::FRAC_PI_2 / 1_073_741_824.0);
    let z = rest * rest;
    let sin = rest + rest * z * (-0.166_666_55 + z * (0.008_332_161 + z * -0.000_195_152_96));
    let cos = 1.0 - 0.5 * z + z * z * (0.041_666_646 + z * (-0.001_388_731_6 + z * 2.443_315_7e-5));
    let (a, b) = if quarter & 1 == 1 { (sin, cos) } else { (cos, sin) };
    let a = if quarter.wrapping_add(1) & 2 == 2 { -a } else { a };
    let b = if quarter & 2 == 2 { -b } else { b };
    (radius * a, radius * b)
}

multiversion! {
    fn uniform_part[T: Float](place: Place, low: T, high: T, out: &mut [T]) {
        let width = high - low;
        // Rounding may reach the upper bound, which is excluded.
        let below = match T::KIND {
            FloatKind::F32 => T::from_f64(f64::from((high.to_f64() as f32).next_down())),
            FloatKind::F64 => T::from_f64(high.to_f64().next_down()),
        };
        let top = if below > low { below } else { low };
        let finish = |u: T| {
            let y = low + u * width;
            if y < high { y } else { top }
        };
        match T::KIND {
            FloatKind::F32 => {
                for (batch, out) in out.chunks_mut(WORDS).enumerate() {
                    let words = place.plus((batch * BATCH) as u64).words();
                    for (y, &w) in out.iter_mut().zip(&words) {
                        // At most 24 bits, so that every step is exact; signed conversion is a vector instruction.
                        *y = finish(T::from_f64(f64::from((w >> 8) as i32) / 16_777_216.0));
                    }
                }
            }
            FloatKind::F64 => {
                for (batch, out) in out.chunks_mut(WORDS / 2).enumerate() {
                    let words = place.plus((batch * BATCH) as u64).words();
                    for (y, &[a, b]) in out.iter_mut().zip(words.as_chunks().0) {
                        *y = finish(T::from_f64(fraction(a, b)));
                    }
                }
            }
        }
    }

    fn normal_part[T: Float](place: Place, mean: T, std: T, out: &mut [T]) {
        match T::KIND {
            FloatKind::F32 => {
                for (batch, out) in out.chunks_mut(WORDS).enumerate() {
                    let words = place.plus((batch * BATCH) as u64).words();
                    let mut z = [T::ZERO; WORDS];
                    for (z, &[w0, w1]) in z.as_chunks_mut::<2>().0.iter_mut().zip(words.as_chunks().0) {
                        let (a, b) = normal_pair::<FUSED>(w0, w1);
                        *z = [T::from_f64(f64::from(a)), T::from_f64(f64::from(b))];
                    }
                    for (y, &z) in out.iter_mut().zip(&z) {
                        *y = mean + std * z;
                    }
                }
            }
            FloatKind::F64 => {
                for (batch, out) in out.chunks_mut(WORDS / 2).enumerate() {
                    let words = place.plus((batch * BATCH) as u64).words();
                    for (y, &[a, b, c, d]) in out.chunks_mut(2).zip(words.as_chunks().0) {
                        // 1 - u lies in (0, 1], where the logarithm is finite.
                        let radius = (-2.0 * (1.0 - fraction(a, b)).ln()).sqrt();
                        let (sin, cos) = (std::f64::consts::TAU * fraction(c, d)).sin_cos();
                        for (y, z) in y.iter_mut().zip([radius * cos, radius * sin]) {
                            *y = mean + std * T::from_f64(z);
                        }
                    }
                }
            }
        }
    }

    /// Scales what is kept and clears what is dropped.
    fn dropout_into[T: Float](place: Place, threshold: u32, scale: T, x: &[T], out: &mut [T]) {
        for (batch, (x, out)) in x.chunks(WORDS).zip(out.chunks_mut(WORDS)).enumerate() {
            let words = place.plus((batch * BATCH) as u64).words();
            for ((y, &x), &w) in out.iter_mut().zip(x).zip(&words) {
                *y = if w >= threshold { x * scale } else { T::ZERO };
            }
        }
    }

    /// Scales in place what is kept and clears what is dropped.
    fn dropout_part[T: Float](place: Place, threshold: u32, scale: T, x: &mut [T]) {
        for (batch, x) in x.chunks_mut(WORDS).enumerate() {
            let words = place.plus((batch * BATCH) as u64).words();
            for (x, &w) in x.iter_mut().zip(&words) {
                *x = if w >= threshold { *x * scale } else { T::ZERO };
            }
        }
    }
}

#[track_caller]
fn check_probability(op: &str, p: f64) {
    assert!((0.0..=1.0).contains(&p), "{op}: the probability {p} is not between 0 and 1");
}

#[cfg(test)]
mod tests;
