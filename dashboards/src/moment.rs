//! Times and spans of time as pages show them. All times are UTC; the foot of every page says so.

use std::fmt;

use askama::filters::HtmlSafe;
use chrono::{DateTime, DurationRound, SecondsFormat, TimeDelta, Utc};

use crate::held::Held;

/// A time to the minute, with the exact one for machines.
#[derive(Clone, Copy)]
pub(crate) struct Moment<H>(pub H);

/// A time to the minute, for machines too, so that what shows it stays the same for as long.
#[derive(Clone, Copy)]
pub(crate) struct Minute<H>(pub H);

/// A day, with the exact time for machines.
#[derive(Clone, Copy)]
pub(crate) struct Day<H>(pub H);

/// A length of time in seconds, in its one or two greatest units.
#[derive(Clone, Copy)]
pub(crate) struct Span<H>(pub H);

impl<H: Held<DateTime<Utc>>> HtmlSafe for Moment<H> {}
impl<H: Held<DateTime<Utc>>> HtmlSafe for Minute<H> {}
impl<H: Held<DateTime<Utc>>> HtmlSafe for Day<H> {}
impl<H: Held<i64>> HtmlSafe for Span<H> {}

impl<H: Held<DateTime<Utc>>> fmt::Display for Moment<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_time(f, self.0.value(), "%Y-%m-%d %H:%M")
    }
}

impl<H: Held<DateTime<Utc>>> fmt::Display for Minute<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.0.value();
        Moment(time.duration_trunc(TimeDelta::minutes(1)).unwrap_or(time)).fmt(f)
    }
}

impl<H: Held<DateTime<Utc>>> fmt::Display for Day<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_time(f, self.0.value(), "%Y-%m-%d")
    }
}

fn write_time(f: &mut fmt::Formatter<'_>, time: DateTime<Utc>, shown: &str) -> fmt::Result {
    let exact = time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    write!(f, "<time datetime=\"{exact}\">{}</time>", time.format(shown))
}

impl<H: Held<i64>> fmt::Display for Span<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.value().max(0);
        let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
        match seconds {
            0..=119 => write!(f, "{seconds} s"),
            120..=7199 => write!(f, "{minutes} min"),
            7200..=172_799 => write!(f, "{hours} h {} min", minutes % 60),
            _ => write!(f, "{days} d {} h", hours % 24),
        }
    }
}
