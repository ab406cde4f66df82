//! Commands that list: results, summaries, and what a search finds.

use chrono::SecondsFormat;
use clap::Args;
use schemas::views::{HitView, Page, ResultView, SearchView, SummaryView};
use serde::de::DeserializeOwned;

use crate::client::Chunks;

use super::reading::Asked;
use super::tables::{self, Ink, Table};
use super::{Said, printing};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  assay results --distribution Mojolicious --grade fail
  assay results --os mswin32 --since 2026-11-01 --all --json > results.ndjson")]
pub struct Results {
    /// Distribution, such as Foo-Bar
    #[arg(long, value_name = "NAME")]
    distribution: Option<String>,
    /// Version of the distribution
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// CPAN author id
    #[arg(long, value_name = "ID")]
    author: Option<String>,
    /// pass, fail, na or unknown
    #[arg(long, value_name = "GRADE", value_parser = ["pass", "fail", "na", "unknown"])]
    grade: Option<String>,
    /// perl or raku
    #[arg(long, value_name = "NAME")]
    language: Option<String>,
    /// Language version, such as 5.36.0
    #[arg(long, value_name = "VERSION")]
    language_version: Option<String>,
    /// Operating system, such as linux, mswin32, darwin
    #[arg(long, value_name = "NAME")]
    os: Option<String>,
    /// Architecture as reported
    #[arg(long, value_name = "NAME")]
    architecture: Option<String>,
    /// Public id of a tester
    #[arg(long, value_name = "ID")]
    tester: Option<String>,
    /// Only what was changed since this time, corrections included
    #[arg(long, value_name = "TIME")]
    changed_since: Option<String>,
    #[command(flatten)]
    window: Window,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  assay summaries --author PREACTION --all")]
pub struct Summaries {
    /// Distribution, such as Foo-Bar
    #[arg(long, value_name = "NAME")]
    distribution: Option<String>,
    /// Version of the distribution
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// CPAN author id
    #[arg(long, value_name = "ID")]
    author: Option<String>,
    /// perl or raku
    #[arg(long, value_name = "NAME")]
    language: Option<String>,
    /// stable or developer
    #[arg(long, value_name = "MATURITY", value_parser = ["stable", "developer"])]
    maturity: Option<String>,
    #[command(flatten)]
    window: Window,
    #[command(flatten)]
    asked: Asked,
}

/// Which part of a list.
#[derive(Args, Debug)]
struct Window {
    /// Only what was received since this time (RFC 3339, or a date); for summaries, what changed since then
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Rows on a page
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Cursor of the page to show, as the page before it tells
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// All pages; with --json one object a line
    #[arg(long)]
    all: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "The query has words, \"phrases\", field:value, ranges, AND, OR, NOT and brackets.

Examples:
  assay search 'Segmentation fault os:linux'
  assay search 'distribution:Moo grade:fail NOT language_version:5.8.9'")]
pub struct Search {
    /// What to look for
    #[arg(required = true)]
    query: Vec<String>,
    /// Best matches first, or newest reports first
    #[arg(long, value_name = "ORDER", value_parser = ["relevance", "newest"])]
    order: Option<String>,
    /// Reports on a page
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Cursor of the page to show, as the page before it tells
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    #[command(flatten)]
    asked: Asked,
}

pub async fn results(results: Results, said: Said) -> anyhow::Result<()> {
    let filters = [
        ("distribution", results.distribution),
        ("version", results.version),
        ("author", results.author),
        ("grade", results.grade),
        ("language", results.language),
        ("language_version", results.language_version),
        ("os", results.os),
        ("architecture", results.architecture),
        ("tester", results.tester),
        ("changed_since", results.changed_since),
    ];
    list(said, "results", given(filters), results.window, results.asked, results_table, result_row).await
}

pub async fn summaries(summaries: Summaries, said: Said) -> anyhow::Result<()> {
    let filters = [
        ("distribution", summaries.distribution),
        ("version", summaries.version),
        ("author", summaries.author),
        ("language", summaries.language),
        ("maturity", summaries.maturity),
    ];
    let (window, asked) = (summaries.window, summaries.asked);
    list(said, "summaries", given(filters), window, asked, summaries_table, summary_row).await
}

pub async fn search(search: Search, said: Said) -> anyhow::Result<()> {
    let client = search.asked.remote.client(said)?;
    let limit = search.limit.map(|limit| limit.to_string());
    let query = given([
        ("q", Some(search.query.join(" "))),
        ("order", search.order),
        ("limit", limit),
        ("cursor", search.cursor),
    ]);
    let answer = client.get(&["v4", "search"], &query).await?;
    let view: SearchView = answer.view()?;
    if search.asked.shape.json {
        return printing::json(&answer.body);
    }
    printing::note(&format!("{} reports match {}", view.total, view.query));
    if view.lag > 0 {
        printing::note(&format!("{} changes are not searchable yet", view.lag));
    }
    let mut table = results_table();
    for hit in &view.items {
        table.inked(result_row(&hit.result));
    }
    table.print_unless_empty()?;
    view.items.iter().try_for_each(highlights)?;
    next_page(view.next.as_deref());
    Ok(())
}

type Query = Vec<(&'static str, String)>;

/// A page as it came or as a table; or all of them.
async fn list<T: DeserializeOwned, R: IntoIterator<Item = (String, Ink)>>(
    said: Said,
    name: &str,
    mut query: Query,
    window: Window,
    Asked { shape, remote }: Asked,
    header: fn() -> Table,
    row: fn(&T) -> R,
) -> anyhow::Result<()> {
    let client = remote.client(said)?;
    let limit = window.limit.map(|limit| limit.to_string());
    query.extend(given([("since", window.since), ("limit", limit), ("cursor", window.cursor)]));
    if shape.json && window.all {
        let chunks = client.stream(&["v4", name], &query, "application/x-ndjson").await?;
        return pass_on(chunks).await;
    }
    loop {
        let answer = client.get(&["v4", name], &query).await?;
        let page: Page<T> = answer.view()?;
        if shape.json {
            return printing::json(&answer.body);
        }
        let mut table = header();
        page.items.iter().for_each(|item| table.inked(row(item)));
        table.print()?;
        match page.next {
            Some(next) if window.all => {
                query.retain(|(name, _)| *name != "cursor");
                query.push(("cursor", next));
            }
            next => {
                next_page(next.as_deref());
                return Ok(());
            }
        }
    }
}

async fn pass_on(mut chunks: Chunks) -> anyhow::Result<()> {
    while let Some(chunk) = chunks.next().await? {
        printing::print(&chunk)?;
    }
    Ok(())
}

fn next_page(next: Option<&str>) {
    if let Some(next) = next {
        printing::note(&format!("more: --cursor {next}"));
    }
}

fn highlights(hit: &HitView) -> anyhow::Result<()> {
    for highlight in &hit.highlights {
        printing::line(&format!("{}  {}", hit.result.id, marked(&highlight.text, &highlight.marks)))?;
    }
    Ok(())
}

/// A piece of text with the matching parts bright, or between brackets where there are no colours.
fn marked(text: &str, marks: &[(usize, usize)]) -> String {
    let (open, close) = if printing::coloured() { ("\x1b[1;33m", "\x1b[0m") } else { ("[", "]") };
    let mut shown = String::new();
    let mut done = 0;
    for (start, end) in marks {
        // A mark that lies badly is left out; the text is shown all the same.
        if let (Some(before), Some(mark)) = (text.get(done..*start), text.get(*start..*end)) {
            shown.push_str(&format!("{}{open}{}{close}", printing::one_line(before), printing::one_line(mark)));
            done = *end;
        }
    }
    shown + &printing::one_line(text.get(done..).unwrap_or_default())
}

pub fn results_table() -> Table {
    Table::new(&["grade", "distribution", "version", "language", "os", "architecture", "tester", "received", "id"])
}

pub fn result_row(result: &ResultView) -> [(String, Ink); 9] {
    let plain = |text: &str| (text.to_owned(), Ink::Plain);
    [
        (result.grade.to_string(), Ink::of(result.grade)),
        plain(&result.distribution),
        plain(&result.version),
        plain(&format!("{} {}", result.language, result.language_version)),
        plain(&result.os),
        plain(&result.architecture),
        plain(&result.tester),
        plain(&result.received_at.to_rfc3339_opts(SecondsFormat::Secs, true)),
        plain(&result.id),
    ]
}

pub fn summaries_table() -> Table {
    Table::new(&["distribution", "version", "author", "maturity", "pass", "fail", "na", "unknown", "changed"])
}

pub fn summary_row(summary: &SummaryView) -> [(String, Ink); 9] {
    let plain = |text: &str| (text.to_owned(), Ink::Plain);
    let [pass, fail, na, unknown] = tables::counts(summary.counts);
    [
        plain(&summary.distribution),
        plain(&summary.version),
        plain(summary.author.as_deref().unwrap_or_default()),
        plain(&summary.maturity),
        pass,
        fail,
        na,
        unknown,
        plain(&summary.changed_at.to_rfc3339_opts(SecondsFormat::Secs, true)),
    ]
}

fn given<const N: usize>(parameters: [(&'static str, Option<String>); N]) -> Query {
    parameters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_that_lie_badly_do_not_panic() {
        assert_eq!(marked("a ünit test", &[(2, 7), (8, 12)]), "a [ünit] [test]");
        assert_eq!(marked("ü", &[(1, 2)]), "ü");
        assert_eq!(marked("abc", &[(2, 1), (0, 99)]), "abc");
    }
}
