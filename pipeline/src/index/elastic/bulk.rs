//! Many writes in few requests, each about as large as an engine likes them.

use bytes::Bytes;
use elasticsearch::http::Method;
use serde_json::{Value, json};

use super::client::{Client, Failure, Request, reason};

/// Bytes of one request, unless a single write is longer.
const FULL: usize = 5 * 1024 * 1024;

/// How often writes are sent that the engine had no room for.
const TRIES: u32 = 8;

/// One write, as the engine reads it.
pub(super) struct Write(String);

/// Where a write goes: a document of a number, and a version that no older write replaces.
pub(super) struct Target<'a> {
    pub index: &'a str,
    pub number: i64,
    /// A write of the same version may be repeated.
    pub version: i64,
}

impl Write {
    /// A document in the place of an older one.
    pub(super) fn put(target: &Target<'_>, document: &Value) -> Write {
        Write(format!("{}\n{document}\n", json!({ "index": target.action() })))
    }

    pub(super) fn remove(target: &Target<'_>) -> Write {
        Write(format!("{}\n", json!({ "delete": target.action() })))
    }
}

impl Target<'_> {
    fn action(&self) -> Value {
        json!({
            "_index": self.index,
            "_id": self.number.to_string(),
            "version": self.version,
            "version_type": "external_gte",
        })
    }
}

/// Writes waiting for a request of theirs to be full.
pub(super) struct Bulk<'a> {
    client: &'a Client,
    waiting: Vec<Write>,
    bytes: usize,
}

impl<'a> Bulk<'a> {
    pub(super) fn new(client: &'a Client) -> Bulk<'a> {
        Bulk { client, waiting: Vec::new(), bytes: 0 }
    }

    pub(super) fn add(&mut self, write: Write) -> Result<(), Failure> {
        if self.bytes + write.0.len() > FULL {
            self.flush()?;
        }
        self.bytes += write.0.len();
        self.waiting.push(write);
        Ok(())
    }

    /// Sends what waits. Of writes that lose against newer ones, nothing is said: that is as it should be.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        let mut writes = std::mem::take(&mut self.waiting);
        self.bytes = 0;
        for failures in 1.. {
            if writes.is_empty() {
                break;
            }
            let body: String = writes.iter().map(|write| write.0.as_str()).collect();
            let request = Request::write(Method::Post, "_bulk").body(Bytes::from(body));
            let answer = self.client.call(request)?.done()?;
            let busy = sort_out(&answer.body, &mut writes)?;
            match busy {
                None => break,
                Some(reason) if failures >= TRIES => return Err(Failure::Partly { reason }),
                Some(_) => Client::wait(failures),
            }
        }
        Ok(())
    }
}

/// Keeps the writes that are to be sent again, and tells why the engine did not take them; `None` when none are left.
/// Any that was refused for good is an error.
fn sort_out(answer: &Value, writes: &mut Vec<Write>) -> Result<Option<String>, Failure> {
    if answer["errors"] == Value::Bool(false) {
        return Ok(None);
    }
    let items = answer["items"].as_array().filter(|items| items.len() == writes.len());
    let items =
        items.ok_or_else(|| Failure::Partly { reason: format!("not an answer to a bulk: {}", reason(answer)) })?;
    let mut busy = None;
    let mut again = Vec::new();
    for (item, write) in items.iter().zip(std::mem::take(writes)) {
        let (action, result) = item.as_object().and_then(|item| item.iter().next()).unzip();
        let result = result.unwrap_or(&Value::Null);
        match (result["status"].as_u64(), action.map(String::as_str)) {
            (Some(200..=299 | 409), _) | (Some(404), Some("delete")) => {}
            (Some(429 | 500..=599), _) => {
                busy = Some(reason(result));
                again.push(write);
            }
            _ => return Err(Failure::Partly { reason: reason(result) }),
        }
    }
    *writes = again;
    Ok(busy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writes(numbers: &[i64]) -> Vec<Write> {
        let target = |number| Target { index: "a-1-2026.11", number, version: 7 };
        numbers.iter().map(|number| Write::remove(&target(*number))).collect()
    }

    #[test]
    fn only_what_the_engine_had_no_room_for_is_sent_again() {
        let mut sent = writes(&[1, 2, 3, 4, 5]);
        let answer = json!({ "errors": true, "items": [
            { "index": { "status": 201 } },
            { "index": { "status": 429, "error": { "type": "es_rejected_execution_exception", "reason": "full" } } },
            { "index": { "status": 409, "error": { "type": "version_conflict_engine_exception", "reason": "newer" } } },
            { "delete": { "status": 404 } },
            { "delete": { "status": 503, "error": { "type": "unavailable_shards_exception", "reason": "away" } } },
        ]});
        let busy = sort_out(&answer, &mut sent).unwrap();
        assert_eq!(busy.as_deref(), Some("unavailable_shards_exception: away"));
        let again: Vec<&str> = sent.iter().map(|write| write.0.as_str()).collect();
        assert_eq!(again, [writes(&[2])[0].0.as_str(), writes(&[5])[0].0.as_str()]);
        assert!(sort_out(&json!({ "errors": false }), &mut sent).unwrap().is_none());
    }

    #[test]
    fn what_is_refused_for_good_is_an_error_that_says_why() {
        for (answer, told) in [
            (
                json!({ "errors": true, "items": [
                    { "index": { "status": 400, "error": { "type": "strict_dynamic_mapping_exception", "reason": "x" } } },
                ]}),
                "the search engine refused: strict_dynamic_mapping_exception: x",
            ),
            (json!({ "errors": true, "items": [] }), "the search engine refused: not an answer to a bulk"),
            (json!("<html>"), "the search engine refused: not an answer to a bulk: <html>"),
        ] {
            let error = sort_out(&answer, &mut writes(&[1])).unwrap_err().to_string();
            assert!(error.starts_with(told), "{error}");
        }
    }
}
