//! Testers and what they sent.

use schemas::addresses;
use schemas::views::{ResultView, TesterView};

use super::{Readers, links, segment};
use crate::store::{ResultFilter, StoreError};

/// Newest reports shown with a tester.
const RECENT: i64 = 50;

impl Readers {
    /// A tester by public id. `None`: nobody has it.
    pub async fn tester(&self, id: &str) -> Result<Option<TesterView>, StoreError> {
        let freshness = self.store.freshness(self.clock.now()).await?;
        let Some(tester) = self.store.tester_by_id(id).await? else { return Ok(None) };
        let (first_report_at, last_report_at) = self.store.tester_span(tester.number.0).await?;
        let filter = ResultFilter { tester: Some(tester.id.clone()), ..ResultFilter::default() };
        let recent = self.results(&filter, None, RECENT).await?;
        let t = segment(id);
        Ok(Some(TesterView {
            name: addresses::hidden(&tester.name).into_owned(),
            counts: tester.counts,
            first_report_at,
            last_report_at,
            recent,
            links: links([
                ("page", format!("/tester/{t}")),
                ("results", format!("/v4/results?tester={t}")),
                ("self", format!("/v4/testers/{t}")),
            ]),
            freshness,
            id: tester.id,
        }))
    }

    /// Reports that fit a filter, newest first.
    pub async fn results(
        &self,
        filter: &ResultFilter,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<ResultView>, StoreError> {
        let rows = self.store.results(filter, before, limit).await?;
        rows.iter()
            .map(|(number, document)| {
                serde_json::from_str(document).map_err(|_| StoreError::inconsistent("extracts", *number))
            })
            .collect()
    }
}
