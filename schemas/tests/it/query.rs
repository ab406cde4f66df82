//! The search language: what parses to what, what is refused and why, and what is highlighted.

use chrono::DateTime;
use proptest::prelude::*;
use schemas::query::span::microseconds;
use schemas::query::{
    FRAGMENT_BYTES, FRAGMENTS, HELP, KeyField, MAX_LENGTH, Query, Span, WordField, highlight, ordinal, parse, words,
};

/// The normal form of a query, which is how most of these tests look at what was understood.
fn understood(text: &str) -> String {
    let query = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let normal = query.to_string();
    assert_eq!(parse(&normal).as_ref(), Ok(&query), "{text} is written {normal}");
    normal
}

/// Place and message of the fault in a query.
fn fault(text: &str) -> (usize, String) {
    match parse(text) {
        Ok(query) => panic!("{text} was understood as {query}"),
        Err(error) => (error.at, error.message),
    }
}

#[test]
fn words_and_phrases_are_taken_apart_alike() {
    let phrase = |words: &[&str]| Query::Words {
        field: WordField::Text,
        words: words.iter().map(|word| (*word).to_owned()).collect(),
    };
    for (text, expected) in [
        ("Timeout", phrase(&["timeout"])),
        ("Foo::Bar", phrase(&["foo", "bar"])),
        ("t/01-basic.t", phrase(&["t", "01", "basic", "t"])),
        ("\"Out of  memory!\"", phrase(&["out", "of", "memory"])),
        ("PERL_MM_OPT", phrase(&["perl_mm_opt"])),
        ("__FILE__", phrase(&["file__"])),
        ("10:30", phrase(&["10", "30"])),
        ("Jörg", phrase(&["jörg"])),
        ("İstanbul", phrase(&["istanbul"])),
        ("and", phrase(&["and"])),
        ("key=value", phrase(&["key", "value"])),
    ] {
        assert_eq!(parse(text), Ok(expected), "{text}");
        understood(text);
    }
}

#[test]
fn operators_bind_as_the_help_says() {
    for (text, expected) in [
        ("a b", "a AND b"),
        ("a AND b c", "a AND b AND c"),
        ("a b OR c d", "a AND b OR c AND d"),
        ("a (b OR c) d", "a AND (b OR c) AND d"),
        ("(a b) c", "a AND b AND c"),
        ("a OR (b OR c)", "a OR b OR c"),
        ("-a b", "NOT a AND b"),
        ("NOT a OR b", "NOT a OR b"),
        ("-(a b)", "NOT (a AND b)"),
        ("NOT -a", "a"),
        ("a -(NOT (b c))", "a AND b AND c"),
        ("a-b -\"c d\"", "\"a b\" AND NOT \"c d\""),
        ("a\"b c\"(d)", "a AND \"b c\" AND d"),
        ("not a or b", "not AND a AND or AND b"),
    ] {
        assert_eq!(understood(text), expected, "{text}");
    }
}

#[test]
fn conditions_on_fields_have_one_normal_form() {
    for (text, expected) in [
        ("dist:Foo::Bar", "distribution:foo-bar"),
        ("DIST:Foo-Bar", "distribution:foo-bar"),
        ("version:v1.2_03", "version:v1.2_03"),
        ("author:ANDK", "author:andk"),
        ("tester:\"Jane Doe (JDOE)\"", "tester:\"jane doe jdoe\""),
        ("arch:x86_64-linux", "architecture:\"x86_64 linux\""),
        ("grade:FAIL", "grade:fail"),
        ("os:MSWin32", "os:mswin32"),
        ("language:raku", "language:raku"),
        ("reason:out_of_memory", "reason:out_of_memory"),
        ("phase:test", "phase:test"),
        ("id:0B45CD74-D944-4999-9C3D-C81021CA3D34", "id:0b45cd74-d944-4999-9c3d-c81021ca3d34"),
        ("version:\"1 \\\"beta\\\" \\\\ (x)\"", "version:\"1 \\\"beta\\\" \\\\ (x)\""),
        ("version:\">1\"", "version:\">1\""),
        ("dist:\":a\"", "distribution:\":a\""),
        ("language_version:5.36", "language_version:5.36"),
        ("language_version:v5.36.0", "language_version:5.36.0"),
        ("language_version:\"5.36.0\"", "language_version:5.36.0"),
        ("language_version:5.008009", "language_version:5.8.9"),
        ("language_version:5.00503", "language_version:5.5.30"),
        ("language_version:\"5.16.0 RC0\"", "language_version:\"5.16.0 rc0\""),
        ("language_version:6.d", "language_version:6.d"),
        ("language_version:>=5.36", "language_version:>=5.36"),
        ("language_version:5.36..", "language_version:>=5.36"),
        ("language_version:..v5.36", "language_version:<=5.36"),
        ("language_version:5.8..5.36", "language_version:5.8..5.36"),
        ("language_version:5.8..5.8", "language_version:5.8"),
        ("language_version:>5.8", "language_version:>5.8"),
        ("language_version:<5.8.10", "language_version:<5.8.10"),
        ("perl:5.36", "language:perl AND language_version:5.36"),
        ("-perl:>=v5.36 foo", "NOT (language:perl AND language_version:>=5.36) AND foo"),
        ("raku:2021", "language:raku AND language_version:2021"),
        ("raku:6.d", "language:raku AND language_version:6.d"),
        ("received:2026-01-01..2026-02-01", "received:2026-01-01..2026-02-01"),
        ("received:>=2026-11-01", "received:>=2026-11-01"),
        ("created:2026", "created:2026"),
        ("created:<2026-02-28T23:59Z", "created:<2026-02-28T23:59"),
        ("created:2026-02-28T23:59:59Z", "created:2026-02-28T23:59:59"),
    ] {
        assert_eq!(understood(text), expected, "{text}");
    }
}

#[test]
fn what_cannot_be_understood_is_said_with_its_place() {
    for (text, at, part) in [
        ("", 0, "empty"),
        (" \t", 2, "empty"),
        ("a ***", 2, "no letter or digit"),
        ("a \"...\"", 2, "no letter or digit"),
        ("a - b", 2, "no letter or digit"),
        ("symbol: foo", 0, "no field `symbol`"),
        ("a http://x", 2, "distribution (dist), version, author, tester, grade, os, language"),
        ("dist:", 5, "`dist:` needs a value"),
        ("dist:\" \"", 5, "`dist:` needs a value"),
        ("perl:v", 5, "needs a value"),
        ("grade:passed", 6, "pass, fail, na, unknown"),
        ("reason:oom", 7, "out_of_memory"),
        ("phase:runtime", 6, "configure, build, test, install"),
        ("language:python", 9, "perl, raku"),
        ("id:17", 3, "UUID"),
        ("version:>1.0", 8, "`version` has no ranges"),
        ("dist:a..b", 5, "`distribution` has no ranges"),
        ("perl:>=x", 5, "a version such as"),
        ("perl:5.8...5.10", 5, "a version such as"),
        ("perl:..", 5, "a version such as"),
        ("perl:5.36..5.8", 5, "ends before it begins"),
        ("received:yesterday", 9, "a time such as"),
        ("received:2026-02-30", 9, "a time such as"),
        ("received:2026-01-01T23:59:60", 9, "a time such as"),
        ("received:2026-01-01T00:00+01:00", 9, "a time such as"),
        ("received:2026..2025", 9, "ends before it begins"),
        ("(a", 0, "never closed"),
        ("a)", 1, "never opened"),
        ("a ()", 3, "expected before this parenthesis"),
        ("a \"b", 2, "never closed"),
        ("a AND", 5, "expected here"),
        ("a OR OR b", 5, "OR needs a term on both sides"),
        ("AND", 0, "AND needs a term on both sides"),
        ("NOT", 3, "expected here"),
    ] {
        let (found_at, message) = fault(text);
        assert!(message.contains(part), "{text}: {message}");
        assert_eq!(found_at, at, "{text}: {message}");
    }
}

#[test]
fn limits_hold_and_what_is_within_them_parses() {
    let terms = |count: usize| vec!["a"; count].join(" ");
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    understood(&terms(50));
    assert_eq!(fault(&terms(51)), (100, "the query has more than 50 terms".to_owned()));
    assert_eq!(fault(&format!("\"{}\"", terms(51))), (0, "the query has more than 50 terms".to_owned()));
    understood(&nested(20));
    assert_eq!(fault(&nested(21)), (20, "the query is nested more than 20 deep".to_owned()));
    assert_eq!(fault(&"-".repeat(900)).0, 20);
    understood(&format!("{}perl:5.8{}", "-(".repeat(9), ")".repeat(9)));
    assert_eq!(fault(&format!("{}perl:5.8", "-".repeat(20))).0, 25);
    understood(&"é".repeat(32));
    assert_eq!(fault(&format!("a {}", "é".repeat(33))).0, 2);
    let long = format!("version:\"{}\"", "x".repeat(MAX_LENGTH - 10));
    assert_eq!(long.len(), MAX_LENGTH);
    understood(&long);
    assert_eq!(fault(&format!("{}é", "a".repeat(999))), (999, "the query is longer than 1,000 bytes".to_owned()));
    let spelled_out = format!("version:{} a a a a", "x".repeat(MAX_LENGTH - 20));
    assert!(fault(&spelled_out).1.contains("written out"));
}

#[test]
fn every_example_of_the_help_parses() {
    let examples = HELP.lines().skip_while(|line| !line.is_empty()).skip(1).take_while(|line| !line.is_empty());
    let mut seen = 0;
    for line in examples {
        let left = line.trim_start().split("   ").next().unwrap();
        for example in left.split(", ") {
            understood(example);
            seen += 1;
        }
    }
    assert!(seen >= 17, "{seen}");
}

#[test]
fn versions_sort_as_numbers() {
    let ascending =
        ["5", "5.005", "5.00503", "5.8.0", "v5.8.9", "5.8.10 patch 1", "5.36.0 RC1", "5.36.1", "6.d", "2021.04"];
    let numbers: Vec<i64> = ascending.iter().map(|version| ordinal(version).unwrap()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    assert_eq!(ordinal("5.36.0"), Some(5_000_036_000_000));
    assert_eq!(ordinal("5.36.0 RC1"), ordinal("v5.36.0"));
    assert_eq!(ordinal("5.008009"), ordinal("5.8.9"));
    assert_eq!(ordinal("5.8.8.1"), ordinal("5.8.8"));
    assert_eq!(ordinal("99999999999999999999.99999999999999999999.1"), ordinal("999999.999999.1"));
    for none in ["", "v", "blead", ".5", "5..8"] {
        assert_eq!(ordinal(none), None, "{none}");
    }
}

#[test]
fn a_span_takes_its_points_whole() {
    let contains = |query: &str, version: &str| match parse(query).unwrap() {
        Query::Version(span) => span.contains(ordinal(version).unwrap()),
        other => panic!("{other:?}"),
    };
    for (query, inside, outside) in [
        ("language_version:5.36", &["5.36.0", "5.36.3"][..], &["5.35.9", "5.37.0"][..]),
        ("language_version:5.36.0", &["5.36.0", "5.36.0 RC2"], &["5.36.1"]),
        ("language_version:>=5.8.9", &["5.8.9", "5.8.10"], &["5.8.8"]),
        ("language_version:>5.36", &["5.37.0", "7"], &["5.36.9"]),
        ("language_version:<=5.36", &["5.36.9", "0"], &["5.37.0"]),
        ("language_version:<5.36", &["5.35.9"], &["5.36.0"]),
        ("language_version:5.8..5.36", &["5.8.0", "5.10.1", "5.36.2"], &["5.6.2", "5.37.0"]),
    ] {
        assert!(inside.iter().all(|version| contains(query, version)), "{query}");
        assert!(!outside.iter().any(|version| contains(query, version)), "{query}");
    }
    let bounds = |query: &str| match parse(query).unwrap() {
        Query::Time { span, .. } => span.bounds(),
        other => panic!("{other:?}"),
    };
    let at = |time: &str| microseconds(DateTime::parse_from_rfc3339(time).unwrap().to_utc());
    assert_eq!(bounds("received:2024-02"), (at("2024-02-01T00:00:00Z"), at("2024-02-29T23:59:59.999999Z")));
    assert_eq!(bounds("received:>2026"), (at("2027-01-01T00:00:00Z"), i64::MAX));
    assert_eq!(bounds("received:<2026-11-01T12:00"), (i64::MIN, at("2026-11-01T11:59:59.999999Z")));
    assert_eq!(bounds("received:9999").1, at("9999-12-31T23:59:59.999999Z"));
    assert_eq!(bounds("received:0000").0, at("0000-01-01T00:00:00Z"));
}

#[test]
fn keys_of_equal_values_are_equal() {
    assert_eq!(KeyField::Distribution.key(" Foo::Bar "), KeyField::Distribution.key("foo-bar"));
    assert_eq!(KeyField::LanguageVersion.key("v5.16.0 RC0"), "5.16.0 rc0");
    assert_eq!(KeyField::Version.key("V1.0"), "v1.0");
}

#[test]
fn long_words_keep_their_place_and_long_texts_their_ends() {
    let long = "x".repeat(words::MAX_WORD + 1);
    let text = format!("a {long} b");
    let found: Vec<(&str, usize)> = words::words(&text).map(|word| (&text[word.range], word.position)).collect();
    assert_eq!(found, [("a", 0), ("b", 2)]);
    let limit = words::SEARCHED_HEAD + words::SEARCHED_TAIL;
    let whole = "é".repeat(limit / 2);
    assert_eq!(words::searched(&whole), (whole.as_str(), ""));
    let longer = format!("x{}", "é".repeat(limit / 2));
    let (head, tail) = words::searched(&longer);
    assert_eq!((head.len(), tail.len()), (words::SEARCHED_HEAD - 1, words::SEARCHED_TAIL));
    assert!(longer.starts_with(head) && longer.ends_with(tail));
}

/// Highlights with the marked parts in brackets.
fn highlighted(query: &str, text: &str) -> Vec<String> {
    let shown = highlight(&parse(query).unwrap(), text).into_iter().map(|fragment| {
        let mut shown = fragment.text.clone();
        for (start, end) in fragment.marks.into_iter().rev() {
            shown.insert(end, ']');
            shown.insert(start, '[');
        }
        shown
    });
    shown.collect()
}

#[test]
fn highlights_show_the_best_lines() {
    let text =
        "  ok 1 - use Foo::Bar;\r\nnothing here\nFoo only\n# foo bar, foo  BAR\nand foo\nbar across lines\nfoo baz\n";
    assert_eq!(highlighted("baz", text), ["foo [baz]"]);
    assert_eq!(
        highlighted("Foo::Bar", text),
        ["ok 1 - use [Foo::Bar];", "# [foo bar], [foo  BAR]", "and [foo\nbar] across lines"]
    );
    assert_eq!(highlighted("\"foo bar\" \"bar foo\"", text)[1], "# [foo bar, foo  BAR]");
    assert_eq!(highlighted("foo baz", text).last().unwrap(), "[foo] [baz]");
    assert_eq!(highlighted("foo", "foo\nfoo\nfoo x\n"), ["[foo]", "[foo] x"]);
    for none in ["grade:fail", "-foo", "tester:foo", "absent"] {
        assert_eq!(highlighted(none, text), Vec::<String>::new(), "{none}");
    }
}

#[test]
fn highlights_of_long_lines_are_cut_at_words() {
    let text = format!("{}here it is {}", "word ".repeat(100), "more ".repeat(100));
    let shown = highlighted("\"it is\"", &text);
    assert_eq!(shown.len(), 1);
    assert!(shown[0].contains("word here [it is] more"), "{shown:?}");
    assert!(shown[0].starts_with("word") && shown[0].ends_with("more"), "{shown:?}");
    let blob = format!("{}=needle={}", "é+".repeat(300), "è+".repeat(300));
    assert_eq!(highlighted("needle", &blob), ["[needle]"]);
    let far_apart = format!("begin{}end", " ".repeat(400));
    assert_eq!(highlighted("\"begin end\"", &far_apart), ["[begin]"]);
}

#[test]
fn highlights_reach_the_searched_tail_only() {
    let filler = "line of text\n".repeat(40_000);
    let text = format!("{}needle middle\n{filler}needle end", &filler[..words::SEARCHED_HEAD + 1024]);
    assert_eq!(highlighted("needle", &text), ["[needle] end"]);
}

/// Text that looks like a query.
fn query_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-zA-Z]{1,6}",
        2 => "[ \t\"()\\\\:<>=.\\-]{1,3}",
        2 => "(dist|version|author|tester|perl|raku|language_version|arch|os|received|created|grade|language):",
        1 => "(AND|OR|NOT)",
        1 => "v?[0-9]{1,7}(\\.[0-9]{0,7}){0,3}",
        1 => "[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2})?Z?)?",
        1 => "\"[^\"]{0,8}\"",
        1 => any::<String>(),
    ];
    proptest::collection::vec((piece, prop_oneof![Just(" "), Just("")]), 0..12)
        .prop_map(|pieces| pieces.into_iter().map(|(piece, space)| piece + space).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_gives_an_answer(text in any::<String>()) {
        check_any(&text)?;
    }

    #[test]
    fn whatever_parses_is_written_so_that_it_parses_to_the_same(text in query_like()) {
        check_any(&text)?;
    }

    #[test]
    fn fragments_are_pieces_of_the_text_with_marks_at_words(
        text in "([a-cäİ_ \n.]|[d-z]{60,70}){0,120}",
        query in "[a-c]{1,2}( [a-c])?",
    ) {
        let query = parse(&query).unwrap();
        let fragments = highlight(&query, &text);
        prop_assert!(fragments.len() <= FRAGMENTS);
        for fragment in fragments {
            prop_assert!(text.contains(&fragment.text));
            prop_assert!(fragment.text.len() <= FRAGMENT_BYTES);
            prop_assert!(!fragment.marks.is_empty());
            prop_assert!(fragment.marks.is_sorted_by(|a, b| a.1 < b.0));
            for (start, end) in fragment.marks {
                prop_assert!(start < end);
                prop_assert!(words::words(&fragment.text[start..end]).next().is_some());
            }
        }
    }

    #[test]
    fn a_version_within_a_span_is_told_by_its_number(a in 0..40i64, b in 0..40i64, c in 0..12i64) {
        let number = ordinal(&format!("5.{a}.{c}")).unwrap();
        let Ok(Query::Version(Span::AtLeast(series))) = parse(&format!("language_version:>=5.{b}")) else { panic!() };
        prop_assert_eq!(Span::AtLeast(series).contains(number), a >= b);
    }
}

fn check_any(text: &str) -> Result<(), TestCaseError> {
    match parse(text) {
        Ok(query) => {
            let normal = query.to_string();
            prop_assert_eq!(parse(&normal), Ok(query.clone()), "{}", &normal);
            highlight(&query, text);
        }
        Err(error) => {
            prop_assert!(text.is_char_boundary(error.at), "{}", error);
            prop_assert!(!error.message.is_empty());
        }
    }
    Ok(())
}
