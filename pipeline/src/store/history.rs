//! What imports of other servers' history write: reports with numbers and times of their own, their testers, and the
//! place an import has come to.

use chrono::{DateTime, Utc};
use schemas::ids::ReportId;
use uuid::Uuid;

use super::bulk::Bulk;
use super::groups::GroupNumber;
use super::reports::{NewReport, StoredReport};
use super::sql::{query, query_either};
use super::testers::{Tester, TesterNumber};
use super::{Result, Store, Tx};

impl Store {
    /// What was kept under a name, see [`Tx::keep_setting`].
    pub async fn setting(&self, name: &str) -> Result<Option<String>> {
        Ok(query("SELECT value FROM settings WHERE name = $1").bind(name).fetch_optional(&self.readers).await?)
    }

    /// Ids and doors of those of these reports that are stored.
    pub async fn doors(&self, ids: &[ReportId]) -> Result<Vec<(ReportId, String)>> {
        // Ids in the database are bytes; a list of them travels as hexadecimal text.
        let texts: Vec<String> = ids.iter().map(|id| id.0.simple().to_string().to_uppercase()).collect();
        let rows: Vec<(Uuid, String)> = query_either(
            "SELECT id, door FROM reports WHERE id IN (SELECT unhex(value) FROM json_each($1))",
            "SELECT id, door FROM reports WHERE id IN \
                 (SELECT CAST(value AS UUID) FROM jsonb_array_elements_text(CAST($1 AS JSONB)) AS ids (value))",
        )
        .bind(serde_json::to_string(&texts).expect("ids are texts"))
        .fetch_all(&self.readers)
        .await?;
        Ok(rows.into_iter().map(|(id, door)| (ReportId(id), door)).collect())
    }
}

impl Tx {
    /// Stores reports under numbers of their choice, where neither number nor id is taken, and gives what was stored.
    pub async fn insert_numbered_reports(
        &mut self,
        group: GroupNumber,
        reports: &[(i64, &NewReport)],
    ) -> Result<Vec<(ReportId, i64)>> {
        let insert = Bulk {
            head: "INSERT INTO reports (number, id, digest, door, tester, received_at, group_number, state)",
            columns: 8,
            tail: "ON CONFLICT DO NOTHING RETURNING id, number",
        };
        let inserted: Vec<(Uuid, i64)> = insert
            .fetch(self.connection(), reports, |values, (number, report)| {
                values
                    .push(*number)
                    .push(report.id.0)
                    .push(report.digest.0.as_slice())
                    .push(report.door.as_str())
                    .push(report.tester.0)
                    .push(report.received_at)
                    .push(group.0)
                    .push("accepted");
            })
            .await?;
        if self.shared() {
            // SQLite gives the number after the greatest; a sequence has to be told of it.
            query("SELECT setval(pg_get_serial_sequence('reports', 'number'), max(number)) FROM reports HAVING count(*) > 0")
                .execute(self.connection())
                .await?;
        }
        Ok(inserted.into_iter().map(|(id, number)| (ReportId(id), number)).collect())
    }

    /// Puts a fuller form of a report in the place of the one stored, and names its tester anew: the predecessor's row
    /// knew less of them. Number and time of receipt stay.
    pub async fn replace_history(&mut self, old: &StoredReport, new: &NewReport, group: GroupNumber) -> Result<()> {
        self.correct_report(old, new, group).await?;
        query("UPDATE reports SET tester = $2 WHERE number = $1")
            .bind(old.number)
            .bind(new.tester.0)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// A tester, made known when they are not. One who is known keeps name and address.
    pub async fn ensure_tester(
        &mut self,
        new_id: &str,
        door: &str,
        identity: &str,
        name: &str,
        address: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<TesterNumber> {
        let known: Option<i64> = query("SELECT number FROM testers WHERE door = $1 AND identity = $2")
            .bind(door)
            .bind(identity)
            .fetch_optional(self.connection())
            .await?;
        if let Some(number) = known {
            return Ok(TesterNumber(number));
        }
        let tester: Tester = self.put_tester(new_id, door, identity, name, address, now).await?;
        Ok(tester.number)
    }

    /// Keeps a text under a name.
    pub async fn keep_setting(&mut self, name: &str, value: &str, now: DateTime<Utc>) -> Result<()> {
        query(
            "INSERT INTO settings (name, value, changed_at) VALUES ($1, $2, $3) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value, changed_at = excluded.changed_at",
        )
        .bind(name)
        .bind(value)
        .bind(now)
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
