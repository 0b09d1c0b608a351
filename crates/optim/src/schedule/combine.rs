//! Schedules made of schedules.

use super::{RunLength, Schedule};

impl Schedule {
    /// This schedule after `steps` steps in which the rate rises in a straight line, `lr (step + 1) / steps`, to this
    /// schedule's first one.
    ///
    /// The schedule itself then begins at its step 0 and has that much less of the run.
    ///
    /// # Source
    /// Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour" (2017), section 2.2.
    ///
    /// # Examples
    /// ```
    /// # use talweg_optim::Schedule;
    /// let schedule = Schedule::constant(0.1).warmup(4);
    /// assert_eq!([0, 1, 3, 4].map(|step| schedule.at(step)), [0.025, 0.05, 0.1, 0.1]);
    /// ```
    pub fn warmup(self, steps: u64) -> Schedule {
        let text = format!("{} after {steps} of warm-up", self.text);
        let after = move |step: u64, run: RunLength| {
            let rest = behind(run, steps);
            if step < steps {
                (self.function)(0, rest) * (step + 1) as f64 / steps as f64
            } else {
                (self.function)(step - steps, rest)
            }
        };
        Schedule::new(text, after)
    }

    /// This schedule for the first `steps` steps, as if the run ended there; then `next`, from its own step 0.
    ///
    /// # Examples
    /// ```
    /// # use talweg_optim::Schedule;
    /// let schedule = Schedule::constant(0.1).then(5, Schedule::exponential(0.01, 0.5));
    /// assert_eq!([4, 5, 6].map(|step| schedule.at(step)), [0.1, 0.01, 0.005]);
    /// ```
    pub fn then(self, steps: u64, next: Schedule) -> Schedule {
        let text = format!("{} for {steps}, then {}", self.text, next.text);
        Schedule::new(text, move |step, run| {
            if step < steps {
                (self.function)(step, RunLength { steps: Some(steps), ..run })
            } else {
                (next.function)(step - steps, behind(run, steps))
            }
        })
    }

    /// One schedule after the other: the first from the start, each next one from its milestone on, from its own step 0.
    /// Each takes the next milestone, the last one the end of the run, for its end.
    ///
    /// # Panics
    /// When there is not one milestone less than there are schedules, or they do not increase.
    ///
    /// # Examples
    /// ```
    /// # use talweg_optim::Schedule;
    /// let parts = vec![Schedule::constant(0.1), Schedule::linear(1.0, 0.0), Schedule::exponential(0.5, 0.5)];
    /// let schedule = Schedule::chain(&[2, 6], parts);
    /// assert_eq!([1, 2, 4, 6, 7].map(|step| schedule.at(step)), [0.1, 1.0, 0.5, 0.5, 0.25]);
    /// ```
    #[track_caller]
    pub fn chain(milestones: &[u64], schedules: Vec<Schedule>) -> Schedule {
        assert!(
            schedules.len() == milestones.len() + 1,
            "schedule chain: {} schedules need one milestone less, got {milestones:?}",
            schedules.len()
        );
        assert!(
            milestones.is_sorted_by(|a, b| a < b),
            "schedule chain: milestones must increase, got {milestones:?}"
        );
        let mut parts = schedules.into_iter().rev();
        let mut chain = parts.next().expect("there is one more than there are milestones");
        for (i, part) in (0..milestones.len()).rev().zip(parts) {
            let start = if i == 0 { 0 } else { milestones[i - 1] };
            chain = part.then(milestones[i] - start, chain);
        }
        chain
    }

    /// The product of two schedules: this one's rate times `factor`'s number at the same step.
    ///
    /// # Examples
    /// ```
    /// # use talweg_optim::Schedule;
    /// let schedule = Schedule::exponential(0.1, 0.5).times(Schedule::constant(0.5).then(2, 1.0.into()));
    /// assert_eq!([0, 1, 2].map(|step| schedule.at(step)), [0.05, 0.025, 0.025]);
    /// ```
    pub fn times(self, factor: Schedule) -> Schedule {
        let text = format!("({}) times ({})", self.text, factor.text);
        Schedule::new(text, move |step, run| (self.function)(step, run) * (factor.function)(step, run))
    }

    /// This schedule with every count in epochs: the rate stays the same within an epoch.
    ///
    /// # Panics
    /// [`Schedule::at`] panics when the length of an epoch is not known.
    ///
    /// # Examples
    /// ```
    /// # use talweg_optim::Schedule;
    /// let schedule = Schedule::exponential(0.1, 0.5).per_epoch().over(300, 100);
    /// assert_eq!([99, 100, 299].map(|step| schedule.at(step)), [0.1, 0.05, 0.025]);
    /// ```
    pub fn per_epoch(self) -> Schedule {
        let text = format!("{} (per epoch)", self.text);
        Schedule::new(text, move |step, run| {
            let Some(epoch) = run.steps_per_epoch else {
                panic!(
                    "schedule: counts epochs, but their length is not known; call .over(steps, steps_per_epoch)"
                )
            };
            let steps = run.steps.map(|n| n.div_ceil(epoch.max(1)));
            (self.function)(step / epoch.max(1), RunLength { steps, steps_per_epoch: Some(1) })
        })
    }
}

/// What is left of a run behind its first `steps` steps.
fn behind(run: RunLength, steps: u64) -> RunLength {
    RunLength { steps: run.steps.map(|n| n.saturating_sub(steps).max(1)), ..run }
}
