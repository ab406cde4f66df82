//! Single reports in the forms of today's site: a bare letter, a lasting address, and none found (contract §1.8).

use askama::Template;

use crate::frame::{Frame, render};
use crate::site::Site;

/// What stands in a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterPage {
    /// Name of the tester.
    pub from: String,
    /// `GRADE Dist-Version perl OS`
    pub subject: String,
    /// RFC 3339 in UTC.
    pub date: String,
    pub text: String,
}

/// A report as programs read it, line by line: `From`, `Subject`, `Date`, an empty line, the text.
pub fn letter(page: &LetterPage) -> String {
    render(&Letter { page })
}

#[derive(Template)]
#[template(path = "letter.html")]
struct Letter<'a> {
    page: &'a LetterPage,
}

/// A page that may be kept for long, because the report is not on it: it leads to the page that is up to date.
pub fn kept_report(site: &Site, id: &str) -> String {
    render(&KeptReport { address: site.report(id) })
}

#[derive(Template)]
#[template(path = "kept_report.html")]
struct KeptReport {
    address: String,
}

/// That there is no such report, told to those who look at the heading and not at the status.
pub fn no_report(site: &Site, id: &str) -> String {
    let frame = Frame::new(site, "Report not found", "There is no such report.", site.report(id)).unlisted();
    render(&NoReport { frame, id })
}

#[derive(Template)]
#[template(path = "no_report.html")]
struct NoReport<'a> {
    frame: Frame<'a>,
    id: &'a str,
}
