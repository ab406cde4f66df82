//! Hands over what is in the spool, once the database answers again.
//!
//! In the order of arrival and in groups, through the same acceptor as new submissions. What the database decides is
//! what counts: the same report again is a duplicate, another tester's id is refused. A crash between the acceptance of
//! a group and its leaving the spool hands it over twice, which counts once.

use std::collections::HashSet;
use std::time::Duration;

use chrono::TimeDelta;
use schemas::ids::ReportId;
use schemas::report::Reporter;
use tokio_util::sync::CancellationToken;

use super::file::{Entry, Refusal, Settlement};
use super::{Claim, Spool, SpoolError};
use crate::accept::{AcceptError, Acceptance, Acceptor, chain};
use crate::bodies;
use crate::identify::{Identify, Proof};
use crate::store::{Scope, Store, StoreError, Tester};
use crate::submission::{self, Submission};

/// What hands a spool over, and to whom.
#[derive(Clone, Debug)]
pub struct Drain {
    pub spool: Spool,
    pub store: Store,
    pub identify: Identify,
    pub acceptor: Acceptor,
}

/// How far handing over came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is left but what is held, so many.
    Done { held: usize },
    /// The database went away meanwhile; what is left stays in the spool.
    Away,
}

/// Time between two questions whether the database answers.
const PAUSE: Duration = Duration::from_secs(1);

/// Time for the database to say that it is there.
const PROBE: Duration = Duration::from_secs(3);

/// Time after which what is held is tried again.
const AGAIN: Duration = Duration::from_secs(60);

/// Submissions handed over together at most.
const BATCH: i64 = 256;

/// Packed bytes handed over together at most, but for the last one's.
const HEAVY: usize = 8 * 1024 * 1024;

impl Drain {
    /// Watches the database and hands over, until told to stop. `migrated`: the database was there at the start;
    /// otherwise it is brought to this version's schema as soon as it answers, and not used before.
    pub async fn run(self, mut migrated: bool, stop: CancellationToken) {
        let mut held_until = tokio::time::Instant::now();
        let mut held = 0;
        while !stop.is_cancelled() {
            if !migrated {
                migrated = self.migrate().await;
            }
            if migrated && self.probe().await {
                let waiting = self.spool.level().reports;
                let due = waiting > held || tokio::time::Instant::now() >= held_until;
                if waiting == 0 || !due {
                    self.spool.answered();
                } else {
                    tokio::select! {
                        progress = self.hand_over() => match progress {
                            Ok(Progress::Done { held: left }) => {
                                held = left as u64;
                                held_until = tokio::time::Instant::now() + AGAIN;
                            }
                            Ok(Progress::Away) => {}
                            Err(error) => tracing::error!(error = %chain(&error), "the spool could not be handed over"),
                        },
                        () = stop.cancelled() => {}
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Brings a database that was away at the start to this version's schema.
    async fn migrate(&self) -> bool {
        if self.store.migrations().await.is_err_and(|error| error.transient()) {
            return false;
        }
        let migrated = self.store.migrate().await;
        if let Err(error) = &migrated {
            let fault = error.schema_fault().map_or_else(|| chain(error), |fault| fault.to_string());
            tracing::error!(fault, "the database cannot be worked on; reports go on into the spool");
        }
        migrated.is_ok()
    }

    /// Whether the database answers. Told to the doors only when it does not: what is in the spool goes first.
    async fn probe(&self) -> bool {
        match tokio::time::timeout(PROBE, self.store.head()).await {
            Ok(Ok(_)) => true,
            Ok(Err(error)) => {
                self.spool.note_failure(&error);
                false
            }
            Err(_) => {
                self.spool.note_silence();
                false
            }
        }
    }

    /// Hands over everything that is in the spool. New submissions go straight into the database as soon as a group
    /// has been stored, so that the end comes near.
    pub async fn hand_over(&self) -> Result<Progress, SpoolError> {
        let shared = &self.spool.shared;
        let now = shared.clock.now();
        let remember = TimeDelta::from_std(shared.bounds.remember).unwrap_or(TimeDelta::MAX);
        if let Some(before) = now.checked_sub_signed(remember) {
            shared.file.forget_refusals(before).await?;
        }
        let mut handing = Handing { drain: self, after: 0, held: HashSet::new(), left: 0, stored: 0, refused: 0 };
        loop {
            let entries = shared.file.next(handing.after, BATCH, HEAVY).await?;
            let Some(last) = entries.last() else { break };
            let last = last.number;
            match handing.hand_over(entries).await? {
                Some(settlement) => handing.settle(settlement).await?,
                None => return Ok(Progress::Away),
            }
            handing.after = last;
            self.spool.answered();
        }
        self.spool.answered();
        if handing.stored + handing.refused > 0 {
            let Handing { stored, refused, left, .. } = handing;
            tracing::info!(stored, refused, held = left, "the spool was handed over");
        }
        if self.spool.level().reports == 0 {
            shared.file.tidy().await?;
        }
        Ok(Progress::Done { held: handing.left })
    }
}

/// One handing over, from the oldest to the newest.
struct Handing<'a> {
    drain: &'a Drain,
    /// Number of the last submission that was looked at.
    after: i64,
    /// Ids of what is held: what came later under them waits behind.
    held: HashSet<ReportId>,
    left: usize,
    stored: usize,
    refused: usize,
}

/// An entry on its way out.
struct Leaving {
    number: i64,
    id: ReportId,
    weight: u64,
}

/// What can be done with an entry.
enum Fate {
    Ready(Submission),
    Refused(String),
    Held(String),
}

/// Entries that are settled, and where they were.
struct Settled {
    settlement: Settlement,
    leaving: Vec<Leaving>,
}

impl Handing<'_> {
    /// `None`: the database went away.
    async fn hand_over(&mut self, entries: Vec<Entry>) -> Result<Option<Settled>, SpoolError> {
        let mut settled = Settled { settlement: Settlement::default(), leaving: Vec::new() };
        let mut ready = Vec::with_capacity(entries.len());
        for entry in entries {
            let fate = match self.held.contains(&entry.id) {
                true => Ok(Fate::Held("an earlier submission under this id is still held".to_owned())),
                false => self.drain.fate(&entry).await,
            };
            let fate = match fate {
                Err(error) if error.transient() => {
                    self.drain.spool.note_failure(&error);
                    return Ok(None);
                }
                Err(error) => Fate::Held(unexpected(&entry, &error)),
                Ok(fate) => fate,
            };
            match fate {
                Fate::Ready(submission) => ready.push((entry, submission)),
                Fate::Refused(reason) => self.refuse(&mut settled, &entry, reason),
                Fate::Held(reason) => self.hold(&mut settled, &entry, reason),
            }
        }
        match self.accept(ready, &mut settled).await {
            true => Ok(Some(settled)),
            false => Ok(None),
        }
    }

    /// False: the database went away.
    async fn accept(&mut self, ready: Vec<(Entry, Submission)>, settled: &mut Settled) -> bool {
        let submissions = ready.iter().map(|(_, submission)| submission.clone()).collect();
        match self.drain.acceptor.accept_all(submissions).await {
            Ok(acceptances) => {
                for ((entry, _), acceptance) in ready.iter().zip(acceptances) {
                    self.note(settled, entry, &acceptance);
                }
                true
            }
            Err(AcceptError::Store(error)) if !error.transient() => self.accept_singly(ready, settled).await,
            Err(error) => self.gone(&error),
        }
    }

    /// Something in a group is such that the database refuses it: the others go in, and that stays.
    async fn accept_singly(&mut self, ready: Vec<(Entry, Submission)>, settled: &mut Settled) -> bool {
        for (entry, submission) in ready {
            if self.held.contains(&entry.id) {
                self.hold(settled, &entry, "an earlier submission under this id is still held".to_owned());
                continue;
            }
            match self.drain.acceptor.accept(submission).await {
                Ok(acceptance) => self.note(settled, &entry, &acceptance),
                Err(AcceptError::Store(error)) if !error.transient() => {
                    self.hold(settled, &entry, unexpected(&entry, &error));
                }
                Err(error) => return self.gone(&error),
            }
        }
        true
    }

    fn gone(&self, error: &AcceptError) -> bool {
        if let AcceptError::Store(error) = error {
            self.drain.spool.note_failure(error);
        }
        false
    }

    fn note(&mut self, settled: &mut Settled, entry: &Entry, acceptance: &Acceptance) {
        let (id, digest) = (entry.id, entry.digest);
        match acceptance {
            Acceptance::Accepted | Acceptance::Duplicate | Acceptance::Corrected { .. } => {
                settled.settlement.stored.push(entry.number);
                settled.leave(entry);
            }
            Acceptance::Conflict { stored } => {
                let reason = format!(
                    "report {id} was sent by another tester with other content: digest {stored} is stored, {digest} \
                     was sent"
                );
                self.refuse(settled, entry, reason);
            }
            Acceptance::Withdrawn { .. } => {
                self.refuse(settled, entry, format!("report {id} was withdrawn and is not corrected"));
            }
        }
    }

    fn refuse(&mut self, settled: &mut Settled, entry: &Entry, reason: String) {
        let refused_at = self.drain.spool.shared.clock.now();
        let Entry { number, id, digest, received_at, .. } = *entry;
        settled.settlement.refused.push(Refusal { number, id, digest, received_at, refused_at, reason });
        settled.leave(entry);
    }

    fn hold(&mut self, settled: &mut Settled, entry: &Entry, reason: String) {
        self.held.insert(entry.id);
        self.left += 1;
        settled.settlement.held.push((entry.number, reason));
    }

    /// Notes in the file what became of entries, and only then forgets them.
    async fn settle(&mut self, Settled { settlement, leaving }: Settled) -> Result<(), SpoolError> {
        let shared = &self.drain.spool.shared;
        shared.file.settle(&settlement).await?;
        self.stored += settlement.stored.len();
        self.refused += settlement.refused.len();
        shared.measures.count("stored", settlement.stored.len());
        shared.measures.count("refused", settlement.refused.len());
        for Leaving { number, id, weight } in leaving {
            tracing::debug!(number, report.id = %id, "a report has left the spool");
            shared.release(id, weight);
        }
        Ok(())
    }
}

/// Logs why the database does not take an entry although it answers, and says so to its sender.
fn unexpected(entry: &Entry, error: &StoreError) -> String {
    tracing::error!(report.id = %entry.id, error = %chain(error), "a spooled report cannot be handed over");
    format!("the database did not take it ({}); an operator has to look", error.reason())
}

impl Settled {
    fn leave(&mut self, entry: &Entry) {
        self.leaving.push(Leaving { number: entry.number, id: entry.id, weight: entry.body.bytes.len() as u64 });
    }
}

impl Drain {
    /// What can be done with an entry, now that whose it is can be looked up.
    async fn fate(&self, entry: &Entry) -> Result<Fate, StoreError> {
        let bytes = match bodies::unpack(&entry.body) {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Fate::Refused(format!("its bytes were damaged on this node's disk: {error}"))),
        };
        let report = match submission::read(entry.door, &bytes, Reporter::default()) {
            Ok(report) => report,
            Err(error) => return Ok(Fate::Refused(error.to_string())),
        };
        let ready = |tester: Tester| {
            let Entry { id, door, digest, .. } = *entry;
            Fate::Ready(Submission { id, door, tester: tester.number, digest, bytes: bytes.into() })
        };
        Ok(match &entry.claim {
            Claim::Anonymous => ready(self.identify.anonymous(&report.reporter).await?),
            Claim::Token { hash } => match self.identify.token_of_hash(hash).await? {
                None => Fate::Refused("the token it was sent with is unknown".to_owned()),
                Some(token) if !token.valid(entry.received_at) => {
                    Fate::Refused("the token it was sent with was expired or revoked".to_owned())
                }
                Some(token) if !token.allows(Scope::Submit) => {
                    Fate::Refused(format!("the token it was sent with does not have the scope {}", Scope::Submit))
                }
                Some(token) => ready(self.identify.token_tester(&token, &report.reporter).await?),
            },
            Claim::Legacy { profile, secret: Some(secret) } => match self.identify.legacy(*profile, secret).await? {
                Proof::Proven(tester) => ready(*tester),
                Proof::Unknown => self.unregistered(entry, profile),
                Proof::WrongSecret => Fate::Refused(format!(
                    "wrong secret for user {profile}: it is not the one first used with this profile"
                )),
            },
            Claim::Legacy { profile, secret: None } => match self.identify.profile(*profile).await? {
                Some(tester) => ready(tester),
                None => self.unregistered(entry, profile),
            },
        })
    }

    /// Clients register a profile once they are told that it is unknown, which was not known when this came. The next
    /// report of theirs will tell them.
    fn unregistered(&self, entry: &Entry, profile: &uuid::Uuid) -> Fate {
        let age = (self.spool.shared.clock.now() - entry.received_at).to_std().unwrap_or_default();
        match age > self.spool.shared.bounds.remember {
            true => Fate::Refused(format!("User {profile} unrecognized: the profile was not registered in time")),
            false => Fate::Held(format!("the profile {profile} is not registered yet; it is stored once that is done")),
        }
    }
}
