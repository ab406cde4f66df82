//! Single reports by number or id, in every form of today's site (contract §1.8).

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dashboards::pages::LetterPage;
use pipeline::readers::{Letter, segment};
use schemas::feeds::moment;
use schemas::ids::ReportId;
use serde::Deserialize;
use serde_json::json;

use super::redirect;
use crate::server::App;
use crate::server::cache::matches;
use crate::server::pages::{self, Shown, shown, site};
use crate::server::problems::ApiError;
use crate::server::reading::JSON;

/// Which form is asked for. JSON goes before the letter, as today.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Form {
    raw: Option<String>,
    json: Option<String>,
}

impl Form {
    fn json(&self) -> bool {
        said(self.json.as_deref())
    }

    fn raw(&self) -> bool {
        said(self.raw.as_deref())
    }
}

fn said(value: Option<&str>) -> bool {
    value.is_some_and(|value| !matches!(value, "" | "0"))
}

/// `GET /report/ID`: assay's page of a report, which tells by its status when there is none; the contract's forms of
/// it, and reports by number, as below `/cpan/report`.
pub async fn report(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(form): Query<Form>,
    headers: HeaderMap,
) -> Shown {
    let by_number = id.bytes().all(|byte| byte.is_ascii_digit());
    match form.json() || form.raw() || by_number {
        true => contract(app, &id, &form, &headers).await,
        false => pages::report(State(app), Path(id)).await,
    }
}

/// `GET /cpan/report/ID`: with `json=1` in the legacy shape, with `raw=1` as a letter, else the page. That there is
/// none is told under status 200, which today's readers rely on.
pub async fn cpan_report(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(form): Query<Form>,
    headers: HeaderMap,
) -> Shown {
    contract(app, &id, &form, &headers).await
}

async fn contract(app: Arc<App>, said: &str, form: &Form, headers: &HeaderMap) -> Shown {
    let id = id_of(&app, said).await?;
    let letter = match id {
        Some(id) => app.readers.letter(id).await?,
        None => None,
    };
    let Some(letter) = letter else { return without_letter(app, id, said, form).await };
    if form.json() {
        let body = json!({"success": 1, "result": letter.legacy(app.rules.addresses)});
        Ok(named(headers, &letter, "json", ([(header::CONTENT_TYPE, JSON)], body.to_string()).into_response()))
    } else if form.raw() {
        let page = dashboards::pages::letter(&LetterPage {
            from: letter.from.clone(),
            subject: letter.subject(),
            date: moment(letter.created_at),
            text: letter.text(app.rules.addresses).into_owned(),
        });
        Ok(named(headers, &letter, "raw", shown(StatusCode::OK, page)))
    } else {
        let id = letter.id.to_string();
        pages::report(State(app), Path(id)).await
    }
}

/// The report meant: its id in either case, or its number.
async fn id_of(app: &App, said: &str) -> Result<Option<ReportId>, ApiError> {
    if let Ok(id) = said.parse::<ReportId>() {
        return Ok(Some(id));
    }
    match said.parse::<i64>() {
        Ok(number) => Ok(app.readers.id_of(number).await?),
        Err(_) => Ok(None),
    }
}

/// The page of a report whose text is kept no longer; its other forms are made of the text, and are not there.
async fn without_letter(app: Arc<App>, id: Option<ReportId>, said: &str, form: &Form) -> Shown {
    if let Some(id) = id.filter(|_| !form.json() && !form.raw())
        && let Some(original) = app.readers.original(id).await?
        && original.dropped.is_some()
        && original.withdrawn.is_none()
    {
        return pages::report(State(app), Path(id.to_string())).await;
    }
    Ok(nothing(&app, said, form))
}

fn nothing(app: &App, said: &str, form: &Form) -> Response {
    let mut response = match form.json() {
        true => ([(header::CONTENT_TYPE, JSON)], json!({"success": 0}).to_string()).into_response(),
        false => shown(StatusCode::OK, dashboards::pages::no_report(&site(app), said)),
    };
    // It may come yet.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A form of a report under the name of its bytes. A correction puts other bytes under the same id, and a tester's name
/// may change, so readers ask again after a while.
fn named(headers: &HeaderMap, letter: &Letter, form: &str, mut response: Response) -> Response {
    let name = schemas::ids::Digest::of(format!("{form} {} {}", letter.digest, letter.from).as_bytes()).to_string();
    let etag = HeaderValue::from_str(&format!("W/\"{}\"", &name[..16])).expect("hexadecimal digits");
    if matches(headers, &etag) {
        response = StatusCode::NOT_MODIFIED.into_response();
    }
    response.headers_mut().insert(header::ETAG, etag);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    response
}

/// `GET /static/report/ID`: a page that may be kept for a week, because it only leads to the report.
pub async fn kept(State(app): State<Arc<App>>, Path(id): Path<String>) -> Shown {
    let by_number = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    if !by_number && id.parse::<ReportId>().is_err() {
        return Err(ApiError::not_found(format!("{id} is neither number nor id of a report")).into());
    }
    let mut response = shown(StatusCode::OK, dashboards::pages::kept_report(&site(&app), &id));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=604800"));
    Ok(response)
}

/// What the oldest links to reports name.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Act {
    act: Option<String>,
    id: Option<String>,
    #[serde(flatten)]
    form: Form,
}

/// `GET /cgi-bin/pages.cgi?act=cpan-report&id=ID`: where single reports lived before `/cpan/report`.
pub async fn moved(Query(asked): Query<Act>) -> Result<Response, ApiError> {
    match (asked.act.as_deref(), &asked.id) {
        (Some("cpan-report"), Some(id)) => {
            let form = match (asked.form.json(), asked.form.raw()) {
                (true, _) => "?json=1",
                (false, true) => "?raw=1",
                (false, false) => "",
            };
            redirect(StatusCode::MOVED_PERMANENTLY, &format!("/cpan/report/{}{form}", segment(id)))
        }
        _ => Err(ApiError::not_found("pages.cgi knows act=cpan-report with an id")),
    }
}
