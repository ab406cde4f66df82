//! `/v3/summary…`: one row a report (contract §1.4).

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use chrono::{DateTime, Utc};
use pipeline::store::{FoundReport, ReportFilter, StoreError, Strand};
use schemas::addresses;
use schemas::contract::{ReportRow, reporter};
use schemas::grade::Grade;
use schemas::perl::LanguageVersion;
use schemas::platform;
use schemas::views::ResultView;

use super::asked::{Asked, Pairs};
use super::list::{self, PIECE, Piece};
use super::refusal::Refusal;
use crate::server::App;

/// What is asked for: what the database selects by, and what is looked at in each row.
#[derive(Clone, Debug, Default)]
struct Wanted {
    filter: ReportFilter,
    /// As reported; empty asks for any.
    osnames: HashSet<String>,
    /// Whether of a development perl.
    development: Option<bool>,
}

/// A place in a list: the strand, and the last row of it that was given.
type Place = (usize, Option<(DateTime<Utc>, i64)>);

/// `GET /v3/summary`: of all distributions, on some perls or systems.
pub async fn all(State(app): State<Arc<App>>, pairs: Pairs) -> Result<Response, Refusal> {
    let wanted = wanted(&pairs)?;
    let Wanted { filter: ReportFilter { language_versions, systems, changed_since, .. }, .. } = &wanted;
    if language_versions.is_empty() && systems.is_empty() {
        return Err(Refusal::bad("You must provide one of 'perl' or 'osname'"));
    }
    let strands: Vec<Strand> = match changed_since {
        Some(since) => vec![Strand::Changed(*since)],
        None if language_versions.is_empty() => systems.iter().cloned().map(Strand::System).collect(),
        None => language_versions.iter().cloned().map(Strand::LanguageVersion).collect(),
    };
    rows(app, strands, wanted).await?.ok_or_else(Refusal::nothing)
}

/// `GET /v3/summary/{dist}`
pub async fn of_distribution(
    State(app): State<Arc<App>>,
    Path(distribution): Path<String>,
    pairs: Pairs,
) -> Result<Response, Refusal> {
    of(app, &distribution, None, &pairs).await
}

/// `GET /v3/summary/{dist}/{version}`
pub async fn of_release(
    State(app): State<Arc<App>>,
    Path((distribution, version)): Path<(String, String)>,
    pairs: Pairs,
) -> Result<Response, Refusal> {
    of(app, &distribution, Some(&version), &pairs).await
}

async fn of(app: Arc<App>, distribution: &str, version: Option<&str>, pairs: &Pairs) -> Result<Response, Refusal> {
    let wanted = wanted(pairs)?;
    let store = &app.readers.store;
    let mut releases = store.release_numbers(distribution, version).await?;
    // Today's database does not mind capitals (contract §11.2).
    if releases.is_empty()
        && let Some(spelling) = store.spelling(distribution).await?
    {
        releases = store.release_numbers(&spelling, version).await?;
    }
    let strands = releases.into_iter().map(Strand::Release).collect();
    rows(app, strands, wanted).await?.ok_or_else(Refusal::nothing)
}

fn wanted(pairs: &Pairs) -> Result<Wanted, Refusal> {
    let mut asked = Asked::new(pairs);
    let distinct = |said: Vec<&str>| {
        let mut said: Vec<String> = said.into_iter().map(str::to_owned).collect();
        said.sort();
        said.dedup();
        said
    };
    let osnames = distinct(asked.all("osname"));
    let grade = asked.word("grade", &Grade::ALL.map(Grade::as_str));
    let wanted = Wanted {
        filter: ReportFilter {
            grade: grade.and_then(|grade| grade.parse().ok()),
            language_versions: distinct(asked.all("perl")),
            systems: distinct(
                osnames
                    .iter()
                    .map(|name| platform::canonical(name))
                    .collect::<Vec<_>>()
                    .iter()
                    .map(String::as_str)
                    .collect(),
            ),
            changed_since: asked.since(),
        },
        osnames: osnames.into_iter().collect(),
        development: asked.word("perl_maturity", &["stable", "dev"]).map(|maturity| maturity == "dev"),
    };
    asked.valid()?;
    Ok(wanted)
}

impl Wanted {
    /// Whether a row shows what the database does not select by.
    fn matches(&self, row: &ResultView) -> bool {
        let named = self.osnames.is_empty() || self.osnames.contains(&row.osname);
        let mature = self.development.is_none_or(|development| of_maturity(&row.language_version, development));
        named && mature
    }
}

/// Stable: neither `devel` nor `patch` of the contract's table of perls (§3.3). A text that is no version of a perl is
/// in neither, as a perl is today that the table does not have.
fn of_maturity(language_version: &str, development: bool) -> bool {
    let version = LanguageVersion::read(language_version);
    version.number.is_some() && development == (version.devel || version.patch.is_some())
}

async fn rows(app: Arc<App>, strands: Vec<Strand>, wanted: Wanted) -> Result<Option<Response>, StoreError> {
    let known = Arc::new((strands, wanted));
    let fetch = move |place: Place| {
        let (app, known) = (Arc::clone(&app), Arc::clone(&known));
        async move {
            let (strands, wanted) = &*known;
            piece(&app, strands, wanted, place).await
        }
    };
    list::array(fetch, (0, None)).await
}

/// The next rows: of as many strands as it takes to have enough, for a distribution may have many small releases.
async fn piece(
    app: &App,
    strands: &[Strand],
    wanted: &Wanted,
    (mut strand, mut after): Place,
) -> Result<Piece<Place>, StoreError> {
    let mut rows = Vec::new();
    let mut left = PIECE;
    while let Some(current) = strands.get(strand) {
        let found = app.readers.store.contract_reports(current, &wanted.filter, after, left).await?;
        let full = found.len() as i64 == left;
        left -= found.len() as i64;
        after = found.last().map(|last| (last.changed_at, last.number)).or(after);
        for report in &found {
            rows.extend(row(app, wanted, report)?);
        }
        if full {
            return Ok(Piece::of(rows, Some((strand, after))));
        }
        (strand, after) = (strand + 1, None);
    }
    Ok(Piece::of(rows, None))
}

fn row(app: &App, wanted: &Wanted, report: &FoundReport) -> Result<Option<ReportRow>, StoreError> {
    let read = serde_json::from_str::<ResultView>(&report.document);
    let view = read.map_err(|_| StoreError::inconsistent("extracts", report.number))?;
    if !wanted.matches(&view) {
        return Ok(None);
    }
    let reporter = match app.rules.addresses {
        true => reporter(&report.tester, report.address.as_deref()),
        false => reporter(&addresses::hidden(&report.tester), None),
    };
    Ok(Some(ReportRow {
        guid: view.id,
        date: view.created_at,
        grade: view.grade,
        reporter,
        distribution: view.distribution,
        version: view.version,
        platform: view.architecture,
        perl: view.language_version,
        osname: view.osname,
        osvers: view.os_version,
    }))
}
