//! A run: inputs made and tried one after the other, faults told, figures kept.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use crate::targets::Target;
use crate::{MEMORY, json, mutation};

/// Processor time that one input may take.
pub const SLOW: Duration = Duration::from_secs(1);

/// Bytes held that are not held against an input: tables made at the first use, windows of decoders.
const ROOM: usize = 48 << 20;

/// Bytes that each byte of an input may cost.
const SHARE: usize = 400;

/// Inputs kept at most, beside the seeds.
const KEPT: usize = 20_000;

/// Time after which an input is taken never to end. Of the clock on the wall, so a long one.
const ENDLESS: Duration = Duration::from_secs(120);

/// How much is tried.
#[derive(Clone, Debug)]
pub struct Options {
    pub inputs: u64,
    pub seed: u64,
    /// Bytes of an input at most.
    pub longest: usize,
}

/// What came of a run.
#[derive(Debug)]
pub struct Figures {
    pub inputs: u64,
    pub seconds: f64,
    /// Files and lines that it began with.
    pub seeds: usize,
    /// Inputs that were answered in a way not seen before.
    pub found: usize,
    /// Different answers, their numbers and quotations left out.
    pub answers: usize,
    pub slowest: Duration,
    /// Most bytes held while one input was read.
    pub most_bytes: usize,
    pub faults: Vec<Fault>,
}

/// An input that was not read as it should be.
#[derive(Debug)]
pub struct Fault {
    pub what: String,
    pub input: Vec<u8>,
}

/// Faults after which a run ends.
const ENOUGH: usize = 20;

/// Tries a target. The same options give the same inputs.
pub fn run(target: &Target, options: &Options) -> Figures {
    let mut random = StdRng::seed_from_u64(options.seed);
    let mut corpus: Vec<Vec<u8>> = (target.seeds)().into_iter().filter(|seed| seed.len() <= options.longest).collect();
    let seeds = corpus.len();
    assert!(seeds > 0, "{} has no seeds of at most {} bytes", target.name, options.longest);
    let under_way = Arc::new(Mutex::new((Instant::now(), Vec::new())));
    watch(target.name, &under_way);
    let mut answers = HashSet::new();
    let mut figures = Figures {
        inputs: 0,
        seconds: 0.0,
        seeds,
        found: 0,
        answers: 0,
        slowest: Duration::ZERO,
        most_bytes: 0,
        faults: Vec::new(),
    };
    let began = Instant::now();
    while figures.inputs < options.inputs && figures.faults.len() < ENOUGH {
        // Every seed as it is, first.
        let input = match corpus.get(figures.inputs as usize) {
            Some(seed) if (figures.inputs as usize) < seeds => seed.clone(),
            _ => next(&mut random, target, &corpus, options.longest),
        };
        *under_way.lock().expect("no holder panics") = (Instant::now(), input.clone());
        let tried = attempt(target, &input);
        figures.inputs += 1;
        figures.slowest = figures.slowest.max(tried.time);
        figures.most_bytes = figures.most_bytes.max(tried.bytes);
        match tried.fault(input.len()) {
            Some(what) => figures.faults.push(Fault { what, input }),
            None if answers.insert(shape(tried.answer.as_deref().unwrap_or_default())) && figures.found < KEPT => {
                figures.found += 1;
                corpus.push(input);
            }
            None => {}
        }
    }
    figures.seconds = began.elapsed().as_secs_f64();
    figures.answers = answers.len();
    // The watcher ends with the last who holds what it looks at.
    drop(under_way);
    figures
}

/// Makes an input out of one or two that are there.
fn next(random: &mut StdRng, target: &Target, corpus: &[Vec<u8>], longest: usize) -> Vec<u8> {
    let (Some(seed), Some(other)) = (corpus.choose(random), corpus.choose(random)) else { return Vec::new() };
    let structured = target.json && random.random_bool(0.6);
    let changed = structured.then(|| json::change(random, seed, other, target.words, longest)).flatten();
    match changed {
        Some(bytes) if random.random_bool(0.9) => bytes,
        Some(bytes) => mutation::mutate(random, &bytes, other, target.words, longest),
        None => mutation::mutate(random, seed, other, target.words, longest),
    }
}

/// What reading one input gave, and what it took.
pub struct Tried {
    answer: Result<String, String>,
    time: Duration,
    bytes: usize,
}

/// Reads one input.
pub fn attempt(target: &Target, input: &[u8]) -> Tried {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let began = ThreadTime::now();
    let answer = catch_unwind(AssertUnwindSafe(|| (target.read)(input)));
    let time = began.elapsed();
    let bytes = MEMORY.peak_usage().saturating_sub(before);
    let answer = answer.map_err(|cause| {
        let text = cause.downcast_ref::<String>().map(String::as_str).or(cause.downcast_ref::<&str>().copied());
        text.unwrap_or("a panic without words").to_owned()
    });
    Tried { answer, time, bytes }
}

impl Tried {
    /// What is wrong with an input of this many bytes, if anything is.
    pub fn fault(&self, length: usize) -> Option<String> {
        match &self.answer {
            Err(panic) => Some(format!("panic: {panic}")),
            Ok(_) if self.time > SLOW => Some(format!("slow: {:?} for {length} bytes", self.time)),
            Ok(_) if self.bytes > ROOM + SHARE * length => Some(format!("large: {} for {length} bytes", self.bytes)),
            Ok(_) => None,
        }
    }
}

/// An answer by its kind: numbers, quotations and all but the beginning left out.
fn shape(answer: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut quoted = false;
    for character in answer.chars().take(400) {
        if matches!(character, '"' | '`') {
            quoted = !quoted;
        } else if !quoted && !character.is_ascii_digit() {
            character.hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// Ends the process when an input does not come to an end: nothing else can.
fn watch(name: &'static str, under_way: &Arc<Mutex<(Instant, Vec<u8>)>>) {
    let under_way = Arc::downgrade(under_way);
    std::thread::spawn(move || {
        while let Some(looked) = under_way.upgrade() {
            {
                let (since, input) = &*looked.lock().expect("no holder panics");
                if since.elapsed() > ENDLESS {
                    eprintln!("{name}: no end after {ENDLESS:?}: {}", input.escape_ascii());
                    std::process::exit(1);
                }
            }
            drop(looked);
            std::thread::sleep(Duration::from_millis(250));
        }
    });
}
