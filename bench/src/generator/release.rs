//! A release as its reports show it: name, author, test files and prerequisites, the same each time its number comes up.

use super::dice::Dice;
use super::words::{MODULES, NAMES, TEST_MODULES, WORDS};

/// Releases of one distribution.
const RELEASES: u64 = 4;
/// Words the test files of one release are named from.
const THEMES: usize = 14;
/// Bytes a test file's line has in the middle.
const LINE: usize = 44;
/// Bytes of the first test file's line.
const FIRST_LINE: usize = 40;

/// What is tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    pub name: String,
    pub version: String,
    pub author: String,
    /// Its own choices are made from this number.
    pub number: u64,
}

/// The author of a distribution. Two numbers may make the same name, and a name belongs to one author.
fn author(seed: u64, name: &str) -> String {
    let number = name.bytes().fold(0_u64, |number, byte| number.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let mut dice = Dice::new(seed ^ 0xa07, number);
    (0..4 + dice.below(4)).map(|_| char::from(b'A' + dice.below(26) as u8)).collect()
}

impl Release {
    /// Release `number` of the world that `seed` makes; four releases in a row are of one distribution.
    pub fn numbered(seed: u64, number: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0xd157, number / RELEASES);
        let parts = 2 + dice.below(2);
        let mut name = String::new();
        for part in 0..parts {
            if part > 0 {
                name.push('-');
            }
            name.push_str(dice.word(&NAMES));
        }
        let author = author(seed, &name);
        let (major, minor) = (dice.below(4), dice.below(90));
        let step = number % RELEASES;
        let version = match dice.below(20) {
            0..12 => format!("{major}.{:02}", minor + step),
            12..16 => format!("{major}.{:03}", minor + step),
            16..18 => format!("v{major}.{}.{step}", minor),
            18 => format!("{major}.{:02}_{:02}", minor, step + 1),
            _ => format!("{major}.{:03}-TRIAL", minor + step),
        };
        Release { name, version, author, number }
    }

    /// The release every report is about when only one is wanted.
    pub fn pinned() -> Self {
        Release { name: "Bench-Pinned".into(), version: "1.000".into(), author: "BENCH".into(), number: 7 }
    }

    /// How much longer or shorter than the middle its reports are.
    pub fn stretch(&self, seed: u64) -> f64 {
        (0.42 * Dice::new(seed ^ 0x512e, self.number).normal()).exp()
    }

    /// Names of test files, so many that a line for each fills about `length` bytes.
    pub fn test_files(&self, seed: u64, length: usize) -> TestFiles {
        let mut dice = Dice::new(seed ^ 0x7e57, self.number);
        let numbered = dice.chance(55);
        let folders = dice.chance(35);
        // The files of one distribution go over a few themes again and again.
        let from = dice.below((WORDS.len() - THEMES) as u64) as usize;
        let themes = &WORDS[from..from + THEMES];
        let count = (length.saturating_sub(FIRST_LINE).div_ceil(LINE) + 1).min(5_000);
        let mut files = TestFiles { names: String::with_capacity(count * 28), ends: Vec::with_capacity(count) };
        files.names.push_str("t/00-load.t");
        files.end();
        for number in 1..count {
            let out = &mut files.names;
            out.push_str(if dice.chance(6) { "xt/" } else { "t/" });
            if folders && dice.chance(50) {
                out.push_str(dice.word(themes));
                out.push('/');
            }
            if numbered {
                out.push(char::from(b'0' + (number / 10 % 10) as u8));
                out.push(char::from(b'0' + (number % 10) as u8));
                out.push('-');
            }
            out.push_str(dice.word(themes));
            if dice.chance(60) {
                out.push(if numbered { '-' } else { '_' });
                out.push_str(dice.word(themes));
            }
            out.push_str(".t");
            files.end();
        }
        files
    }

    /// The modules it needs to run, to be tested, and to be configured.
    pub fn prerequisites(&self, seed: u64) -> [(&'static str, Vec<Needed>); 3] {
        let mut dice = Dice::new(seed ^ 0x9e9e, self.number);
        let runtime = 2 + dice.below(9);
        let testing = 1 + dice.below(3);
        [
            ("requires", needed(&mut dice, &MODULES, runtime)),
            ("build_requires", needed(&mut dice, &TEST_MODULES, testing)),
            ("configure_requires", vec![Needed { module: "ExtUtils::MakeMaker", need: "0".into(), installed: "7.18" }]),
        ]
    }
}

/// Names of test files, one behind the other: thousands of reports a second must not each make a hundred strings.
pub struct TestFiles {
    names: String,
    ends: Vec<usize>,
}

impl TestFiles {
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, end)| &self.names[begin..*end])
    }

    fn end(&mut self) {
        self.ends.push(self.names.len());
    }
}

/// A module asked for.
pub struct Needed {
    pub module: &'static str,
    pub need: String,
    /// A version one finds installed.
    pub installed: &'static str,
}

fn needed(dice: &mut Dice, modules: &'static [(&'static str, &'static str)], count: u64) -> Vec<Needed> {
    let mut places: Vec<usize> = (0..count).map(|_| dice.below(modules.len() as u64) as usize).collect();
    places.sort_unstable();
    places.dedup();
    let ask = |place: usize| {
        let (module, installed) = modules[place];
        let need = match dice.below(3) {
            0 => installed.trim_start_matches('v').chars().take(4).collect(),
            _ => "0".to_owned(),
        };
        Needed { module, need, installed }
    };
    places.into_iter().map(ask).collect()
}
