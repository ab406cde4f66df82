//! Counts by grade as pages show them: a stacked bar, letters with figures, a grade's mark.
//!
//! No grade is told by colour alone: every figure carries its letter, and in a bar a failure stands higher than
//! a pass.

use std::fmt;

use askama::filters::HtmlSafe;
use schemas::grade::{Counts, Grade};

use crate::held::Held;

/// A whole number with a comma at each thousand.
#[derive(Clone, Copy)]
pub(crate) struct Count<H>(pub H);

/// Shares of the grades as a picture. It says nothing to a screen reader; a [`Tally`] stands beside it.
#[derive(Clone, Copy)]
pub(crate) struct Bar<H>(pub H);

/// Each grade that occurs, with its letter: `P 12 F 3`.
#[derive(Clone, Copy)]
pub(crate) struct Tally<H>(pub H);

/// One grade as a sign and a word.
#[derive(Clone, Copy)]
pub(crate) struct GradeMark<H>(pub H);

impl<H: Held<i64>> HtmlSafe for Count<H> {}
impl<H: Held<Counts>> HtmlSafe for Bar<H> {}
impl<H: Held<Counts>> HtmlSafe for Tally<H> {}
impl<H: Held<Grade>> HtmlSafe for GradeMark<H> {}

impl<H: Held<i64>> fmt::Display for Count<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0.value();
        if number < 0 {
            f.write_str("−")?;
        }
        let digits = number.unsigned_abs().to_string();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

impl<H: Held<Counts>> fmt::Display for Bar<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<svg class=\"bar\" viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">")?;
        let mut left = 0;
        for (grade, width) in widths(self.0.value()) {
            if width == 0 {
                continue;
            }
            let height = height(grade);
            let top = 10 - height;
            let class = letter(grade).to_ascii_lowercase();
            write!(f, "<rect class=\"{class}\" x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\"/>")?;
            left += width;
        }
        f.write_str("</svg>")
    }
}

impl<H: Held<Counts>> fmt::Display for Tally<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.0.value();
        let mut separator = "";
        for grade in Grade::ALL {
            let count = counts.of(grade);
            if count == 0 {
                continue;
            }
            let (letter, name) = (letter(grade), grade.as_str());
            let class = letter.to_ascii_lowercase();
            write!(
                f,
                "{separator}<span class=\"t {class}\"><abbr title=\"{name}\">{letter}</abbr>{}</span>",
                Count(count)
            )?;
            separator = " ";
        }
        if separator.is_empty() {
            f.write_str("<span class=\"t\">0</span>")?;
        }
        Ok(())
    }
}

impl<H: Held<Grade>> fmt::Display for GradeMark<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grade = self.0.value();
        let (name, class, sign) = (grade.as_str(), letter(grade).to_ascii_lowercase(), sign(grade));
        write!(
            f,
            "<span class=\"grade {class}\"><span aria-hidden=\"true\">{sign}</span> <span class=\"word\">{name}</span></span>"
        )
    }
}

/// The counts in words, for titles and for readers who do not see the picture: `12 pass, 3 fail`.
pub(crate) fn in_words(counts: impl Held<Counts>) -> String {
    let counts = counts.value();
    let present = Grade::ALL.into_iter().filter(|grade| counts.of(*grade) != 0);
    let parts: Vec<String> = present.map(|grade| format!("{} {grade}", Count(counts.of(grade)))).collect();
    if parts.is_empty() { "no reports".to_owned() } else { parts.join(", ") }
}

/// What the counts come to, as a class of the style sheet: `fails`, `mixed`, `passes`, `other` or `none`.
pub(crate) fn verdict(counts: impl Held<Counts>) -> &'static str {
    let counts = counts.value();
    match (counts.pass > 0, counts.fail > 0) {
        (true, true) => "mixed",
        (false, true) => "fails",
        (true, false) => "passes",
        (false, false) if counts.na > 0 || counts.unknown > 0 => "other",
        (false, false) => "none",
    }
}

/// Passes out of passes and failures, in per cent rounded down, so that 100 means no failure at all.
pub(crate) fn pass_rate(counts: impl Held<Counts>) -> Option<i64> {
    let counts = counts.value();
    let (pass, fail) = (i128::from(counts.pass.max(0)), i128::from(counts.fail.max(0)));
    (pass + fail > 0).then(|| i64::try_from(pass * 100 / (pass + fail)).unwrap_or(0))
}

fn letter(grade: Grade) -> char {
    match grade {
        Grade::Pass => 'P',
        Grade::Fail => 'F',
        Grade::Na => 'N',
        Grade::Unknown => 'U',
    }
}

fn sign(grade: Grade) -> char {
    match grade {
        Grade::Pass => '✓',
        Grade::Fail => '✗',
        Grade::Na => '–',
        Grade::Unknown => '?',
    }
}

/// How high a grade stands in a bar, of ten.
fn height(grade: Grade) -> i64 {
    match grade {
        Grade::Pass => 5,
        Grade::Fail => 10,
        Grade::Na => 2,
        Grade::Unknown => 3,
    }
}

/// Widths that add up to 100, each grade that occurs being at least wide enough to be seen.
fn widths(counts: Counts) -> [(Grade, i64); 4] {
    const LEAST: i128 = 4;
    let present = Grade::ALL.map(|grade| (grade, i128::from(counts.of(grade).max(0))));
    let total: i128 = present.iter().map(|(_, count)| count).sum();
    if total == 0 {
        return Grade::ALL.map(|grade| (grade, 0));
    }
    let mut widths = present.map(|(grade, count)| {
        let share = count * 100 / total;
        (grade, if count > 0 { share.max(LEAST) } else { 0 })
    });
    // What rounding and the least width took or gave is settled by the widest.
    let surplus: i128 = widths.iter().map(|(_, width)| width).sum::<i128>() - 100;
    if let Some(widest) = widths.iter_mut().max_by_key(|(_, width)| *width) {
        widest.1 -= surplus;
    }
    widths.map(|(grade, width)| (grade, i64::try_from(width).unwrap_or(0)))
}
