//! How far long work is: a bar with rate and time left on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::printing;

/// Time between two lines where there is no terminal.
const PACE: Duration = Duration::from_secs(10);

const BAR: &str = "{prefix} [{bar:30}] {percent:>3}%  {pos}/{len}, {msg}  {eta} left";

/// Tells a person how one piece of work goes.
pub struct Progress {
    bar: ProgressBar,
    name: String,
    begun: Instant,
    told: Instant,
}

impl Progress {
    /// `name` says what is done, `total` how many of it there are.
    pub fn begin(name: &str, total: u64) -> Progress {
        let target = match std::io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        bar.set_style(ProgressStyle::with_template(BAR).expect("the template is well formed"));
        bar.set_prefix(name.to_owned());
        let now = Instant::now();
        Progress { bar, name: name.to_owned(), begun: now, told: now }
    }

    pub fn advance(&mut self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
        let rate = done as f64 / self.begun.elapsed().as_secs_f64().max(0.001);
        self.bar.set_message(format!("{rate:.0}/s"));
        if self.bar.is_hidden() && self.told.elapsed() >= PACE {
            self.told = Instant::now();
            let left = Duration::from_secs_f64(total.saturating_sub(done) as f64 / rate.max(0.001));
            printing::note(&format!("{}: {done} of {total}, {rate:.0}/s, {} left", self.name, HumanDuration(left)));
        }
    }

    pub fn finish(self) {
        self.bar.finish_and_clear();
    }
}
