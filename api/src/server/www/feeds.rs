//! Feeds of reports for feed readers: RSS 2.0.

use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use rss::extension::atom::{AtomExtension, Link};
use rss::{Channel, Guid, Item};
use schemas::feeds::Listed;

use crate::server::App;
use crate::server::pages::site;

/// Entries of a feed at most.
pub const LONGEST: i64 = 500;

/// What a feed is about.
pub struct Feed {
    pub title: String,
    pub description: String,
    /// Path of the feed itself.
    pub path: String,
    /// Path of the page that shows the same to people.
    pub page: String,
}

/// The feed of these reports, which come newest first.
pub fn answer(app: &App, headers: &HeaderMap, feed: &Feed, rows: &[Listed]) -> Response {
    let origin = origin(app, headers);
    let entry = |row: &Listed| Item {
        title: Some(written(&row.title())),
        description: Some(written(&row.title())),
        link: Some(format!("{origin}{}", site(app).report(&row.result.id))),
        guid: Some(Guid { value: row.result.id.clone(), permalink: false }),
        pub_date: Some(row.result.created_at.to_rfc2822()),
        ..Item::default()
    };
    let itself = Link { href: format!("{origin}{}", feed.path), rel: "self".to_owned(), ..Link::default() };
    let channel = Channel {
        title: written(&feed.title),
        link: format!("{origin}{}", feed.page),
        description: written(&feed.description),
        language: Some("en".to_owned()),
        pub_date: rows.first().map(|newest| newest.result.created_at.to_rfc2822()),
        generator: Some(format!("assay {}", env!("CARGO_PKG_VERSION"))),
        namespaces: [("atom".to_owned(), "http://www.w3.org/2005/Atom".to_owned())].into(),
        atom_ext: Some(AtomExtension { links: vec![itself] }),
        items: rows.iter().map(entry).collect(),
        ..Channel::default()
    };
    let head = [
        (header::CONTENT_TYPE, "application/rss+xml; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=60, stale-while-revalidate=300"),
    ];
    (head, channel.to_string()).into_response()
}

/// Scheme and host for the addresses in a feed, which must be whole: the configured ones, or those asked for.
fn origin(app: &App, headers: &HeaderMap) -> String {
    if let Some(known) = &app.rules.public_url {
        return known.clone();
    }
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(byte);
    let host = headers.get(header::HOST).filter(|host| host.as_bytes().iter().all(plain));
    let host = host.and_then(|host| host.to_str().ok());
    host.map(|host| format!("http://{host}")).unwrap_or_default()
}

/// A text without the characters that XML cannot hold (XML 1.0 §2.2).
fn written(text: &str) -> String {
    let held = |character: &char| !character.is_control() && !matches!(character, '\u{fffe}' | '\u{ffff}');
    text.chars().map(|character| if held(&character) { character } else { ' ' }).collect()
}
