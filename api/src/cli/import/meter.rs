//! How far an import of history is: rate and time left, on a terminal as a bar, elsewhere a line now and then.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::printing;

/// Time between two lines where there is no terminal.
const PACE: Duration = Duration::from_secs(10);

/// Counts what is done.
pub struct Meter {
    bar: ProgressBar,
    begun: Instant,
    told: Instant,
    name: String,
    unit: &'static str,
    done: u64,
    /// Place in the source, in the unit of `length`.
    position: u64,
    length: Option<u64>,
}

impl Meter {
    /// `length` is how much there is to do, in any unit; `None` when nobody knows.
    pub fn begin(name: &str, unit: &'static str, length: Option<u64>) -> Meter {
        let target = match std::io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(length, target);
        let template = match length {
            Some(_) => "{prefix} [{bar:30}] {percent:>3}%  {msg}  {eta} left",
            None => "{prefix} {spinner} {msg}  {elapsed}",
        };
        bar.set_style(ProgressStyle::with_template(template).expect("the template is well formed"));
        bar.set_prefix(printing::one_line(name));
        let now = Instant::now();
        Meter { bar, begun: now, told: now, name: name.to_owned(), unit, done: 0, position: 0, length }
    }

    /// So many more are done, and the source is read up to `position`.
    pub fn advance(&mut self, more: u64, position: u64) {
        self.done += more;
        self.position = position;
        self.bar.set_message(self.rate());
        self.bar.set_position(position);
        if self.bar.is_hidden() && self.told.elapsed() >= PACE {
            self.told = Instant::now();
            printing::note(&format!("{}: {}{}", self.name, self.rate(), self.left()));
        }
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
        printing::note(&format!("{}: done, {}", self.name, self.rate()));
    }

    fn rate(&self) -> String {
        let seconds = self.begun.elapsed().as_secs_f64().max(0.001);
        format!("{} {}, {:.0}/s", self.done, self.unit, self.done as f64 / seconds)
    }

    fn left(&self) -> String {
        match self.length {
            Some(length) if self.position > 0 && length > self.position => {
                let left = (length - self.position) as f64 / self.position as f64 * self.begun.elapsed().as_secs_f64();
                format!(", {}% done, about {left:.0} s left", 100 * self.position / length)
            }
            _ => String::new(),
        }
    }
}
