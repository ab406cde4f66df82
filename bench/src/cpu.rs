//! CPU time, by who used it: whether there were cores left is seen here, and not in a rate.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::measurement::Measurement;

/// Linux tells times in hundredths of a second, whatever its own tick is.
const TICKS: f64 = 100.0;

/// Seconds of CPU time, user and system together, of each who was asked, at one moment.
pub struct CpuTimes {
    at: Instant,
    /// All cores together, whoever used them.
    machine: Option<f64>,
    parts: BTreeMap<String, f64>,
}

impl CpuTimes {
    /// Of those who told theirs.
    pub fn now(parts: impl IntoIterator<Item = (String, Option<f64>)>) -> Self {
        let told = parts.into_iter().filter_map(|(name, seconds)| Some((name, seconds?)));
        CpuTimes { at: Instant::now(), machine: of_machine(), parts: told.collect() }
    }

    /// What was used since `earlier`.
    pub fn since(&self, earlier: &CpuTimes) -> CpuUse {
        let used = |(name, now): (&String, &f64)| Some((name.clone(), now - earlier.parts.get(name).unwrap_or(&0.0)));
        CpuUse {
            elapsed: (self.at - earlier.at).as_secs_f64(),
            machine: self.machine.zip(earlier.machine).map(|(now, before)| now - before),
            parts: self.parts.iter().filter_map(used).collect(),
        }
    }
}

/// Seconds of CPU time used within a time.
pub struct CpuUse {
    elapsed: f64,
    machine: Option<f64>,
    parts: BTreeMap<String, f64>,
}

impl CpuUse {
    /// Cores that were busy on average, with whatever ran on the machine.
    pub fn cores_busy(&self) -> Option<f64> {
        Some(self.machine? / self.elapsed)
    }

    /// Shows it among the figures, each name beginning with `of`.
    pub fn show(&self, measurement: &mut Measurement, of: &str) {
        measurement.figure(format!("{of}seconds"), self.elapsed);
        for (name, seconds) in &self.parts {
            measurement.figure(format!("{of}cpu_seconds_{name}"), *seconds);
        }
        measurement.figure(format!("{of}cores_busy"), self.cores_busy());
    }
}

/// Seconds a process has had so far, without its children.
pub fn of_process(id: u32) -> Option<f64> {
    let fields = fields_of(id)?;
    Some((fields.get(11)? + fields.get(12)?) / TICKS)
}

/// Seconds a process and its children have had so far, those that ended among them.
pub fn of_family(id: u32) -> Option<f64> {
    let fields = fields_of(id)?;
    let own: f64 = fields.get(11..15)?.iter().sum::<f64>() / TICKS;
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    let living = children.split_whitespace().filter_map(|child| of_process(child.parse().ok()?));
    Some(own + living.sum::<f64>())
}

/// The process that started this one.
pub fn parent_of(id: u32) -> Option<u32> {
    Some(*fields_of(id)?.get(1)? as u32)
}

/// Numbers of `/proc/PID/stat` after the name, which may have spaces in it; the first one, a letter, is 0.
fn fields_of(id: u32) -> Option<Vec<f64>> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect())
}

/// Seconds that all cores together were busy since the machine was started.
fn of_machine() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let ticks: Vec<f64> =
        text.lines().next()?.split_whitespace().skip(1).filter_map(|tick| tick.parse().ok()).collect();
    // User, nice, system, then idle and waiting for the disk, then interrupts and what other guests took.
    Some(
        ticks.iter().enumerate().filter(|(at, _)| matches!(at, 0..=2 | 5..=7)).map(|(_, tick)| tick).sum::<f64>()
            / TICKS,
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_process_that_works_is_seen_to_use_a_core() {
        let own = || CpuTimes::now([("own".to_owned(), of_process(std::process::id())), ("gone".to_owned(), None)]);
        let before = own();
        let end = Instant::now() + Duration::from_millis(300);
        while Instant::now() < end {}
        let used = own().since(&before);
        // A busy machine may give it less than all of a core, and its other threads add to it.
        assert!(used.parts["own"] > 0.02, "{}", used.parts["own"]);
        assert!(used.cores_busy().unwrap() > 0.0);
        assert!(!used.parts.contains_key("gone"));
    }

    #[test]
    fn a_family_is_a_process_with_its_children() {
        let id = std::process::id();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert_eq!(parent_of(child.id()), Some(id));
        let family = of_family(id).unwrap();
        assert!(family >= of_process(child.id()).unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
