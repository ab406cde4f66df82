//! Sends one body, or one retraction, until assay says what became of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::availability::{Availability, REST, Trail};
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
    /// Where there is a proxy, each submission is sent again until it is accepted, after a rest as clients take it, and
    /// what that took is noted here.
    pub availability: Option<Arc<Availability>>,
    lots: Arc<AtomicUsize>,
}

/// What became of a body.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// Whether it was sent without an answer, at least once, or may have reached assay more often than it was answered.
    pub perhaps: bool,
    pub end: End,
}

/// What became of many bodies sent with one request.
pub struct DeliveredMany {
    /// As with one.
    pub perhaps: bool,
    /// What each line was answered; `None`: no answer.
    pub lines: Option<Vec<Line>>,
}

/// What one line of many was answered.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    pub status: u16,
    /// It waits in a node's spool.
    pub spooled: bool,
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
        Courier { client, tally, watch, availability: None, lots: Arc::default() }
    }

    /// The same for clients of a proxy.
    pub fn patient(self, availability: Arc<Availability>) -> Self {
        Courier { availability: Some(availability), ..self }
    }

    /// Sends one report until there is an answer.
    pub async fn deliver(&self, body: &Body, token: &str) -> Delivered {
        let (before, mut trail) = (self.tally.trouble.look(), Trail::begin());
        let Delivered { perhaps, end } = self.deliver_along(body, token, &mut trail).await;
        // A proxy sends reports again by itself when a node dies.
        let perhaps = perhaps || !self.tally.trouble.none_since(before);
        if let Some(availability) = &self.availability {
            match end {
                End::Taken(_) => availability.accepted(&trail, 1),
                End::Abandoned => availability.left(&trail, 1),
                End::Conflict(_) | End::Refused => {}
            }
        }
        Delivered { perhaps, end }
    }

    async fn deliver_along(&self, body: &Body, token: &str, trail: &mut Trail) -> Delivered {
        let mut perhaps = false;
        loop {
            let lot = self.lot();
            trail.try_now();
            let answer = self.client.submit(lot, token, "application/json", body.bytes.clone()).await;
            self.count(&answer, 1);
            let told = answer.told();
            match answer {
                Answer::Taken(status, text) => {
                    let receipt = serde_json::from_str(&text).ok().and_then(|value| Receipt::read(&value));
                    // 202: this body is new, so the receipt is this body's.
                    let right = receipt.as_ref().is_some_and(|one| status == 200 || one.digest == body.digest);
                    self.watch.answer(right, || format!("{status} with a wrong receipt: {text}"));
                    if receipt.as_ref().is_some_and(Receipt::spooled) {
                        self.tally.spooled.add();
                    }
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
            trail.failed(&told, &self.tally.trouble.told());
            let abandoned = self.availability.is_none() && perhaps && lot.is_multiple_of(10);
            if self.tally.ended() || abandoned {
                return Delivered { perhaps, end: End::Abandoned };
            }
            self.rest(lot).await;
        }
    }

    /// Sends many reports with one request, again and again only where there is a proxy.
    pub async fn deliver_many(&self, bodies: &[Body], token: &str) -> DeliveredMany {
        let (before, mut trail) = (self.tally.trouble.look(), Trail::begin());
        let text: Vec<u8> = bodies.iter().flat_map(|body| [body.bytes.as_slice(), b"\n"].concat()).collect();
        let mut perhaps = false;
        let lines = loop {
            let lot = self.lot();
            trail.try_now();
            let answer = self.client.submit(lot, token, "application/x-ndjson", text.clone()).await;
            let told = answer.told();
            let lines = self.lines_of(answer, bodies.len());
            perhaps |= lines.is_none();
            if lines.is_some() || self.availability.is_none() {
                break lines;
            }
            trail.failed(&told, &self.tally.trouble.told());
            if self.tally.ended() {
                break None;
            }
            self.rest(lot).await;
        };
        if let Some(availability) = &self.availability {
            match lines {
                Some(_) => availability.accepted(&trail, bodies.len() as u64),
                None => availability.left(&trail, bodies.len() as u64),
            }
        }
        DeliveredMany { perhaps: perhaps || !self.tally.trouble.none_since(before), lines }
    }

    /// What each of so many lines was answered. `None`: nothing.
    fn lines_of(&self, answer: Answer, sent: usize) -> Option<Vec<Line>> {
        self.count(&answer, sent);
        match answer {
            Answer::Taken(_, text) => {
                let lines: Vec<Line> = text.lines().filter_map(read_line).collect();
                self.watch.answer(lines.len() == sent, || format!("{sent} lines answered: {text}"));
                lines.iter().filter(|line| line.spooled).for_each(|_| self.tally.spooled.add());
                (lines.len() == sent).then_some(lines)
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
        let rest = match self.availability {
            Some(_) => REST,
            None => Duration::from_millis(5 + lot as u64 % 40),
        };
        tokio::time::sleep(rest).await;
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

fn read_line(line: &str) -> Option<Line> {
    let line: Value = serde_json::from_str(line).ok()?;
    let status = u16::try_from(line["status"].as_u64()?).ok()?;
    Some(Line { status, spooled: line["outcome"] == "spooled" })
}
