//! The text of one report, written straight into the JSON string it travels in: every line ends in `\n` as two
//! characters.

use std::fmt::Write as _;

use super::dice::Dice;
use super::release::{Needed, Release};
use super::rig::Rig;
use super::template::Template;
use super::words::{SKIPPED, TESTERS, WORDS};

/// A tester's verdict, as the wire spells it. The bench knows assay only from outside, so it has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    Pass,
    Fail,
    Na,
    Unknown,
}

impl Grade {
    pub fn as_str(self) -> &'static str {
        match self {
            Grade::Pass => "pass",
            Grade::Fail => "fail",
            Grade::Na => "na",
            Grade::Unknown => "unknown",
        }
    }
}

const DOTS: &str = "................................................................";
const DASHES: &str = "----------------------------------------------------------------";
const SPACES: &str = "                                                                ";

/// Which sections a report has: the smaller the report, the fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sections {
    /// The output alone.
    Output,
    /// With opening and prerequisites.
    Prerequisites,
    /// With environment and toolchain too.
    Context,
    /// With `perl -V` too: as real ones are.
    All,
}

/// Everything a text is made from.
pub struct Text<'a> {
    pub seed: u64,
    pub opening: &'a Template,
    pub rig: &'a Rig,
    pub release: &'a Release,
    pub grade: Grade,
    pub sections: Sections,
    /// Bytes the list of test files should fill.
    pub filling: usize,
}

/// Figures of the suite, for the envelope.
#[derive(Default)]
pub struct Suite {
    pub tests: u64,
    pub failures: u64,
    /// Hundredths of a second.
    pub duration: u64,
}

impl Text<'_> {
    /// Appends the text to `out`.
    pub fn write(&self, dice: &mut Dice, out: &mut String) -> Suite {
        if self.sections > Sections::Output {
            self.write_opening(out);
        }
        let suite = self.write_output(dice, out);
        if self.sections > Sections::Output {
            self.write_prerequisites(out);
        }
        let pid = 2_000 + dice.below(30_000);
        let mut gap = |_: &str, out: &mut String| number(out, pid);
        if self.sections >= Sections::Context {
            self.rig.context.write(out, &mut gap);
        }
        if self.sections == Sections::All {
            self.rig.configuration.write(out, &mut gap);
        }
        suite
    }

    fn write_opening(&self, out: &mut String) {
        self.opening.write(out, |gap, out| match gap {
            "author" => out.push_str(&self.release.author),
            "release" => out.extend([self.release.name.as_str(), "-", self.release.version.as_str()]),
            "perl" => out.push_str(&self.rig.perl),
            "agent" => out.push_str(TESTERS[self.rig.tester].2),
            "verdict" => out.push_str(verdict(self.grade)),
            "comment" => out.push_str(
                "this report is from an automated smoke testing program\\nand was not reviewed by a human for accuracy",
            ),
            _ => self.write_command(out),
        });
    }

    fn write_command(&self, out: &mut String) {
        match self.grade {
            Grade::Pass | Grade::Fail => out.extend([self.rig.make, " test"]),
            Grade::Na => {
                self.write_perl(out);
                out.push_str(" Makefile.PL");
            }
            Grade::Unknown => out.push_str(self.rig.make),
        }
    }

    fn write_perl(&self, out: &mut String) {
        super::template::escape(&self.rig.prefix, out);
        out.push_str("/bin/perl");
    }

    fn write_output(&self, dice: &mut Dice, out: &mut String) -> Suite {
        match self.grade {
            Grade::Na if dice.chance(40) => out.push_str("OS unsupported\\n"),
            Grade::Na => {
                let perl = &self.rig.perl;
                out.extend(["Perl v5.44.0 required--this is only v", perl, ", stopped at Makefile.PL line 5.\\n"]);
            }
            Grade::Unknown => self.write_broken_build(dice, out),
            Grade::Pass | Grade::Fail => return self.write_tests(dice, out),
        }
        Suite::default()
    }

    fn write_broken_build(&self, dice: &mut Dice, out: &mut String) {
        let source = dice.word(&WORDS);
        for _ in 0..(self.filling / 140).clamp(1, 60) {
            let line = 10 + dice.below(2_000);
            out.extend([source, ".xs:"]);
            number(out, line);
            out.extend([
                ": error: '",
                dice.word(&WORDS),
                "_",
                dice.word(&WORDS),
                "' undeclared (first use in this function)\\n",
            ]);
        }
        out.extend(["make: *** [", source, ".o] Error 1\\n"]);
    }

    fn write_tests(&self, dice: &mut Dice, out: &mut String) -> Suite {
        if self.sections > Sections::Prerequisites {
            out.push_str("PERL_DL_NONLAZY=1 \\\"");
            self.write_perl(out);
            out.push_str(concat!(
                "\\\" \\\"-MExtUtils::Command::MM\\\" \\\"-MTest::Harness\\\" \\\"-e\\\" \\\"undef *Test::Harness::Switches; ",
                "test_harness(0, 'blib/lib', 'blib/arch')\\\" t/*.t\\n",
            ));
        }
        let files = self.release.test_files(self.seed, self.filling);
        let width = files.iter().map(str::len).max().unwrap_or(0) + 3;
        let failing = if self.grade == Grade::Fail { dice.below(files.count() as u64) as usize } else { usize::MAX };
        let mut suite = Suite::default();
        let mut failed = 0;
        for (place, file) in files.iter().enumerate() {
            let tests = 1 + dice.skewed(90) as u64;
            suite.tests += tests;
            out.push_str(&file[..file.len() - 2]);
            out.push_str(".t ");
            fill(out, DOTS, width - file.len());
            match dice.below(100) {
                _ if place == failing => {
                    failed = 1 + dice.below(tests);
                    self.write_failure(dice, file, tests, failed, out);
                }
                0..5 => out.extend([" skipped: ", dice.word(&SKIPPED), "\\n"]),
                5..8 => out.extend([
                    " ok\\nUse of uninitialized value $",
                    dice.word(&WORDS),
                    " in concatenation at ",
                    file,
                    " line 9.\\n",
                ]),
                _ => out.push_str(" ok\\n"),
            }
        }
        suite.failures = failed;
        suite.duration = 10 + dice.skewed(20_000) as u64;
        self.write_result(dice, files.count(), &suite, out);
        suite
    }

    fn write_failure(&self, dice: &mut Dice, file: &str, tests: u64, failed: u64, out: &mut String) {
        out.push_str(" \\n");
        for _ in 0..failed.min(6) {
            let name = [dice.word(&WORDS), dice.word(&WORDS), dice.word(&WORDS)];
            out.extend(["\\n#   Failed test '", name[0], " ", name[1], " of ", name[2], "'\\n#   at ", file, " line "]);
            number(out, 3 + dice.below(400));
            out.extend([
                ".\\n#          got: '",
                dice.word(&WORDS),
                "'\\n#     expected: '",
                dice.word(&WORDS),
                "'\\n",
            ]);
        }
        let written = write!(
            out,
            "# Looks like you failed {failed} test of {tests}.\\nDubious, test returned {failed} (wstat {}, 0x{:x})\\nFailed {failed}/{tests} subtests \\n",
            failed * 256,
            failed * 256,
        );
        written.expect("a string can always be written to");
    }

    fn write_result(&self, dice: &mut Dice, files: usize, suite: &Suite, out: &mut String) {
        let passed = self.grade == Grade::Pass;
        out.push_str(if passed {
            "All tests successful.\\n"
        } else {
            "\\nTest Summary Report\\n-------------------\\n"
        });
        out.push_str("Files=");
        number(out, files as u64);
        out.push_str(", Tests=");
        number(out, suite.tests);
        out.push_str(", ");
        number(out, suite.duration / 100);
        out.push_str(" wallclock secs ( 0.");
        number(out, 10 + dice.below(90));
        out.push_str(" usr  0.");
        number(out, 10 + dice.below(90));
        out.push_str(" sys +  ");
        number(out, suite.duration / 110);
        out.push('.');
        number(out, 10 + dice.below(90));
        out.push_str(" cusr  0.");
        number(out, 10 + dice.below(90));
        out.push_str(" csys)\\n");
        out.push_str(if passed { "Result: PASS\\n" } else { "Result: FAIL\\nFailed 1 test program.\\n" });
    }

    fn write_prerequisites(&self, out: &mut String) {
        out.push_str("\\n------------------------------\\nPREREQUISITES\\n------------------------------\\n\\nPrerequisite modules loaded:\\n\\n");
        for (phase, modules) in self.release.prerequisites(self.seed) {
            let width = modules.iter().map(|needed| needed.module.len()).max().unwrap_or(0).max(6);
            out.extend([phase, ":\\n\\n    Module"]);
            pad(out, width - 6);
            out.push_str(" Need     Have     \\n    ");
            fill(out, DASHES, width);
            out.push_str(" -------- ---------\\n");
            for needed in &modules {
                self.write_prerequisite(needed, width, out);
            }
            out.push_str("\\n");
        }
    }

    fn write_prerequisite(&self, needed: &Needed, width: usize, out: &mut String) {
        let module = needed.module.bytes().fold(0u64, |sum, byte| sum.wrapping_mul(131) + u64::from(byte));
        let mut dice = Dice::new(self.seed ^ module, self.rig.number);
        out.extend(["    ", needed.module]);
        pad(out, width - needed.module.len() + 1);
        out.push_str(&needed.need);
        pad(out, 9usize.saturating_sub(needed.need.len()));
        if dice.chance(80) {
            out.push_str(needed.installed);
        } else {
            number(out, dice.below(4));
            out.push('.');
            number(out, dice.below(4_000));
        }
        out.push_str("     \\n");
    }
}

fn verdict(grade: Grade) -> &'static str {
    match grade {
        Grade::Pass => "Congratulations!\\nAll tests were successful.",
        Grade::Fail => "However, there was a problem\\ntesting your distribution.",
        Grade::Na => concat!(
            "While attempting to build or test\\nthis distribution, the distribution signaled that support is not ",
            "available\\neither for this operating system or this version of Perl.",
        ),
        Grade::Unknown => "However, attempting to\\ntest your distribution gave an inconclusive result.",
    }
}

/// Appends a number; a good deal faster than through the formatter.
pub fn number(out: &mut String, mut value: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.push_str(std::str::from_utf8(&digits[at..]).expect("digits are ASCII"));
}

fn pad(out: &mut String, count: usize) {
    fill(out, SPACES, count);
}

/// Appends the first `count` bytes of a run of one character, again and again if it is too short.
fn fill(out: &mut String, run: &str, mut count: usize) {
    while count > run.len() {
        out.push_str(run);
        count -= run.len();
    }
    out.push_str(&run[..count]);
}
