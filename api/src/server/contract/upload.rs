//! `/v1/upload…` and `/v3/upload…`: what was released to CPAN, by time of release; as a WebSocket, what is released
//! from now on (contract §1.3).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use pipeline::store::{StoreError, UploadFilter};

use super::asked::{Asked, Pairs};
use super::list::{self, PIECE, Piece};
use super::refusal::Refusal;
use super::sockets::{self, Upgrade};
use crate::server::App;
use crate::server::reading::JSON;

/// `GET /upload`
pub async fn all(State(app): State<Arc<App>>, upgrade: Upgrade, pairs: Pairs) -> Result<Response, Refusal> {
    let filter = filter(&pairs)?;
    if let Ok(upgrade) = upgrade {
        return Ok(sockets::uploads(&app, upgrade, filter));
    }
    let empty = || ([(header::CONTENT_TYPE, JSON)], "[]").into_response();
    Ok(rows(app, filter).await?.unwrap_or_else(empty))
}

/// `GET /upload/dist/{dist}`
pub async fn of_distribution(
    State(app): State<Arc<App>>,
    Path(distribution): Path<String>,
    upgrade: Upgrade,
    pairs: Pairs,
) -> Result<Response, Refusal> {
    let filter = UploadFilter { distribution: Some(distribution.clone()), ..filter(&pairs)? };
    if let Ok(upgrade) = upgrade {
        return Ok(sockets::uploads(&app, upgrade, filter));
    }
    let missing = || Refusal::missing(format!("Distribution \"{distribution}\" not found"));
    rows(app, filter).await?.ok_or_else(missing)
}

/// `GET /upload/author/{author}`
pub async fn of_author(
    State(app): State<Arc<App>>,
    Path(author): Path<String>,
    upgrade: Upgrade,
    pairs: Pairs,
) -> Result<Response, Refusal> {
    let filter = UploadFilter { author: Some(author.to_uppercase()), ..filter(&pairs)? };
    if let Ok(upgrade) = upgrade {
        return Ok(sockets::uploads(&app, upgrade, filter));
    }
    rows(app, filter).await?.ok_or_else(|| Refusal::missing(format!("Author \"{author}\" not found")))
}

/// `limit` and `maturity` are declared, checked, and without effect, as today.
fn filter(pairs: &Pairs) -> Result<UploadFilter, Refusal> {
    let mut asked = Asked::new(pairs);
    let since = asked.moment("since").map(|(zoned, _)| zoned);
    asked.integer("limit");
    asked.developer();
    asked.valid()?;
    Ok(UploadFilter { since, ..UploadFilter::default() })
}

async fn rows(app: Arc<App>, filter: UploadFilter) -> Result<Option<Response>, StoreError> {
    let fetch = move |after| {
        let (app, filter) = (Arc::clone(&app), filter.clone());
        async move {
            let rows = app.readers.store.uploads(&filter, after, PIECE).await?;
            let more = rows.len() as i64 == PIECE;
            let next = rows.last().filter(|_| more).map(|(number, row)| Some((row.released_at, *number)));
            Ok(Piece::of(rows.into_iter().map(|(_, row)| row), next))
        }
    };
    list::array(fetch, None).await
}
