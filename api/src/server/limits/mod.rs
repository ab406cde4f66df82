//! What intake can bear: how much waits, how full the disk is, how much memory bodies have, how fast a sender may send.
//!
//! Whoever is turned away gets a status and `Retry-After`, in the shape of the door asked. Legacy clients do not try
//! again: on anything but a 2xx the report is lost (contract §2.4). So the limits are far above what senders do, a body
//! waits for room before it is refused, and only what would put accepted reports at risk is refused at once.

pub mod pressure;
pub mod rates;
pub mod room;
pub mod sender;
mod shared;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use pipeline::intake::Whose;
use pipeline::measures::{counters, gauge};
use pipeline::spool::Claim;
use pipeline::store::TesterNumber;
use prometheus::{IntCounterVec, IntGauge, Registry};
use schemas::ids::Digest;

use self::pressure::Pressure;
use self::rates::{Bucket, Rates};
use self::room::Room;
use self::sender::{Proxies, Sender};
use self::shared::SharedBuckets;
use super::problems::ApiError;
use crate::config::Settings;

/// The bounds of a running server, and how near to them it is.
pub struct Limits {
    pub pressure: Pressure,
    /// Memory for bodies under way.
    pub room: Room,
    /// Whose word on a sender's address is believed.
    pub proxies: Proxies,
    rates: Rates,
    turned_away: IntCounterVec,
    disk_available: IntGauge,
}

impl Limits {
    pub fn new(settings: &Settings, database_directory: PathBuf, registry: &Registry) -> Self {
        let intake = &settings.intake;
        let shared = settings.events.as_ref().map(|url| SharedBuckets::new(&url.0).expect("checked with the settings"));
        Limits {
            pressure: Pressure::new(intake, database_directory),
            room: Room::new(intake.memory, intake.body_limit),
            proxies: Proxies::new(settings.proxies.clone(), intake.exempt.clone()),
            rates: Rates::new(intake, shared),
            turned_away: counters(
                registry,
                "assay_turned_away_total",
                "Requests turned away although nothing was wrong with them, by what was full.",
                &["reason"],
            ),
            disk_available: gauge(registry, "assay_disk_available_bytes", "Bytes free where the database lies."),
        }
    }

    /// Whether another request with reports may be read.
    pub async fn admit(&self, sender: &Sender) -> Result<(), ApiError> {
        self.pressure.check().map_err(|full| self.turn_away(full.reason(), full.problem()))?;
        self.count_reports(sender, 1).await
    }

    /// Notes further reports of a request by the address that sent it.
    pub async fn count_reports(&self, sender: &Sender, reports: usize) -> Result<(), ApiError> {
        if sender.exempt {
            return Ok(());
        }
        let taken = self.rates.take(Bucket::Address(sender.block()), reports).await;
        taken.map_err(|wait| self.turn_away("address", too_fast("this address", wait)))
    }

    /// Notes reports of one tester. `proven`: the sender has shown to be that tester; otherwise anybody could use up
    /// what another may send, so the count is of the tester's reports from this address.
    pub async fn count_tester(
        &self,
        sender: &Sender,
        tester: TesterNumber,
        proven: bool,
        reports: usize,
    ) -> Result<(), ApiError> {
        if sender.exempt {
            return Ok(());
        }
        let bucket = match proven {
            true => Bucket::Tester(tester),
            false => Bucket::Claimed(tester, sender.block()),
        };
        let taken = self.rates.take(bucket, reports).await;
        taken.map_err(|wait| self.turn_away("tester", too_fast("this tester", wait)))
    }

    /// As [`Limits::count_tester`], also for a tester who cannot be looked up now: then by what was said.
    pub async fn count_whose(
        &self,
        sender: &Sender,
        whose: &Whose,
        proven: bool,
        reports: usize,
    ) -> Result<(), ApiError> {
        if let Some(tester) = &whose.tester {
            return self.count_tester(sender, tester.number, proven, reports).await;
        }
        // Who names a tester without a credential is counted by address alone.
        if sender.exempt || whose.claim == Claim::Anonymous {
            return Ok(());
        }
        let said = Digest::of(whose.claim.credential());
        let taken = self.rates.take(Bucket::Said(said.0, sender.block()), reports).await;
        taken.map_err(|wait| self.turn_away("tester", too_fast("this tester", wait)))
    }

    /// Notes the reports of one request, all of one sender who may name several testers.
    pub async fn count_all<'a>(
        &self,
        sender: &Sender,
        whose: impl IntoIterator<Item = &'a Whose>,
        proven: bool,
    ) -> Result<(), ApiError> {
        let mut by_tester: HashMap<Option<TesterNumber>, (&Whose, usize)> = HashMap::new();
        for whose in whose {
            by_tester.entry(whose.tester.as_ref().map(|tester| tester.number)).or_insert((whose, 0)).1 += 1;
        }
        for (whose, reports) in by_tester.into_values() {
            self.count_whose(sender, whose, proven, reports).await?;
        }
        Ok(())
    }

    /// Counts a body that found no room.
    pub fn count_crowded(&self) {
        self.turned_away.with_label_values(&["memory"]).inc();
    }

    /// Shows the metrics how things stand.
    pub fn show(&self) {
        if let Some(bytes) = self.pressure.available() {
            self.disk_available.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }

    fn turn_away(&self, reason: &str, problem: ApiError) -> ApiError {
        self.turned_away.with_label_values(&[reason]).inc();
        problem
    }
}

fn too_fast(who: &str, wait: Duration) -> ApiError {
    let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
    let detail = format!("{who} has sent more reports than it may for now; please send this again in {seconds} s");
    ApiError::too_fast(detail, seconds)
}
