//! Who sends reports.

use chrono::{DateTime, Utc};
use schemas::grade::Counts;

use super::bulk::Bulk;
use super::sql::{self, Record, Row, query};
use super::{Result, Store, Tx};

/// A tester's number in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TesterNumber(pub i64);

/// A tester. The address is for the contract's answers alone, and only where the operator allows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tester {
    pub number: TesterNumber,
    /// Public id.
    pub id: String,
    /// `metabase`, `token` or `anonymous`: how they prove who they are.
    pub door: String,
    pub identity: String,
    pub name: String,
    pub address: Option<String>,
    /// Hash of a legacy secret, once one was seen.
    pub secret_hash: Option<String>,
    pub counts: Counts,
}

const TESTER: &str = "number, id, door, identity, name, address, secret_hash, pass, fail, na, unknown";

impl Store {
    pub async fn tester(&self, door: &str, identity: &str) -> Result<Option<Tester>> {
        let sql = format!("SELECT {TESTER} FROM testers WHERE door = $1 AND identity = $2");
        Ok(query(sql).bind(door).bind(identity).fetch_optional(&self.readers).await?)
    }

    /// A tester by public id.
    pub async fn tester_by_id(&self, id: &str) -> Result<Option<Tester>> {
        let sql = format!("SELECT {TESTER} FROM testers WHERE id = $1");
        Ok(query(sql).bind(id).fetch_optional(&self.readers).await?)
    }

    /// Testers of exactly this name, the newest last. Names are not unique.
    pub async fn testers_named(&self, name: &str) -> Result<Vec<Tester>> {
        let sql = format!("SELECT {TESTER} FROM testers WHERE name = $1 ORDER BY number");
        Ok(query(sql).bind(name).fetch_all(&self.readers).await?)
    }

    pub async fn tester_by_number(&self, number: TesterNumber) -> Result<Option<Tester>> {
        let sql = format!("SELECT {TESTER} FROM testers WHERE number = $1");
        Ok(query(sql).bind(number.0).fetch_optional(&self.readers).await?)
    }

    /// Counts over all testers: every processed report.
    pub async fn totals(&self) -> Result<Counts> {
        let (pass, fail, na, unknown) = query(
            "SELECT CAST(COALESCE(sum(pass), 0) AS BIGINT), CAST(COALESCE(sum(fail), 0) AS BIGINT), \
             CAST(COALESCE(sum(na), 0) AS BIGINT), CAST(COALESCE(sum(unknown), 0) AS BIGINT) FROM testers",
        )
        .fetch_one(&self.readers)
        .await?;
        Ok(Counts { pass, fail, na, unknown })
    }
}

impl Tx {
    /// Makes a tester known, or gives one who is the new name and address.
    pub async fn put_tester(
        &mut self,
        new_id: &str,
        door: &str,
        identity: &str,
        name: &str,
        address: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Tester> {
        let sql = format!(
            "INSERT INTO testers (id, door, identity, name, address, created_at) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (door, identity) DO UPDATE SET name = excluded.name, \
             address = COALESCE(excluded.address, testers.address) RETURNING {TESTER}"
        );
        Ok(query(sql)
            .bind(new_id)
            .bind(door)
            .bind(identity)
            .bind(name)
            .bind(address)
            .bind(now)
            .fetch_one(self.connection())
            .await?)
    }

    /// Keeps the hash of a secret, unless one is kept already: the first secret seen is the tester's.
    pub async fn keep_secret(&mut self, tester: TesterNumber, hash: &str) -> Result<()> {
        query("UPDATE testers SET secret_hash = $2 WHERE number = $1 AND secret_hash IS NULL")
            .bind(tester.0)
            .bind(hash)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Forgets the hash of a tester's secret, so that the next one seen is kept. Tells whether there was one.
    pub async fn forget_secret(&mut self, tester: TesterNumber) -> Result<bool> {
        let done = query("UPDATE testers SET secret_hash = NULL WHERE number = $1 AND secret_hash IS NOT NULL")
            .bind(tester.0)
            .execute(self.connection())
            .await?;
        Ok(done > 0)
    }

    /// Moves testers' counts by signed differences.
    pub async fn adjust_testers(&mut self, deltas: &[(TesterNumber, Counts)]) -> Result<()> {
        let update = Bulk {
            head: "WITH delta (number, pass, fail, na, unknown) AS (",
            columns: 5,
            tail: ") UPDATE testers SET pass = testers.pass + delta.pass, fail = testers.fail + delta.fail, \
                   na = testers.na + delta.na, unknown = testers.unknown + delta.unknown \
                   FROM delta WHERE testers.number = delta.number",
        };
        update
            .execute(self.connection(), deltas, |values, (tester, delta)| {
                values.push(tester.0).push(delta.pass).push(delta.fail).push(delta.na).push(delta.unknown);
            })
            .await?;
        Ok(())
    }
}

impl Record for Tester {
    fn read(row: Row<'_>) -> sql::Result<Self> {
        Ok(Tester {
            number: TesterNumber(row.get("number")?),
            id: row.get("id")?,
            door: row.get("door")?,
            identity: row.get("identity")?,
            name: row.get("name")?,
            address: row.get("address")?,
            secret_hash: row.get("secret_hash")?,
            counts: super::releases::counts(row)?,
        })
    }
}
