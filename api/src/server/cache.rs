//! Answers kept ready: the same bytes again without a look into the database, for as long as nothing under them has
//! changed.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use moka::sync::Cache;
use pipeline::events::{Events, Processed};
use schemas::ids::Digest;

/// What an answer is about. A change to it makes the answer old.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Language and distribution.
    Distribution(String, String),
    Author(String),
    Tester(String),
}

/// An answer's bytes, and from which change number on it was true.
#[derive(Clone, Debug)]
struct Kept {
    etag: HeaderValue,
    plain: Bytes,
    gzip: Option<Bytes>,
    head: i64,
    subject: Subject,
}

/// Keeps answers by what was asked.
#[derive(Clone, Debug)]
pub struct Answers {
    kept: Cache<String, Arc<Kept>>,
    /// Newest change number of each subject that changed of late.
    changed: Cache<Subject, i64>,
    /// Newest change number up to which anything may have changed.
    everything: Arc<AtomicI64>,
}

/// Longest time an answer is given again; also the bound for changes that nothing tells of.
const LONGEST: Duration = Duration::from_secs(10);

/// Answers smaller than this are not worth packing.
const WORTH_PACKING: usize = 1024;

/// How a reader's cache may use the answer: ask again each time, which costs a 304.
const REVALIDATE: HeaderValue = HeaderValue::from_static("public, max-age=0, must-revalidate");

impl Answers {
    /// Follows what is processed, here and elsewhere.
    pub fn start(megabytes: u64, events: &Events) -> Answers {
        let answers = Answers {
            kept: Cache::builder()
                .weigher(|key: &String, kept: &Arc<Kept>| {
                    let size = key.len() + kept.plain.len() + kept.gzip.as_ref().map_or(0, Bytes::len) + 256;
                    u32::try_from(size).unwrap_or(u32::MAX)
                })
                .max_capacity(megabytes * 1024 * 1024)
                .time_to_live(LONGEST)
                .build(),
            // Outlives every answer that was true before the change.
            changed: Cache::builder().max_capacity(1_000_000).time_to_live(LONGEST * 2).build(),
            everything: Arc::default(),
        };
        let mut processed = events.processed();
        let follower = answers.clone();
        tokio::spawn(async move {
            use tokio::sync::broadcast::error::RecvError;
            loop {
                match processed.recv().await {
                    Ok(news) => follower.note(&news),
                    // Some news was missed, so nothing is known to be new.
                    Err(RecvError::Lagged(_)) => follower.kept.invalidate_all(),
                    Err(RecvError::Closed) => return,
                }
            }
        });
        answers
    }

    fn note(&self, news: &Processed) {
        if news.everything {
            self.everything.fetch_max(news.head, Ordering::Relaxed);
        }
        let distributions = news.releases.iter().map(|(language, distribution, _)| {
            Subject::Distribution(language.as_str().to_owned(), distribution.clone())
        });
        let authors = news.authors.iter().map(|author| Subject::Author(author.clone()));
        let testers = news.testers.iter().map(|tester| Subject::Tester(tester.clone()));
        for subject in distributions.chain(authors).chain(testers) {
            // Transactions are not always announced in the order of their numbers.
            let newest = self.changed.get(&subject).map_or(news.head, |known| known.max(news.head));
            self.changed.insert(subject, newest);
        }
    }

    /// The kept answer to a question, if it is still true.
    pub fn get(&self, asked: &str, headers: &HeaderMap) -> Option<Response> {
        if headers.get(header::CACHE_CONTROL).is_some_and(|value| value.as_bytes() == b"no-cache") {
            return None;
        }
        let kept = self.kept.get(asked)?;
        let changed = self.changed.get(&kept.subject).unwrap_or_default();
        if changed.max(self.everything.load(Ordering::Relaxed)) > kept.head {
            return None;
        }
        Some(kept.answer(headers))
    }

    /// Keeps a JSON answer that was read when `head` was the newest change number, and gives it.
    ///
    /// `version` names the content: equal versions of one question have equal content but for how fresh it says it is.
    pub fn keep(
        &self,
        asked: String,
        subject: Subject,
        head: i64,
        version: i64,
        plain: Vec<u8>,
        headers: &HeaderMap,
    ) -> Response {
        let gzip = (plain.len() >= WORTH_PACKING).then(|| gzip(&plain)).filter(|packed| packed.len() < plain.len());
        let etag = HeaderValue::from_str(&format!("W/\"{version:x}\"")).expect("hexadecimal digits");
        let kept = Arc::new(Kept { etag, plain: plain.into(), gzip: gzip.map(Bytes::from), head, subject });
        self.kept.insert(asked, Arc::clone(&kept));
        kept.answer(headers)
    }
}

impl Kept {
    fn answer(&self, headers: &HeaderMap) -> Response {
        let mut response = Response::new(Body::empty());
        let answer = response.headers_mut();
        answer.insert(header::ETAG, self.etag.clone());
        answer.insert(header::CACHE_CONTROL, REVALIDATE);
        answer.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if matches(headers, &self.etag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        answer.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = match &self.gzip {
            Some(gzip) if accepts_gzip(headers) => {
                answer.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                gzip.clone()
            }
            _ => self.plain.clone(),
        };
        *response.body_mut() = Body::from(body);
        response
    }
}

/// Names an answer that has no name yet by its content, so that a reader who has it already is spared its bytes.
pub async fn named_by_content(request: Request, next: Next) -> Response {
    let wanted = request.method() == Method::GET;
    let known = request.headers().get_all(header::IF_NONE_MATCH).iter();
    let known: HeaderMap = known.map(|etag| (header::IF_NONE_MATCH, etag.clone())).collect();
    let response = next.run(request).await;
    let named = response.headers().contains_key(header::ETAG);
    // Streams are told by their size, which nobody knows.
    if !wanted || named || response.status() != StatusCode::OK || response.body().size_hint().exact().is_none() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.expect("a body whose size is known is in memory");
    let digest = Digest::of(&bytes).to_string();
    let etag = HeaderValue::from_str(&format!("W/\"{}\"", &digest[..16])).expect("hexadecimal digits");
    if matches(&known, &etag) {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_LENGTH);
    }
    parts.headers.insert(header::ETAG, etag);
    let unchanged = parts.status == StatusCode::NOT_MODIFIED;
    Response::from_parts(parts, if unchanged { Body::empty() } else { Body::from(bytes) })
}

/// Whether the reader has this version already (RFC 9110 §13.1.2, weak comparison).
pub fn matches(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let opaque = |text: &str| text.trim().trim_start_matches("W/").to_owned();
    let Ok(ours) = etag.to_str().map(opaque) else { return false };
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|theirs| theirs.trim() == "*" || opaque(theirs) == ours)
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            parts.next() == Some("gzip") && !parts.any(|quality| quality == "q=0")
        })
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::with_capacity(plain.len() / 4), flate2::Compression::new(6));
    let written = encoder.write_all(plain).and_then(|()| encoder.finish());
    written.expect("writing into memory does not fail")
}

#[cfg(test)]
mod tests {
    use schemas::extract::Language;

    use super::*;

    #[tokio::test]
    async fn an_answer_is_old_whichever_of_two_changes_is_told_last() {
        let events = Events::new(0);
        let answers = Answers::start(1, &events);
        let release = (Language::Perl, "Foo-Bar".to_owned(), "1.0".to_owned());
        let news =
            |head| Processed { releases: vec![release.clone()], everything: false, ..Processed::everything(head) };
        let subject = Subject::Distribution("perl".to_owned(), "Foo-Bar".to_owned());
        let none = HeaderMap::new();
        let _ = answers.keep("it".to_owned(), subject.clone(), 10, 1, b"{}".to_vec(), &none);
        assert!(answers.get("it", &none).is_some());
        // The second transaction was quicker to tell.
        answers.note(&news(12));
        answers.note(&news(10));
        assert!(answers.get("it", &none).is_none());
        let _ = answers.keep("it".to_owned(), subject, 12, 2, b"{}".to_vec(), &none);
        assert!(answers.get("it", &none).is_some());
    }
}
