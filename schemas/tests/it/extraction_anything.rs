//! Any text gives an answer: arbitrary ones, real ones mangled, and those that would cost a careless reader dear.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use schemas::extract;
use schemas::report::Report;

use crate::extraction::{mails, report};
use crate::fixtures;

/// What holds of whatever is read.
fn assert_sound(report: &Report) {
    let (row, details) = (extract::read(report), extract::details(report));
    let text = report.text();
    let mut end = 0;
    for section in &details.sections {
        assert_eq!(section.start, end, "a gap before {section:?}");
        assert!(text.get(section.start..section.end).is_some(), "{section:?} cuts a character");
        end = section.end;
    }
    assert_eq!(end, text.len());
    let detail = row.reason.and_then(|reason| reason.detail).unwrap_or_default();
    assert!(detail.chars().count() <= 200 && !detail.contains(char::is_control), "{detail:?}");
    assert_eq!(row.suite, details.suite);
}

/// Reports with a text in one piece, and with the same text in phases.
fn shapes(grade: &str, text: &str) -> [Report; 2] {
    let whole = report(grade, "Foo", "1.0", text);
    let mut phased = whole.clone();
    let output = &mut phased.result.output;
    output.uncategorized = None;
    (output.configure, output.test) = (Some(text.to_owned()), Some(text.to_owned()));
    [whole, phased]
}

/// Words that reports are read by, so that arbitrary texts come near to meaning something.
const WORDS: [&str; 40] = [
    "------------------------------\n",
    "PROGRAM OUTPUT\n",
    "PREREQUISITES\n",
    "TESTER COMMENTS\n",
    "ENVIRONMENT AND OTHER CONTEXT\n",
    "Summary of my perl5 (",
    "TEST RESULTS:\n",
    "PREREQUISITES:\n",
    "Files=",
    "Tests=",
    "wallclock secs",
    "Failed ",
    " subtests failed",
    "(Wstat: ",
    "Failed: ",
    "Can't locate ",
    ".pm in @INC",
    "Output from '",
    "requires:\n",
    "  Module Need Have\n",
    "  Module Have Want\n",
    "    ! ",
    "Environment variables:\n\n",
    " = ",
    "=20\n",
    "=3D",
    "This is a computer-generated ",
    "created by ",
    "CPANPLUS, version ",
    "skipped: ",
    "..",
    " required--this is only ",
    "MAKE TEST failed:",
    "Failed Test Stat\n",
    "?? ",
    "( FAILED )",
    "| a-b | t/a.t |",
    "\\n\\n",
    "key='",
    "',",
];

fn words() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        4 => prop::sample::select(WORDS.to_vec()).prop_map(str::to_owned),
        1 => "[0-9]{1,25}",
        1 => "\\PC{1,6}",
        1 => "[\u{0}\u{1b}\r\n\t \u{a0}é☃]{1,3}",
    ];
    prop::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

fn grade() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["pass", "fail", "na", "unknown"])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn arbitrary_texts_are_read(text in "(?s).{0,200}", grade in grade()) {
        shapes(grade, &text).iter().for_each(assert_sound);
    }

    #[test]
    fn texts_of_telling_words_are_read(text in words(), grade in grade()) {
        shapes(grade, &text).iter().for_each(assert_sound);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn mangled_real_texts_are_read(
        pick in any::<prop::sample::Index>(),
        grade in grade(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0..60usize, "\\PC{0,3}|\u{0}|\n|\r|é"), 1..8),
    ) {
        let texts = real_texts();
        let mut characters: Vec<char> = pick.get(&texts).chars().collect();
        for (at, length, inserted) in cuts {
            let at = at.index(characters.len());
            let end = (at + length).min(characters.len());
            characters.splice(at..end, inserted.chars());
        }
        let text: String = characters.into_iter().collect();
        shapes(grade, &text).iter().for_each(assert_sound);
    }
}

fn real_texts() -> Vec<String> {
    ["16833358", "34604012", "5834678", "6422067", "1727416", "2321729"]
        .map(|number| fixtures::read(&format!("texts/scriptalicious/{number}.txt")))
        .to_vec()
}

#[test]
fn every_prefix_of_a_real_text_is_read() {
    let text = fixtures::read("texts/scriptalicious/1727416.txt");
    for end in (0..text.len()).step_by(37).filter(|end| text.is_char_boundary(*end)) {
        assert_sound(&report("na", "Scriptalicious", "1.15", &text[..end]));
    }
}

#[test]
fn the_grade_alone_decides_whether_there_is_a_reason() {
    for (number, mut report) in mails() {
        report.result.grade = schemas::grade::Grade::Pass;
        assert_eq!(extract::read(&report).reason, None, "{number}");
        report.result.grade = schemas::grade::Grade::Unknown;
        assert!(extract::read(&report).reason.is_some(), "{number}");
    }
}

#[test]
fn a_line_of_a_megabyte_is_read() {
    for piece in ["a", "é", "Can't locate ", "\u{0}"] {
        let line = piece.repeat(1_000_000 / piece.len());
        shapes("fail", &line).iter().for_each(assert_sound);
    }
}

/// Texts made to be walked again and again are still read in the time of a few walks: a walk for each place in them
/// would take minutes.
#[test]
fn long_lines_cost_no_more_than_many() {
    let pieces = [
        "a",
        " ",
        "\u{0}",
        "é",
        "=",
        "'",
        ", ",
        "a=",
        "a='",
        "x ' y",
        "Can't locate ",
        "Can't locate a.pm in @INC ",
        " required--this is only ",
        "Perl 5 required--this is only 5 ",
        "error: ",
        "Files=1 ",
        "1.1_",
        "\n",
        "\r\n",
        "ok 1\n",
        "t/a.t ..\n",
        "| a-b | t/a.t |",
        "(Wstat: 1 ",
        "skipped: ",
        "=20\n",
        "\\n\\n",
        "------------------------------\nPREREQUISITES\n",
        "Failed Test \nt/a.t 1\n",
        "    ! a 1 2\n",
        "    a = b\n",
    ];
    for piece in pieces {
        let body = piece.repeat(300_000 / piece.len());
        let text = format!(
            "This is a computer-generated report, created by X-1.\nPREREQUISITES:\n\nrequires:\n  Module Need Have\n    {body}\n\
             Environment variables:\n\n    {body}\nSummary of my perl5 (revision {body}\n    {body}\n"
        );
        for mut report in [shapes("fail", &text), shapes("fail", &body)].concat() {
            report.distribution.path = Some(format!("AUTHOR/{body}.tar.gz"));
            report.environment.language.version = body.clone();
            let started = Instant::now();
            assert_sound(&report);
            let taken = started.elapsed();
            assert!(taken < Duration::from_secs(10), "{piece:?} took {taken:?}");
        }
    }
}
