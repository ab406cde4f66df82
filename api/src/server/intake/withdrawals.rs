//! Taking reports back, and putting them back: `DELETE /v4/reports/{id}`, `POST /v4/reports/{id}/restore`,
//! `POST /v4/invalidations`.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use pipeline::identify::Proof;
use pipeline::process::Process;
use pipeline::store::{Scope, StoredReport, Tester, TesterNumber, Token, WithdrawalSelection};
use pipeline::withdraw::{self, Order, Restored};
use schemas::ids::ReportId;
use schemas::withdrawal::{BodyFate, InvalidationView, WithdrawnAs, WithdrawnBy};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::credentials::{Basic, basic, bearer, demand};
use crate::server::App;
use crate::server::problems::ApiError;
use crate::server::reading::moment;
use crate::server::reading::reports::{id_of, missing};

/// Longest reason, in characters.
const LONGEST_REASON: usize = 1000;

/// Reports that one order for many withdraws at most; the answer tells how many are left.
const MOST: i64 = 20_000;

/// Reports that an order may name.
const MOST_NAMED: usize = 1000;

/// Ids shown as a sample.
const SAMPLE: i64 = 10;

/// How and why one report is to be withdrawn.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    reason: Option<String>,
    body: Option<String>,
    #[serde(rename = "as")]
    kind: Option<String>,
}

/// Many reports to be withdrawn: those named, or those of a tester.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InvalidationOrder {
    /// Public id of the tester, or the name when only one has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tester: Option<String>,
    /// Ids of reports, at most 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<String>>,
    /// Received at this moment or later (RFC 3339, or a date).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_since: Option<String>,
    /// Received before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_before: Option<String>,
    /// Why, fit to be read by everybody; at most 1000 characters.
    pub reason: String,
    /// `invalid` when left out, or `retracted`.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// `keep` when left out, or `purge`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Tell how many it would be, and change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// `DELETE /v4/reports/{id}`
pub async fn withdraw_one(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let caller = Caller::of(&app, &headers).await?;
    let id = id_of(&id)?;
    let report = app.readers.store.report(id).await?.ok_or_else(|| missing(id))?;
    let (by, who) = caller.allowed(&app, &report).await?;
    let kind = kind(asked.kind.as_deref().unwrap_or("retracted"))?;
    if kind == WithdrawnAs::Invalid && by == WithdrawnBy::Tester {
        return Err(ApiError::forbidden("only an operator marks reports invalid; testers retract their own"));
    }
    let reason = reason(asked.reason.as_deref().unwrap_or_default())?;
    let order = Order { kind, reason, by, who, body: fate(asked.body.as_deref())? };
    let tally = withdraw::withdraw(&process(&app), &[report.number], &order).await?;
    if tally.overruled > 0 {
        let detail = format!("an operator has marked report {id} invalid; only an operator changes that");
        return Err(ApiError::withdrawn(detail));
    }
    tracing::info!(report.id = %id, %kind, %by, who = %order.who, body = %order.body, "a report was withdrawn");
    receipt(&app, id).await
}

/// `POST /v4/reports/{id}/restore`
pub async fn restore(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let token = demand(&app, &headers, Scope::Admin).await?;
    let id = id_of(&id)?;
    let report = app.readers.store.report(id).await?.ok_or_else(|| missing(id))?;
    match withdraw::restore(&process(&app), report.number).await? {
        Restored::Accepted => {
            tracing::info!(report.id = %id, who = %token.id, "a withdrawn report is processed again");
            receipt(&app, id).await
        }
        Restored::Standing => receipt(&app, id).await,
        Restored::Purged => {
            Err(ApiError::withdrawn(format!("the bytes of report {id} were purged, so that it cannot be put back")))
        }
        Restored::Dropped => Err(ApiError::withdrawn(format!(
            "the bytes of report {id} are kept no longer, so that it cannot be put back"
        ))),
    }
}

/// `POST /v4/invalidations`
pub async fn withdraw_many(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    asked: Result<Json<InvalidationOrder>, JsonRejection>,
) -> Result<Response, ApiError> {
    let token = demand(&app, &headers, Scope::Admin).await?;
    let Json(asked) = asked.map_err(|error| ApiError::syntax(error.body_text()))?;
    let order = Order {
        kind: kind(asked.kind.as_deref().unwrap_or("invalid"))?,
        reason: reason(&asked.reason)?,
        by: WithdrawnBy::Operator,
        who: token.id,
        body: fate(asked.body.as_deref())?,
    };
    let selection = selection(&app, &asked).await?;
    let store = &app.readers.store;
    let selected = store.withdrawable(&selection, order.kind, order.body).await?;
    let sample = store.withdrawable_after(&selection, order.kind, order.body, 0, SAMPLE).await?;
    let withdrawn = match asked.dry_run {
        true => 0,
        false => carry_out(&app, selection, order).await?,
    };
    let view = InvalidationView {
        dry_run: asked.dry_run,
        matched: selected.matched,
        already: selected.already,
        withdrawn,
        remaining: (selected.matched - selected.already - withdrawn).max(0),
        sample: sample.into_iter().map(|(_, id)| id.to_string()).collect(),
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(view)).into_response())
}

/// Withdraws what is selected, up to the bound of one request. It goes on when the caller goes away, so that what is
/// logged is what was done.
async fn carry_out(app: &App, selection: WithdrawalSelection, order: Order) -> Result<i64, ApiError> {
    let process = process(app);
    let work = tokio::spawn(async move {
        let tally = withdraw::withdraw_selected(&process, &selection, &order, MOST).await?;
        let (kind, who, reports) = (order.kind, order.who, tally.withdrawn);
        tracing::info!(reports, %kind, %who, body = %order.body, "reports were withdrawn");
        Ok::<_, ApiError>(i64::try_from(reports).unwrap_or(i64::MAX))
    });
    work.await.map_err(|error| ApiError::defect(&error.to_string()))?
}

async fn selection(app: &App, asked: &InvalidationOrder) -> Result<WithdrawalSelection, ApiError> {
    if asked.tester.is_none() && asked.ids.is_none() {
        return Err(ApiError::parameter("tester", "say whose reports, or which by their ids"));
    }
    Ok(WithdrawalSelection {
        tester: match &asked.tester {
            Some(said) => Some(tester(app, said).await?),
            None => None,
        },
        numbers: match &asked.ids {
            Some(ids) => Some(numbers(app, ids).await?),
            None => None,
        },
        received_since: moment("received_since", asked.received_since.as_deref())?,
        received_before: moment("received_before", asked.received_before.as_deref())?,
    })
}

async fn numbers(app: &App, ids: &[String]) -> Result<Vec<i64>, ApiError> {
    if ids.len() > MOST_NAMED {
        return Err(ApiError::parameter("ids", format!("expected at most {MOST_NAMED} ids in one order")));
    }
    let mut numbers = Vec::with_capacity(ids.len());
    for id in ids {
        let id: ReportId =
            id.parse().map_err(|error: schemas::ids::NotAReportId| ApiError::parameter("ids", error.to_string()))?;
        numbers.push(app.readers.store.report(id).await?.ok_or_else(|| missing(id))?.number);
    }
    Ok(numbers)
}

/// The tester with this public id, or the only one with this name.
async fn tester(app: &App, said: &str) -> Result<TesterNumber, ApiError> {
    if let Some(tester) = app.readers.store.tester_by_id(said).await? {
        return Ok(tester.number);
    }
    let named = app.readers.store.testers_named(said).await?;
    match named.as_slice() {
        [] => Err(ApiError::not_found(format!("there is no tester {said}"))),
        [one] => Ok(one.number),
        several => {
            let ids: Vec<String> =
                several.iter().take(20).map(|tester| format!("{} (known by {})", tester.id, tester.door)).collect();
            let detail = format!("{} testers have this name; say the id of one: {}", several.len(), ids.join(", "));
            Err(ApiError::parameter("tester", detail))
        }
    }
}

/// Who asks for a report to be withdrawn.
enum Caller {
    Operator(Token),
    /// With a token that submits.
    Sender(Token),
    /// With a legacy profile and its secret.
    Legacy(Box<Tester>),
}

impl Caller {
    async fn of(app: &App, headers: &HeaderMap) -> Result<Caller, ApiError> {
        if let Basic::Present { profile, secret } = basic(headers) {
            return match app.identify.legacy(profile, &secret).await? {
                Proof::Proven(tester) => Ok(Caller::Legacy(tester)),
                Proof::Unknown => Err(ApiError::unauthorized(format!("the profile {profile} is not known"))),
                Proof::WrongSecret => {
                    let detail = format!("the secret of profile {profile} is not the one first used with it");
                    Err(ApiError::unauthorized(detail))
                }
            };
        }
        let token = bearer(app, headers, Scope::Submit).await?;
        let token = token.ok_or_else(|| {
            ApiError::unauthorized("a report is withdrawn by its tester, with the token or profile that sent it")
        })?;
        Ok(if token.allows(Scope::Admin) { Caller::Operator(token) } else { Caller::Sender(token) })
    }

    /// As what and as whom the caller may withdraw this report.
    async fn allowed(self, app: &App, report: &StoredReport) -> Result<(WithdrawnBy, String), ApiError> {
        let tester = match self {
            Caller::Operator(token) => return Ok((WithdrawnBy::Operator, token.id)),
            Caller::Legacy(tester) => Some(*tester).filter(|tester| tester.number == report.tester),
            Caller::Sender(token) => {
                let tester = app.readers.store.tester_by_number(report.tester).await?;
                tester.filter(|tester| sent_by(tester, &token))
            }
        };
        let tester = tester.ok_or_else(|| {
            ApiError::forbidden(format!("report {} is not yours: its tester or an operator withdraws it", report.id))
        })?;
        Ok((WithdrawnBy::Tester, tester.id))
    }
}

/// Whether a token submits for this tester: it is theirs, or it is nobody's and what it sent named them.
fn sent_by(tester: &Tester, token: &Token) -> bool {
    match token.tester {
        Some(number) => tester.number == number,
        None => tester.door == "token" && tester.identity.split(' ').next() == Some(token.id.as_str()),
    }
}

fn kind(said: &str) -> Result<WithdrawnAs, ApiError> {
    said.parse().map_err(|error: schemas::withdrawal::NotAWord| ApiError::parameter("as", error.to_string()))
}

fn fate(said: Option<&str>) -> Result<BodyFate, ApiError> {
    let parsed = said.map_or(Ok(BodyFate::Kept), str::parse);
    parsed.map_err(|error: schemas::withdrawal::NotAWord| ApiError::parameter("body", error.to_string()))
}

fn reason(said: &str) -> Result<String, ApiError> {
    let said = said.trim();
    match said.chars().count() {
        0 => Err(ApiError::parameter("reason", "say why, in words that everybody may read")),
        1..=LONGEST_REASON => Ok(said.to_owned()),
        _ => Err(ApiError::parameter("reason", format!("expected at most {LONGEST_REASON} characters"))),
    }
}

fn process(app: &App) -> Process {
    Process {
        store: app.readers.store.clone(),
        clock: app.readers.clock.clone(),
        events: app.events.clone(),
        measures: app.measures.clone(),
    }
}

async fn receipt(app: &App, id: ReportId) -> Result<Response, ApiError> {
    let receipt = app.readers.receipt(id).await?.ok_or_else(|| missing(id))?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(receipt)).into_response())
}
