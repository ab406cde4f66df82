//! What became of a report: with the server, to be tried again, or refused.

use std::time::Duration;

use schemas::views::{ReceiptView, State};
use serde_json::{Value, json};

use crate::cli::exit::{self, Class};
use crate::cli::parcel::{Parcel, Unfit};
use crate::client::ClientError;

/// What became of one report.
pub struct Outcome {
    pub label: String,
    pub id: Option<String>,
    pub word: &'static str,
    pub class: Class,
    pub status: Option<u16>,
    /// Why it is not simply accepted.
    pub reason: Option<String>,
    pub receipt: Option<ReceiptView>,
}

/// Why a report is not with the server.
pub struct Undelivered {
    pub class: Class,
    pub status: Option<u16>,
    pub reason: String,
    pub again: Again,
}

/// When it is worth another try.
pub enum Again {
    /// After a while, or after what the server asks for.
    Soon(Option<Duration>),
    /// Once a person has changed something: a token, an identity.
    Changed,
    Never,
}

impl Outcome {
    pub fn accepted(parcel: &Parcel, id: Option<String>, status: u16, receipt: Option<ReceiptView>) -> Outcome {
        let state = receipt.as_ref().map(|receipt| receipt.state);
        let (word, class) = match state {
            Some(State::Rejected) => ("rejected", Class::Rejected),
            Some(State::Parked) => ("parked", Class::Server),
            Some(State::Processed) => ("processed", Class::Done),
            // The server has had it before (200), or takes it now (201, 202).
            _ if status == 200 => ("known already", Class::Done),
            _ => ("accepted", Class::Done),
        };
        let reason = receipt.as_ref().and_then(|receipt| receipt.reason.clone());
        Outcome { label: parcel.label.clone(), id, word, class, status: Some(status), reason, receipt }
    }

    pub fn as_text(&self) -> String {
        let id = self.id.as_deref().map(|id| format!(" {id}")).unwrap_or_default();
        let reason = self.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        format!("{}: {}{id}{reason}", self.label, self.word)
    }

    pub fn as_json(&self) -> Value {
        json!({
            "source": self.label,
            "outcome": self.word,
            "id": self.id,
            "status": self.status,
            "reason": self.reason,
            "receipt": self.receipt,
        })
    }
}

impl Undelivered {
    pub fn outcome(&self, word: &'static str, parcel: &Parcel) -> Outcome {
        Outcome {
            label: parcel.label.clone(),
            id: parcel.id.clone(),
            word,
            class: self.class,
            status: self.status,
            reason: Some(self.reason.clone()),
            receipt: None,
        }
    }
}

impl From<ClientError> for Undelivered {
    fn from(error: ClientError) -> Undelivered {
        let class = Class::of_client(&error);
        let again = match class {
            _ if error.transient() => Again::Soon(error.retry_after()),
            Class::Access => Again::Changed,
            // The wrong address, most likely: the report is not at fault.
            _ if error.status().is_none() => Again::Changed,
            _ => Again::Never,
        };
        Undelivered { class, status: error.status(), again, reason: exit::chain_of(&error) }
    }
}

impl From<Unfit> for Outcome {
    fn from(Unfit { label, reason }: Unfit) -> Outcome {
        let (id, reason) = (None, Some(reason));
        Outcome { label, id, word: "refused", class: Class::Rejected, status: None, reason, receipt: None }
    }
}
