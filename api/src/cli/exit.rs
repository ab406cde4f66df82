//! Exit codes by class of failure, and how failures are told on stderr.

use std::io;
use std::process::ExitCode;

use crate::client::ClientError;
use crate::config::ConfigError;
use crate::installation::{AtWork, InUse, WrongSchema};

use super::printing;

/// How a command ended. The numbers are promised to scripts, see `assay --help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    Done = 0,
    Other = 1,
    Usage = 2,
    Access = 3,
    Rejected = 4,
    Server = 5,
    Network = 6,
    TimedOut = 7,
    Schema = 8,
    InUse = 9,
}

impl From<Class> for ExitCode {
    fn from(class: Class) -> ExitCode {
        ExitCode::from(class as u8)
    }
}

impl Class {
    pub fn of_client(error: &ClientError) -> Class {
        match error {
            ClientError::Refused(refusal) => match refusal.status {
                401 | 403 => Class::Access,
                500.. => Class::Server,
                _ => Class::Rejected,
            },
            ClientError::Unreadable { .. } | ClientError::Redirected { .. } => Class::Server,
            ClientError::TimedOut { .. } => Class::TimedOut,
            ClientError::Unreachable { .. } | ClientError::BrokenOff { .. } => Class::Network,
            ClientError::Setup(_) => Class::Other,
        }
    }

    fn of(error: &anyhow::Error) -> Class {
        if let Some(error) = error.downcast_ref::<ClientError>() {
            Class::of_client(error)
        } else if error.is::<ConfigError>() || error.is::<Usage>() {
            Class::Usage
        } else if error.is::<WrongSchema>() {
            Class::Schema
        } else if error.is::<InUse>() || error.is::<AtWork>() {
            Class::InUse
        } else {
            Class::Other
        }
    }
}

/// What was asked for cannot be done, whatever the server says.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Prints why a command failed, and says which class of failure it was.
pub fn tell(error: &anyhow::Error) -> Class {
    // Whoever closed stdout has seen enough: `assay results | head` went well.
    if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        return Class::Done;
    }
    printing::note(&format!("error: {}", chain(error)));
    Class::of(error)
}

/// An error and its causes, each said once.
pub fn chain(error: &anyhow::Error) -> String {
    chain_of(error.as_ref())
}

/// As [`chain`], for an error of a known type.
pub fn chain_of(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = cause.source();
    }
    text
}
