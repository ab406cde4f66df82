//! Sends one body, or one retraction, until assay says what became of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::check::Watch;
use crate::client::{Answer, Client, PATIENCE, Receipt};
use crate::reports::Body;
use crate::tally::Tally;

/// Sends, and counts what it sends.
#[derive(Clone)]
pub struct Courier {
    pub client: Client,
    pub tally: Arc<Tally>,
    pub watch: Arc<Watch>,
    lots: Arc<AtomicUsize>,
}

/// What became of a body.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// Whether it was sent without an answer, at least once.
    pub perhaps: bool,
    pub end: End,
}

/// How a delivery ended.
#[derive(Clone, Debug)]
pub enum End {
    Taken(Receipt),
    /// 409, with its text.
    Conflict(String),
    /// Any other refusal; it is noted as a fault.
    Refused,
    /// No answer, and no further try: every tenth is left like this, and all when the run ends.
    Abandoned,
}

impl Courier {
    pub fn new(client: Client, tally: Arc<Tally>, watch: Arc<Watch>) -> Self {
        Courier { client, tally, watch, lots: Arc::default() }
    }

    /// Sends one report until there is an answer.
    pub async fn deliver(&self, body: &Body, token: &str) -> Delivered {
        let mut perhaps = false;
        loop {
            let lot = self.lot();
            let answer = self.client.submit(lot, token, "application/json", body.bytes.clone()).await;
            self.count(&answer, 1);
            match answer {
                Answer::Taken(status, text) => {
                    let receipt = serde_json::from_str(&text).ok().and_then(|value| Receipt::read(&value));
                    // 202: this body is new, so the receipt is this body's.
                    let right = receipt.as_ref().is_some_and(|one| status == 200 || one.digest == body.digest);
                    self.watch.answer(right, || format!("{status} with a wrong receipt: {text}"));
                    return Delivered { perhaps, end: receipt.map_or(End::Refused, End::Taken) };
                }
                Answer::Refused(409, text) => return Delivered { perhaps, end: End::Conflict(text) },
                Answer::Refused(status, text) if status < 500 => {
                    self.watch.answer(false, || format!("a report was answered {status}: {text}"));
                    return Delivered { perhaps, end: End::Refused };
                }
                Answer::Refused(status, text) => {
                    self.watch.answer(problem(&text), || format!("a bare {status}: {text}"));
                    perhaps = true;
                }
                Answer::TurnedAway | Answer::Cut | Answer::Silent => perhaps = true,
                Answer::Unsent => {}
            }
            if self.tally.ended() || (perhaps && lot.is_multiple_of(10)) {
                return Delivered { perhaps, end: End::Abandoned };
            }
            self.rest(lot).await;
        }
    }

    /// Sends many reports with one request. Each line that was answered, with its status; `None`: no answer.
    pub async fn deliver_many(&self, bodies: &[Body], token: &str) -> Option<Vec<u16>> {
        let text: Vec<u8> = bodies.iter().flat_map(|body| [body.bytes.as_slice(), b"\n"].concat()).collect();
        let answer = self.client.submit(self.lot(), token, "application/x-ndjson", text).await;
        self.count(&answer, bodies.len());
        match answer {
            Answer::Taken(_, text) => {
                let lines: Vec<u16> = text.lines().filter_map(status_of_line).collect();
                self.watch.answer(lines.len() == bodies.len(), || format!("{} lines answered: {text}", bodies.len()));
                (lines.len() == bodies.len()).then_some(lines)
            }
            Answer::Refused(status, text) => {
                self.watch.answer(status >= 500 && problem(&text), || format!("many were answered {status}: {text}"));
                None
            }
            Answer::TurnedAway | Answer::Unsent | Answer::Cut | Answer::Silent => None,
        }
    }

    /// Takes a report back. The status and text of the answer; `None`: it was asked for, and nobody answered.
    pub async fn retract(&self, id: &str, token: &str) -> Option<(u16, String)> {
        loop {
            let lot = self.lot();
            let answer = self.client.retract(lot, token, id).await;
            self.heard(&answer, "a retraction");
            match answer {
                Answer::Taken(status, text) => return Some((status, text)),
                Answer::Refused(status, text) if status < 500 => return Some((status, text)),
                Answer::Refused(status, text) => {
                    self.watch.answer(problem(&text), || format!("a bare {status}: {text}"));
                }
                Answer::TurnedAway | Answer::Unsent | Answer::Cut | Answer::Silent => {}
            }
            if self.tally.ended() {
                return None;
            }
            self.rest(lot).await;
        }
    }

    fn lot(&self) -> usize {
        self.lots.fetch_add(1, Ordering::Relaxed)
    }

    async fn rest(&self, lot: usize) {
        tokio::time::sleep(Duration::from_millis(5 + lot as u64 % 40)).await;
    }

    /// A request may be cut off by a kill, but never left without an answer.
    fn heard(&self, answer: &Answer, what: &str) {
        if matches!(answer, Answer::Silent) {
            self.watch.answer(false, || format!("{what} was left without an answer for {} s", PATIENCE.as_secs()));
        }
    }

    fn count(&self, answer: &Answer, reports: usize) {
        let tally = &self.tally;
        self.heard(answer, if reports == 1 { "a report" } else { "a request with many reports" });
        for _ in 0..reports {
            match answer {
                Answer::Unsent => return,
                Answer::Taken(..) => tally.acknowledged.add(),
                Answer::TurnedAway => tally.turned_away.add(),
                Answer::Refused(status, _) if *status >= 500 => tally.unanswered.add(),
                Answer::Refused(..) => {}
                Answer::Cut | Answer::Silent => tally.unanswered.add(),
            }
            tally.sends.add();
        }
    }
}

/// Whether an answer says what is wrong, as RFC 9457 has it.
fn problem(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|value| value["type"].is_string() && value["detail"].is_string())
}

fn status_of_line(line: &str) -> Option<u16> {
    let line: Value = serde_json::from_str(line).ok()?;
    u16::try_from(line["status"].as_u64()?).ok()
}
