//! The parsers that see outside bytes, each with its seeds and with what has to hold of its answers.

use std::cmp::Ordering;
use std::io::{Read as _, Write as _};

use api::server::outside;
use schemas::ids::ReportId;
use schemas::perl::{self, LanguageVersion};
use schemas::report::{self, Dialect, Report, Reporter};
use schemas::{addresses, distname, extract, metabase, platform, query};

use crate::seeds;

/// One parser, tried out alone.
pub struct Target {
    pub name: &'static str,
    /// What it is that is read.
    pub about: &'static str,
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Texts that mean something to it.
    pub words: &'static [&'static str],
    /// Whether its input is JSON, and to be changed along its structure too.
    pub json: bool,
    /// Reads the bytes and says what came of it. A panic is a fault found.
    pub read: fn(&[u8]) -> String,
}

/// All of them, in the order in which a report meets them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "body",
        about: "a body's content coding; the first byte of the input says which",
        seeds: packed_bodies,
        words: &["\0\0\0\0", "\u{7f}\u{7f}"],
        json: false,
        read: read_body,
    },
    Target {
        name: "header",
        about: "credentials, waits and proxies' addresses in the head of a request",
        seeds: headers,
        words: &["Basic ", "Bearer ", "wait=", "wait=\"5\"", ", ", "[::1]:80", "10.0.0.1", "respond-async", "::ffff:"],
        json: false,
        read: |bytes| outside::header(bytes).unwrap_or_else(|| "no header".to_owned()),
    },
    Target {
        name: "v4",
        about: "a report as POST /v4/reports takes it, and all that is read out of it",
        seeds: v4_reports,
        words: REPORT_WORDS,
        json: true,
        read: |bytes| read_report(bytes, Dialect::V4),
    },
    Target {
        name: "v3",
        about: "a report as POST /v3/report takes it, and the contract's words about its faults",
        seeds: v3_reports,
        words: REPORT_WORDS,
        json: true,
        read: |bytes| read_report(bytes, Dialect::V3),
    },
    Target {
        name: "ndjson",
        about: "many reports, one a line",
        seeds: many_reports,
        words: &["\n", "\r\n", "{}", "[]", "null\n", "\"grade\":\"pass\"", "\u{feff}"],
        json: false,
        read: |bytes| outside::ndjson(bytes).join("\n"),
    },
    Target {
        name: "legacy",
        about: "the legacy envelope, three times JSON within JSON, and its upgrade",
        seeds: || seeds::bodies("/submit/CPAN-Testers-Report"),
        words: LEGACY_WORDS,
        json: true,
        read: read_legacy,
    },
    Target {
        name: "registration",
        about: "a tester's profile and secret",
        seeds: registrations,
        words: LEGACY_WORDS,
        json: true,
        read: |bytes| match metabase::registration(bytes) {
            Ok(_) => "registered".to_owned(),
            Err(refused) => refused.to_string(),
        },
    },
    Target {
        name: "distname",
        about: "the path of an archive",
        seeds: || seeds::column("distnameinfo-vectors.tsv", 0),
        words: &[
            "-TRIAL",
            "_",
            "-v1.2.3",
            ".tar.gz",
            ".tgz",
            ".zip",
            "/",
            "authors/id/A/AU/AUTHOR/",
            "-undef-",
            ".pm",
            "-perl-",
            "5.",
        ],
        json: false,
        read: |bytes| format!("{:?}", distname::read(&String::from_utf8_lossy(bytes))),
    },
    Target {
        name: "text",
        about: "a report's text: sections, reasons, suite, addresses",
        seeds: texts,
        words: TEXT_WORDS,
        json: false,
        read: read_text,
    },
    Target {
        name: "perl",
        about: "language versions, and their order",
        seeds: || {
            [
                seeds::column("workload/tail-2016-08-19.tsv", 5),
                seeds::column("workload/feed-scriptalicious-2011.tsv", 2),
            ]
            .concat()
        },
        words: &["v5.", "5.008009", " RC1", " patch ", "5.36.0", "-TRIAL", "_01", ".", "\n"],
        json: false,
        read: read_versions,
    },
    Target {
        name: "platform",
        about: "names of systems and architectures",
        seeds: || seeds::column("workload/tail-2016-08-19.tsv", 4),
        words: &["linux", "MSWin32", "x86_64-", "-thread-multi", "darwin-2level", "cygwin"],
        json: false,
        read: |bytes| {
            let text = String::from_utf8_lossy(bytes);
            let canonical = platform::canonical(&text);
            assert_eq!(platform::canonical(&canonical), canonical, "a canonical name is its own");
            format!("{canonical} {} {:?}", platform::title(&canonical), platform::from_archname(&text))
        },
    },
    Target {
        name: "query",
        about: "the search language, and the passages it marks",
        seeds: queries,
        words: &[
            "AND ",
            "OR ",
            "NOT ",
            "-",
            "(",
            ")",
            "\"",
            "perl:",
            "grade:",
            "received:",
            "..",
            ">=",
            "<",
            "2026-01-31T12:00",
            "id:",
            "\\\"",
            "::",
        ],
        json: false,
        read: read_query,
    },
    Target {
        name: "cursor",
        about: "the query of an address: cursors, limits, moments, filters",
        seeds: addresses_of_lists,
        words: &[
            "cursor=",
            "limit=",
            "since=",
            "changed_since=",
            "after=",
            "wait=",
            "grade=",
            "language=",
            "&",
            "%F0%9F",
            "+",
            "%00",
            "2026-11-21T08:00:00Z",
        ],
        json: false,
        read: |bytes| match outside::asked(bytes) {
            None => "no address".to_owned(),
            Some(told) => told.map(|told| told.unwrap_or_else(|fault| fault)).join("\n"),
        },
    },
];

pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

const REPORT_WORDS: &[&str] = &[
    "\"id\"",
    "\"reporter\"",
    "\"email\"",
    "\"environment\"",
    "\"language\"",
    "\"version\"",
    "\"grade\":\"pass\"",
    "\"output\"",
    "\"uncategorized\"",
    "\"distribution\"",
    "\"prerequisites\"",
    "\"created\"",
    "\"tests\"",
    "Perl 5",
    "Perl 6",
    "2026-11-20T22:00:00Z",
    "null",
    "\"\\ud800\"",
    "/",
    "~",
    "\"comments\"",
];

const LEGACY_WORDS: &[&str] = &[
    "metadata",
    "core",
    "content",
    "cpan:///distfile/A/B-1.tar.gz",
    "metabase:user:",
    "CPAN-Testers-Report",
    "CPAN-Testers-Fact-LegacyReport",
    "CPAN-Testers-Fact-TestSummary",
    "Metabase-User-Profile",
    "grade",
    "osname",
    "perl_version",
    "textreport",
    "guid",
    "creation_time",
    "schema_version",
    "\\\"",
    "\\\\\\\"",
    "[",
    "]",
];

const TEXT_WORDS: &[&str] = &[
    "------------------------------\n",
    "PROGRAM OUTPUT\n",
    "PREREQUISITES\n",
    "TESTER COMMENTS\n",
    "requires:\n",
    "ENVIRONMENT AND OTHER CONTEXT\n",
    "Summary of my perl5 (",
    "TEST RESULTS:\n",
    "  Module Need Have\n",
    "Failed ",
    "Files=1, Tests=2, 1 wallclock secs",
    " subtests failed",
    "(Wstat: 256",
    "Failed: 1-9999999",
    "t/a.t .. ok\n",
    "Can't locate Foo.pm in @INC",
    "Output from '/usr/bin/make test':\n",
    "Environment variables:\n\n",
    " = ",
    "=20\n",
    "This is a computer-generated ",
    "CPANPLUS, version ",
    "skipped: ",
    "..",
    "# Looks like you",
    "1..999999999\n",
    "not ok 1 # TODO",
    "ok 1 # skip",
    "a@b.example",
    "<mailto:",
    "Dubious, test returned",
    "Out of memory!",
    "\\n",
    "Perl v5.36.0 required--this is only v5.8",
    "make: *** [test] Error 2",
    "\r\n",
    "\t",
    "  ",
    "| a-b | t/a.t |",
];

fn packed_bodies() -> Vec<Vec<u8>> {
    let mut packed = Vec::new();
    for plain in v4_reports().into_iter().take(40) {
        let mut brotli = Vec::new();
        let copied = brotli::CompressorReader::new(plain.as_slice(), 4096, 5, 20).read_to_end(&mut brotli);
        copied.expect("reading out of memory does not fail");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(&plain).expect("writing into memory does not fail");
        let gzip = gzip.finish().expect("writing into memory does not fail");
        let zstd = zstd::encode_all(plain.as_slice(), 3).expect("packing does not fail");
        packed.extend(
            [(0, gzip), (1, zstd), (2, brotli), (3, plain)].map(|(coding, bytes)| [vec![coding], bytes].concat()),
        );
    }
    // Much in little.
    let zeros = vec![0; 40 << 20];
    packed.push([vec![1], zstd::encode_all(zeros.as_slice(), 3).expect("packing does not fail")].concat());
    packed
}

/// Bytes of an unpacked body at most.
const LIMIT: usize = 1 << 20;

fn read_body(bytes: &[u8]) -> String {
    let Some((coding, bytes)) = bytes.split_first() else { return "empty".to_owned() };
    let coding = ["gzip", "zstd", "br", "identity"][usize::from(coding % 4)];
    match outside::unpacked(coding, bytes, LIMIT) {
        Ok(unpacked) => {
            assert!(unpacked.len() <= LIMIT, "{} bytes came out", unpacked.len());
            format!("{coding} {}", unpacked.len().checked_ilog2().unwrap_or_default())
        }
        Err(fault) => format!("{coding} {fault}"),
    }
}

fn headers() -> Vec<Vec<u8>> {
    let seeds: [&[u8]; 9] = [
        b"Basic Y2UzOTkyM2QtZDcyZi00YjdhLWFmZjAtYWY2ZDc3YzE2MTZkOnMzY3I6dC94",
        b"Bearer as_0123456789abcdef",
        b"basic Og==",
        b"wait=10",
        b"respond-async, wait=\"5\"",
        b"203.0.113.9, 10.0.0.1",
        b"[2001:db8::1]:4711, ::1",
        b"203.0.113.9:80",
        b"unknown, _hidden",
    ];
    seeds.map(<[u8]>::to_vec).into()
}

fn v4_reports() -> Vec<Vec<u8>> {
    [
        seeds::lines("demo/reports.ndjson"),
        seeds::bodies("/v4/reports"),
        seeds::lines("workload/feed-scriptalicious-2011.ndjson"),
    ]
    .concat()
    .into_iter()
    .filter(|bytes| !bytes.is_empty())
    .collect()
}

fn v3_reports() -> Vec<Vec<u8>> {
    [seeds::bodies("/v3/report"), v4_reports()].concat()
}

fn many_reports() -> Vec<Vec<u8>> {
    let lines = seeds::lines("workload/feed-scriptalicious-2011.ndjson");
    let mut seeds: Vec<Vec<u8>> = lines.chunks(5).map(|lines| lines.join(&b'\n')).collect();
    seeds.extend(seeds::bodies("/v4/reports"));
    seeds
}

fn registrations() -> Vec<Vec<u8>> {
    let documents = seeds::lines("demo/registrations.ndjson");
    [seeds::values(&documents, "/body"), seeds::bodies("/register")].concat()
}

fn texts() -> Vec<Vec<u8>> {
    let reports = seeds::bodies("/v3/report");
    [
        seeds::whole("texts/clients"),
        seeds::whole("texts/scriptalicious"),
        seeds::values(&reports, "/result/output/uncategorized"),
    ]
    .concat()
}

fn queries() -> Vec<Vec<u8>> {
    // The language's own help: each line begins with a query.
    let help = query::HELP.lines().filter_map(|line| line.strip_prefix("  "));
    let mut seeds: Vec<Vec<u8>> =
        help.filter_map(|line| line.split("   ").next()).map(|query| query.trim().as_bytes().to_vec()).collect();
    let written = [
        "grade:fail \"out of memory\" (linux OR darwin) -tester:\"Jane Doe\"",
        "perl:5.8..5.36 received:2026-01-01..2026-02-01 NOT arch:x86_64",
        "dist:Foo-Bar version:1.0 author:ANDK reason:test_failure phase:test os:mswin32",
        "id:0b45cd74-d944-4999-9c3d-c81021ca3d34 OR Foo::Bar t/01-basic.t",
    ];
    seeds.extend(written.map(|query| query.as_bytes().to_vec()));
    seeds
}

fn addresses_of_lists() -> Vec<Vec<u8>> {
    let seeds: [&[u8]; 5] = [
        b"cursor=17&limit=50&grade=fail&distribution=Foo-Bar&os=linux",
        b"since=2026-11-21T08:00:00Z&changed_since=2026-11-21&language=perl",
        b"after=9223372036854775807&wait=60&limit=1000",
        b"language_version=5.36.0&architecture=x86_64-linux&tester=Jane+Roe&author=andk",
        b"maturity=stable&version=1.0&cursor=0",
    ];
    seeds.map(<[u8]>::to_vec).into()
}

fn read_report(bytes: &[u8], dialect: Dialect) -> String {
    let told = match Report::parse(bytes, dialect) {
        Ok(read) => {
            report::without_addresses(bytes, dialect, read.id).expect("what was accepted can be shown");
            see(&read)
        }
        Err(error @ report::Invalid::Syntax(_)) => error.to_string(),
        Err(report::Invalid::Faults(faults)) => {
            assert!(!faults.is_empty(), "a refusal says why");
            faults.into_iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect::<Vec<_>>().join("\n")
        }
    };
    if dialect == Dialect::V3 {
        // The contract's words are asked for whatever is sent.
        drop(report::faults_v3(bytes));
        drop(report::content_type_v3(&String::from_utf8_lossy(&bytes[..bytes.len().min(80)])));
    }
    told
}

/// Reads all that is read out of a report, and says it short.
fn see(report: &Report) -> String {
    let (row, details) = (extract::read(report), extract::details(report));
    let text = report.text();
    let mut end = 0;
    for section in &details.sections {
        assert_eq!(section.start, end, "a gap before {section:?}");
        assert!(text.get(section.start..section.end).is_some(), "{section:?} cuts a character");
        end = section.end;
    }
    assert_eq!(end, text.len(), "the sections are the whole text");
    let hidden = addresses::hidden(&text);
    assert_eq!(addresses::hidden(&hidden), hidden, "what is hidden stays so");
    drop(report.without_addresses());
    format!("{:?} {:?} {:?}", row.grade, row.reason.map(|reason| (reason.code, reason.phase)), row.suite)
}

fn read_legacy(bytes: &[u8]) -> String {
    match metabase::report(bytes).and_then(|report| report.upgrade(Reporter::default())) {
        Ok(report) => see(&report),
        Err(refused) => refused.to_string(),
    }
}

fn read_text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut report = frame();
    report.result.output.uncategorized = Some(text.into_owned());
    see(&report)
}

/// A report that lacks only its text.
fn frame() -> Report {
    let frame = br#"{"reporter":{"name":"A","email":"a@example.org"},"environment":{"language":{"name":"Perl 5",
        "version":"5.36.0","archname":"x86_64-linux"},"system":{"osname":"linux","osversion":"6.1.0"}},
        "distribution":{"name":"Foo-Bar","version":"1.0"},"result":{"grade":"fail","output":{"uncategorized":""}}}"#;
    Report::parse(frame, Dialect::V4).expect("a sound report")
}

fn read_versions(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let (left, right) = text.split_once('\n').unwrap_or_else(|| {
        let middle = text.floor_char_boundary(text.len() / 2);
        text.split_at(middle)
    });
    for compare in [perl::compare, perl::compare_versions] {
        assert_eq!(compare(left, right), compare(right, left).reverse(), "an order has two sides");
        assert_eq!(compare(left, left), Ordering::Equal);
        assert_eq!(compare(left, right) == Ordering::Equal, left == right, "only equal texts are equal");
    }
    drop(right.parse::<ReportId>());
    assert!(query::ordinal(left).is_none_or(|ordinal| ordinal >= 0), "an ordinal is never negative");
    let LanguageVersion { release_candidate, patch, development, patched, devel, .. } = LanguageVersion::read(&text);
    let shape: String =
        left.chars().map(|character| if character.is_ascii_digit() { '0' } else { character }).take(12).collect();
    format!("{shape} {} {} {development} {patched} {devel}", release_candidate.is_some(), patch.is_some())
}

fn read_query(bytes: &[u8]) -> String {
    // What is searched follows the first line end.
    let text = String::from_utf8_lossy(bytes);
    let (asked, searched) = text.split_once('\n').unwrap_or((&text, TEXT_WORDS[5]));
    match query::parse(asked) {
        Ok(parsed) => {
            let normal = parsed.to_string();
            assert_eq!(query::parse(&normal).as_ref(), Ok(&parsed), "{normal} is the same query, written out");
            for highlight in query::highlight(&parsed, searched) {
                for (start, end) in highlight.marks {
                    assert!(highlight.text.get(start..end).is_some(), "a mark cuts a character");
                }
            }
            normal
        }
        Err(error) => {
            assert!(asked.is_char_boundary(error.at), "the place of a fault is one in the query");
            error.message
        }
    }
}
