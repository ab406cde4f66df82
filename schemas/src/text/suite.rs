//! Figures of a test suite's run, and the test programs that failed, from the harness's own summary.

use crate::views::SuiteView;

use super::lines::Line;
use super::sections::tests_ended;

/// Failing test programs kept of one report; a text can name any number.
const MOST_FILES: usize = 1_000;

/// What the harness said so far. Lines are shown to it in order.
#[derive(Debug, Default)]
pub(crate) struct Suite {
    figures: Figures,
    pub failing_files: Vec<String>,
    /// Failing programs as named while they ran, for runs that came to no summary.
    stopped_files: Vec<String>,
    /// Failures by file, where no total is given.
    listed: i64,
    /// The file of the summary's last row, when that row alone does not make it a failure.
    doubtful: Option<String>,
    /// The file named on the last line that ends in dots: its verdict comes next.
    running: Option<String>,
    /// Within the table of Test::Harness 2.
    table: bool,
    tap: Tap,
}

#[derive(Debug, Default)]
struct Figures {
    files: Option<i64>,
    tests: Option<i64>,
    failures: Option<i64>,
    skipped: i64,
    duration: Option<f64>,
    passed: bool,
}

/// Plain TAP, counted for clients that send it without a harness's summary.
#[derive(Debug, Default)]
struct Tap {
    file: Option<String>,
    files: i64,
    tests: i64,
    failures: i64,
    skipped: i64,
    failing_files: Vec<String>,
}

impl Suite {
    pub fn see(&mut self, line: &Line<'_>) {
        let text = line.text;
        // Most lines of most reports: a passing program, a verdict still to come, or something indented.
        if text.ends_with(" ok") || text.ends_with(".ok") {
            return;
        }
        match line.first() {
            0 => {}
            b'F' => self.see_total(text),
            b'R' if text == "Result: PASS" => self.figures.passed = true,
            b'A' if text.starts_with("All tests successful") => self.figures.passed = true,
            b' ' | b'\t' => self.see_indented(text),
            b'#' => {}
            b'[' | b'M' | b'B' if tests_ended(text) => *self = Suite::default(),
            b'D' | b'd' if text.get(1..).is_some_and(|rest| rest.starts_with("ubious")) => self.fail_running(),
            b'(' | b'|' => self.see_yath(text),
            b'1'..=b'9' if text.contains(" skipped.") => self.figures.skipped = leading_number(text).unwrap_or(0),
            _ => self.see_program(text),
        }
    }

    /// Counts lines of plain TAP, and the programs between them.
    pub fn see_tap(&mut self, line: &Line<'_>) {
        self.tap.see(line.text);
    }

    pub fn ran(&self) -> bool {
        self.figures.files.is_some() || !self.failing_files.is_empty() || !self.stopped_files.is_empty()
    }

    pub fn finish(self) -> (SuiteView, Vec<String>) {
        if self.figures.files.is_none() && self.figures.tests.is_none() && self.tap.tests > 0 {
            return self.tap.finish();
        }
        let ran = self.ran();
        let listed = (self.listed > 0 || self.figures.passed).then_some(self.listed);
        let view = SuiteView {
            files: self.figures.files,
            tests: self.figures.tests,
            failures: self.figures.failures.or(listed).filter(|_| ran),
            skipped: ran.then_some(self.figures.skipped),
            duration: self.figures.duration,
        };
        let named = if self.failing_files.is_empty() { self.stopped_files } else { self.failing_files };
        (view, named)
    }

    /// `Files=9, Tests=60,  8 wallclock secs (…)`, `Failed 1/9 test programs. 4/60 subtests failed.`, the table's head
    /// `Failed Test  Stat Wstat…`, or `Failed 2/3 subtests` below its program.
    fn see_total(&mut self, text: &str) {
        if let Some(files) = text.strip_prefix("Files=").and_then(leading_number) {
            // A distribution of several parts tests each by itself.
            add(&mut self.figures.files, files);
            add(&mut self.figures.tests, after(text, "Tests=").and_then(leading_number).unwrap_or(0));
            let seconds = text.find(" wallclock").and_then(|end| text[..end].rsplit([' ', ',']).next());
            if let Some(seconds) = seconds.and_then(|seconds| seconds.parse::<f64>().ok()).filter(|s| s.is_finite()) {
                self.figures.duration = Some(self.figures.duration.unwrap_or(0.0) + seconds);
            }
        } else if text.starts_with("Failed Test ") {
            self.table = true;
        } else if text.starts_with("Failed ") && text.contains(" subtests failed") {
            self.table = false;
            let sentence = text.rsplit_once(" subtests failed").map_or("", |(before, _)| before);
            self.figures.failures = sentence.rsplit(' ').next().and_then(leading_number).or(self.figures.failures);
        } else if text.starts_with("Failed ") && text.ends_with(" subtests") {
            self.fail_running();
        }
    }

    fn see_indented(&mut self, text: &str) {
        let text = text.trim_start();
        if text.starts_with("Parse errors:") {
            let doubtful = self.doubtful.take();
            self.fail(doubtful);
        } else if let Some(number) = text.strip_prefix("File Count: ") {
            self.figures.files = leading_number(number);
        } else if let Some(number) = text.strip_prefix("Wall Time: ") {
            self.figures.duration = number.split(' ').next().and_then(|number| number.parse().ok());
        } else if text == "PASSED" || text.starts_with("-->  Result: PASSED") {
            self.figures.passed = true;
        }
    }

    /// A line about a program: a row of a summary, a skip, or a name whose verdict follows.
    fn see_program(&mut self, text: &str) {
        if let Some((name, row)) = text.split_once("(Wstat: ") {
            return self.see_row(name.trim_end(), row);
        }
        if let Some(number) = text.strip_prefix("Assertion Count: ") {
            self.figures.tests = leading_number(number);
            return;
        }
        if self.table {
            let mut words = text.split_ascii_whitespace();
            let name = words.next().unwrap_or_default();
            if words.next().is_some_and(|word| word == "??" || word.bytes().all(|byte| byte.is_ascii_digit())) {
                self.fail(Some(name.to_owned()));
            }
        } else if text.ends_with("..") {
            let name = text.trim_end_matches('.').trim_end();
            self.running = Some(name).filter(|name| !name.is_empty() && !name.contains(' ')).map(str::to_owned);
        } else if text.contains("..skipped") || text.contains(".. skipped") {
            self.figures.skipped += 1;
        }
    }

    /// `t/a.t (Wstat: 256 (exited 1) Tests: 6 Failed: 1)`, of Test::Harness 3.
    fn see_row(&mut self, name: &str, row: &str) {
        let failed = after(row, "Failed: ").and_then(leading_number).unwrap_or(0);
        self.listed = self.listed.saturating_add(failed);
        if failed > 0 || !row.starts_with("0 ") {
            self.doubtful = None;
            self.fail(Some(name.to_owned()));
        } else {
            self.doubtful = Some(name.to_owned());
        }
    }

    /// `( FAILED )  job  7    t/a.t`, or a row of the table of failed jobs, whose second cell is the program.
    fn see_yath(&mut self, text: &str) {
        let name = if let Some(job) = text.strip_prefix("( FAILED )") {
            job.split_ascii_whitespace().next_back()
        } else {
            let cells: Vec<&str> = text.split('|').map(str::trim).take(4).collect();
            cells.get(2).copied().filter(|cell| cell.ends_with(".t") && cells[1].contains('-'))
        };
        self.fail(name.map(str::to_owned));
    }

    fn fail_running(&mut self) {
        let running = self.running.take();
        push_new(&mut self.stopped_files, running);
    }

    fn fail(&mut self, name: Option<String>) {
        push_new(&mut self.failing_files, name);
    }
}

impl Tap {
    fn see(&mut self, text: &str) {
        let (directive, failed) = match text.as_bytes() {
            [b'o', b'k', b' ', ..] => (text, false),
            [b'n', b'o', b't', b' ', b'o', b'k', ..] => (text, true),
            [b't' | b'x', ..] if program(text) => {
                self.files += 1;
                self.file = Some(text.to_owned());
                return;
            }
            _ => return,
        };
        self.tests += 1;
        let directive = directive.rsplit_once("# ").map_or("", |(_, directive)| directive);
        if directive.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("skip")) {
            self.skipped += 1;
        } else if failed && !directive.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("todo")) {
            self.failures += 1;
            push_new(&mut self.failing_files, self.file.clone());
        }
    }

    fn finish(self) -> (SuiteView, Vec<String>) {
        let view = SuiteView {
            files: (self.files > 0).then_some(self.files),
            tests: Some(self.tests),
            failures: Some(self.failures),
            skipped: Some(self.skipped),
            duration: None,
        };
        (view, self.failing_files)
    }
}

/// `t/00-load.t`, `xt/a.rakutest`
fn program(text: &str) -> bool {
    let named = [".t", ".t6", ".rakutest"].iter().any(|ending| text.ends_with(ending));
    named && text.contains('/') && !text.contains(' ')
}

fn push_new(files: &mut Vec<String>, name: Option<String>) {
    if let Some(name) = name.filter(|name| files.len() < MOST_FILES && !files.contains(name)) {
        files.push(name);
    }
}

fn add(total: &mut Option<i64>, number: i64) {
    *total = Some(total.unwrap_or(0).saturating_add(number));
}

fn after<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    text.find(mark).map(|at| &text[at + mark.len()..])
}

/// The number a text begins with; `None` where it begins otherwise, or the number is too great to be one of a suite.
fn leading_number(text: &str) -> Option<i64> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    text[..end].parse().ok()
}
