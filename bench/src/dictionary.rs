//! Trains the zstd dictionary report bodies are stored with, and measures it on bodies it has not seen.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom as _;
use serde_json::{Value, json};
use zstd::bulk::Compressor;

use crate::samples::{self, Sample, Shape};

/// Bytes of a dictionary; larger ones gain little and cost memory in every process.
pub const DICTIONARY_SIZE: usize = 112 * 1024;

const LEVELS: [i32; 3] = [1, 3, 6];

/// Writes a dictionary trained on all samples to `out`, and returns what dictionaries trained on some of them do with
/// the others.
///
/// The figures are of two splits: `bodies` trains on every second file and measures the rest, so that the same machine
/// can be on both sides, as in daily life; `corpora` trains on all of `files` but one and measures that one, which is
/// what a tester and a distribution never seen before meet.
pub fn train(out: &Path, files: &[PathBuf]) -> anyhow::Result<Value> {
    let samples = samples::read(files)?;
    anyhow::ensure!(
        samples.len() >= 20,
        "a dictionary wants 20 samples or more, and only {} were found",
        samples.len()
    );
    let dictionary = dictionary_of(samples.iter())?;
    std::fs::write(out, &dictionary).with_context(|| format!("could not write {}", out.display()))?;
    let mut figures = Vec::new();
    let (first, second) = every_second_file(&samples);
    figures.extend(held_out("bodies", &first, &second)?);
    for (corpus, path) in files.iter().enumerate() {
        let (held, trained): (Vec<&Sample>, Vec<&Sample>) = samples.iter().partition(|sample| sample.corpus == corpus);
        if !held.is_empty() && trained.len() >= 20 {
            let name = path.file_name().map_or("?".into(), |name| name.to_string_lossy());
            figures.extend(held_out(&format!("corpora: {name} unseen"), &trained, &held)?);
        }
    }
    Ok(json!({"samples": samples.len(), "dictionary_bytes": dictionary.len(), "held_out": figures}))
}

/// The trainer looks for its parameters on the last quarter of what it is given, and learns only from the rest: in the
/// order of the files a whole kind of report would be left out. So they are shuffled, the same way each time.
fn dictionary_of<'a>(samples: impl Iterator<Item = &'a Sample>) -> anyhow::Result<Vec<u8>> {
    let mut bodies: Vec<&[u8]> = samples.map(|sample| sample.body.as_slice()).collect();
    bodies.shuffle(&mut SmallRng::seed_from_u64(1));
    zstd::dict::from_samples(&bodies, DICTIONARY_SIZE).context("could not train the dictionary")
}

/// All shapes of one file go to the same side.
fn every_second_file(samples: &[Sample]) -> (Vec<&Sample>, Vec<&Sample>) {
    samples.iter().partition(|sample| sample.file % 2 == 0)
}

fn held_out(split: &str, trained: &[&Sample], held: &[&Sample]) -> anyhow::Result<Vec<Value>> {
    let dictionary = dictionary_of(trained.iter().copied())?;
    let mut figures = Vec::new();
    for shape in Shape::ALL {
        let bodies: Vec<&[u8]> =
            held.iter().filter(|sample| sample.shape == shape).map(|sample| sample.body.as_slice()).collect();
        for level in LEVELS {
            if !bodies.is_empty() {
                figures.push(measure(split, shape, level, &bodies, &dictionary)?);
            }
        }
    }
    Ok(figures)
}

fn measure(split: &str, shape: Shape, level: i32, bodies: &[&[u8]], dictionary: &[u8]) -> anyhow::Result<Value> {
    let prepared = zstd::dict::EncoderDictionary::copy(dictionary, level);
    let mut with = Compressor::with_prepared_dictionary(&prepared)?;
    let mut without = Compressor::new(level)?;
    let raw: usize = bodies.iter().map(|body| body.len()).sum();
    let (packed, micros) = pack(&mut with, bodies)?;
    let (packed_without, _) = pack(&mut without, bodies)?;
    Ok(json!({
        "split": split,
        "shape": shape.name(),
        "level": level,
        "bodies": bodies.len(),
        "raw_bytes": raw,
        "ratio": packed as f64 / raw as f64,
        "ratio_without_dictionary": packed_without as f64 / raw as f64,
        "micros_per_10_kb": micros * 10_240.0 / raw as f64,
    }))
}

/// Packed bytes of all bodies, and microseconds for one round over them: the best of several rounds.
fn pack(compressor: &mut Compressor<'_>, bodies: &[&[u8]]) -> anyhow::Result<(usize, f64)> {
    let mut packed = 0;
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let began = Instant::now();
        packed = 0;
        for body in bodies {
            packed += compressor.compress(body).context("could not compress a body")?.len();
        }
        best = best.min(began.elapsed().as_secs_f64() * 1e6);
    }
    Ok((packed, best))
}
