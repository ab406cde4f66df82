//! Who a sender says they are, as far as it is kept until the database can be asked.

use std::fmt;

use uuid::Uuid;

/// What a submission was sent with. Every submission that is stored later is attributed by it.
#[derive(Clone, PartialEq, Eq)]
pub enum Claim {
    /// No credential: the report names its tester.
    Anonymous,
    /// SHA-256 of a bearer token. Whether it is valid is asked for the moment the submission was received.
    Token { hash: [u8; 32] },
    /// A legacy profile. `secret`: still to be checked; `None`: it was found right when the submission came.
    Legacy { profile: Uuid, secret: Option<Vec<u8>> },
}

impl Claim {
    /// The kind of claim, as the spool's file names it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Claim::Anonymous => "anonymous",
            Claim::Token { .. } => "token",
            Claim::Legacy { .. } => "metabase",
        }
    }

    /// Tells whom the claim is of: token hash or profile.
    pub fn credential(&self) -> &[u8] {
        match self {
            Claim::Anonymous => &[],
            Claim::Token { hash } => hash,
            Claim::Legacy { profile, .. } => profile.as_bytes(),
        }
    }

    pub(super) fn secret(&self) -> Option<&[u8]> {
        match self {
            Claim::Legacy { secret, .. } => secret.as_deref(),
            Claim::Anonymous | Claim::Token { .. } => None,
        }
    }

    /// The claim as the file has it. `None`: it is none of these.
    pub(super) fn read(kind: &str, credential: &[u8], secret: Option<Vec<u8>>) -> Option<Claim> {
        match kind {
            "anonymous" => Some(Claim::Anonymous),
            "token" => Some(Claim::Token { hash: credential.try_into().ok()? }),
            "metabase" => Some(Claim::Legacy { profile: Uuid::from_slice(credential).ok()?, secret }),
            _ => None,
        }
    }
}

/// Without what could be used again.
impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Claim::Anonymous => f.write_str("Anonymous"),
            Claim::Token { .. } => f.write_str("Token"),
            Claim::Legacy { profile, secret } => {
                f.debug_struct("Legacy").field("profile", profile).field("checked", &secret.is_none()).finish()
            }
        }
    }
}
