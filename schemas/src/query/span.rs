//! Ranges of language versions and of time, both compared as numbers.

use std::fmt::{self, Display, Formatter};

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, TimeDelta, Utc};

/// Greatest part of a version that is told apart; greater ones count as this.
const MAX_PART: i64 = 999_999;
const MINOR: i64 = 1_000_000;
const MAJOR: i64 = MINOR * MINOR;

/// A language version as a number that sorts as versions do: `5.8.10` is above `5.8.9`. It is
/// major × 10¹² + minor × 10⁶ + patch, so it is never negative and fits a BIGINT. Leading `v`s, and whatever follows
/// the number (`RC1`, `patch …`), do not count; the old decimal form is understood (`5.008009` is 5.8.9). `None` when
/// the text does not begin with a number.
pub fn ordinal(version: &str) -> Option<i64> {
    let version = version.trim_start().trim_start_matches('v');
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(version.len());
    let number: Vec<&str> = version[..end].trim_end_matches('.').split('.').take(3).collect();
    Series::read(&number.join(".")).map(|series| series.first())
}

/// What a range of numbers is made of: a point as written, which covers one number or a run of them.
pub trait Extent {
    /// Least number covered.
    fn first(&self) -> i64;
    /// Greatest number covered.
    fn last(&self) -> i64;
}

/// A range between written points. Each point is taken whole: `..5.36` includes 5.36.3, `>2026-01` begins in
/// February.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span<T> {
    /// From the first through the second, both included; a single point is twice itself.
    Within(T, T),
    AtLeast(T),
    Above(T),
    AtMost(T),
    Below(T),
}

impl<T: Extent> Span<T> {
    /// Least and greatest number in the span, both included.
    pub fn bounds(&self) -> (i64, i64) {
        match self {
            Span::Within(from, to) => (from.first(), to.last()),
            Span::AtLeast(from) => (from.first(), i64::MAX),
            Span::Above(from) => (from.last() + 1, i64::MAX),
            Span::AtMost(to) => (i64::MIN, to.last()),
            Span::Below(to) => (i64::MIN, to.first() - 1),
        }
    }

    pub fn contains(&self, number: i64) -> bool {
        let (least, greatest) = self.bounds();
        (least..=greatest).contains(&number)
    }
}

impl<T: Display + PartialEq> Display for Span<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Span::Within(from, to) if from == to => from.fmt(f),
            Span::Within(from, to) => write!(f, "{from}..{to}"),
            Span::AtLeast(from) => write!(f, ">={from}"),
            Span::Above(from) => write!(f, ">{from}"),
            Span::AtMost(to) => write!(f, "<={to}"),
            Span::Below(to) => write!(f, "<{to}"),
        }
    }
}

/// A version of one to three parts: `5.36` is every 5.36.x.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Series {
    major: i64,
    minor: Option<i64>,
    /// Only where there is a minor.
    patch: Option<i64>,
}

impl Series {
    /// Reads `5`, `5.36`, `5.36.0` or the old decimal `5.008009`.
    pub(super) fn read(text: &str) -> Option<Series> {
        let mut parts = text.split('.');
        let major = part(parts.next()?)?;
        let Some(minor) = parts.next() else { return Some(Series { major, minor: None, patch: None }) };
        match parts.next() {
            Some(patch) if parts.next().is_none() => {
                Some(Series { major, minor: Some(part(minor)?), patch: Some(part(patch)?) })
            }
            Some(_) => None,
            None if minor.len() < 3 => Some(Series { major, minor: Some(part(minor)?), patch: None }),
            None => Series::decimal(major, minor),
        }
    }

    /// Takes digits after the point in threes, the last filled up with zeros: `005` is 5, `00503` is 5.30.
    fn decimal(major: i64, digits: &str) -> Option<Series> {
        part(digits)?;
        let (minor, rest) = digits.split_at(3);
        let patch = if rest.is_empty() { None } else { Some(part(&format!("{rest:0<3}")[..3])?) };
        Some(Series { major, minor: Some(part(minor)?), patch })
    }
}

fn part(digits: &str) -> Option<i64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // All digits, so the only way to fail is to be too great.
    Some(digits.parse().map_or(MAX_PART, |part: i64| part.min(MAX_PART)))
}

impl Extent for Series {
    fn first(&self) -> i64 {
        self.major * MAJOR + self.minor.unwrap_or(0) * MINOR + self.patch.unwrap_or(0)
    }

    fn last(&self) -> i64 {
        self.major * MAJOR + self.minor.unwrap_or(MAX_PART) * MINOR + self.patch.unwrap_or(MAX_PART)
    }
}

impl Display for Series {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.major)?;
        [self.minor, self.patch].into_iter().flatten().try_for_each(|part| write!(f, ".{part}"))
    }
}

/// A year, month, day, minute or second in UTC. As numbers, moments are microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    first: NaiveDateTime,
    length: Length,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Year,
    Month,
    Day,
    Minute,
    Second,
}

impl Moment {
    /// Reads `2026`, `2026-01`, `2026-01-31`, `2026-01-31T12:00`, `2026-01-31T12:00:00`, the last two with `Z` or
    /// without.
    pub(super) fn read(text: &str) -> Option<Moment> {
        let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        let (length, whole) = match shape.strip_suffix('Z').filter(|timed| timed.contains('T')).unwrap_or(&shape) {
            "0000" => (Length::Year, format!("{text}-01-01T00:00:00")),
            "0000-00" => (Length::Month, format!("{text}-01T00:00:00")),
            "0000-00-00" => (Length::Day, format!("{text}T00:00:00")),
            "0000-00-00T00:00" => (Length::Minute, format!("{}:00", &text[..16])),
            "0000-00-00T00:00:00" => (Length::Second, text[..19].to_owned()),
            _ => return None,
        };
        let first = NaiveDateTime::parse_from_str(&whole, "%Y-%m-%dT%H:%M:%S").ok()?;
        // A leap second, 23:59:60, is read as more than a second's worth of nanoseconds and would not print back.
        (first.and_utc().timestamp_subsec_nanos() == 0).then_some(Moment { first, length })
    }

    fn next(&self) -> Option<NaiveDateTime> {
        match self.length {
            Length::Year => NaiveDate::from_ymd_opt(self.first.year() + 1, 1, 1)?.and_hms_opt(0, 0, 0),
            Length::Month => self.first.checked_add_months(Months::new(1)),
            Length::Day => self.first.checked_add_days(Days::new(1)),
            Length::Minute => self.first.checked_add_signed(TimeDelta::minutes(1)),
            Length::Second => self.first.checked_add_signed(TimeDelta::seconds(1)),
        }
    }
}

/// A time as the number [`Span::bounds`] compares: microseconds since 1970.
pub fn microseconds(time: DateTime<Utc>) -> i64 {
    time.timestamp_micros()
}

impl Extent for Moment {
    fn first(&self) -> i64 {
        microseconds(self.first.and_utc())
    }

    fn last(&self) -> i64 {
        // A year has four digits, so what follows it is always within the calendar.
        self.next().map_or(i64::MAX - 1, |next| microseconds(next.and_utc()) - 1)
    }
}

impl Display for Moment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let format = match self.length {
            Length::Year => "%Y",
            Length::Month => "%Y-%m",
            Length::Day => "%Y-%m-%d",
            Length::Minute => "%Y-%m-%dT%H:%M",
            Length::Second => "%Y-%m-%dT%H:%M:%S",
        };
        self.first.format(format).fmt(f)
    }
}
