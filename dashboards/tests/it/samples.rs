//! Values as they occur in life, for tests and for the gallery: long names, many perls, odd texts.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use dashboards::pages::{
    CheckRow, FailingPlatform, HomePage, JobsPage, MatrixPage, OperationsPage, ReasonCount, ReleasePage, ReportPage,
    ResultsFilter, ResultsPage, SearchAnswer, SearchPage,
};
use schemas::extract::{Details, PrerequisiteView, SectionView, Source};
use schemas::grade::{Counts, Grade};
use schemas::problem::{Fault, Problem};
use schemas::reason::{Code, Phase, Reason};
use schemas::views::jobs::{FailureClass, JobDetailView, JobReportView, JobState, JobView};
use schemas::views::{
    AttemptView, AuthorView, CellView, DistributionView, Freshness, Highlight, HitView, MatrixView, Page,
    PartitionView, ReceiptView, ReleaseView, ReportView, ResultView, SearchView, State, SuiteView, SummaryView,
    TesterView,
};
use serde_json::{Value, json};

pub const ID: &str = "0b45cd74-d944-4999-9c3d-c81021ca3d34";
const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

const SYSTEMS: [&str; 12] = [
    "linux",
    "freebsd",
    "darwin",
    "mswin32",
    "openbsd",
    "netbsd",
    "solaris",
    "gnukfreebsd",
    "cygwin",
    "dragonfly",
    "midnightbsd",
    "haiku",
];

/// A time some hours after the first of January 2026.
pub fn hour(hours: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::hours(490_896 + hours)
}

pub fn freshness() -> Freshness {
    Freshness { fresh_at: hour(1000), head: 482_113, waiting: 3 }
}

/// Forty perls, two candidates and two patched ones among them, in no order.
pub fn perls() -> Vec<String> {
    let mut perls: Vec<String> = (8..=44).map(|middle| format!("5.{middle}.{}", middle % 4)).collect();
    perls.extend(["5.43.10", "5.42.0 RC1", "5.42.0"].map(str::to_owned));
    perls[5] = "5.11.0 patch GitLive-blead-1437-g8bca5c8".to_owned();
    perls
}

/// Counts that look as if they came from life: mostly passes, failures in places.
fn counts(seed: usize) -> Counts {
    let noise = (seed.wrapping_mul(2_654_435_761) >> 7) % 1000;
    let pass = match noise {
        0..=150 => 0,
        151..=700 => noise % 17 + 1,
        _ => noise * 3,
    };
    let fail = if noise.is_multiple_of(7) { noise % 9 + 1 } else { 0 };
    let na = if noise.is_multiple_of(23) { 2 } else { 0 };
    let unknown = if noise.is_multiple_of(31) { 1 } else { 0 };
    Counts { pass: pass as i64, fail: fail as i64, na, unknown }
}

pub fn matrix(perls: &[String], systems: &[&str]) -> MatrixView {
    let mut cells = Vec::new();
    for (row, perl) in perls.iter().enumerate() {
        for (column, os) in systems.iter().enumerate() {
            let mut counts = counts(row * 31 + column * 7 + 3);
            if *os == "mswin32" && counts.pass > 0 {
                counts = Counts { fail: 2, ..Counts::default() };
            }
            if counts.zero() {
                continue;
            }
            let (language_version, os) = (Some(perl.clone()), Some((*os).to_owned()));
            cells.push(CellView { language_version, os, counts, ..CellView::default() });
        }
    }
    MatrixView {
        distribution: "Foo-Bar".to_owned(),
        version: Some("1.10".to_owned()),
        language: "perl".to_owned(),
        axes: vec!["language_version".to_owned(), "os".to_owned()],
        totals: cells.iter().fold(Counts::default(), |sum, cell| sum + cell.counts),
        cells,
        freshness: freshness(),
    }
}

pub fn large_matrix() -> MatrixView {
    matrix(&perls(), &SYSTEMS)
}

pub fn result(number: usize) -> ResultView {
    let perls = perls();
    let grade = match number % 9 {
        1 | 4 => Grade::Fail,
        6 => Grade::Na,
        8 => Grade::Unknown,
        _ => Grade::Pass,
    };
    let names = [
        "Foo-Bar",
        "Dancer2-Plugin-LogContextual",
        "Test-Simple",
        "Acme-Distribution-With-A-Name-That-Is-Really-Rather-Long",
    ];
    let testers = ["Jörg Example", "Ann Tester", "A tester with quite a long name (smoking box no. 17)"];
    let reason = match grade {
        Grade::Pass => None,
        Grade::Fail => Some(Reason {
            code: Code::TestFailure,
            phase: Some(Phase::Test),
            detail: Some("t/release/deep/directory/really-long-name-of-a-test-program.t".to_owned()),
        }),
        Grade::Na => Some(Reason { code: Code::UnsupportedPlatform, phase: Some(Phase::Configure), detail: None }),
        Grade::Unknown => Some(Reason {
            code: Code::MissingPrerequisite,
            phase: Some(Phase::Configure),
            detail: Some("Module::Build::Tiny".to_owned()),
        }),
    };
    ResultView {
        id: ID.to_owned(),
        number: 900_000 + number as i64,
        distribution: names[number % names.len()].to_owned(),
        version: ["1.10", "1.152121", "1.302_199", "0.000001"][number % 4].to_owned(),
        author: Some("EXAMPLE".to_owned()),
        grade,
        language: if number % 11 == 10 { "raku" } else { "perl" }.to_owned(),
        language_version: perls[(number * 7) % perls.len()].clone(),
        os: SYSTEMS[number % SYSTEMS.len()].to_owned(),
        osname: SYSTEMS[number % SYSTEMS.len()].to_owned(),
        os_version: ["6.1.0-13-amd64", "14.0-release", "23.1.0", "10.0.19045.3570"][number % 4].to_owned(),
        architecture: ["x86_64-linux-thread-multi-quadmath", "amd64-freebsd", "darwin-2level"][number % 3].to_owned(),
        tester_id: format!("tester {}", number % 3),
        tester: testers[number % 3].to_owned(),
        created_at: hour(900 - number as i64),
        received_at: hour(901 - number as i64),
        reason,
        suite: None,
    }
}

pub fn results(many: usize) -> Vec<ResultView> {
    (0..many).map(result).collect()
}

pub fn summary(number: usize) -> SummaryView {
    let result = result(number);
    SummaryView {
        language: result.language,
        distribution: result.distribution,
        version: result.version,
        author: result.author,
        maturity: if number % 5 == 3 { "developer" } else { "stable" }.to_owned(),
        counts: Counts { fail: (number as i64 * 5) % 13, ..counts(number + 40) },
        number: 480_000 + number as i64,
        changed_at: hour(900 - number as i64),
    }
}

pub fn home() -> HomePage {
    HomePage {
        totals: Counts { pass: 128_345_678, fail: 7_234_567, na: 1_234_567, unknown: 987_654 },
        distributions: 45_678,
        releases: 412_345,
        testers: 1_234,
        recent: results(15),
        failing: (0..15).map(summary).filter(|summary| summary.counts.fail > 0).collect(),
        freshness: freshness(),
    }
}

pub fn distribution() -> DistributionView {
    let versions = (1..=24).rev();
    let releases: Vec<SummaryView> = versions
        .map(|version| SummaryView {
            distribution: "Foo-Bar".to_owned(),
            version: format!("1.{version:02}"),
            ..summary(version)
        })
        .collect();
    DistributionView {
        distribution: "Foo-Bar".to_owned(),
        language: "perl".to_owned(),
        author: Some("EXAMPLE".to_owned()),
        counts: releases.iter().fold(Counts::default(), |sum, release| sum + release.counts),
        releases,
        links: BTreeMap::new(),
        freshness: freshness(),
    }
}

pub fn distribution_matrix() -> MatrixPage {
    let versions: Vec<String> = distribution().releases.into_iter().map(|release| release.version).collect();
    let mut cells = Vec::new();
    for (row, perl) in perls().iter().enumerate() {
        for (column, version) in versions.iter().enumerate() {
            let counts = counts(row * 13 + column * 5);
            let (version, language_version) = (Some(version.clone()), Some(perl.clone()));
            cells.push(CellView { version, language_version, counts, ..CellView::default() });
        }
    }
    let axes = vec!["version".to_owned(), "language_version".to_owned()];
    let totals = cells.iter().fold(Counts::default(), |sum, cell| sum + cell.counts);
    MatrixPage { matrix: MatrixView { version: None, axes, cells, totals, ..matrix(&[], &[]) }, versions }
}

pub fn release_view(counts: Counts) -> ReleaseView {
    let summary = SummaryView { distribution: "Foo-Bar".to_owned(), version: "1.10".to_owned(), counts, ..summary(8) };
    let part = |language_maturity: &str, patched, counts| PartitionView {
        language_maturity: language_maturity.to_owned(),
        patched,
        counts,
    };
    ReleaseView {
        summary: SummaryView { language: "perl".to_owned(), ..summary },
        partitions: vec![
            part("stable", false, Counts { pass: 4_210, fail: 12, na: 3, unknown: 0 }),
            part("stable", true, Counts { pass: 31, fail: 0, na: 0, unknown: 1 }),
            part("development", false, Counts { pass: 812, fail: 40, na: 0, unknown: 2 }),
            part("development", true, Counts { pass: 0, fail: 7, na: 0, unknown: 0 }),
        ],
        archive: Some("E/EX/EXAMPLE/Foo-Bar-1.10.tar.gz".to_owned()),
        released_at: Some(hour(10)),
        testers: 87,
        first_report_at: Some(hour(11)),
        last_report_at: Some(hour(990)),
        links: BTreeMap::new(),
        freshness: freshness(),
    }
}

pub fn release() -> ReleasePage {
    let matrix = large_matrix();
    let platform = |language_version: &str, os: &str, fail, pass| FailingPlatform {
        language_version: language_version.to_owned(),
        os: os.to_owned(),
        counts: Counts { pass, fail, na: 0, unknown: 0 },
        since: Some(hour(400)),
        reasons: vec![
            ReasonCount { code: Code::TestFailure, reports: fail - 1 },
            ReasonCount { code: Code::MissingPrerequisite, reports: 1 },
        ],
    };
    let failing = vec![
        platform("5.42.0", "mswin32", 12, 0),
        platform("5.11.0 patch GitLive-blead-1437-g8bca5c8", "gnukfreebsd", 7, 1),
        platform("5.8.0", "linux", 3, 140),
    ];
    ReleasePage { release: release_view(matrix.totals), matrix, failing, recent: results(8) }
}

pub fn results_page() -> ResultsPage {
    let filter = ResultsFilter {
        distribution: Some("Foo-Bar".to_owned()),
        version: Some("1.10".to_owned()),
        language_version: Some("5.42.0 RC1".to_owned()),
        os: Some("linux".to_owned()),
        grade: Some(Grade::Fail),
        ..ResultsFilter::default()
    };
    let results = Page { items: results(40), next: Some("b64/cursor+=".to_owned()), freshness: freshness() };
    ResultsPage { filter, results, total: Some(1_234) }
}

pub const TEXT: &str = "Dear Example Author,\n\nThis is a computer-generated report for Foo-Bar-1.10\non perl \
5.42.0, created by CPAN-Reporter-1.2020.\n\n------------------------------\nTESTER COMMENTS\n\
------------------------------\n\nthis report is from an automated smoke testing program\nand was not reviewed by \
a human for accuracy\n\n------------------------------\nPROGRAM OUTPUT\n------------------------------\n\nOutput \
from '/usr/bin/make test':\n\nPERL_DL_NONLAZY=1 \"/home/tester/perl5/perlbrew/perls/perl-5.42.0/bin/perl\" \
\"-MExtUtils::Command::MM\" \"-MTest::Harness\" \"-e\" \"undef *Test::Harness::Switches; test_harness(0, 'blib/lib', \
'blib/arch')\" t/*.t\n\u{1b}[32mt/00-load.t ..... ok\u{1b}[0m\r\n\u{1b}[1;31mt/10-basic.t .... \u{1b}[0m\n#   Failed \
test 'handles <b>&amp;</b> right'\n#   at t/10-basic.t line 17.\n#          got: 'Grüße\u{0}\u{7}'\n#     expected: \
'Grüße'\n# Looks like you failed 1 test of 4.\nDubious, test returned 1 (wstat 256, 0x100)\nFailed 1/4 subtests\n\n\
Test Summary Report\n-------------------\nt/10-basic.t  (Wstat: 256 Tests: 4 Failed: 1)\n  Failed test:  2\nFiles=2, \
Tests=5,  1 wallclock secs\nResult: FAIL\nmake: *** [Makefile:853: test_dynamic] Error 255\n";

pub fn report() -> ReportPage {
    let place = |needle: &str| TEXT.find(needle).expect("the sample text has this heading");
    let section = |name: &str, start, end| SectionView { name: name.to_owned(), start, end };
    let (comments, output) = (place("TESTER COMMENTS") + 47, place("PROGRAM OUTPUT") + 46);
    let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let details = Details {
        user_agent: Some("CPAN-Reporter-1.2020".to_owned()),
        suite: SuiteView { files: Some(2), tests: Some(5), failures: Some(1), skipped: None, duration: Some(1.25) },
        failing_files: vec!["t/10-basic.t".to_owned(), "t/deep/a-long-name-of-a-test-program.t".to_owned()],
        prerequisites: prerequisites(),
        environment: pairs(&[
            ("AUTOMATED_TESTING", "1"),
            (
                "PATH",
                "/home/tester/perl5/perlbrew/perls/perl-5.42.0/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            ),
        ]),
        special_variables: pairs(&[("$^X", "/usr/bin/perl"), ("$UID/$EUID", "1000 / 1000")]),
        toolchain: pairs(&[("CPAN", "2.38"), ("ExtUtils::MakeMaker", "7.76"), ("Module::Build", "n/a")]),
        configuration: pairs(&[
            ("archname", "x86_64-linux-thread-multi"),
            ("cc", "cc"),
            ("ccflags", "-D_REENTRANT -D_GNU_SOURCE -fwrapv -fno-strict-aliasing -pipe -fstack-protector-strong"),
        ]),
        sections: vec![
            section("intro", 0, place("------")),
            section("comments", comments, place("------------------------------\nPROGRAM")),
            section("output", output, TEXT.len()),
        ],
        sources: BTreeMap::from([("prerequisites".to_owned(), Source::Text)]),
    };
    ReportPage {
        report: ReportView {
            id: ID.to_owned(),
            number: 123_456_789,
            state: State::Processed,
            result: Some(result(1)),
            details: Some(details),
            extractor: Some(1),
            report: json!({"created": "2026-02-09T11:00:00Z"}),
            door: "metabase".to_owned(),
            digest: DIGEST.to_owned(),
            size: 12_345,
            revision: 2,
            received_at: hour(950),
            withdrawn: None,
            dropped: None,
            links: BTreeMap::new(),
        },
        text: TEXT.to_owned(),
        others: results(3),
        freshness: Some(freshness()),
    }
}

fn prerequisites() -> Vec<PrerequisiteView> {
    let view = |phase: &str, name: &str, need: &str, have: Option<&str>, satisfied| PrerequisiteView {
        phase: phase.to_owned(),
        name: name.to_owned(),
        need: need.to_owned(),
        have: have.map(str::to_owned),
        satisfied,
    };
    vec![
        view("runtime", "Carp", "0", Some("1.54"), Some(true)),
        view("runtime", "Moo", "2.000001", Some("1.006"), Some(false)),
        view("runtime", "Some::Module::With::A::Long::Name::Indeed", "1.0", None, Some(false)),
        view("test", "Test::More", "0.88", Some("1.302199"), Some(true)),
        view("build", "Module::Build", "0.42", Some("n/a"), None),
    ]
}

pub fn author() -> AuthorView {
    let distributions: Vec<SummaryView> = (0..18).map(summary).collect();
    AuthorView {
        author: "EXAMPLE".to_owned(),
        counts: distributions.iter().fold(Counts::default(), |sum, release| sum + release.counts),
        distributions,
        links: BTreeMap::new(),
        freshness: freshness(),
    }
}

pub fn tester() -> TesterView {
    TesterView {
        id: "0f3c/å b".to_owned(),
        name: "Jörg Example".to_owned(),
        counts: Counts { pass: 1_048_576, fail: 65_536, na: 4_096, unknown: 256 },
        first_report_at: Some(hour(-50_000)),
        last_report_at: Some(hour(990)),
        recent: results(20),
        links: BTreeMap::new(),
        freshness: freshness(),
    }
}

pub fn search() -> SearchPage {
    let text = "#   Failed test 'handles Grüße right'\n#   at t/10-basic.t line 17.\n#          got: 'Gr\u{1b}[31müße'";
    let highlight = Highlight { text: text.to_owned(), marks: vec![(4, 15), (25, 32)] };
    let hit = |number| HitView { result: result(number), score: 1.5, highlights: vec![highlight.clone(); number % 3] };
    let found = SearchView {
        query: "text:failed AND text:grüße AND os:linux".to_owned(),
        total: 12_345,
        items: (0..12).map(hit).collect(),
        next: Some("next+cursor".to_owned()),
        lag: 17,
        freshness: freshness(),
    };
    let query = "failed Grüße os:linux".to_owned();
    SearchPage { query, answer: SearchAnswer::Found(Box::new(found)), freshness: freshness() }
}

pub fn faulty_search() -> SearchPage {
    let query = "Grüße colour:red".to_owned();
    let fault = schemas::query::parse(&query).expect_err("there is no such field");
    SearchPage { query, answer: SearchAnswer::Faulty(fault), freshness: freshness() }
}

pub fn receipt(state: State) -> ReceiptView {
    ReceiptView {
        id: ID.to_owned(),
        state,
        reason: (state == State::Parked).then(|| "the body is not UTF-8 after byte 1,234".to_owned()),
        job: Some(97),
        attempts: attempts(),
        received_at: hour(949),
        digest: DIGEST.to_owned(),
        revision: 1,
        withdrawn: None,
        dropped: None,
        ahead: None,
        refused: Vec::new(),
        links: BTreeMap::new(),
    }
}

/// One that failed, and one that runs, in a job that came out of the first's.
fn attempts() -> Vec<AttemptView> {
    let attempt = |job, attempt, failed: Option<(FailureClass, &str, &str)>| AttemptView {
        job,
        attempt,
        worker: format!("worker-{attempt}"),
        started_at: hour(950),
        ended_at: failed.map(|_| hour(951)),
        outcome: failed.map(|_| "failed".to_owned()),
        class: failed.map(|(class, ..)| class),
        reason: failed.map(|(_, reason, _)| reason.to_owned()),
        text: failed.map(|(.., text)| text.to_owned()),
    };
    let busy = (FailureClass::Transient, "database_busy", "the database did not answer");
    vec![attempt(41, 1, Some(busy)), attempt(97, 1, None)]
}

pub fn job_row(number: i64, state: JobState) -> JobView {
    let settled = matches!(state, JobState::Done | JobState::Parked);
    JobView {
        number,
        state,
        size: 64,
        parked: if state == JobState::Parked { 1 } else { 0 },
        tries: 3,
        parent: (number % 2 == 1).then_some(41),
        created_at: hour(949),
        settled_at: settled.then(|| hour(951)),
        retry_at: (state == JobState::Waiting).then(|| hour(952)),
        reason: (!settled).then(|| "database_busy".to_owned()),
    }
}

pub fn jobs_page() -> JobsPage {
    let items =
        JobState::ALL.into_iter().zip([100, 99, 98, 97]).map(|(state, number)| job_row(number, state)).collect();
    let jobs = Page { items, next: Some("97".to_owned()), freshness: freshness() };
    JobsPage { state: None, after: Some("101".to_owned()), jobs }
}

pub fn job(state: JobState) -> JobDetailView {
    let report = |id: &str, state, reason: Option<&str>| JobReportView {
        id: id.to_owned(),
        state,
        reason: reason.map(str::to_owned),
    };
    JobDetailView {
        job: job_row(97, state),
        children: vec![98, 99],
        attempts: attempts(),
        reports: vec![
            report(ID, State::Processed, None),
            report("b", State::Parked, Some("processing failed 6 times; it is kept, and needs an operator")),
        ],
        links: BTreeMap::new(),
    }
}

pub fn operations() -> OperationsPage {
    let check =
        |part: &str, working, detail: &str| CheckRow { part: part.to_owned(), working, detail: detail.to_owned() };
    OperationsPage {
        version: "0.1.0".to_owned(),
        uptime: 354_321,
        reports: 12_345_678,
        oldest_wait: Some(75),
        index_lag: Some(42),
        workers: 4,
        checks: vec![
            check("database", true, "SQLite, write-ahead log"),
            check("queue", true, "in the database"),
            check("index", false, "no answer within 2 s"),
        ],
        freshness: freshness(),
    }
}

pub fn problem(status: u16) -> Problem {
    let (title, detail) = match status {
        404 => ("There is no such release", "Foo-Bar has no version 9.99 that was reported on."),
        422 => ("The choice of reports cannot be read", "One of the filters has a value that cannot be."),
        _ => ("Something went wrong", "The page could not be made. It has been noted."),
    };
    let errors = if status == 422 {
        vec![
            Fault::new("/grade", "expected pass, fail, na or unknown"),
            Fault::new("/language", "expected perl or raku"),
        ]
    } else {
        Vec::new()
    };
    Problem {
        kind: "/problems/sample".to_owned(),
        title: title.to_owned(),
        status,
        detail: detail.to_owned(),
        request_id: Some("01JK2F7Q9Z".to_owned()),
        errors,
    }
}

pub fn openapi() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {"title": "assay", "version": "0.1.0", "description": "Test reports in, answers out.\n\nEvery answer says how fresh it is: see `fresh_at`."},
        "tags": [{"name": "reports", "description": "Sending and reading reports."}],
        "paths": {
            "/v4/reports": {"post": {
                "tags": ["reports"], "summary": "Send a report", "description": "One report, or many as `application/x-ndjson`.\n\n- `202` is a promise\n- the same report twice is counted once",
                "parameters": [{"name": "Prefer", "in": "header", "required": false, "schema": {"type": "string"}, "description": "`wait=N` holds for the outcome."}],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Report"}}}},
                "responses": {"202": {"description": "Accepted.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Receipt"}}}}, "422": {"description": "Not a report.", "content": {"application/problem+json": {"schema": {"type": "object"}, "example": {"title": "Not a report", "status": 422}}}}}}},
            "/v4/reports/{id}": {"get": {
                "tags": ["reports"], "summary": "One report",
                "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string", "format": "uuid"}, "description": "Id of the report."}],
                "responses": {"200": {"description": "The report.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Report"}}}}}}},
            "/v4/changes": {"get": {
                "summary": "What changed", "deprecated": true,
                "parameters": [{"name": "after", "in": "query", "schema": {"type": ["string", "null"]}}],
                "responses": {"200": {"description": "A page of the feed.", "content": {"application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Receipt"}}}}}}}}
        },
        "components": {"schemas": {
            "Grade": {"type": "string", "enum": ["pass", "fail", "na", "unknown"], "description": "A tester's verdict."},
            "Receipt": {"allOf": [{"$ref": "#/components/schemas/Freshness"}, {"type": "object", "required": ["id"], "properties": {"id": {"type": "string", "format": "uuid"}, "state": {"type": "string", "example": "accepted"}}}]},
            "Freshness": {"type": "object", "properties": {"fresh_at": {"type": "string", "format": "date-time"}, "head": {"type": "integer", "format": "int64"}}},
            "Report": {"type": "object", "description": "What a tester says.", "required": ["grade"], "properties": {"grade": {"$ref": "#/components/schemas/Grade"}, "extras": {"type": "object", "additionalProperties": {"type": "string"}}, "parent": {"$ref": "#/components/schemas/Report"}}}
        }}
    })
}
