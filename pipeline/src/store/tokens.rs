//! Bearer tokens: only hashes are kept.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use schemas::views::TokenView;

use super::sql::{self, Record, Row, query};
use super::testers::TesterNumber;
use super::{Result, Store, Tx};

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Send reports.
    Submit,
    /// Read what needs a credential: jobs, receipts in detail.
    Read,
    /// Issue and revoke tokens, change the number of workers.
    Admin,
}

impl Scope {
    pub const ALL: [Scope; 3] = [Scope::Submit, Scope::Read, Scope::Admin];

    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Submit => "submit",
            Scope::Read => "read",
            Scope::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a scope: expected submit, read or admin")]
pub struct NotAScope;

impl FromStr for Scope {
    type Err = NotAScope;

    fn from_str(text: &str) -> std::result::Result<Self, NotAScope> {
        Scope::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(NotAScope)
    }
}

/// A token about to be stored.
#[derive(Clone, Debug)]
pub struct NewToken {
    pub id: String,
    /// SHA-256 of the secret, which is random and long enough for that.
    pub hash: [u8; 32],
    pub tester: Option<TesterNumber>,
    pub scopes: Vec<Scope>,
    pub expires_at: Option<DateTime<Utc>>,
}

/// A stored token.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub id: String,
    pub tester: Option<TesterNumber>,
    pub tester_name: Option<String>,
    pub scopes: Vec<Scope>,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
}

impl Token {
    /// Whether it opens anything at `now`.
    pub fn valid(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    /// An admin token allows everything.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin)
    }

    pub fn view(&self) -> TokenView {
        TokenView {
            id: self.id.clone(),
            scopes: self.scopes.iter().map(Scope::to_string).collect(),
            tester: self.tester_name.clone(),
            created_at: self.created_at,
            expires_at: self.expires_at,
            revoked_at: self.revoked_at,
        }
    }
}

const TOKEN: &str = "SELECT tokens.id, tester, testers.name AS tester_name, scopes, tokens.created_at, expires_at, \
                     revoked_at FROM tokens LEFT JOIN testers ON testers.number = tester";

impl Store {
    pub async fn token_by_hash(&self, hash: &[u8; 32]) -> Result<Option<Token>> {
        Ok(query(format!("{TOKEN} WHERE hash = $1")).bind(hash.as_slice()).fetch_optional(&self.readers).await?)
    }

    pub async fn token(&self, id: &str) -> Result<Option<Token>> {
        Ok(query(format!("{TOKEN} WHERE tokens.id = $1")).bind(id).fetch_optional(&self.readers).await?)
    }

    /// All tokens, newest first.
    pub async fn tokens(&self) -> Result<Vec<Token>> {
        Ok(query(format!("{TOKEN} ORDER BY tokens.created_at DESC, tokens.id")).fetch_all(&self.readers).await?)
    }
}

impl Tx {
    pub async fn insert_token(&mut self, token: &NewToken, now: DateTime<Utc>) -> Result<()> {
        let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
        query("INSERT INTO tokens (id, hash, tester, scopes, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(&token.id)
            .bind(token.hash.as_slice())
            .bind(token.tester.map(|tester| tester.0))
            .bind(scopes.join(","))
            .bind(now)
            .bind(token.expires_at)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Lets a token end at `at`, unless it ends sooner.
    pub async fn end_token(&mut self, id: &str, at: DateTime<Utc>) -> Result<()> {
        query("UPDATE tokens SET expires_at = $2 WHERE id = $1 AND (expires_at IS NULL OR expires_at > $2)")
            .bind(id)
            .bind(at)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Whether there was such a token that was not revoked yet.
    pub async fn revoke_token(&mut self, id: &str, now: DateTime<Utc>) -> Result<bool> {
        let revoked = query("UPDATE tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL")
            .bind(id)
            .bind(now)
            .execute(self.connection())
            .await?;
        Ok(revoked == 1)
    }
}

impl Record for Token {
    fn read(row: Row<'_>) -> sql::Result<Self> {
        let scopes: &str = row.get("scopes")?;
        Ok(Token {
            id: row.get("id")?,
            tester: row.get::<Option<i64>>("tester")?.map(TesterNumber),
            tester_name: row.get("tester_name")?,
            scopes: scopes.split(',').filter_map(|scope| scope.parse().ok()).collect(),
            created_at: row.get("created_at")?,
            expires_at: row.get("expires_at")?,
            revoked_at: row.get("revoked_at")?,
        })
    }
}
