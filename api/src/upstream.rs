//! A release search as MetaCPAN has it, asked page by page.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use reqwest::Url;
use schemas::uploads::{self, Page};

/// Hits on a page.
const SIZE: usize = 1000;

/// Hits that a search engine lets a request skip.
const DEEPEST: usize = 9000;

/// A server that tells of releases.
#[derive(Clone, Debug)]
pub struct Upstream {
    client: reqwest::Client,
    url: Url,
}

/// Where the next page begins: at a release time, after so many hits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub at: DateTime<Utc>,
    skipped: usize,
}

/// Why a page could not be had.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    #[error("{url} could not be asked")]
    Ask { url: Url, source: reqwest::Error },
    #[error("{url} answered {status}")]
    Answer { url: Url, status: u16 },
    #[error("the answer of {url} is not a release search's")]
    Read { url: Url, source: serde_json::Error },
    #[error("more than {DEEPEST} releases share the time {0}")]
    Crowded(DateTime<Utc>),
}

impl UpstreamError {
    /// Whether asking again may help.
    pub fn transient(&self) -> bool {
        match self {
            UpstreamError::Ask { .. } => true,
            UpstreamError::Answer { status, .. } => matches!(status, 429 | 500..),
            UpstreamError::Read { .. } | UpstreamError::Crowded(_) => false,
        }
    }
}

impl Place {
    pub fn at(at: DateTime<Utc>) -> Place {
        Place { at, skipped: 0 }
    }
}

impl Upstream {
    /// `url` is that of the search: `https://fastapi.metacpan.org/v1/release/_search`.
    pub fn new(url: Url) -> reqwest::Result<Upstream> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("assay/", env!("CARGO_PKG_VERSION")))
            .timeout(Duration::from_secs(60))
            .build()?;
        Ok(Upstream { client, url })
    }

    /// The releases from a place on, oldest first, and where to go on; `None` when that was the last page.
    pub async fn page(&self, place: &Place) -> Result<(Page, Option<Place>), UpstreamError> {
        let url = self.at(place);
        let asked = |source: reqwest::Error| UpstreamError::Ask { url: self.url.clone(), source: source.without_url() };
        let answer = self.client.get(url).send().await.map_err(asked)?;
        let status = answer.status().as_u16();
        if status != 200 {
            return Err(UpstreamError::Answer { url: self.url.clone(), status });
        }
        let bytes = answer.bytes().await.map_err(asked)?;
        let page = uploads::metacpan(&bytes).map_err(|source| UpstreamError::Read { url: self.url.clone(), source })?;
        if page.hits < SIZE {
            return Ok((page, None));
        }
        let last = page.last.as_deref().and_then(uploads::released_at).unwrap_or(place.at);
        let next = match last > place.at {
            true => Place::at(last),
            false => Place { at: place.at, skipped: place.skipped + page.hits },
        };
        if next.skipped > DEEPEST {
            return Err(UpstreamError::Crowded(next.at));
        }
        Ok((page, Some(next)))
    }

    /// Pages begin at a release time rather than after a number of hits: a search engine gives no more than 10,000.
    fn at(&self, place: &Place) -> Url {
        let mut url = self.url.clone();
        // The search engine reads no zone; release times are UTC.
        let at = place.at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let query = format!("date:[\"{}\" TO *]", at.trim_end_matches('Z'));
        url.query_pairs_mut()
            .append_pair("q", &query)
            .append_pair("sort", "date:asc")
            .append_pair("size", &SIZE.to_string())
            .append_pair("from", &place.skipped.to_string())
            .append_pair("_source", "author,archive,date,status");
        url
    }
}
