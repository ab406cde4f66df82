//! A release as its reports show it: name, author, test files and prerequisites, the same each time its number comes up.

use super::dice::Dice;
use super::words::{MODULES, NAMES, TEST_MODULES, WORDS};

/// Releases of one distribution.
const RELEASES: u64 = 4;
/// Words the test files of one release are named from.
const THEMES: usize = 14;
/// Bytes a test file's line has in the middle.
const LINE: usize = 44;

/// What is tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    pub name: String,
    pub version: String,
    pub author: String,
    /// Its own choices are made from this number.
    pub number: u64,
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
        let author: String = (0..4 + dice.below(4)).map(|_| char::from(b'A' + dice.below(26) as u8)).collect();
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
    pub fn test_files(&self, seed: u64, length: usize) -> Vec<String> {
        let mut dice = Dice::new(seed ^ 0x7e57, self.number);
        let numbered = dice.chance(55);
        let folders = dice.chance(35);
        // The files of one distribution go over a few themes again and again.
        let from = dice.below((WORDS.len() - THEMES) as u64) as usize;
        let themes = &WORDS[from..from + THEMES];
        let mut files = vec!["t/00-load.t".to_owned()];
        let mut written = 40;
        while written < length && files.len() < 5_000 {
            let mut file = String::with_capacity(32);
            file.push_str(if dice.chance(6) { "xt/" } else { "t/" });
            if folders && dice.chance(50) {
                file.push_str(dice.word(themes));
                file.push('/');
            }
            if numbered {
                let number = files.len();
                file.extend([char::from(b'0' + (number / 10 % 10) as u8), char::from(b'0' + (number % 10) as u8), '-']);
            }
            file.push_str(dice.word(themes));
            if dice.chance(60) {
                file.push(if numbered { '-' } else { '_' });
                file.push_str(dice.word(themes));
            }
            file.push_str(".t");
            written += LINE;
            files.push(file);
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
