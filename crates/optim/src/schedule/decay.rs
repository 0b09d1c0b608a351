//! Schedules that fall without needing to know the length of the run, or along a power of what is left of it.

use super::{Schedule, length, power, share};

impl Schedule {
    /// `lr factor^k` behind `k` of the milestones: multiplied by `factor` at each of them.
    ///
    /// # Panics
    /// When the milestones do not increase.
    ///
    /// # Examples
    /// ```
    /// # use talweg_optim::Schedule;
    /// let schedule = Schedule::multi_step(1.0, &[30, 80], 0.5);
    /// assert_eq!([0, 29, 30, 79, 80].map(|step| schedule.at(step)), [1.0, 1.0, 0.5, 0.5, 0.25]);
    /// ```
    #[track_caller]
    pub fn multi_step(lr: f64, milestones: &[u64], factor: f64) -> Schedule {
        assert!(
            milestones.is_sorted_by(|a, b| a < b),
            "multi_step schedule: milestones must increase, got {milestones:?}"
        );
        let milestones = milestones.to_vec();
        Schedule::new(format!("multi step {lr}, times {factor} at {milestones:?}"), move |step, _| {
            lr * power(factor, milestones.iter().filter(|&&at| at <= step).count() as u64)
        })
    }

    /// `low + (lr - low) (1 - step / steps)^power`: from `lr` down to `low` over the run, and `low` after it. Power 1 is
    /// a straight line.
    ///
    /// # Source
    /// Chen, Papandreou, Kokkinos, Murphy and Yuille, "DeepLab" (2017), section 4.1.2, where the power is 0.9.
    ///
    /// # Panics
    /// [`Schedule::at`] panics when the length of the run is not known.
    ///
    /// # Examples
    /// ```
    /// # use talweg_optim::Schedule;
    /// let schedule = Schedule::polynomial(1.0, 0.0, 2.0).over(10, 10);
    /// assert_eq!([0, 5, 10, 11].map(|step| schedule.at(step)), [1.0, 0.25, 0.0, 0.0]);
    /// ```
    pub fn polynomial(lr: f64, low: f64, power: f64) -> Schedule {
        Schedule::new(format!("polynomial {lr} to {low}, power {power}"), move |step, run| {
            low + (lr - low) * (1.0 - share(step, length("polynomial", run))).powf(power)
        })
    }

    /// `lr / (1 + rate step)`: half of `lr` at step `1 / rate`.
    ///
    /// # Source
    /// Robbins and Monro, "A stochastic approximation method" (1951): rates whose sum is infinite and whose sum of
    /// squares is not.
    ///
    /// # Examples
    /// ```
    /// # use talweg_optim::Schedule;
    /// let schedule = Schedule::inverse_time(1.0, 0.5);
    /// assert_eq!([0, 2, 6].map(|step| schedule.at(step)), [1.0, 0.5, 0.25]);
    /// ```
    pub fn inverse_time(lr: f64, rate: f64) -> Schedule {
        Schedule::new(format!("inverse time {lr}, rate {rate}"), move |step, _| {
            lr / (1.0 + rate * step as f64)
        })
    }

    /// `lr min((step + 1) / warmup, √(warmup / (step + 1)))`: a straight line up to `lr` over `warmup` steps, then down
    /// with the root of the step.
    ///
    /// # Source
    /// Vaswani and others, "Attention is all you need" (2017), equation 3, whose largest rate is
    /// `(model size · warmup)^-½`.
    ///
    /// # Panics
    /// When `warmup` is 0: the root needs a step to start from; 1 is no warm-up.
    ///
    /// # Examples
    /// ```
    /// # use talweg_optim::Schedule;
    /// let schedule = Schedule::inverse_sqrt(0.1, 4);
    /// assert_eq!([0, 1, 3, 15, 63].map(|step| schedule.at(step)), [0.025, 0.05, 0.1, 0.05, 0.025]);
    /// ```
    #[track_caller]
    pub fn inverse_sqrt(lr: f64, warmup: u64) -> Schedule {
        assert!(warmup > 0, "inverse_sqrt schedule: needs a warm-up of at least 1 step, which is none");
        Schedule::new(format!("inverse square root {lr}, {warmup} of warm-up"), move |step, _| {
            let part = (step + 1) as f64 / warmup as f64;
            lr * part.min(1.0 / part.sqrt())
        })
    }
}
