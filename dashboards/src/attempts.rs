//! The list of attempts on the pages of submissions and jobs.

use askama::Template;
use askama::filters::HtmlSafe;
use schemas::views::AttemptView;

use crate::moment::Moment;
use crate::passage::Passage;
use crate::site::Site;

/// Attempts, one a row, oldest first.
#[derive(Template)]
#[template(path = "parts/attempts.html")]
pub(crate) struct AttemptTable<'a> {
    pub site: &'a Site,
    pub rows: &'a [AttemptView],
}

impl AttemptTable<'_> {
    /// Whether anything went wrong in an attempt.
    fn troubled(&self) -> bool {
        self.rows.iter().any(|attempt| attempt.text.is_some())
    }

    /// How an attempt ended, in a word: a failure by its class.
    fn ending<'a>(&self, attempt: &'a AttemptView) -> &'a str {
        match (attempt.class, attempt.outcome.as_deref()) {
            (Some(class), _) => class.as_str(),
            (None, Some(outcome)) => outcome,
            (None, None) => "running",
        }
    }
}

impl HtmlSafe for AttemptTable<'_> {}
