//! Reports that were taken back, and those an order to take back selects.

use chrono::{DateTime, Utc};
use schemas::addresses;
use schemas::ids::ReportId;
use schemas::withdrawal::{BodyFate, WithdrawnAs, WithdrawnBy, WithdrawnView};
use uuid::Uuid;

use super::bulk::Bulk;
use super::reports::StoredReport;
use super::sql::{self, Builder, Record, Row, query, record};
use super::testers::TesterNumber;
use super::{Result, Store, Tx};

/// That a report was withdrawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Withdrawal {
    /// The report's.
    pub number: i64,
    pub kind: WithdrawnAs,
    pub reason: String,
    pub by: WithdrawnBy,
    /// Public id of the tester, or id of the operator's token.
    pub who: String,
    pub at: DateTime<Utc>,
    pub body: BodyFate,
}

impl Withdrawal {
    /// As readers are told: without who the operator was.
    pub fn view(&self) -> WithdrawnView {
        WithdrawnView {
            kind: self.kind,
            reason: addresses::hidden(&self.reason).into_owned(),
            by: self.by,
            at: self.at,
            body: self.body,
        }
    }
}

/// Which reports are meant: those for which all that is given holds. With nothing given, all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WithdrawalSelection {
    pub tester: Option<TesterNumber>,
    /// Numbers of reports.
    pub numbers: Option<Vec<i64>>,
    /// Received at this moment or later.
    pub received_since: Option<DateTime<Utc>>,
    /// Received before this moment.
    pub received_before: Option<DateTime<Utc>>,
}

/// How many reports are selected, and how many of them need nothing done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Selected {
    pub matched: i64,
    pub already: i64,
}

record!(Selected { matched, already });

const WITHDRAWAL: &str = "SELECT number, kind, reason, withdrawn_by, who, withdrawn_at, body FROM withdrawals";

impl Store {
    /// `None`: the report stands.
    pub async fn withdrawal(&self, number: i64) -> Result<Option<Withdrawal>> {
        Ok(query(format!("{WITHDRAWAL} WHERE number = $1")).bind(number).fetch_optional(&self.readers).await?)
    }

    /// How many reports a selection has, and how many are withdrawn so already.
    pub async fn withdrawable(
        &self,
        selection: &WithdrawalSelection,
        kind: WithdrawnAs,
        body: BodyFate,
    ) -> Result<Selected> {
        let mut query = Builder::new("SELECT count(*) AS matched, CAST(COALESCE(sum(CASE WHEN ");
        already(&mut query, kind, body);
        query.push(" THEN 1 ELSE 0 END), 0) AS BIGINT) AS already FROM reports WHERE ");
        select(&mut query, selection);
        Ok(query.build().fetch_one(&self.readers).await?)
    }

    /// Numbers and ids of the selected reports after a number that are not withdrawn so yet, by number.
    pub async fn withdrawable_after(
        &self,
        selection: &WithdrawalSelection,
        kind: WithdrawnAs,
        body: BodyFate,
        after: i64,
        limit: i64,
    ) -> Result<Vec<(i64, ReportId)>> {
        let mut query = Builder::new("SELECT number, id FROM reports WHERE ");
        select(&mut query, selection);
        query.push(" AND NOT ");
        already(&mut query, kind, body);
        query.push(" AND number > ").push_bind(after);
        query.push(" ORDER BY number LIMIT ").push_bind(limit);
        let rows: Vec<(i64, Uuid)> = query.build().fetch_all(&self.readers).await?;
        Ok(rows.into_iter().map(|(number, id)| (number, ReportId(id))).collect())
    }
}

impl Tx {
    /// Withdrawals of these reports, in no order, read under the write lock.
    pub async fn withdrawals(&mut self, numbers: &[i64]) -> Result<Vec<Withdrawal>> {
        let sql = format!("{WITHDRAWAL} WHERE number IN (SELECT value FROM json_each($1))");
        Ok(query(sql).bind(super::list(numbers)).fetch_all(self.connection()).await?)
    }

    /// Notes withdrawals, each in the place of an earlier one of the same report.
    pub async fn put_withdrawals(&mut self, withdrawals: &[Withdrawal]) -> Result<()> {
        let upsert = Bulk {
            head: "INSERT INTO withdrawals (number, kind, reason, withdrawn_by, who, withdrawn_at, body)",
            columns: 7,
            tail: "ON CONFLICT (number) DO UPDATE SET kind = excluded.kind, reason = excluded.reason, \
                   withdrawn_by = excluded.withdrawn_by, who = excluded.who, \
                   withdrawn_at = excluded.withdrawn_at, body = excluded.body",
        };
        upsert
            .execute(self.connection(), withdrawals, |values, withdrawal| {
                values
                    .push(withdrawal.number)
                    .push(withdrawal.kind.as_str())
                    .push(withdrawal.reason.as_str())
                    .push(withdrawal.by.as_str())
                    .push(withdrawal.who.as_str())
                    .push(withdrawal.at)
                    .push(withdrawal.body.as_str());
            })
            .await?;
        Ok(())
    }

    /// Lets a report stand again.
    pub async fn drop_withdrawal(&mut self, number: i64) -> Result<()> {
        query("DELETE FROM withdrawals WHERE number = $1").bind(number).execute(self.connection()).await?;
        Ok(())
    }

    /// Settles reports for which nothing is left to do, whatever waited for them, and the groups that so have none left.
    pub async fn dismiss_reports(&mut self, numbers: &[i64], now: DateTime<Utc>) -> Result<()> {
        let numbers = super::list(numbers);
        query(
            "UPDATE groups SET reports = reports - (SELECT count(*) FROM reports WHERE group_number = groups.number \
             AND state = 'accepted' AND number IN (SELECT value FROM json_each($1))) \
             WHERE settled_at IS NULL AND number IN (SELECT group_number FROM reports \
             WHERE number IN (SELECT value FROM json_each($1)))",
        )
        .bind(&numbers)
        .execute(self.connection())
        .await?;
        query(
            "UPDATE reports SET state = 'processed', reason = NULL WHERE number IN (SELECT value FROM json_each($1))",
        )
        .bind(&numbers)
        .execute(self.connection())
        .await?;
        query(
            "UPDATE groups SET settled_at = $2 WHERE settled_at IS NULL AND number IN (SELECT group_number FROM \
             reports WHERE number IN (SELECT value FROM json_each($1))) AND NOT EXISTS \
             (SELECT 1 FROM reports WHERE group_number = groups.number AND state = 'accepted')",
        )
        .bind(&numbers)
        .bind(now)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Deletes the bytes of reports, those that corrections replaced too, and has the file's pages overwritten. The
    /// digests of the newest stay with the reports.
    pub async fn purge_bodies(&mut self, numbers: &[i64]) -> Result<()> {
        let numbers = super::list(numbers);
        self.secure_delete(true).await?;
        for sql in [
            "DELETE FROM superseded_bodies WHERE number IN (SELECT value FROM json_each($1))",
            "DELETE FROM bodies WHERE number IN (SELECT value FROM json_each($1))",
        ] {
            query(sql).bind(&numbers).execute(self.connection()).await?;
        }
        self.secure_delete(false).await
    }

    /// Has deleted rows overwritten from here on, or no longer. PostgreSQL overwrites them when it vacuums.
    async fn secure_delete(&mut self, on: bool) -> Result<()> {
        if !self.shared() {
            let pragma = if on { "PRAGMA secure_delete = ON" } else { "PRAGMA secure_delete = OFF" };
            query(pragma).execute(self.connection()).await?;
        }
        Ok(())
    }

    /// Reports by number without their bytes, each with its tester's public id, in no order.
    pub async fn attributed_reports(&mut self, numbers: &[i64]) -> Result<Vec<(StoredReport, String)>> {
        let attributed = |row: Row<'_>| Ok((StoredReport::read(row)?, row.get("tester_id")?));
        let rows = query(
            "SELECT reports.number, reports.id, revision, digest, reports.door, tester, received_at, group_number, \
             state, reason, testers.id AS tester_id FROM reports JOIN testers ON testers.number = reports.tester \
             WHERE reports.number IN (SELECT value FROM json_each($1))",
        )
        .bind(super::list(numbers))
        .fetch_with(self.connection(), attributed)
        .await?;
        Ok(rows)
    }
}

/// Says which rows of `reports` are selected. Those by number and by time are looked up; for those of a tester, all are
/// looked at: nobody asks so often, and an index would have to be written for each report.
fn select(query: &mut Builder<'_>, selection: &WithdrawalSelection) {
    query.push("TRUE");
    if let Some(numbers) = &selection.numbers {
        query.push(" AND number IN (SELECT value FROM json_each(").push_bind(super::list(numbers)).push("))");
    }
    if let Some(tester) = selection.tester {
        query.push(" AND tester = ").push_bind(tester.0);
    }
    if let Some(since) = selection.received_since {
        query.push(" AND received_at >= ").push_bind(since);
    }
    if let Some(before) = selection.received_before {
        query.push(" AND received_at < ").push_bind(before);
    }
}

/// Says that a report is withdrawn so, and purged if that is asked for.
fn already(query: &mut Builder<'_>, kind: WithdrawnAs, body: BodyFate) {
    query.push("EXISTS (SELECT 1 FROM withdrawals WHERE withdrawals.number = reports.number AND kind = ");
    query.push_bind(kind.as_str()).push(" AND (body = 'purged' OR ");
    query.push_bind(body.as_str()).push(" = 'kept'))");
}

impl Record for Withdrawal {
    fn read(row: Row<'_>) -> sql::Result<Self> {
        let (kind, by, body): (&str, &str, &str) = (row.get("kind")?, row.get("withdrawn_by")?, row.get("body")?);
        let damaged = |error| sqlx::Error::Decode(Box::new(error));
        Ok(Withdrawal {
            number: row.get("number")?,
            kind: kind.parse().map_err(damaged)?,
            reason: row.get("reason")?,
            by: by.parse().map_err(damaged)?,
            who: row.get("who")?,
            at: row.get("withdrawn_at")?,
            body: body.parse().map_err(damaged)?,
        })
    }
}
