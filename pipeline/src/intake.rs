//! Before step one: whose a submission is and where it goes, into the database, or into the spool while that is away.
//!
//! On the embedded profile there is no spool: the database is a file on the same disk, and what cannot be stored there
//! could not be spooled either.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use schemas::ids::{Digest, ReportId};
use schemas::report::Reporter;
use uuid::Uuid;

use crate::accept::{AcceptError, Acceptance, Acceptor};
use crate::identify::{Identify, Proof};
use crate::spool::{Claim, Spool, SpoolError, Spooling};
use crate::store::{Door, StoreError, Tester, Token};
use crate::submission::Submission;
use crate::tokens;

/// Where the doors hand submissions in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Intake {
    pub identify: Identify,
    pub acceptor: Acceptor,
    /// `None`: this node has none.
    pub spool: Option<Spool>,
}

/// What a sender has shown at a door for JSON reports.
#[derive(Clone, Debug)]
pub enum Credential {
    Absent,
    /// A token that is valid now.
    Token {
        hash: [u8; 32],
        token: Box<Token>,
    },
    /// A token that cannot be looked up now.
    Unchecked {
        hash: [u8; 32],
    },
}

impl Credential {
    /// Whether the sender has shown, or claims to be able to show, who they are.
    pub fn shown(&self) -> bool {
        !matches!(self, Credential::Absent)
    }
}

/// Whose a submission is.
#[derive(Clone, Debug)]
pub struct Whose {
    /// `None`: that cannot be looked up now.
    pub tester: Option<Tester>,
    pub claim: Claim,
}

/// A submission that a door has found fit.
#[derive(Clone, Debug)]
pub struct Offer {
    pub id: ReportId,
    pub door: Door,
    pub whose: Whose,
    pub digest: Digest,
    pub bytes: Bytes,
}

impl Offer {
    pub fn new(id: ReportId, door: Door, whose: Whose, bytes: Bytes) -> Self {
        Offer { id, door, whose, digest: Digest::of(&bytes), bytes }
    }
}

/// What became of a submission at the door. Each is durable when it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    Stored(Acceptance),
    /// In this node's spool. `again`: it was there already.
    Spooled {
        received_at: DateTime<Utc>,
        again: bool,
    },
}

/// Why a submission was not taken.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IntakeError {
    #[error(transparent)]
    Accept(#[from] AcceptError),
    #[error("the report could not be spooled")]
    Spool(#[from] SpoolError),
}

/// Reports for which the database is given its usual patience once more.
const SHARE: usize = 256;

impl Intake {
    /// The token with this secret. `None`: it is unknown, expired or revoked.
    pub async fn token(&self, secret: &str) -> Result<Option<Credential>, StoreError> {
        let hash = tokens::Secret::hash(secret);
        Ok(match self.ask(self.identify.token(secret)).await? {
            Some(token) => token.map(|token| Credential::Token { hash, token: Box::new(token) }),
            None => Some(Credential::Unchecked { hash }),
        })
    }

    /// Whose a report is that was sent with this credential, and names this reporter.
    pub async fn whose(&self, credential: &Credential, reporter: &Reporter) -> Result<Whose, StoreError> {
        let (tester, claim) = match credential {
            Credential::Absent => (self.ask(self.identify.anonymous(reporter)).await?, Claim::Anonymous),
            Credential::Token { hash, token } => {
                (self.ask(self.identify.token_tester(token, reporter)).await?, Claim::Token { hash: *hash })
            }
            Credential::Unchecked { hash } => (None, Claim::Token { hash: *hash }),
        };
        Ok(Whose { tester, claim })
    }

    /// Whose a submission with a legacy profile and secret is. The proof is what the profile's own tester would need.
    pub async fn legacy(&self, profile: Uuid, secret: &[u8]) -> Result<LegacyProof, StoreError> {
        let known =
            |tester, secret| LegacyProof::Whose(Box::new(Whose { tester, claim: Claim::Legacy { profile, secret } }));
        Ok(match self.ask(self.identify.legacy(profile, secret)).await? {
            Some(Proof::Proven(tester)) => known(Some(*tester), None),
            Some(Proof::Unknown) => LegacyProof::Unknown,
            Some(Proof::WrongSecret) => LegacyProof::WrongSecret,
            // Found right of late, so that the secret need not be kept.
            None if self.identify.remembered(profile, secret).is_some() => known(None, None),
            None => known(None, Some(secret.to_vec())),
        })
    }

    /// Takes a submission durably.
    pub async fn take(&self, offer: Offer) -> Result<Taken, IntakeError> {
        let taken = self.take_all(vec![offer]).await?;
        Ok(taken.into_iter().next().expect("one submission has one answer"))
    }

    /// Takes many; the answers are in their order. All go the same way, so that their order is kept.
    pub async fn take_all(&self, offers: Vec<Offer>) -> Result<Vec<Taken>, IntakeError> {
        let Some(submissions) = offers.iter().map(submission).collect::<Option<Vec<_>>>() else {
            return self.spool_all(offers).await;
        };
        let Some(spool) = &self.spool else {
            return Ok(stored(self.acceptor.accept_all(submissions).await?));
        };
        if spool.away() || offers.iter().any(|offer| spool.holds(offer.id)) {
            return self.spool_all(offers).await;
        }
        let patience = patience(spool, offers.len());
        match tokio::time::timeout(patience, self.acceptor.accept_all(submissions)).await {
            Ok(Ok(acceptances)) => return Ok(stored(acceptances)),
            Ok(Err(AcceptError::Store(error))) if error.transient() => spool.note_failure(&error),
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => spool.note_silence(),
        }
        // Some or all of them may be in the database in spite of this. That is found when they are handed over.
        self.spool_all(offers).await
    }

    async fn spool_all(&self, offers: Vec<Offer>) -> Result<Vec<Taken>, IntakeError> {
        let spool = self.spool.as_ref().ok_or(SpoolError::Closed)?;
        let spooling = offers.into_iter().map(|Offer { id, door, whose, digest, bytes }| Spooling {
            id,
            door,
            claim: whose.claim,
            digest,
            bytes,
        });
        let kept = spool.keep_all(spooling.collect()).await?;
        Ok(kept.into_iter().map(|kept| Taken::Spooled { received_at: kept.received_at, again: kept.again }).collect())
    }

    /// Asks the database. `None`: it is away, and there is a spool to keep what it would have been asked for.
    async fn ask<T>(&self, question: impl Future<Output = Result<T, StoreError>>) -> Result<Option<T>, StoreError> {
        let Some(spool) = &self.spool else { return question.await.map(Some) };
        if spool.away() {
            return Ok(None);
        }
        match tokio::time::timeout(spool.patience(), question).await {
            Ok(Err(error)) if error.transient() => {
                spool.note_failure(&error);
                Ok(None)
            }
            Ok(answer) => answer.map(Some),
            Err(_) => {
                spool.note_silence();
                Ok(None)
            }
        }
    }
}

/// Whether a legacy sender may submit, and as whom.
#[derive(Clone, Debug)]
pub enum LegacyProof {
    /// Proven, or to be proven once the database is back.
    Whose(Box<Whose>),
    /// The profile is not known: the client will register.
    Unknown,
    /// The secret is not the one seen first.
    WrongSecret,
}

fn patience(spool: &Spool, reports: usize) -> Duration {
    spool.patience() * u32::try_from(1 + reports / SHARE).unwrap_or(u32::MAX)
}

/// As the database takes it. `None`: the tester is not known now.
fn submission(offer: &Offer) -> Option<Submission> {
    let tester = offer.whose.tester.as_ref()?.number;
    Some(Submission { id: offer.id, door: offer.door, tester, digest: offer.digest, bytes: offer.bytes.clone() })
}

fn stored(acceptances: Vec<Acceptance>) -> Vec<Taken> {
    acceptances.into_iter().map(Taken::Stored).collect()
}
