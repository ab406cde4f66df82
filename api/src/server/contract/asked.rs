//! Query parameters of the contract, checked as today's validator does; those it does not know are ignored.

use axum::extract::Query;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Timelike as _, Utc};

use super::refusal::Refusal;

/// Names and values as they stand in the query.
pub type Pairs = Query<Vec<(String, String)>>;

/// The query of one request, and the faults found in it so far.
pub struct Asked<'a> {
    pairs: &'a [(String, String)],
    faults: Vec<(&'static str, String)>,
}

impl<'a> Asked<'a> {
    pub fn new(pairs: &'a Pairs) -> Self {
        Asked { pairs: &pairs.0, faults: Vec::new() }
    }

    /// A parameter's value; the last, when it is given several times.
    pub fn one(&self, name: &str) -> Option<&'a str> {
        self.pairs.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All values of a parameter.
    pub fn all(&self, name: &str) -> Vec<&'a str> {
        self.pairs.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    /// One of a few words.
    pub fn word(&mut self, name: &'static str, words: &[&'static str]) -> Option<&'static str> {
        let said = self.one(name)?;
        let known = words.iter().copied().find(|word| *word == said);
        if known.is_none() {
            self.faults.push((name, format!("Not in enum list: {}.", words.join(", "))));
        }
        known
    }

    /// A number of any sign.
    pub fn integer(&mut self, name: &'static str) -> Option<i64> {
        let said = self.one(name)?;
        let number = said.parse::<i64>().ok();
        if number.is_none() {
            let kind = if said.parse::<f64>().is_ok() { "number" } else { "string" };
            self.faults.push((name, format!("Expected integer - got {kind}.")));
        }
        number
    }

    /// A moment: its readings with the zone given, and with the zone taken for UTC as today's server does.
    pub fn moment(&mut self, name: &'static str) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let said = self.one(name)?;
        let moment = moment(said);
        if moment.is_none() {
            self.faults.push((name, "Does not match date-time format.".to_owned()));
        }
        moment
    }

    /// From which moment on changes are shown to a reader who asks for those since another (contract §1.6).
    ///
    /// Inclusive, and to the minute as today. A row bears the time at which its transaction began to write, and is
    /// seen when that has ended, so a minute more is given: a reader who moves on misses nothing.
    pub fn since(&mut self) -> Option<DateTime<Utc>> {
        let (zoned, bare) = self.moment("since")?;
        let earlier = zoned.min(bare);
        let minute = earlier.with_second(0).and_then(|at| at.with_nanosecond(0)).unwrap_or(earlier);
        Some(minute.checked_sub_signed(TimeDelta::minutes(1)).unwrap_or(minute))
    }

    /// Which maturity of distributions is asked for: whether developer releases are, or neither is said.
    pub fn developer(&mut self) -> Option<bool> {
        self.word("maturity", &["stable", "dev"]).map(|maturity| maturity == "dev")
    }

    /// Every fault found, as one refusal.
    pub fn valid(self) -> Result<(), Refusal> {
        match self.faults.is_empty() {
            true => Ok(()),
            false => Err(Refusal::Invalid(self.faults)),
        }
    }
}

/// `2016-08-20T00:00:00`, with a fraction or a zone if one likes.
fn moment(said: &str) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let dashes = said.as_bytes();
    if !said.is_ascii() || dashes.len() < 19 || dashes[4] != b'-' || !matches!(dashes[10], b'T' | b't' | b' ') {
        return None;
    }
    let (date, time) = (&said[..10], &said[11..]);
    let end = time.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(time.len());
    let bare = NaiveDateTime::parse_from_str(&format!("{date}T{}", &time[..end]), "%Y-%m-%dT%H:%M:%S%.f").ok()?;
    let bare = bare.and_utc();
    let zoned = match &time[end..] {
        "" => bare,
        zone => DateTime::parse_from_rfc3339(&format!("{date}T{}{zone}", &time[..end])).ok()?.to_utc(),
    };
    Some((zoned, bare))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_with_and_without_a_zone() {
        let check = |said: &str, zoned: &str, bare: &str| {
            let read = moment(said).map(|(zoned, bare)| (zoned.to_rfc3339(), bare.to_rfc3339()));
            assert_eq!(read, Some((zoned.to_owned(), bare.to_owned())), "{said}");
        };
        check("2016-08-20T00:00:00", "2016-08-20T00:00:00+00:00", "2016-08-20T00:00:00+00:00");
        check("2016-08-20t01:02:03z", "2016-08-20T01:02:03+00:00", "2016-08-20T01:02:03+00:00");
        check("2016-08-20 01:02:03.5Z", "2016-08-20T01:02:03.500+00:00", "2016-08-20T01:02:03.500+00:00");
        check("2016-08-20T01:02:03+02:00", "2016-08-19T23:02:03+00:00", "2016-08-20T01:02:03+00:00");
    }

    #[test]
    fn what_is_no_moment_is_told() {
        for said in ["", "2016-08-20", "2016-08-20T00:00", "2016-13-01T00:00:00", "2016-08-20T25:00:00", "junk"] {
            assert_eq!(moment(said), None, "{said}");
        }
        for said in
            ["2016-08-20T00:00:00+2", "2016-08-20T00:00:00 02:00", "２016-08-20T00:00:00", "-2016-08-20T00:00:00"]
        {
            assert_eq!(moment(said), None, "{said}");
        }
    }
}
