//! How far an import is: a bar with rate and time left on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::bookmark::Place;
use super::lines::Lines;
use crate::cli::printing;

/// Time between two lines where there is no terminal.
const PACE: Duration = Duration::from_secs(10);

const BAR: &str = "{prefix} [{bar:30}] {percent:>3}%  {msg}  {eta} left";
const NO_LENGTH: &str = "{prefix} {spinner} {msg}  {elapsed}";

/// Tells a person how an import goes.
pub struct Progress {
    bar: ProgressBar,
    begun: Instant,
    told: Instant,
    name: String,
    /// Reports done by earlier runs, which tell nothing about this one's rate.
    before: u64,
    length: Option<u64>,
}

impl Progress {
    pub fn begin(path: &Path, lines: &Lines, place: &Place) -> Progress {
        let name = path.display().to_string();
        let target = match std::io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(lines.length, target);
        let template = if lines.length.is_some() { BAR } else { NO_LENGTH };
        bar.set_style(ProgressStyle::with_template(template).expect("the template is well formed"));
        bar.set_prefix(printing::one_line(&name));
        let now = Instant::now();
        if place.lines > 0 {
            printing::note(&format!("{name}: going on after line {}", place.lines));
        }
        Progress { bar, begun: now, told: now, name, before: place.tally.total(), length: lines.length }
    }

    pub fn advance(&mut self, place: &Place, position: u64) {
        let told = self.told(place);
        self.bar.set_message(told.clone());
        self.bar.set_position(position);
        if self.bar.is_hidden() && self.told.elapsed() >= PACE {
            self.told = Instant::now();
            let share = self.length.filter(|length| *length > 0).map(|length| 100 * position / length);
            let share = share.map(|percent| format!("{percent}%, ")).unwrap_or_default();
            printing::note(&format!("{}: {share}{told}", self.name));
        }
    }

    pub fn finish(&self, place: &Place) {
        let told = self.told(place);
        self.bar.finish_and_clear();
        printing::note(&format!("{}: done, {told}", self.name));
    }

    fn told(&self, place: &Place) -> String {
        let done = place.tally.total();
        let seconds = self.begun.elapsed().as_secs_f64().max(0.001);
        let rate = (done - self.before) as f64 / seconds;
        format!("{done} reports, {rate:.0}/s")
    }
}
