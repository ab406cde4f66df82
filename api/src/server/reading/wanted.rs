//! Which changes a feed tells its reader, over a WebSocket or as server-sent events.

use pipeline::store::{ChangeRow, ResultFilter, SummaryFilter};
use schemas::views::{ResultView, SummaryView};

/// Changes of results, of summaries or of both, each by what it selects; of those left out, none is told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    results: Option<ResultFilter>,
    summaries: Option<SummaryFilter>,
}

impl Wanted {
    pub fn results(filter: ResultFilter) -> Self {
        Wanted { results: Some(filter), ..Wanted::default() }
    }

    pub fn summaries(filter: SummaryFilter) -> Self {
        Wanted { summaries: Some(filter), ..Wanted::default() }
    }

    pub fn both(results: ResultFilter, summaries: SummaryFilter) -> Self {
        Wanted { results: Some(results), summaries: Some(summaries) }
    }

    /// A removed result has nothing left to select by, so each reader of results is told of it.
    pub fn tells(&self, row: &ChangeRow) -> bool {
        match row {
            ChangeRow::Result { removed: true, .. } => self.results.is_some(),
            ChangeRow::Result { document, .. } => self.results.as_ref().is_some_and(|filter| {
                *filter == ResultFilter::default()
                    || serde_json::from_str(document).is_ok_and(|row| shows_result(filter, &row))
            }),
            ChangeRow::Summary { summary, .. } => {
                self.summaries.as_ref().is_some_and(|filter| shows_summary(filter, summary))
            }
        }
    }
}

/// Whether a value is the one that is wanted, if one is.
pub fn same(wanted: &Option<String>, value: &str) -> bool {
    wanted.as_deref().is_none_or(|wanted| wanted == value)
}

fn shows_result(filter: &ResultFilter, row: &ResultView) -> bool {
    filter.language.is_none_or(|language| language.as_str() == row.language)
        && same(&filter.distribution, &row.distribution)
        && same(&filter.version, &row.version)
        && same(&filter.author, row.author.as_deref().unwrap_or_default())
        && same(&filter.tester, &row.tester_id)
        && filter.grade.is_none_or(|grade| grade == row.grade)
        && same(&filter.language_version, &row.language_version)
        && same(&filter.os, &row.os)
        && same(&filter.architecture, &row.architecture)
        && filter.since.is_none_or(|since| row.received_at >= since)
}

fn shows_summary(filter: &SummaryFilter, row: &SummaryView) -> bool {
    filter.language.is_none_or(|language| language.as_str() == row.language)
        && same(&filter.distribution, &row.distribution)
        && same(&filter.version, &row.version)
        && same(&filter.author, row.author.as_deref().unwrap_or_default())
        && filter.developer.is_none_or(|developer| developer == (row.maturity == "developer"))
}
