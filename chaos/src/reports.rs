//! The bodies a run sends: each report in its first form and in corrected ones, the same bytes each time.

use anyhow::Context as _;
use bench::generator::Generator;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::recount::{GRADES, Told};

/// Makes bodies.
pub struct Reports {
    generator: Generator,
    seed: u64,
}

/// Bytes to send, and what they say.
pub struct Body {
    pub bytes: Vec<u8>,
    /// SHA-256 in hexadecimal, as receipts show it.
    pub digest: String,
    pub told: Told,
}

impl Reports {
    /// `size` is the median length in bytes.
    pub fn new(seed: u64, size: usize) -> Self {
        Reports { generator: Generator::new(seed, size), seed }
    }

    /// The id report `index` carries, in every form.
    pub fn id(&self, index: u64) -> String {
        self.generator.id(index).to_string()
    }

    /// Report `index`: form 0 is the first, each other says something else.
    pub fn body(&self, index: u64, form: u64) -> anyhow::Result<Body> {
        let mut bytes = self.generator.report(index);
        let author = self.author(index, form);
        if form > 0 || author != Author::OfRelease {
            let mut report: Value = serde_json::from_slice(&bytes).context("a generated report is not JSON")?;
            if form > 0 {
                self.correct(&mut report, index, form)?;
            }
            name_author(&mut report, author)?;
            bytes = serde_json::to_vec(&report).context("a corrected report cannot be written")?;
        }
        let told = Told::read(&bytes).with_context(|| format!("report {index} in form {form} cannot be read"))?;
        Ok(Body { digest: digest(&bytes), bytes, told })
    }

    /// Testers do not agree whose a release is: what they tested came from a mirror, or from a disk of their own.
    fn author(&self, index: u64, form: u64) -> Author {
        let mut random = StdRng::seed_from_u64(self.seed ^ 0xa07 ^ index.rotate_left(24) ^ form.rotate_left(44));
        match random.random_range(0..10) {
            0..7 => Author::OfRelease,
            7 => Author::Nobody,
            _ => Author::Other(pick(&mut random, &["LOCAL", "MIRROR"])),
        }
    }

    /// Changes the grade nearly always, and now and then what the report is about or where it was made.
    fn correct(&self, report: &mut Value, index: u64, form: u64) -> anyhow::Result<()> {
        let mut random = StdRng::seed_from_u64(self.seed ^ index.rotate_left(20) ^ form.rotate_left(50));
        let mut put = |pointer: &str, text: String| -> anyhow::Result<()> {
            let value = report.pointer_mut(pointer).with_context(|| format!("a report has nothing at {pointer}"))?;
            *value = Value::String(text);
            Ok(())
        };
        put("/result/grade", pick(&mut random, &GRADES).to_owned())?;
        // Other forms, other bytes, even if all else comes out alike.
        put("/result/output/uncategorized", format!("All tests were run again; this is form {form}.\n"))?;
        if random.random_bool(0.3) {
            put("/distribution/version", pick(&mut random, &["9.01", "9.02", "9.03_01"]).to_owned())?;
        }
        if random.random_bool(0.3) {
            let perl = pick(&mut random, &["5.36.0", "5.25.3", "5.24.1 RC3", "5.41.3", "5.9.5 patch 31000"]);
            put("/environment/language/version", perl.to_owned())?;
        }
        if random.random_bool(0.2) {
            put("/environment/system/osname", pick(&mut random, &["MSWin32", "linux", "darwin"]).to_owned())?;
        }
        Ok(())
    }
}

/// Whose a report says its release is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Author {
    /// Who the generator knows.
    OfRelease,
    Other(&'static str),
    Nobody,
}

fn name_author(report: &mut Value, author: Author) -> anyhow::Result<()> {
    let distribution = report["distribution"].as_object_mut().context("a report is about no distribution")?;
    let path = distribution.remove("path").context("a generated report names no archive")?;
    let archive = path.as_str().and_then(|path| path.split_once('/')).context("a path names no author")?.1;
    let path = match author {
        Author::OfRelease => path,
        Author::Other(name) => format!("{name}/{archive}").into(),
        Author::Nobody => return Ok(()),
    };
    distribution.insert("path".to_owned(), path);
    Ok(())
}

/// SHA-256 in hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn pick(random: &mut StdRng, list: &[&'static str]) -> &'static str {
    list.choose(random).expect("the list is not empty")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_the_same_each_time_and_differs_from_the_others() {
        let (one, again) = (Reports::new(3, 1500), Reports::new(3, 1500));
        for index in 0..50 {
            let forms: Vec<Body> = (0..4).map(|form| one.body(index, form).unwrap()).collect();
            for (form, body) in forms.iter().enumerate() {
                assert_eq!(body.bytes, again.body(index, form as u64).unwrap().bytes);
                assert!(forms[..form].iter().all(|other| other.digest != body.digest));
                let id = format!("\"id\":\"{}\"", one.id(index));
                assert!(String::from_utf8(body.bytes.clone()).unwrap().contains(&id));
            }
        }
    }

    #[test]
    fn corrections_move_reports_between_grades_releases_and_platforms() {
        let reports = Reports::new(4, 1500);
        let pairs: Vec<(Told, Told)> = (0..200)
            .map(|index| (reports.body(index, 0).unwrap().told, reports.body(index, 1).unwrap().told))
            .collect();
        let changed = |what: fn(&Told) -> &String| pairs.iter().filter(|(a, b)| what(a) != what(b)).count();
        assert!(changed(|told| &told.grade) > 100);
        assert!(changed(|told| &told.version) > 30);
        assert!(changed(|told| &told.perl) > 30);
        assert!(changed(|told| &told.os) > 10);
        let authors = pairs.iter().filter(|(a, b)| a.author != b.author).count();
        assert!(authors > 30, "{authors}");
        assert!(pairs.iter().any(|(a, _)| a.author.is_none()));
    }

    #[test]
    fn a_digest_is_sha_256_in_hexadecimal() {
        assert_eq!(digest(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
