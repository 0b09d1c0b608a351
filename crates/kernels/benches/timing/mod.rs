//! Timing on a machine that others use too.

use std::time::{Duration, Instant};

/// Seconds of a call of `f`: the best of several samples, since other programs only slow them down. With `alone`,
/// which is for work on the calling thread only, what counts is the thread's own time on the processor (on Linux).
pub(crate) fn best(alone: bool, mut f: impl FnMut()) -> f64 {
    let begin = Instant::now();
    let mut calls = 0u32;
    while calls < 2 || begin.elapsed() < Duration::from_millis(20) {
        f();
        calls += 1;
    }
    let per_sample = (calls / 20).max(1);
    let (begin, mut best, mut samples) = (Instant::now(), f64::INFINITY, 0);
    while samples < 5 || begin.elapsed() < Duration::from_millis(120) {
        let start = now(alone);
        (0..per_sample).for_each(|_| f());
        best = best.min((now(alone) - start) / f64::from(per_sample));
        samples += 1;
    }
    best
}

#[cfg(target_os = "linux")]
fn now(alone: bool) -> f64 {
    #[repr(C)]
    struct Time {
        seconds: std::ffi::c_long,
        nanoseconds: std::ffi::c_long,
    }
    // SAFETY: this is the declaration of POSIX's function, which writes one `Time`.
    unsafe extern "C" {
        fn clock_gettime(clock: i32, time: *mut Time) -> i32;
    }
    const MONOTONIC: i32 = 1;
    const THREAD_TIME: i32 = 3;
    let mut time = Time { seconds: 0, nanoseconds: 0 };
    // SAFETY: the call writes the two numbers of `time` and nothing else.
    let failed = unsafe { clock_gettime(if alone { THREAD_TIME } else { MONOTONIC }, &mut time) };
    assert_eq!(failed, 0, "the clock cannot be read");
    time.seconds as f64 + time.nanoseconds as f64 * 1e-9
}

#[cfg(not(target_os = "linux"))]
fn now(_alone: bool) -> f64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().expect("the clock is set").as_secs_f64()
}
