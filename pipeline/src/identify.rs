//! Whose submission it is: by bearer token, by legacy profile and secret, or by what an anonymous report says.

use std::sync::Arc;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use moka::sync::Cache;
use schemas::ids::Digest;
use schemas::metabase::{Registration, Secret};
use schemas::report::Reporter;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::clock::Clock;
use crate::events::Events;
use crate::store::{Store, StoreError, Tester, TesterNumber, Token};
use crate::tokens;

/// Knows testers, and remembers those it has seen of late.
#[derive(Clone, Debug)]
pub struct Identify {
    store: Store,
    clock: Clock,
    testers: Cache<(&'static str, String), Tester>,
    tokens: Cache<[u8; 32], Token>,
    /// The stored hash for which a secret was found right, by tester and the secret's digest: the slow hash is for
    /// the disk, not for every report.
    proven: Cache<(TesterNumber, [u8; 32]), String>,
    /// The slow hash takes 19 MiB each time; two at once are enough.
    hashing: Arc<Semaphore>,
}

/// Whether a legacy tester is who they say.
#[derive(Clone, Debug, PartialEq)]
pub enum Proof {
    Proven(Box<Tester>),
    /// The profile is not known: the client will register.
    Unknown,
    /// The secret is not the one seen first.
    WrongSecret,
}

impl Identify {
    pub fn new(store: Store, clock: Clock) -> Self {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        Identify {
            store,
            clock,
            testers: Cache::builder().max_capacity(50_000).time_to_live(minutes(10)).build(),
            // A revoked token works for no longer than this on nodes that are not told.
            tokens: Cache::builder().max_capacity(10_000).time_to_live(Duration::from_secs(5)).build(),
            proven: Cache::builder().max_capacity(50_000).time_to_live(minutes(60)).build(),
            hashing: Arc::new(Semaphore::new(2)),
        }
    }

    /// Forgets whom it has seen whenever another process has changed testers or tokens.
    pub fn follow(self, events: &Events) -> Self {
        let (seen, mut changed) = (self.clone(), events.identities());
        tokio::spawn(async move {
            while changed.changed().await.is_ok() {
                seen.forget_tokens();
                seen.testers.invalidate_all();
            }
        });
        self
    }

    /// The token with this secret, if it is valid now.
    pub async fn token(&self, secret: &str) -> Result<Option<Token>, StoreError> {
        let token = self.token_of_hash(&tokens::Secret::hash(secret)).await?;
        Ok(token.filter(|token| token.valid(self.clock.now())))
    }

    /// The token whose secret has this hash, valid or not.
    pub async fn token_of_hash(&self, hash: &[u8; 32]) -> Result<Option<Token>, StoreError> {
        if let Some(token) = self.tokens.get(hash) {
            return Ok(Some(token));
        }
        let Some(token) = self.store.token_by_hash(hash).await? else { return Ok(None) };
        self.tokens.insert(*hash, token.clone());
        Ok(Some(token))
    }

    /// Forgets tokens seen, after one was revoked here.
    pub fn forget_tokens(&self) {
        self.tokens.invalidate_all();
    }

    /// The tester a token submits for: its own, or for a token of nobody the one the report names.
    pub async fn token_tester(&self, token: &Token, reporter: &Reporter) -> Result<Tester, StoreError> {
        if let Some(number) = token.tester {
            let tester = self.store.tester_by_number(number).await?;
            return tester.ok_or_else(|| StoreError::inconsistent("testers", number.0));
        }
        self.named("token", format!("{} {}", token.id, identity(reporter)), reporter).await
    }

    /// The tester an anonymous report names. Never the same as one who has proven anything.
    pub async fn anonymous(&self, reporter: &Reporter) -> Result<Tester, StoreError> {
        self.named("anonymous", identity(reporter), reporter).await
    }

    async fn named(&self, door: &'static str, identity: String, reporter: &Reporter) -> Result<Tester, StoreError> {
        let key = (door, identity);
        if let Some(tester) = self.testers.get(&key) {
            return Ok(tester);
        }
        let known = self.store.tester(door, &key.1).await?;
        let tester = match known {
            Some(tester) => tester,
            None => {
                let name = reporter.name.as_deref().map(str::trim).filter(|name| !name.is_empty());
                let mut tx = self.store.begin().await?;
                let tester = tx
                    .put_tester(
                        &Uuid::new_v4().to_string(),
                        door,
                        &key.1,
                        name.unwrap_or("Unknown"),
                        Some(reporter.email.as_str()).filter(|address| !address.is_empty()),
                        self.clock.now(),
                    )
                    .await?;
                tx.commit().await?;
                tester
            }
        };
        self.testers.insert(key, tester.clone());
        Ok(tester)
    }

    /// Checks a legacy profile's secret; the first one seen is kept as the tester's (trust on first use).
    pub async fn legacy(&self, profile: Uuid, secret: &[u8]) -> Result<Proof, StoreError> {
        let Some(tester) = self.profile(profile).await? else { return Ok(Proof::Unknown) };
        let seen = (tester.number, Digest::of(secret).0);
        // A hash that is no longer the tester's proves nothing: the secret was forgotten, and another is kept now.
        if tester.secret_hash.is_some() && self.proven.get(&seen) == tester.secret_hash {
            return Ok(Proof::Proven(Box::new(tester)));
        }
        let hash = match &tester.secret_hash {
            Some(hash) => hash.clone(),
            None => self.keep_secret(&tester, secret).await?,
        };
        if !self.verify(hash.clone(), secret.to_vec()).await {
            return Ok(Proof::WrongSecret);
        }
        self.proven.insert(seen, hash);
        Ok(Proof::Proven(Box::new(tester)))
    }

    /// The legacy tester, when profile and secret were found right here of late: no question to the database.
    pub fn remembered(&self, profile: Uuid, secret: &[u8]) -> Option<Tester> {
        let tester = self.testers.get(&("metabase", profile.to_string()))?;
        let proven = self.proven.get(&(tester.number, Digest::of(secret).0));
        (tester.secret_hash.is_some() && proven == tester.secret_hash).then_some(tester)
    }

    /// A legacy profile, if it is known.
    pub async fn profile(&self, profile: Uuid) -> Result<Option<Tester>, StoreError> {
        let key = ("metabase", profile.to_string());
        if let Some(tester) = self.testers.get(&key) {
            return Ok(Some(tester));
        }
        let tester = self.store.tester("metabase", &key.1).await?;
        // One without a secret is about to change.
        if let Some(tester) = tester.as_ref().filter(|tester| tester.secret_hash.is_some()) {
            self.testers.insert(key, tester.clone());
        }
        Ok(tester)
    }

    /// Takes a profile in. A known one changes its name only with its own secret.
    pub async fn register(&self, registration: &Registration) -> Result<Proof, StoreError> {
        let secret = registration.secret.as_ref().map(Secret::as_bytes);
        if let Some(known) = self.profile(registration.profile).await? {
            let proof = match (&known.secret_hash, secret) {
                (None, _) => Proof::Proven(Box::new(known)),
                (Some(_), None) => Proof::WrongSecret,
                (Some(_), Some(secret)) => self.legacy(registration.profile, secret).await?,
            };
            if !matches!(proof, Proof::Proven(_)) {
                return Ok(proof);
            }
        }
        let mut tx = self.store.begin().await?;
        let profile = registration.profile.to_string();
        let address = registration.email.as_deref();
        let tester =
            tx.put_tester(&profile, "metabase", &profile, &registration.name, address, self.clock.now()).await?;
        tx.commit().await?;
        self.testers.invalidate(&("metabase", profile));
        match secret {
            Some(secret) => self.legacy(registration.profile, secret).await,
            None => Ok(Proof::Proven(Box::new(tester))),
        }
    }

    /// Forgets the secret of a legacy tester who lost it: the next one used with the profile is kept. Processes that
    /// are not told notice within the ten minutes for which they remember a tester. False: there is no such secret.
    pub async fn forget_secret(&self, id: &str) -> Result<bool, StoreError> {
        let Some(tester) = self.store.tester_by_id(id).await? else { return Ok(false) };
        let mut tx = self.store.begin().await?;
        let forgotten = tx.forget_secret(tester.number).await?;
        tx.commit().await?;
        self.testers.invalidate(&("metabase", tester.identity));
        Ok(forgotten)
    }

    /// Keeps the hash of a secret unless there is one by now, and gives the one that is kept.
    async fn keep_secret(&self, tester: &Tester, secret: &[u8]) -> Result<String, StoreError> {
        let hash = self.hash(secret.to_vec()).await;
        let mut tx = self.store.begin().await?;
        tx.keep_secret(tester.number, &hash).await?;
        tx.commit().await?;
        // Another secret may have come first; then that one counts.
        let kept = self.store.tester_by_number(tester.number).await?.and_then(|tester| tester.secret_hash);
        kept.ok_or_else(|| StoreError::inconsistent("testers", tester.number.0))
    }

    async fn hash(&self, secret: Vec<u8>) -> String {
        let _permit = self.hashing.acquire().await.expect("the semaphore is never closed");
        let salt = SaltString::encode_b64(Uuid::new_v4().as_bytes()).expect("16 bytes make a salt");
        tokio::task::spawn_blocking(move || {
            Argon2::default().hash_password(&secret, &salt).expect("default parameters are valid").to_string()
        })
        .await
        .expect("hashing does not panic")
    }

    async fn verify(&self, hash: String, secret: Vec<u8>) -> bool {
        let _permit = self.hashing.acquire().await.expect("the semaphore is never closed");
        tokio::task::spawn_blocking(move || {
            PasswordHash::new(&hash).is_ok_and(|hash| Argon2::default().verify_password(&secret, &hash).is_ok())
        })
        .await
        .unwrap_or(false)
    }
}

/// What tells one unproven tester from another: address and name as given, a line each. No address has two lines.
fn identity(reporter: &Reporter) -> String {
    format!("{}\n{}", reporter.email.trim().to_lowercase(), reporter.name.as_deref().unwrap_or("").trim())
}
