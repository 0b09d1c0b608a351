//! A progress bar.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::callback::{Callback, Event, Flow, Run};
use crate::report::EpochRecord;

/// Shows a run on the standard error: a bar and a line for each epoch on a terminal, only the lines elsewhere.
///
/// # Examples
/// ```
/// use talweg_train::callbacks::Progress;
/// let progress = Progress::every(100); // a line for every hundredth epoch
/// # let _ = progress;
/// ```
pub struct Progress {
    bar: ProgressBar,
    every: u64,
}

impl Default for Progress {
    fn default() -> Progress {
        Progress::every(1)
    }
}

impl Progress {
    /// A line for every so many epochs, besides the first and the last.
    pub fn every(epochs: u64) -> Progress {
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr_with_hz(10)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {msg} [{elapsed} < {eta}]");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Progress { bar, every: epochs.max(1) }
    }

    fn print(&self, line: &str) {
        // Without a terminal the bar is hidden and its lines with it.
        if self.bar.is_hidden() {
            eprintln!("{line}");
        } else {
            self.bar.println(line);
        }
    }

    fn epoch(&mut self, record: &EpochRecord, run: &Run<'_>) {
        let last = run.epochs == Some(record.epoch);
        if record.epoch != 1 && !record.epoch.is_multiple_of(self.every) && !last {
            return;
        }
        let epochs = run.epochs.map_or(String::new(), |n| format!("/{n}"));
        let validation = record.validation.as_ref().map_or(String::new(), |v| format!(" | validation {v}"));
        self.print(&format!(
            "epoch {}{epochs} | lr {:.3e} | training {}{validation}",
            record.epoch, record.lr, record.train
        ));
    }
}

impl Callback for Progress {
    fn on(&mut self, event: &Event<'_>, run: &Run<'_>) -> Flow {
        match event {
            Event::Start => {
                self.bar.set_length(run.epochs.unwrap_or(1) * run.batches);
                self.bar.set_position(run.step);
                self.bar.reset_eta();
            }
            Event::Step { lr, .. } => {
                self.bar.set_position(run.step);
                // Texts are made only when they will be drawn.
                if !self.bar.is_hidden() && run.step.is_multiple_of(16) {
                    self.bar.set_prefix(format!("epoch {}", run.epoch));
                    self.bar.set_message(format!("loss {:.4} lr {lr:.2e}", run.mean_loss));
                }
            }
            Event::Epoch(record) => self.epoch(record, run),
            Event::Warning(text) => self.print(&format!("warning: {text}")),
            Event::Note(text) => self.print(text),
            Event::End(_) => self.bar.finish_and_clear(),
            Event::Saved(_) => {}
        }
        Flow::Continue
    }
}
