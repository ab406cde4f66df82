//! Single reports: as rows, as JSON, as text, as they came.

use schemas::addresses;
use schemas::extract::{self, Details};
use schemas::ids::ReportId;
use schemas::report::{Report, Reporter};
use schemas::retention::DroppedView;
use schemas::views::{ReportView, ResultView, State};
use schemas::withdrawal::{BodyFate, WithdrawnView};

use super::{Readers, links};
use crate::bodies;
use crate::store::{BodyTable, StoreError, StoredReport};
use crate::submission;

/// A stored report with its bytes, unpacked.
pub struct Original {
    pub report: StoredReport,
    /// Empty once they are purged or dropped, which `withdrawn` or `dropped` tells.
    pub bytes: Vec<u8>,
    pub withdrawn: Option<WithdrawnView>,
    pub dropped: Option<DroppedView>,
}

impl Original {
    /// Whether its bytes are gone for good.
    pub fn purged(&self) -> bool {
        self.withdrawn.as_ref().is_some_and(|withdrawn| withdrawn.body == BodyFate::Purged)
    }
}

/// A report read again from its bytes, for the page and the JSON.
pub struct Reread {
    pub view: ReportView,
    pub text: String,
}

impl Readers {
    /// The bytes of a report as they came. `None`: no such report.
    pub async fn original(&self, id: ReportId) -> Result<Option<Original>, StoreError> {
        let Some(report) = self.store.report(id).await? else { return Ok(None) };
        let damaged = || StoreError::inconsistent("bodies", report.number);
        // The bytes first: purged between the two looks, they are there and nobody is told wrongly that they are lost.
        let body = self.store.body(report.number).await?;
        let withdrawn = self.store.withdrawal(report.number).await?.map(|withdrawal| withdrawal.view());
        let (bytes, dropped) = match (body, &withdrawn) {
            (_, Some(WithdrawnView { body: BodyFate::Purged, .. })) => (Vec::new(), None),
            (Some(body), _) => (bodies::unpack(&body).map_err(|_| damaged())?, None),
            (None, _) => (Vec::new(), Some(self.dropped(&report).await?.ok_or_else(damaged)?)),
        };
        Ok(Some(Original { report, bytes, withdrawn, dropped }))
    }

    /// When the bytes of a report were dropped, which are not there. `None`: they should be there.
    pub(super) async fn dropped(&self, report: &StoredReport) -> Result<Option<DroppedView>, StoreError> {
        // Bytes that are still to be read are not dropped, whatever their month.
        if !matches!(report.state, State::Processed | State::Rejected) {
            return Ok(None);
        }
        let month = self.store.dropped_month(BodyTable::Bodies, report.received_at).await?;
        Ok(month.map(|month| DroppedView { month: month.month.to_string(), at: month.at() }))
    }

    /// A report with all that is known of it.
    pub async fn report(&self, id: ReportId) -> Result<Option<Reread>, StoreError> {
        let Some(Original { report, bytes, withdrawn, dropped }) = self.original(id).await? else { return Ok(None) };
        let row = self.store.extract(report.number).await?;
        let result: Option<ResultView> = match &row {
            Some((document, _)) => {
                Some(serde_json::from_str(document).map_err(|_| StoreError::inconsistent("extracts", report.number))?)
            }
            None => None,
        };
        let tester = self.store.tester_by_number(report.tester).await?;
        let name = tester.map(|tester| tester.name).unwrap_or_default();
        let reporter = Reporter { name: Some(name.clone()), email: String::new() };
        let reread: Option<Report> = submission::read(report.door, &bytes, reporter).ok();
        let text = reread.as_ref().map(|report| report.text().into_owned()).unwrap_or_default();
        let id = report.id.to_string();
        let mut readable = submission::readable(report.door, report.id, &bytes, &name).unwrap_or_default();
        addresses::hide_all(&mut readable);
        let view = ReportView {
            number: report.number,
            state: self.state(&report).await?,
            result,
            details: reread.as_ref().map(shown_details),
            extractor: row.map(|(_, extractor)| extractor),
            report: readable,
            door: report.door.to_string(),
            digest: report.digest.to_string(),
            size: bytes.len() as i64,
            revision: report.revision,
            received_at: report.received_at,
            withdrawn,
            dropped,
            links: links([
                ("page", format!("/report/{id}")),
                ("raw", format!("/v4/reports/{id}/raw")),
                ("receipt", format!("/v4/reports/{id}/receipt")),
                ("self", format!("/v4/reports/{id}")),
                ("text", format!("/v4/reports/{id}/text")),
            ]),
            id,
        };
        Ok(Some(Reread { view, text }))
    }
}

/// What was read out of a report, its addresses hidden.
fn shown_details(report: &Report) -> Details {
    let mut details = extract::details(report);
    let maps = [&mut details.environment, &mut details.special_variables, &mut details.configuration];
    maps.into_iter().flat_map(|map| map.values_mut()).for_each(addresses::hide);
    details
}
