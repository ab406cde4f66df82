//! Why reports are not passes: each code, its phase and detail, and which cause is told when there are several.

use schemas::extract;
use schemas::reason::{Code, Phase, Reason};
use schemas::report::Report;

use crate::extraction::{report, submissions};

/// A report of CPAN-Reporter on what a command printed.
fn printed(grade: &str, command: &str, output: &str) -> Report {
    let text = format!(
        "This is a computer-generated report for Foo-Bar-1.0\non perl 5.36.0, created by CPAN-Reporter-1.2020.\n\n\
         ------------------------------\nPROGRAM OUTPUT\n------------------------------\n\n\
         Output from '{command}':\n\n{output}\n\n\
         ------------------------------\nPREREQUISITES\n------------------------------\n\n\
         Prerequisite modules loaded:\n\nrequires:\n\n    Module Need Have\n    ------ ---- ----\n    Moo    2    2.1\n\n"
    );
    report(grade, "Foo-Bar", "1.0", &text)
}

fn reason(report: &Report) -> Reason {
    extract::read(report).reason.expect("a reason")
}

fn assert_reason(report: &Report, code: Code, phase: impl Into<Option<Phase>>, detail: &str) {
    let read = reason(report);
    assert_eq!((read.code, read.phase), (code, phase.into()), "{read:?}");
    assert_eq!(read.detail.as_deref().unwrap_or_default(), detail);
}

const FAILED: &str = "t/a.t .. \nDubious, test returned 1 (wstat 256, 0x100)\nFailed 1/2 subtests \n\n\
    Test Summary Report\n-------------------\nt/a.t (Wstat: 256 (exited 1) Tests: 2 Failed: 1)\n  Failed test:  2\n\
    Files=1, Tests=2,  0 wallclock secs ( 0.01 usr)\nResult: FAIL\nmake: *** [Makefile:814: test_dynamic] Error 1";

#[test]
fn failing_tests_name_the_first_file() {
    assert_reason(&printed("fail", "make test", FAILED), Code::TestFailure, Phase::Test, "t/a.t");
    // A run that was stopped leaves no summary.
    let stopped = "t/a.t ..... ok\nt/b/c.t .. \nDubious, test returned 9 (wstat 9, 0x9)\n";
    assert_reason(&printed("fail", "make test", stopped), Code::TestFailure, Phase::Test, "t/b/c.t");
    let bailed =
        "t/a.t .. Bailout called.  Further testing stopped:  no database\nFAILED--Further testing stopped: no database";
    let stated = "t/a.t .. Bailout called.  Further testing stopped:  no database";
    assert_reason(&printed("fail", "make test", bailed), Code::TestFailure, Phase::Test, stated);
    assert_reason(&report("fail", "Foo", "1.0", ""), Code::TestFailure, None, "");
}

#[test]
fn a_missing_module_is_told_before_the_tests_it_fails() {
    let missing = "Can't locate Moose/Role.pm in @INC (you may need to install the Moose::Role module) (@INC contains: lib) at t/a.t line 3.";
    let output = format!("{missing}\n{FAILED}");
    assert_reason(&printed("fail", "make test", &output), Code::MissingPrerequisite, Phase::Test, "Moose::Role");
    let old = format!("Moose version 2.10 required--this is only version 1.9 at t/a.t line 3.\n{FAILED}");
    assert_reason(&printed("fail", "make test", &old), Code::MissingPrerequisite, Phase::Test, "Moose 2.10");
    let base = format!("# Base class package \"Moose::Object\" is empty.\n{FAILED}");
    assert_reason(&printed("fail", "make test", &base), Code::MissingPrerequisite, Phase::Test, "Moose::Object");
}

#[test]
fn what_only_looks_like_a_missing_module_is_not_told() {
    for harmless in [
        "t/z.t .. skipped: Can't locate Moose/Role.pm in @INC (@INC contains: lib)",
        "ok 7 - dies with Can't locate Moose/Role.pm in @INC",
        "Can't locate t/util.pl in @INC (@INC contains: lib) at t/a.t line 12.",
        "Can't locate Foo/Bar.pm in @INC (@INC contains: lib) at t/a.t line 12.",
        "Can't locate object method \"new\" via package \"Moose\" at t/a.t line 3.",
        "not ok 8 - Can't locate Moose/Role.pm in @INC # TODO later",
        // A harness ran, so what the configuration warned of was no hindrance.
        "Warning: prerequisite Moose 2 not found.",
    ] {
        let output = format!("{harmless}\n{FAILED}");
        assert_reason(&printed("fail", "make test", &output), Code::TestFailure, Phase::Test, "t/a.t");
    }
}

#[test]
fn a_cause_outside_the_distribution_comes_first() {
    let missing = "Can't locate Moose.pm in @INC (@INC contains: lib) at t/a.t line 3.";
    let cases = [
        ("Out of memory!", Code::OutOfMemory),
        ("cc1: out of memory allocating 65536 bytes", Code::OutOfMemory),
        ("virtual memory exhausted: Cannot allocate memory", Code::OutOfMemory),
        ("mkdir blib: No space left on device", Code::Other),
        ("write: Disk quota exceeded", Code::Other),
        ("-> FAIL Timed out (> 1800s). Use --verbose to retry.", Code::Timeout),
        ("make: *** [Makefile:800: test_dynamic] Alarm clock", Code::Timeout),
        ("Could not resolve host: www.example.org", Code::Network),
        ("500 Can't connect to www.example.org:80 (Network is unreachable)", Code::Network),
    ];
    for (line, code) in cases {
        for output in [format!("{missing}\n{line}\n{FAILED}"), format!("{FAILED}\n{line}\n{missing}")] {
            assert_reason(&printed("fail", "make test", &output), code, Phase::Test, line);
        }
    }
    let several = format!("Connection refused\nNo space left on device\nOut of memory!\n{FAILED}");
    assert_reason(&printed("fail", "make test", &several), Code::OutOfMemory, Phase::Test, "Out of memory!");
}

#[test]
fn a_platform_that_is_not_supported_is_told_by_text_or_grade() {
    let perl = "Perl v5.38.0 required--this is only v5.36.0, stopped at lib/Foo.pm line 1.";
    assert_reason(&printed("na", "perl Makefile.PL", perl), Code::UnsupportedPlatform, Phase::Configure, perl);
    let system = "OS unsupported at Makefile.PL line 9.";
    for grade in ["na", "fail", "unknown"] {
        assert_reason(&printed(grade, "perl Build.PL", system), Code::UnsupportedPlatform, Phase::Configure, system);
    }
    let silent = printed("na", "perl Makefile.PL", "Checking this system ...");
    assert_reason(&silent, Code::UnsupportedPlatform, Phase::Configure, "Checking this system ...");
    let lacking = "Warning: prerequisite Wx::build::MakeMaker 0.1 not found.\n-> N/A";
    let lacking = printed("na", "perl Makefile.PL", lacking);
    assert_reason(&lacking, Code::MissingPrerequisite, Phase::Configure, "Wx::build::MakeMaker");
}

#[test]
fn a_configuration_that_dies_tells_its_line() {
    let died = "Checking for zlib ... no\nNo such file or directory at Makefile.PL line 155.\nLater words";
    let stated = "No such file or directory at Makefile.PL line 155.";
    assert_reason(&printed("unknown", "/usr/bin/perl Makefile.PL", died), Code::Configure, Phase::Configure, stated);
    let quiet = printed("unknown", "perl Build.PL", "zlib.h was not found\n-> FAIL Configure failed for Foo-1.0.");
    assert_reason(&quiet, Code::Configure, Phase::Configure, "zlib.h was not found");
}

#[test]
fn a_build_that_fails_tells_what_the_compiler_said() {
    let compiler = "cc -c Foo.c\nFoo.c:12:10: fatal error: zlib.h: No such file or directory\nmake: *** [Makefile:332: Foo.o] Error 1";
    let stated = "Foo.c:12:10: fatal error: zlib.h: No such file or directory";
    // `make test` builds first, and stops where the build does.
    for command in ["/usr/bin/make", "/usr/bin/make test"] {
        assert_reason(&printed("unknown", command, compiler), Code::Build, Phase::Build, stated);
    }
    let make = "cp lib/Foo.pm blib/lib/Foo.pm\nmake: *** [Makefile:332: Foo.o] Error 1";
    let stated = "make: *** [Makefile:332: Foo.o] Error 1";
    assert_reason(&printed("unknown", "make", make), Code::Build, Phase::Build, stated);
    let linker = "/usr/bin/ld: cannot find -lgdbm\ncollect2: error: ld returned 1 exit status";
    assert_reason(&printed("unknown", "./Build", linker), Code::Build, Phase::Build, "/usr/bin/ld: cannot find -lgdbm");
    // Tests that ran were built.
    let tested = format!("error: nothing of weight\n{FAILED}");
    assert_reason(&printed("fail", "make test", &tested), Code::TestFailure, Phase::Test, "t/a.t");
}

#[test]
fn what_has_no_tests_is_other() {
    let none = "No tests defined for Foo::Bar extension.";
    assert_reason(&printed("unknown", "make test", none), Code::Other, Phase::Test, none);
    assert_reason(&report("unknown", "Foo", "1.0", ""), Code::Other, None, "");
}

#[test]
fn a_prerequisite_marked_as_lacking_counts_where_nothing_ran() {
    let mut lacking = printed("unknown", "perl Makefile.PL", "Giving up");
    let text = lacking.result.output.uncategorized.take().expect("a text");
    let text = text.replace("    Moo    2    2.1\n", "  ! perl   5.40 5.36\n  ! Moo    2    n/a\n");
    lacking.result.output.uncategorized = Some(text);
    assert_reason(&lacking, Code::MissingPrerequisite, Phase::Configure, "Moo");
}

#[test]
fn structured_phases_are_known_without_a_text() {
    let mut phased = report("unknown", "Foo", "1.0", "");
    let output = &mut phased.result.output;
    output.uncategorized = None;
    output.configure = Some("Checking if your kit is complete...\nLooks good".to_owned());
    output.build = Some("Foo.c:1:1: error: unknown type name\n".to_owned());
    assert_reason(&phased, Code::Build, Phase::Build, "Foo.c:1:1: error: unknown type name");
    phased.result.output.test = Some(FAILED.to_owned());
    phased.result.grade = schemas::grade::Grade::Fail;
    assert_reason(&phased, Code::TestFailure, Phase::Test, "t/a.t");
    assert_eq!(extract::read(&phased).suite.failures, Some(1));

    phased.result.output.test =
        Some("t/a.t\n1..2\nok 1\nnot ok 2 - b\nt/b.t\nnot ok 1 # TODO x\nok 2 # skip y\n".to_owned());
    phased.result.output.build = None;
    let (row, details) = (extract::read(&phased), extract::details(&phased));
    assert_eq!(details.failing_files, ["t/a.t"]);
    let suite = row.suite;
    assert_eq!((suite.files, suite.tests, suite.failures, suite.skipped), (Some(2), Some(4), Some(1), Some(1)));
    assert_reason(&phased, Code::TestFailure, Phase::Test, "t/a.t");
}

#[test]
fn other_distributions_in_a_log_are_not_this_one() {
    let text = "This is a computer-generated error report created automatically by\nCPANPLUS, version 0.9\n\nTEST RESULTS:\n\n\
        Below is the error stack from stage 'make test':\n\n\
        [ERROR] [Sun] MAKE TEST failed: PERL_DL_NONLAZY=1\nt/other.t (Wstat: 256 Tests: 5 Failed: 5)\n\
        Files=9, Tests=99,  3 wallclock secs\nResult: FAIL\n\
        [MSG] [Sun] MAKE TEST passed: PERL_DL_NONLAZY=1\nAll tests successful.\nFiles=2, Tests=4,  1 wallclock secs\nResult: PASS\n\n\
        PREREQUISITES:\n";
    let row = extract::read(&report("pass", "Foo", "1.0", text));
    assert_eq!((row.suite.files, row.suite.tests, row.suite.failures), (Some(2), Some(4), Some(0)));
}

#[test]
fn figures_of_yath_are_read() {
    let output = "( PASSED )  job  1    t/a.t\n( FAILED )  job  2    t/b.t\n\n                                Yath Result Summary\n\
        ------------------------------------------------------------\n     Fail Count: 1\n     File Count: 2\n\
        Assertion Count: 31\n      Wall Time: 3.65 seconds\n       CPU Time: 5.21 seconds (usr: 0.33s)\n\
        \x20   -->  Result: FAILED  <--\n\nThe following jobs failed:\n\
        +--------------------------------------+-----------+\n| Job ID                               | Test File |\n\
        | 7E0A4F5C-3A6C-11EC-8C9D-0A8B9D8E7F6A | t/b.t     |\n+------+-----+\n";
    let report = printed("fail", "yath test", output);
    let suite = extract::read(&report).suite;
    assert_eq!((suite.files, suite.tests, suite.duration), (Some(2), Some(31), Some(3.65)));
    assert_eq!(extract::details(&report).failing_files, ["t/b.t"]);
    assert_reason(&report, Code::TestFailure, Phase::Test, "t/b.t");
}

/// The reasons of all real submissions that are no passes, each looked at.
#[test]
fn reasons_of_real_submissions() {
    let mut told: Vec<String> = submissions()
        .into_iter()
        .filter_map(|(file, report)| Some((file, extract::read(&report).reason?)))
        .map(|(file, reason)| {
            let detail = reason.detail.unwrap_or_default();
            format!("{}: {:?} {:?} {detail}", &file[5..file.len() - 5], reason.phase.expect("a phase"), reason.code)
        })
        .collect();
    told.sort();
    insta::assert_snapshot!(told.join("\n"));
}
