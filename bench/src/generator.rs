//! Realistic v4 reports from a seed: report `n` is the same bytes each time, whoever asks, in whatever order.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

mod dice;
mod release;
mod rig;
mod template;
#[cfg(test)]
mod tests;
mod text;
mod words;

use dice::Dice;
pub use release::Release;
use rig::Rig;
use template::{Template, escape};
use text::{Grade, Sections, Text, number};
use words::TESTERS;

/// How many interpreters the testers have.
const RIGS: usize = 320;
/// How many releases there are to draw from.
const RELEASES: u64 = 40_000;
/// Of a hundred reports, how many begin with a release not in the recent ones.
const FRESH_PERCENT: u64 = 33;
/// How far back a report's release can be one that came before.
const RECENT: u64 = 1_000;
/// Bytes of the JSON around the text, and of the result at its end.
const ENVELOPE: usize = 640;
/// Bytes of the opening and of a middling list of prerequisites.
const OPENING_AND_PREREQUISITES: usize = 1_900;

/// Makes reports.
pub struct Generator {
    seed: u64,
    /// Wanted median, in bytes of the JSON.
    size: usize,
    sections: Sections,
    /// What the sections cost without the list of test files.
    fixed: usize,
    pinned: Option<Release>,
    rigs: Vec<Rig>,
    opening: Template,
    began_at: DateTime<Utc>,
}

impl Generator {
    /// Reports about many releases; `size` is the median length in bytes.
    pub fn new(seed: u64, size: usize) -> Self {
        Generator::with(seed, size, None, rig::rigs(seed, RIGS))
    }

    /// Reports about one release, by every perl on every platform.
    pub fn pinned(seed: u64, size: usize) -> Self {
        Generator::with(seed, size, Some(Release::pinned()), rig::all_rigs(seed))
    }

    fn with(seed: u64, size: usize, pinned: Option<Release>, rigs: Vec<Rig>) -> Self {
        let sections = match size {
            0..2_500 => Sections::Output,
            2_500..4_500 => Sections::Prerequisites,
            4_500..8_000 => Sections::Context,
            _ => Sections::All,
        };
        let mean = |length: fn(&Rig) -> usize| rigs.iter().map(length).sum::<usize>() / rigs.len();
        let mut fixed = ENVELOPE;
        for (section, length) in [
            (Sections::Prerequisites, OPENING_AND_PREREQUISITES),
            (Sections::Context, mean(|rig| rig.context_length)),
            (Sections::All, mean(|rig| rig.configuration_length)),
        ] {
            if sections >= section {
                fixed += length;
            }
        }
        let mut opening = String::new();
        escape(include_str!("../templates/opening.txt"), &mut opening);
        let began_at = DateTime::from_timestamp(1_471_600_800, 0).expect("a second of 2016 is a time");
        Generator { seed, size, sections, fixed, pinned, rigs, opening: Template::parse(&opening), began_at }
    }

    /// The id report `index` carries.
    pub fn id(&self, index: u64) -> Uuid {
        let mut dice = Dice::new(self.seed ^ 0x01d5, index);
        uuid::Builder::from_random_bytes((u128::from(dice.next()) << 64 | u128::from(dice.next())).to_be_bytes())
            .into_uuid()
    }

    /// The release report `index` is about. A third of the reports bring a release in, the others are about one of the
    /// last thousand, so that a few releases get most of the reports, as on a real day.
    pub fn release(&self, index: u64) -> Release {
        if let Some(release) = &self.pinned {
            return release.clone();
        }
        let mut at = index;
        loop {
            let mut dice = Dice::new(self.seed ^ 0x2e1e, at);
            let back = 1 + dice.below(RECENT);
            if dice.chance(FRESH_PERCENT) || back > at {
                return Release::numbered(self.seed, dice.below(RELEASES));
            }
            at -= back;
        }
    }

    /// 93 pass, 5 fail, 1 na and 1 unknown of a hundred.
    pub fn grade(&self, index: u64) -> Grade {
        match Dice::new(self.seed ^ 0x62ad, index).below(100) {
            0..93 => Grade::Pass,
            93..98 => Grade::Fail,
            98 => Grade::Na,
            _ => Grade::Unknown,
        }
    }

    /// Appends report `index` to `out`, as one line of JSON in the v3 shape (contract §2.1).
    pub fn write(&self, index: u64, out: &mut String) {
        let mut dice = Dice::new(self.seed, index);
        let rig = self.rig(&mut dice);
        let release = self.release(index);
        let grade = self.grade(index);
        let (name, email, agent, _, _) = TESTERS[rig.tester];
        out.extend(["{\"id\":\"", self.id(index).hyphenated().encode_lower(&mut Uuid::encode_buffer())]);
        let late = TimeDelta::seconds(dice.skewed(3_600) as i64);
        let created = self.began_at + TimeDelta::seconds(index as i64 * 4) - late;
        out.extend(["\",\"created\":\"", &created.format("%Y-%m-%dT%H:%M:%SZ").to_string()]);
        out.extend(["\",\"reporter\":{\"name\":\"", name, "\",\"email\":\"", email]);
        out.extend(["\"},\"environment\":{\"user_agent\":\"", agent]);
        out.extend([
            "\",\"language\":{\"name\":\"Perl 5\",\"version\":\"",
            &rig.perl,
            "\",\"archname\":\"",
            rig.architecture,
        ]);
        out.extend(["\"},\"system\":{\"osname\":\"", rig.osname, "\",\"osversion\":\"", rig.osversion]);
        out.extend(["\"}},\"distribution\":{\"name\":\"", &release.name, "\",\"version\":\"", &release.version]);
        out.extend(["\",\"path\":\"", &release.author, "/", &release.name, "-", &release.version]);
        out.extend([".tar.gz\"},\"result\":{\"grade\":\"", grade.as_str(), "\",\"output\":{\"uncategorized\":\""]);
        let wanted = (self.size as f64 * release.stretch(self.seed)) as usize;
        let filling = wanted.saturating_sub(self.fixed);
        let text = Text {
            seed: self.seed,
            opening: &self.opening,
            rig,
            release: &release,
            grade,
            sections: self.sections,
            filling,
        };
        let suite = text.write(&mut dice, out);
        out.push_str("\"},\"tests\":");
        number(out, suite.tests);
        out.push_str(",\"failures\":");
        number(out, suite.failures);
        out.push_str(",\"duration\":");
        number(out, suite.duration / 100);
        out.push_str(".5}}");
    }

    /// Report `index` as bytes.
    pub fn report(&self, index: u64) -> Vec<u8> {
        let mut out = String::with_capacity(self.size * 2);
        self.write(index, &mut out);
        out.into_bytes()
    }

    fn rig(&self, dice: &mut Dice) -> &Rig {
        if self.pinned.is_some() {
            return dice.pick(&self.rigs);
        }
        let mut lot = dice.below(100);
        let mut tester = 0;
        while lot >= TESTERS[tester].4 {
            lot -= TESTERS[tester].4;
            tester += 1;
        }
        // Rigs stand in the order of their testers' turns.
        let turn = dice.skewed(self.rigs.len() / TESTERS.len());
        &self.rigs[turn * TESTERS.len() + tester]
    }
}
