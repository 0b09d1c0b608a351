//! Schedules that come back.

use std::f64::consts::PI;

use super::Schedule;

/// How the height of [`Schedule::cyclic`] changes from cycle to cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum CycleHeight {
    /// It stays.
    #[default]
    Triangular,
    /// It halves with each cycle.
    Triangular2,
    /// It is multiplied by this factor at every step.
    ExpRange(f64),
}

/// The form of [`Schedule::cyclic`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cyclic {
    /// Steps from the lowest rate to the highest. Default: 2,000.
    pub up: u64,
    /// Steps back; as many if it is not given.
    pub down: Option<u64>,
    /// How the height changes from cycle to cycle.
    pub height: CycleHeight,
}

impl Default for Cyclic {
    fn default() -> Cyclic {
        Cyclic { up: 2000, down: None, height: CycleHeight::Triangular }
    }
}

impl Schedule {
    /// `low + (lr - low) (1 + cos(π part)) / 2`, where `part` is how much of the present cycle is over: half cosines from
    /// `lr` down to `low`, one after the other. The first lasts `first` steps, each later one `growth` times as long as
    /// the one before.
    ///
    /// # Source
    /// Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts" (2017), equation 5.
    ///
    /// # Panics
    /// When `first` or `growth` is 0.
    ///
    /// # Examples
    /// ```
    /// # use talweg_optim::Schedule;
    /// let schedule = Schedule::cosine_restarts(1.0, 0.0, 10, 2);
    /// let near = |step, lr: f64| (schedule.at(step) - lr).abs() < 1e-12;
    /// assert!(near(0, 1.0) && near(5, 0.5) && near(10, 1.0) && near(20, 0.5) && near(30, 1.0));
    /// ```
    #[track_caller]
    pub fn cosine_restarts(lr: f64, low: f64, first: u64, growth: u64) -> Schedule {
        assert!(
            first > 0 && growth > 0,
            "cosine_restarts schedule: cycles cannot last {first} steps and grow by the factor {growth}"
        );
        let text = format!("cosine {lr} to {low} with restarts, {first} times {growth} each");
        Schedule::new(text, move |step, _| {
            let (mut at, mut size) = (step, first);
            if growth == 1 {
                at %= first;
            }
            while at >= size {
                at -= size;
                size = size.saturating_mul(growth);
            }
            low + (lr - low) * (1.0 + (PI * at as f64 / size as f64).cos()) / 2.0
        })
    }

    /// Straight lines from `low` up to `high` and back, again and again.
    ///
    /// # Source
    /// Smith, "Cyclical learning rates for training neural networks" (2017), section 3. The numbers are PyTorch's.
    ///
    /// # Panics
    /// When a cycle has no steps.
    ///
    /// # Examples
    /// ```
    /// # use talweg_optim::{CycleHeight, Cyclic, Schedule};
    /// let cycle = Cyclic { up: 2, down: Some(2), height: CycleHeight::Triangular2 };
    /// let schedule = Schedule::cyclic(1.0, 3.0, cycle);
    /// assert_eq!([0, 1, 2, 3, 4, 6].map(|step| schedule.at(step)), [1.0, 2.0, 3.0, 2.0, 1.0, 2.0]);
    /// ```
    #[track_caller]
    pub fn cyclic(low: f64, high: f64, Cyclic { up, down, height }: Cyclic) -> Schedule {
        let down = down.unwrap_or(up);
        assert!(up > 0 && down > 0, "cyclic schedule: a cycle needs steps, got {up} up and {down} down");
        Schedule::new(format!("cyclic {low} to {high}"), move |step, _| {
            let (cycle, at) = (step / (up + down), step % (up + down));
            let part = match at.checked_sub(up) {
                None => at as f64 / up as f64,
                Some(behind) => 1.0 - behind as f64 / down as f64,
            };
            let scale = match height {
                CycleHeight::Triangular => 1.0,
                CycleHeight::Triangular2 => 0.5f64.powf(cycle as f64),
                CycleHeight::ExpRange(factor) => factor.powf(step as f64),
            };
            low + (high - low) * part * scale
        })
    }
}
