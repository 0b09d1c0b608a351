//! Learning-rate schedules: pure functions of the step, so that resuming a run needs no state.

mod combine;
mod cycle;
mod decay;

use std::f64::consts::PI;
use std::fmt::{self, Debug};
use std::sync::Arc;

pub use cycle::{CycleHeight, Cyclic};

/// How long a run is, for schedules that need to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunLength {
    /// Steps in the whole run.
    pub steps: Option<u64>,
    /// Steps in one epoch.
    pub steps_per_epoch: Option<u64>,
}

type Function = dyn Fn(u64, RunLength) -> f64 + Send + Sync;

/// The learning rate at every step, counted from 0.
///
/// Schedules count steps. [`Schedule::per_epoch`] makes one count epochs; [`Schedule::over`] says how long the run is,
/// which the trainer does by itself.
///
/// # Examples
/// ```
/// # use talweg_optim::Schedule;
/// let schedule = Schedule::cosine(0.1).warmup(10).over(110, 11);
/// assert!((schedule.at(4) - 0.05).abs() < 1e-12);
/// assert!((schedule.at(10) - 0.1).abs() < 1e-12);
/// assert!((schedule.at(60) - 0.05).abs() < 1e-12);
/// ```
#[derive(Clone)]
pub struct Schedule {
    function: Arc<Function>,
    text: String,
    run: RunLength,
}

impl Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The proportions of [`Schedule::one_cycle_with`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OneCycle {
    /// The part of the run in which the rate rises, between 0 and 1. Default: 0.3.
    pub rise: f64,
    /// The highest rate divided by the first. Default: 25.
    pub start: f64,
    /// The first rate divided by the last. Default: 10,000.
    pub end: f64,
}

impl Default for OneCycle {
    fn default() -> OneCycle {
        OneCycle { rise: 0.3, start: 25.0, end: 1e4 }
    }
}

impl From<f64> for Schedule {
    fn from(lr: f64) -> Schedule {
        Schedule::constant(lr)
    }
}

impl Schedule {
    fn new(text: String, function: impl Fn(u64, RunLength) -> f64 + Send + Sync + 'static) -> Schedule {
        Schedule { function: Arc::new(function), text, run: RunLength::default() }
    }

    /// A schedule from any function of the step.
    pub fn from_fn(function: impl Fn(u64) -> f64 + Send + Sync + 'static) -> Schedule {
        Schedule::new("custom".into(), move |step, _| function(step))
    }

    /// `lr` at every step.
    pub fn constant(lr: f64) -> Schedule {
        Schedule::new(format!("constant {lr}"), move |_, _| lr)
    }

    /// `lr factor^⌊step / every⌋`: multiplied by `factor` after every `every` steps.
    ///
    /// # Panics
    /// When `every` is 0.
    ///
    /// # Examples
    /// ```
    /// # use talweg_optim::Schedule;
    /// let schedule = Schedule::step(0.1, 30, 0.5);
    /// assert_eq!([0, 29, 30, 60].map(|step| schedule.at(step)), [0.1, 0.1, 0.05, 0.025]);
    /// ```
    #[track_caller]
    pub fn step(lr: f64, every: u64, factor: f64) -> Schedule {
        assert!(every > 0, "step schedule: the rate cannot change every 0 steps");
        Schedule::new(format!("step {lr}, times {factor} every {every}"), move |step, _| {
            lr * power(factor, step / every)
        })
    }

    /// `lr factor^step`: multiplied by `factor` after every step.
    ///
    /// # Examples
    /// ```
    /// # use talweg_optim::Schedule;
    /// assert_eq!(Schedule::exponential(0.1, 0.5).at(2), 0.025);
    /// ```
    pub fn exponential(lr: f64, factor: f64) -> Schedule {
        Schedule::new(format!("exponential {lr}, times {factor}"), move |step, _| lr * power(factor, step))
    }

    /// `lr (1 + cos(π step / steps)) / 2`: half a cosine from `lr` down to 0 over the run.
    ///
    /// # Source
    /// Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts" (2017), equation 5, one cycle.
    ///
    /// # Panics
    /// [`Schedule::at`] panics when the length of the run is not known.
    pub fn cosine(lr: f64) -> Schedule {
        Schedule::cosine_to(lr, 0.0)
    }

    /// `low + (lr - low) (1 + cos(π step / steps)) / 2`: half a cosine from `lr` down to `low` over the run, and `low`
    /// after it.
    ///
    /// # Source
    /// Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts" (2017), equation 5, one cycle.
    ///
    /// # Panics
    /// [`Schedule::at`] panics when the length of the run is not known.
    pub fn cosine_to(lr: f64, low: f64) -> Schedule {
        Schedule::new(format!("cosine {lr} to {low}"), move |step, run| {
            let part = share(step, length("cosine", run));
            low + (lr - low) * (1.0 + (PI * part).cos()) / 2.0
        })
    }

    /// A straight line from `from` to `to` over the run, and `to` after it.
    ///
    /// # Panics
    /// [`Schedule::at`] panics when the length of the run is not known.
    pub fn linear(from: f64, to: f64) -> Schedule {
        Schedule::new(format!("linear {from} to {to}"), move |step, run| {
            from + (to - from) * share(step, length("linear", run))
        })
    }

    /// One cycle: up to `max` in the first 30 % of the run, then down to nearly nothing, along half cosines.
    ///
    /// From `max / 25` to `max`, and from there to `max / 250,000`.
    ///
    /// # Source
    /// Smith and Topin, "Super-convergence: very fast training of neural networks using large learning rates" (2018).
    /// The numbers are PyTorch's.
    ///
    /// # Panics
    /// [`Schedule::at`] panics when the length of the run is not known.
    ///
    /// # Examples
    /// ```
    /// # use talweg_optim::Schedule;
    /// let schedule = Schedule::one_cycle(1.0).over(100, 10);
    /// assert!((schedule.at(0) - 0.04).abs() < 1e-12 && schedule.at(29) == 1.0);
    /// assert!((schedule.at(99) - 4e-6).abs() < 1e-12);
    /// ```
    pub fn one_cycle(max: f64) -> Schedule {
        Schedule::one_cycle_with(max, OneCycle::default())
    }

    /// [`Schedule::one_cycle`] with other proportions.
    ///
    /// # Panics
    /// [`Schedule::at`] panics when the length of the run is not known.
    ///
    /// # Examples
    /// ```
    /// # use talweg_optim::{OneCycle, Schedule};
    /// let cycle = OneCycle { rise: 0.5, start: 10.0, end: 100.0 };
    /// let schedule = Schedule::one_cycle_with(1.0, cycle).over(100, 10);
    /// assert!((schedule.at(0) - 0.1).abs() < 1e-12 && schedule.at(49) == 1.0);
    /// assert!((schedule.at(99) - 1e-3).abs() < 1e-12);
    /// ```
    pub fn one_cycle_with(max: f64, OneCycle { rise, start, end }: OneCycle) -> Schedule {
        Schedule::new(format!("one cycle up to {max}"), move |step, run| {
            let steps = length("one_cycle", run) as f64;
            let (first, lowest) = (max / start, max / start / end);
            let (top, last) = ((rise * steps - 1.0).max(0.0), steps - 1.0);
            let curve = |from: f64, to: f64, part: f64| to + (from - to) / 2.0 * (1.0 + (PI * part).cos());
            let step = (step as f64).min(last);
            if step <= top {
                curve(first, max, if top > 0.0 { step / top } else { 1.0 })
            } else {
                curve(max, lowest, if last > top { (step - top) / (last - top) } else { 1.0 })
            }
        })
    }

    /// Says how many steps the run and each epoch have. The trainer calls this.
    pub fn over(mut self, steps: u64, steps_per_epoch: u64) -> Schedule {
        self.run = RunLength { steps: Some(steps), steps_per_epoch: Some(steps_per_epoch) };
        self
    }

    /// The rate at a step, counted from 0.
    ///
    /// # Panics
    /// When the schedule depends on the run's length and [`Schedule::over`] was not called.
    pub fn at(&self, step: u64) -> f64 {
        (self.function)(step, self.run)
    }
}

fn power(factor: f64, n: u64) -> f64 {
    factor.powf(n as f64)
}

/// How much of `steps` is over, at most all.
fn share(step: u64, steps: u64) -> f64 {
    (step as f64 / steps as f64).min(1.0)
}

fn length(name: &str, run: RunLength) -> u64 {
    match run.steps {
        Some(steps) => steps.max(1),
        None => {
            panic!("{name} schedule: the length of the run is not known; call .over(steps, steps_per_epoch)")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cosine_goes_from_the_rate_to_the_lowest() {
        let schedule = Schedule::cosine_to(1.0, 0.1).over(100, 10);
        assert_eq!(schedule.at(0), 1.0);
        assert!((schedule.at(50) - 0.55).abs() < 1e-12);
        assert!((schedule.at(100) - 0.1).abs() < 1e-12 && (schedule.at(500) - 0.1).abs() < 1e-12);
    }

    /// PyTorch's OneCycleLR(optimizer, 1.0, total_steps=20, pct_start=0.25, div_factor=10, final_div_factor=50).
    #[test]
    fn one_cycle_with_other_proportions() {
        let schedule =
            Schedule::one_cycle_with(1.0, OneCycle { rise: 0.25, start: 10.0, end: 50.0 }).over(20, 5);
        let want = [(0, 0.1), (2, 0.55), (4, 1.0), (9, 0.7505), (15, 0.16710382742692992), (19, 0.002)];
        for (step, lr) in want {
            assert!((schedule.at(step) - lr).abs() < 1e-14, "step {step}: {} and {lr}", schedule.at(step));
        }
    }

    #[test]
    fn a_function_is_a_schedule_without_a_length() {
        let schedule = Schedule::from_fn(|step| 1.0 / (1.0 + step as f64));
        let late = schedule.clone().warmup(2).over(10, 5);
        assert_eq!([0, 1, 3].map(|step| schedule.at(step)), [1.0, 0.5, 0.25]);
        assert_eq!([2, 4].map(|step| late.at(step)), [2, 4].map(|step| schedule.clone().warmup(2).at(step)));
    }

    #[test]
    fn chains_nest() {
        let schedule =
            Schedule::linear(1.0, 0.0).then(10, Schedule::constant(5.0).warmup(5).then(7, 9.0.into()));
        let at: Vec<f64> = [0, 5, 10, 14, 16, 17, 99].iter().map(|&s| schedule.at(s)).collect();
        assert_eq!(at, [1.0, 0.5, 1.0, 5.0, 5.0, 9.0, 9.0]);
    }

    #[test]
    fn a_run_of_one_step_is_defined() {
        for schedule in [Schedule::one_cycle(0.1), Schedule::cosine(0.1), Schedule::linear(0.1, 0.0)] {
            let lr = schedule.clone().warmup(3).over(1, 1).at(0);
            assert!(lr.is_finite() && schedule.over(1, 1).at(0).is_finite());
        }
    }

    #[test]
    fn a_chain_is_nested_thens() {
        let parts =
            || vec![Schedule::linear(1.0, 0.0), Schedule::cosine(2.0), Schedule::constant(3.0).warmup(4)];
        let [a, b, c] = <[Schedule; 3]>::try_from(parts()).unwrap();
        let (chain, nested) = (Schedule::chain(&[7, 20], parts()), a.then(7, b.then(13, c)));
        assert!((0..40).all(|step| chain.at(step) == nested.at(step)));
        assert_eq!(Schedule::chain(&[], vec![0.5.into()]).at(3), 0.5);
    }

    #[test]
    fn every_schedule_may_count_epochs() {
        let cycle = Cyclic { up: 3, down: Some(2), height: CycleHeight::ExpRange(0.9) };
        let schedules = [
            Schedule::multi_step(0.1, &[2, 3, 9], 0.5),
            Schedule::polynomial(0.1, 0.01, 0.9),
            Schedule::inverse_time(0.1, 0.3),
            Schedule::inverse_sqrt(0.1, 3),
            Schedule::cosine_restarts(0.1, 0.001, 2, 3),
            Schedule::cyclic(0.01, 0.1, cycle),
            Schedule::one_cycle(0.1),
            Schedule::chain(&[4], vec![Schedule::linear(0.0, 1.0), Schedule::cosine(0.1)]),
            Schedule::cosine(0.1).times(Schedule::constant(1.0).warmup(3)),
        ];
        for schedule in schedules {
            let (steps, epochs) = (schedule.clone().over(12, 1), schedule.per_epoch().over(12 * 7, 7));
            for step in 0..12 * 7 {
                assert_eq!(epochs.at(step), steps.at(step / 7), "{epochs:?} at {step}");
            }
        }
    }

    #[test]
    fn late_steps_are_defined() {
        let last = u64::MAX;
        for schedule in [
            Schedule::cosine_restarts(0.1, 0.0, 10, 2),
            Schedule::cosine_restarts(0.1, 0.0, 10, 1),
            Schedule::cyclic(0.1, 0.2, Cyclic::default()),
            Schedule::inverse_time(0.1, 0.1),
        ] {
            assert!((0.0..=0.2).contains(&schedule.at(last)), "{schedule:?}");
        }
    }

    #[test]
    #[should_panic(expected = "schedule chain: 2 schedules need one milestone less, got [1, 2]")]
    fn a_chain_with_too_many_milestones_is_refused() {
        Schedule::chain(&[1, 2], vec![0.1.into(), 0.2.into()]);
    }

    #[test]
    #[should_panic(expected = "multi_step schedule: milestones must increase, got [3, 3]")]
    fn milestones_out_of_order_are_refused() {
        Schedule::multi_step(0.1, &[3, 3], 0.5);
    }

    #[test]
    #[should_panic(expected = "cosine schedule: the length of the run is not known")]
    fn a_schedule_that_needs_the_length_says_so() {
        Schedule::cosine(0.1).at(0);
    }
}
