//! The reports an index is tried with: six peculiar ones, and any number by chance.

use chrono::{DateTime, TimeDelta, Utc};
use schemas::grade::Grade;
use schemas::reason::{Code, Phase};

use crate::index::Document;

/// A report with nothing in it that the queries above ask for.
pub(super) fn document(number: i64) -> Document {
    let received_at = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(20_453 + number);
    Document {
        number,
        id: format!("{number:08x}-0000-4000-8000-00000000abcd").parse().expect("the pattern is that of an id"),
        distribution: "Blank".to_owned(),
        version: "0".to_owned(),
        author: None,
        tester: "Nobody".to_owned(),
        grade: Grade::Pass,
        os: "linux".to_owned(),
        language: "perl".to_owned(),
        language_version: "blead".to_owned(),
        architecture: "unknown".to_owned(),
        reason: None,
        received_at,
        created_at: received_at - TimeDelta::days(365),
        text: String::new(),
    }
}

/// Six reports, each peculiar in some way, received on the first six days of 2026.
pub(super) fn corpus() -> Vec<Document> {
    let text = |text: &str| text.to_owned();
    vec![
        Document {
            distribution: text("Scriptalicious"),
            version: text("1.17"),
            author: Some(text("SAMV")),
            tester: text("Jane Doe (JDOE)"),
            language_version: text("5.36.0"),
            architecture: text("x86_64-linux-thread-multi"),
            text: text("All tests successful.\nPERL_MM_USE_DEFAULT=1\nResult: PASS\n"),
            ..document(1)
        },
        Document {
            distribution: text("Scriptalicious"),
            version: text("1.17"),
            author: Some(text("SAMV")),
            os: text("darwin"),
            language_version: text("5.8.10"),
            architecture: text("darwin-2level"),
            text: text("all Tests\nSUCCESSFUL\n"),
            ..document(2)
        },
        Document {
            distribution: text("Foo-Bar"),
            version: text("0.01"),
            grade: Grade::Fail,
            os: text("freebsd"),
            language_version: text("5.8.9"),
            architecture: text("amd64-freebsd"),
            reason: Some((Code::TestFailure, Some(Phase::Test))),
            text: text("t/01-basic.t .. Failed 1/2 subtests\nCan't locate object method \"foo\" via package \"Foo\"\n"),
            ..document(3)
        },
        Document {
            distribution: text("Foo::Bar"),
            version: text("v1.2_03"),
            tester: text("John Doe"),
            grade: Grade::Fail,
            os: text("mswin32"),
            language_version: text("5.36.0 RC1"),
            architecture: text("MSWin32-x64-multi-thread"),
            reason: Some((Code::Timeout, Some(Phase::Test))),
            text: text("Timeout (max run time is 300s)\r\n"),
            ..document(4)
        },
        Document {
            distribution: text("Encoding-Jörg"),
            version: text("1.2"),
            grade: Grade::Unknown,
            language: text("raku"),
            language_version: text("2021.04"),
            architecture: text("x86_64-linux"),
            reason: Some((Code::Other, None)),
            text: format!("\u{0}jörg\u{fffd} beforehand {} afterwards", "0".repeat(65)),
            ..document(5)
        },
        Document {
            distribution: text("Long"),
            architecture: text("aarch64-linux-gnu"),
            text: format!(
                "beginning foo {} lead {} middle {} trail {} ending",
                "filler ".repeat(37_400),
                " ".repeat(600),
                "filler ".repeat(1_000),
                ". ".repeat(32_700)
            ),
            ..document(6)
        },
    ]
}

const WORDS: &[&str] = &["ok", "not", "foo", "Foo::Bar", "bar-baz", "t/x.t", "ÄÖ", "5.36", "a_b"];
const VERSIONS: &[&str] = &["5.8.9", "5.8.10", "5.36.0", "5.36.0 RC1", "5.37", "6.d", "blead"];
const TESTERS: &[&str] = &["Jane Doe", "John Doe", "Jané (JANE)"];

/// A report out of few words and values, so that many have some in common.
pub(super) fn random_document(number: i64, chance: &mut Chance) -> Document {
    let length = chance.below(30);
    let words: Vec<&str> = (0..length).map(|_| chance.of(WORDS)).collect();
    let grade = chance.of(&Grade::ALL);
    let phases = [None, Some(Phase::Test), Some(Phase::Build)];
    Document {
        distribution: chance.of(&["Foo-Bar", "Foo", "ok"]).to_owned(),
        version: chance.of(&["1", "1.0", "v2"]).to_owned(),
        author: chance.of(&[None, Some("ANDK"), Some("SAMV")]).map(str::to_owned),
        tester: chance.of(TESTERS).to_owned(),
        grade,
        os: chance.of(&["linux", "mswin32"]).to_owned(),
        language_version: chance.of(VERSIONS).to_owned(),
        architecture: chance.of(&["x86_64-linux", "linux-x86_64", "mswin32"]).to_owned(),
        reason: (grade != Grade::Pass).then(|| (Code::Timeout, chance.of(&phases))),
        text: words.join(chance.of(&[" ", "\n", " ... "])),
        ..document(number)
    }
}

/// A query for such reports, nested at most so deep. Always valid.
pub(super) fn random_query(depth: u64, chance: &mut Chance) -> String {
    let inner = |chance: &mut Chance| random_query(depth - 1, chance);
    match chance.below(if depth == 0 { 9 } else { 13 }) {
        0..=2 => chance.of(WORDS).to_owned(),
        3 => format!("\"{} {}\"", chance.of(WORDS), chance.of(WORDS)),
        4 => format!("dist:{}", chance.of(&["foo", "Foo::Bar", "none"])),
        5 => format!("{}:{}", chance.of(&["os", "arch", "tester"]), chance.of(&["linux", "mswin32", "doe", "jané"])),
        6 => format!("perl:\"{}\"", chance.of(VERSIONS)),
        7 => format!(
            "perl:{}{}",
            chance.of(&["", ">", ">=", "<", "<="]),
            chance.of(&["5.8", "5.8.10", "5.36", "5.37.0"])
        ),
        8 => format!("received:{}2026-{:02}", chance.of(&["", ">", "<="]), 1 + chance.below(12)),
        9 => format!("-({})", inner(chance)),
        10 => format!("({}) OR ({})", inner(chance), inner(chance)),
        _ => format!("({}) ({})", inner(chance), inner(chance)),
    }
}

/// Numbers that look random and are the same each time. Never made with 0.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}
