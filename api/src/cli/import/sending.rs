//! Sending a batch until each of its lines has an answer.

use std::time::Duration;

use bytes::{BufMut, BytesMut};
use reqwest::{Method, header};
use schemas::problem::Fault;
use schemas::views::LineView;

use super::lines::Line;
use crate::cli::patience::Patience;
use crate::cli::printing;
use crate::client::{Answer, Client, ClientError};

/// How a line ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    Accepted,
    Duplicate,
    Corrected,
    Refused(Reason),
}

/// Why a line was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    pub status: u16,
    pub detail: String,
    pub errors: Vec<Fault>,
}

/// How batches are sent.
#[derive(Clone, Debug)]
pub struct Sending {
    pub client: Client,
    /// How long one batch is tried while the server is away or busy.
    pub retry_for: Duration,
}

impl Sending {
    /// The fate of each line, in order. An error means that the server could not be brought to answer: nothing is
    /// lost, since lines that arrived all the same are duplicates when they are sent again.
    pub async fn send(&self, lines: &[Line]) -> Result<Vec<Fate>, ClientError> {
        let mut fates: Vec<Option<Fate>> = vec![None; lines.len()];
        // Ranges still to be sent; a range that is refused as a whole is halved until the bad line stands alone.
        let mut ranges: Vec<Vec<usize>> = vec![(0..lines.len()).collect()];
        let mut patience = Patience::lasting(self.retry_for);
        while let Some(range) = ranges.pop() {
            if range.is_empty() {
                continue;
            }
            match self.once(lines, &range).await {
                Ok(answers) => {
                    let busy = settle(&range, answers, &mut fates);
                    match busy.is_empty() || patience.wait(None).await {
                        true => ranges.push(busy),
                        false => return Err(self.worn_out()),
                    }
                }
                Err(error) if error.transient() => match patience.wait(error.retry_after()).await {
                    true => ranges.push(range),
                    false => return Err(error),
                },
                Err(error) => match (refusal(&error), range.as_slice()) {
                    (Some(reason), [one]) => fates[*one] = Some(Fate::Refused(reason)),
                    (Some(_), _) => {
                        let (first, second) = range.split_at(range.len() / 2);
                        ranges.push(second.to_vec());
                        ranges.push(first.to_vec());
                    }
                    (None, _) => return Err(error),
                },
            }
        }
        Ok(fates.into_iter().map(|fate| fate.expect("a range is left only with a fate for each line")).collect())
    }

    async fn once(&self, lines: &[Line], range: &[usize]) -> Result<Vec<LineView>, ClientError> {
        let mut body = BytesMut::new();
        for index in range {
            body.put_slice(&lines[*index].bytes);
            body.put_u8(b'\n');
        }
        let request = self
            .client
            .request(Method::POST, &["v4", "reports"])
            .header(header::CONTENT_TYPE, "application/x-ndjson")
            .header(header::ACCEPT, "application/x-ndjson")
            .body(body.freeze());
        let answer = self.client.send(request, self.client.timeout()).await?;
        line_views(&answer, range.len())
    }

    /// Single lines were put off again and again, while the batch itself was answered.
    fn worn_out(&self) -> ClientError {
        printing::note("the server goes on putting off lines of a batch that it answers");
        ClientError::TimedOut { url: self.client.server().clone(), limit: self.retry_for }
    }
}

/// Notes the answers, and tells which lines the server could not take for now.
fn settle(range: &[usize], answers: Vec<LineView>, fates: &mut [Option<Fate>]) -> Vec<usize> {
    let mut busy = Vec::new();
    for (index, answer) in range.iter().zip(answers) {
        match fate(answer) {
            Some(fate) => fates[*index] = Some(fate),
            None => busy.push(*index),
        }
    }
    busy
}

/// `None` when the line can be taken later.
fn fate(answer: LineView) -> Option<Fate> {
    match (answer.outcome.as_str(), answer.status) {
        (_, 429 | 500..) => None,
        ("accepted" | "spooled", _) => Some(Fate::Accepted),
        ("duplicate", _) => Some(Fate::Duplicate),
        ("corrected", _) => Some(Fate::Corrected),
        (outcome, status) => {
            let detail = answer.detail.unwrap_or_else(|| outcome.to_owned());
            Some(Fate::Refused(Reason { status, detail, errors: answer.errors }))
        }
    }
}

/// The answers to as many lines as were sent, in their order.
fn line_views(answer: &Answer, sent: usize) -> Result<Vec<LineView>, ClientError> {
    let lines = answer.body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let mut views = lines
        .map(serde_json::from_slice)
        .collect::<Result<Vec<LineView>, _>>()
        .map_err(|error| answer.unreadable(error.to_string()))?;
    views.sort_by_key(|view| view.line);
    let complete = views.len() == sent && views.iter().zip(1..).all(|(view, number)| view.line == number);
    match complete {
        true => Ok(views),
        false => Err(answer.unreadable(format!("{} lines were sent, {} were answered", sent, views.len()))),
    }
}

/// The reason, when a request was refused for what is in it, rather than for who sends it or where.
fn refusal(error: &ClientError) -> Option<Reason> {
    match error {
        ClientError::Refused(refusal) if matches!(refusal.status, 400 | 409 | 413 | 422) => Some(Reason {
            status: refusal.status,
            detail: match refusal.detail.is_empty() {
                true => refusal.title.clone(),
                false => refusal.detail.clone(),
            },
            errors: refusal.faults.clone(),
        }),
        _ => None,
    }
}
