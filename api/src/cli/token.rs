//! `assay token`: bearer tokens, on the data directory itself, so that the first one needs no server.

use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, Subcommand};
use pipeline::clock::Clock;
use serde_json::json;

use crate::config::units::duration;
use crate::installation::{self, IssuedToken, NewToken};

use super::exit::Usage;
use super::tables::Table;
use super::{Local, Said, Shape, printing};

const HELP: &str = "\
A token is shown once, when it is issued; only its hash is stored.

Examples:
  assay token issue --scope submit --tester 'Jane Roe'
  assay token issue --scope submit,read,admin --expires 90d --json
  assay token rotate 0b45cd74 --grace 1d      the old one works one day more
  assay token revoke 0b45cd74";

#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Token {
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Make a token
    Issue {
        /// What it may do
        #[arg(long, required = true, value_delimiter = ',', value_parser = ["submit", "read", "admin"])]
        scope: Vec<String>,
        /// Name of the tester whose reports it submits
        #[arg(long, value_name = "NAME")]
        tester: Option<String>,
        /// How long it works, such as 90d; without this, until it is revoked
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        expires: Option<Duration>,
        #[command(flatten)]
        local: Local,
        #[command(flatten)]
        shape: Shape,
    },
    /// List tokens, never their secrets
    List {
        #[command(flatten)]
        local: Local,
        #[command(flatten)]
        shape: Shape,
    },
    /// Replace a token by a new one with the same rights
    Rotate {
        /// The token's id
        id: String,
        /// How long the old one goes on working
        #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "0s")]
        grace: Duration,
        #[command(flatten)]
        local: Local,
        #[command(flatten)]
        shape: Shape,
    },
    /// End a token at once
    Revoke {
        /// The token's id
        id: String,
        #[command(flatten)]
        local: Local,
    },
}

pub async fn token(Token { order }: Token, said: Said) -> anyhow::Result<()> {
    match order {
        Order::Issue { mut scope, tester, expires, local, shape } => {
            scope.dedup();
            let expires_at = expires.map(from_now).transpose()?;
            let settings = local.settings(said)?;
            let new = NewToken { scopes: scope, tester, expires_at };
            show(installation::issue_token(&settings, new).await?, shape)
        }
        Order::List { local, shape } => list(local, shape, said).await,
        Order::Rotate { id, grace, local, shape } => {
            let ends_at = from_now(grace)?;
            let settings = local.settings(said)?;
            let issued = installation::rotate_token(&settings, &id, ends_at).await?;
            show(issued.ok_or_else(|| no_such(&id))?, shape)
        }
        Order::Revoke { id, local } => {
            let settings = local.settings(said)?;
            match installation::revoke_token(&settings, &id).await? {
                true => printing::line(&format!("revoked {id}")),
                false => Err(no_such(&id).into()),
            }
        }
    }
}

async fn list(local: Local, shape: Shape, said: Said) -> anyhow::Result<()> {
    let settings = local.settings(said)?;
    let tokens = installation::tokens(&settings).await?;
    if shape.json {
        return printing::json(&serde_json::to_vec(&tokens)?);
    }
    let mut table = Table::new(&["id", "scopes", "tester", "created", "expires", "revoked"]);
    let time =
        |at: Option<DateTime<Utc>>| at.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true)).unwrap_or_default();
    for token in tokens {
        table.row([
            token.id,
            token.scopes.join(","),
            token.tester.unwrap_or_default(),
            time(Some(token.created_at)),
            time(token.expires_at),
            time(token.revoked_at),
        ]);
    }
    table.print()
}

fn show(IssuedToken { id, token }: IssuedToken, shape: Shape) -> anyhow::Result<()> {
    if shape.json {
        return printing::json(json!({"token": token, "id": id}).to_string().as_bytes());
    }
    // The token alone on stdout, so that a script can keep it in a file.
    printing::note(&format!("id {id}; the token is shown only this once:"));
    printing::line(&token)
}

fn from_now(span: Duration) -> anyhow::Result<DateTime<Utc>> {
    let span = chrono::TimeDelta::from_std(span).ok();
    span.and_then(|span| Clock::System.now().checked_add_signed(span)).context("the duration goes beyond the calendar")
}

fn no_such(id: &str) -> Usage {
    Usage(format!("there is no token {id} in force; `assay token list` shows them"))
}
