//! Bearer tokens: made here, kept as hashes, shown once.

use chrono::{DateTime, Utc};
use schemas::ids::Digest;
use uuid::Uuid;

use crate::clock::Clock;
use crate::store::{NewToken, Scope, Store, StoreError, TesterNumber, Token};

/// A token's secret, to be shown to its owner once.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Two random UUIDs: 244 random bits, so that an unsalted hash of it cannot be searched.
    fn random() -> Self {
        Secret(format!("assay_{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()))
    }

    pub fn hash(text: &str) -> [u8; 32] {
        Digest::of(text.as_bytes()).0
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// What a new token is to allow, for whom, until when.
#[derive(Clone, Debug, Default)]
pub struct Issue {
    pub scopes: Vec<Scope>,
    /// Name of the tester whose reports it submits.
    pub tester: Option<String>,
    pub expires_at: Option<DateTime<Utc>>,
}

/// Makes a token. The secret cannot be had again later.
pub async fn issue(store: &Store, clock: &Clock, order: &Issue) -> Result<(Secret, Token), StoreError> {
    let now = clock.now();
    let mut tx = store.begin().await?;
    let tester: Option<TesterNumber> = match &order.tester {
        Some(name) => {
            let id = Uuid::new_v4().to_string();
            Some(tx.put_tester(&id, "token", name, name, None, now).await?.number)
        }
        None => None,
    };
    let secret = Secret::random();
    let token = NewToken {
        id: Uuid::new_v4().simple().to_string()[..12].to_owned(),
        hash: Secret::hash(secret.reveal()),
        tester,
        scopes: order.scopes.clone(),
        expires_at: order.expires_at,
    };
    tx.insert_token(&token, now).await?;
    tx.commit().await?;
    let stored = store.token(&token.id).await?.ok_or_else(|| StoreError::inconsistent("tokens", 0))?;
    Ok((secret, stored))
}

/// Replaces a token by a new one for the same tester and scopes; the old one works until `ends_at` and no longer.
/// `None`: no such token.
pub async fn rotate(
    store: &Store,
    clock: &Clock,
    id: &str,
    ends_at: DateTime<Utc>,
) -> Result<Option<(Secret, Token)>, StoreError> {
    let Some(old) = store.token(id).await?.filter(|token| token.valid(clock.now())) else { return Ok(None) };
    let order = Issue { scopes: old.scopes, tester: old.tester_name, expires_at: old.expires_at };
    let issued = issue(store, clock, &order).await?;
    let mut tx = store.begin().await?;
    match ends_at <= clock.now() {
        true => {
            tx.revoke_token(id, clock.now()).await?;
        }
        false => tx.end_token(id, ends_at).await?,
    }
    tx.commit().await?;
    Ok(Some(issued))
}

/// Ends a token. False: no such token, or it had ended already.
pub async fn revoke(store: &Store, clock: &Clock, id: &str) -> Result<bool, StoreError> {
    let mut tx = store.begin().await?;
    let revoked = tx.revoke_token(id, clock.now()).await?;
    tx.commit().await?;
    Ok(revoked)
}
