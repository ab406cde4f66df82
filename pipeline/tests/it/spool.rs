//! What is taken in while the database is away is durable, is handed over in order, and is counted once.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;
use pipeline::accept::Acceptance;
use pipeline::intake::{Credential, Intake, IntakeError, LegacyProof, Offer, Taken, Whose};
use pipeline::spool::drain::{Drain, Progress};
use pipeline::spool::{self, Bounds, Claim, Spool, SpoolError};
use pipeline::store::{Door, Scope};
use pipeline::tokens::{self, Issue};
use schemas::ids::{Digest, ReportId};
use schemas::metabase::{self, Registration};
use schemas::report::Reporter;
use schemas::views::State;

use crate::fixtures::captures;
use crate::stack::{Place, Stack, id, report};

const WIDE: Bounds = Bounds {
    bytes: 1 << 30,
    reports: 1_000_000,
    patience: Duration::from_secs(30),
    remember: Duration::from_secs(30 * 86_400),
};

/// A node with a spool. Until it has answered, the database counts as away.
struct Node {
    stack: Stack,
    spool: Spool,
    intake: Intake,
    drain: Drain,
}

impl Node {
    async fn new() -> Node {
        Node::on(tempfile::tempdir().unwrap(), WIDE).await
    }

    async fn on(place: impl Into<Place>, bounds: Bounds) -> Node {
        let stack = Stack::open(place).await;
        let path = stack.directory.path().join("spool.db");
        let measures = &stack.process.measures;
        let spool = Spool::open(&path, bounds, stack.process.clock.clone(), measures).await.unwrap();
        let (identify, acceptor) = (stack.identify.clone(), stack.acceptor.clone());
        Node {
            intake: Intake { identify: identify.clone(), acceptor: acceptor.clone(), spool: Some(spool.clone()) },
            drain: Drain { spool: spool.clone(), store: stack.store().clone(), identify, acceptor },
            spool,
            stack,
        }
    }

    /// Begins again in the same place; nothing is closed first.
    async fn again(self) -> Node {
        Node::on(self.stack.into_place(), WIDE).await
    }

    async fn offer(&self, number: usize, body: &str) -> Result<Taken, IntakeError> {
        self.offer_with(&Credential::Absent, number, body).await
    }

    async fn offer_with(&self, credential: &Credential, number: usize, body: &str) -> Result<Taken, IntakeError> {
        let reporter = Reporter { name: Some("Tester".to_owned()), email: "tester@example.org".to_owned() };
        let whose = self.intake.whose(credential, &reporter).await.unwrap();
        let bytes = Bytes::copy_from_slice(body.as_bytes());
        self.intake.take(Offer::new(report_id(number), Door::V4, whose, bytes)).await
    }

    async fn spooled(&self, number: usize, body: &str) {
        let taken = self.offer(number, body).await.unwrap();
        assert!(matches!(taken, Taken::Spooled { again: false, .. }), "{number}: {taken:?}");
    }

    async fn hand_over(&self) -> Progress {
        self.drain.hand_over().await.unwrap()
    }

    /// As the receipt's reader sees it: the spool first, then the database, then what was refused.
    async fn receipt(&self, number: usize) -> schemas::views::ReceiptView {
        let id = report_id(number);
        if let Some(receipt) = self.spool.receipt(id).await.unwrap() {
            return receipt;
        }
        let stored = self.stack.readers.receipt(id).await.unwrap();
        self.spool.with_refusals(id, stored).await.unwrap().expect("a receipt")
    }
}

fn report_id(number: usize) -> ReportId {
    id(number).parse().unwrap()
}

fn body(version: &str) -> String {
    report("Foo-Bar", version, "pass", "5.36.0", "linux")
}

#[tokio::test]
async fn what_is_spooled_outlives_the_process_and_is_counted_once() {
    let node = Node::new().await;
    for number in 0..600 {
        node.spooled(number, &body(&format!("1.{number}"))).await;
    }
    // The same again is the same; others under an id of the spool go behind.
    assert!(matches!(node.offer(7, &body("1.7")).await.unwrap(), Taken::Spooled { again: true, .. }));
    node.spooled(7, &body("2.7")).await;
    node.spooled(7, &body("3.7")).await;
    let receipt = node.receipt(599).await;
    assert_eq!((receipt.state, receipt.ahead, receipt.revision), (State::Spooled, Some(599), 0));
    assert_eq!(receipt.digest, Digest::of(body("1.599").as_bytes()).to_string());
    assert_eq!(node.stack.store().report(report_id(0)).await.unwrap(), None, "the database was not asked");

    let node = node.again().await;
    let level = node.spool.level();
    assert_eq!((level.reports, level.away, level.full), (602, true, false));
    assert_eq!(node.receipt(7).await.digest, Digest::of(body("3.7").as_bytes()).to_string(), "the newest");
    assert_eq!(node.hand_over().await, Progress::Done { held: 0 });
    assert_eq!((node.spool.level().reports, node.spool.level().bytes), (0, 0));
    assert!(!node.spool.away());
    assert_eq!(node.hand_over().await, Progress::Done { held: 0 }, "there is nothing left to hand over");

    node.stack.work_off().await;
    assert_eq!(node.stack.store().totals().await.unwrap().pass, 600);
    let corrected = node.receipt(7).await;
    assert_eq!((corrected.state, corrected.revision), (State::Processed, 3));
    assert_eq!(corrected.digest, Digest::of(body("3.7").as_bytes()).to_string());
    assert!(corrected.refused.is_empty() && corrected.ahead.is_none());
}

#[tokio::test]
async fn handed_over_twice_counts_once() {
    let node = Node::new().await;
    for number in 0..300 {
        node.spooled(number, &body("1.0")).await;
    }
    // What the process wrote into the database before it was killed, with the spool as it was.
    let before = tempfile::tempdir().unwrap();
    for file in ["spool.db", "spool.db-wal"] {
        std::fs::copy(node.stack.directory.path().join(file), before.path().join(file)).unwrap();
    }
    node.hand_over().await;
    let directory = node.stack.directory.path().to_owned();
    for file in ["spool.db", "spool.db-wal", "spool.db-shm"] {
        std::fs::remove_file(directory.join(file)).unwrap();
    }
    for file in ["spool.db", "spool.db-wal"] {
        std::fs::copy(before.path().join(file), directory.join(file)).unwrap();
    }
    let node = node.again().await;
    assert_eq!(node.spool.level().reports, 300);
    node.hand_over().await;
    node.stack.work_off().await;
    assert_eq!(node.stack.store().totals().await.unwrap().pass, 300);
}

#[tokio::test]
async fn what_comes_while_the_spool_is_handed_over_goes_behind_its_own_id() {
    let node = Node::new().await;
    node.spooled(1, &body("1.0")).await;
    node.spool.answered();
    node.spooled(1, &body("2.0")).await;
    assert_eq!(node.offer(2, &body("1.0")).await.unwrap(), Taken::Stored(Acceptance::Accepted), "another id does not");
    node.hand_over().await;
    assert_eq!(node.offer(1, &body("2.0")).await.unwrap(), Taken::Stored(Acceptance::Duplicate));
    assert_eq!(node.receipt(1).await.revision, 2);
}

#[tokio::test]
async fn a_full_spool_says_so_and_takes_again_what_it_has() {
    let node = Node::on(tempfile::tempdir().unwrap(), Bounds { reports: 3, ..WIDE }).await;
    for number in 0..3 {
        node.spooled(number, &body("1.0")).await;
    }
    assert!(node.spool.level().full);
    let refused = node.offer(3, &body("1.0")).await;
    assert!(matches!(refused, Err(IntakeError::Spool(SpoolError::Full { reports: 3, .. }))), "{refused:?}");
    assert!(!node.spool.holds(report_id(3)));
    node.hand_over().await;
    assert_eq!(node.offer(3, &body("1.0")).await.unwrap(), Taken::Stored(Acceptance::Accepted));

    let narrow = Node::on(tempfile::tempdir().unwrap(), Bounds { bytes: 1000, ..WIDE }).await;
    let mut kept = 0;
    while narrow.offer(kept, &body(&format!("1.{kept}"))).await.is_ok() {
        kept += 1;
    }
    let level = narrow.spool.level();
    assert!(kept > 0 && level.bytes <= 1000 && level.reports == kept as u64, "{kept}: {level:?}");
}

#[tokio::test]
async fn a_database_that_fails_is_noticed_at_any_question() {
    let node = Node::new().await;
    node.spool.answered();
    assert_eq!(node.offer(1, &body("1.0")).await.unwrap(), Taken::Stored(Acceptance::Accepted));
    node.stack.store().close().await;
    // The tester is remembered, so that it fails where the report is to be stored.
    node.spooled(2, &body("1.0")).await;
    assert!(node.spool.away());
    assert!(matches!(node.intake.token("assay_0").await.unwrap(), Some(Credential::Unchecked { .. })));
    assert_eq!(node.hand_over().await, Progress::Away);
    assert_eq!(node.spool.level().reports, 1);

    let node = node.again().await;
    node.spool.answered();
    node.stack.store().close().await;
    // Here it fails where the tester is looked up.
    node.spooled(3, &body("1.0")).await;

    let node = node.again().await;
    assert_eq!(node.hand_over().await, Progress::Done { held: 0 });
    node.stack.work_off().await;
    assert_eq!(node.stack.store().totals().await.unwrap().pass, 3);
}

#[tokio::test]
async fn tokens_are_checked_when_the_database_is_back_for_the_moment_they_were_used() {
    let node = Node::new().await;
    let store = node.stack.store();
    let clock = &node.stack.process.clock;
    let issue = async |scope, expires_at| {
        let order = Issue { scopes: vec![scope], tester: Some("Ann".to_owned()), expires_at };
        tokens::issue(store, clock, &order).await.unwrap()
    };
    let soon = Some(clock.now() + TimeDelta::hours(1));
    let (good, _) = issue(Scope::Submit, soon).await;
    let (reads, _) = issue(Scope::Read, None).await;
    let (revoked, token) = issue(Scope::Submit, None).await;
    let (expired, _) = issue(Scope::Submit, Some(clock.now())).await;
    let secrets = [good.reveal(), reads.reveal(), revoked.reveal(), expired.reveal(), "assay_invented"];
    for (number, secret) in secrets.into_iter().enumerate() {
        let credential = node.intake.token(secret).await.unwrap().unwrap();
        let taken = node.offer_with(&credential, number, &body("1.0")).await.unwrap();
        assert!(matches!(taken, Taken::Spooled { .. }), "{taken:?}");
    }
    tokens::revoke(store, clock, &token.id).await.unwrap();
    clock.advance(TimeDelta::hours(2));
    assert_eq!(node.hand_over().await, Progress::Done { held: 0 });

    assert_eq!(node.receipt(0).await.state, State::Accepted, "it was valid when it was used");
    let reasons = ["scope submit", "expired or revoked", "expired or revoked", "unknown"];
    for (number, reason) in (1..).zip(reasons) {
        let receipt = node.receipt(number).await;
        assert_eq!((receipt.state, receipt.refused.len()), (State::Rejected, 1));
        assert!(receipt.reason.as_ref().is_some_and(|told| told.contains(reason)), "{receipt:?}");
        assert_eq!(receipt.digest, Digest::of(body("1.0").as_bytes()).to_string());
    }
    let glance = spool::glance(&node.stack.directory.path().join("spool.db")).await.unwrap();
    assert_eq!((glance.reports, glance.refusals), (0, 4));

    clock.advance(TimeDelta::days(31));
    node.hand_over().await;
    assert_eq!(node.spool.with_refusals(report_id(4), None).await.unwrap(), None, "forgotten after its time");
}

#[tokio::test]
async fn another_testers_id_is_refused_and_both_are_told() {
    let node = Node::new().await;
    node.stack.accept(&id(1), &body("1.0"), "Ann").await;
    node.spooled(1, &body("2.0")).await;
    assert_eq!(node.receipt(1).await.state, State::Spooled);
    node.hand_over().await;
    let receipt = node.receipt(1).await;
    assert_eq!((receipt.state, receipt.reason.as_deref()), (State::Accepted, None), "the first one's");
    assert_eq!(receipt.digest, Digest::of(body("1.0").as_bytes()).to_string());
    let [refused] = receipt.refused.as_slice() else { panic!("{receipt:?}") };
    assert_eq!(refused.digest, Digest::of(body("2.0").as_bytes()).to_string());
    assert!(refused.reason.contains("another tester"), "{}", refused.reason);
}

#[tokio::test]
async fn the_same_bytes_of_another_sender_are_another_submission() {
    let node = Node::new().await;
    let wrong = node.intake.token("assay_invented").await.unwrap().unwrap();
    node.offer_with(&wrong, 1, &body("1.0")).await.unwrap();
    node.spooled(1, &body("1.0")).await;
    node.hand_over().await;
    let receipt = node.receipt(1).await;
    assert_eq!((receipt.state, receipt.refused.len()), (State::Accepted, 1), "the right credential counts");
}

/// A legacy report, and the profile that made it.
fn fact(number: usize) -> (Bytes, ReportId, uuid::Uuid) {
    let (_, bytes) = captures().swap_remove(number);
    let report = metabase::report(&bytes).unwrap();
    (bytes.into(), report.id, report.creator)
}

impl Node {
    async fn legacy(&self, number: usize, secret: &[u8]) -> (ReportId, Taken) {
        let (bytes, id, profile) = fact(number);
        let LegacyProof::Whose(whose) = self.intake.legacy(profile, secret).await.unwrap() else { panic!("refused") };
        (id, self.intake.take(Offer::new(id, Door::Metabase, *whose, bytes)).await.unwrap())
    }

    async fn register(&self, number: usize) {
        let (_, _, profile) = fact(number);
        let registration = Registration { profile, name: "Ann".to_owned(), email: None, secret: None };
        self.stack.identify.register(&registration).await.unwrap();
    }
}

/// Whether any file of the spool holds these bytes.
fn holds_secret(directory: &Path, secret: &[u8]) -> bool {
    ["spool.db", "spool.db-wal"].iter().any(|file| {
        let bytes = std::fs::read(directory.join(file)).unwrap_or_default();
        bytes.windows(secret.len()).any(|window| window == secret)
    })
}

#[tokio::test]
async fn a_legacy_secret_is_checked_later_and_then_leaves_no_trace() {
    let node = Node::new().await;
    node.register(0).await;
    let (_, _, profile) = fact(0);
    node.stack.identify.legacy(profile, b"the right secret").await.unwrap();
    // A process that remembers nobody.
    let node = node.again().await;
    let (right, taken) = node.legacy(0, b"the right secret").await;
    assert!(matches!(taken, Taken::Spooled { .. }), "{taken:?}");
    let directory = node.stack.directory.path();
    assert!(holds_secret(directory, b"the right secret"), "it has to be checked");
    for file in ["spool.db", "spool.db-wal", "spool.db-shm"] {
        let mode = std::fs::metadata(directory.join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let (wrong, _) = node.legacy(0, b"an invented secret").await;
    assert_eq!(right, wrong);
    node.hand_over().await;
    let stored = node.stack.readers.receipt(right).await.unwrap();
    let receipt = node.spool.with_refusals(right, stored).await.unwrap().unwrap();
    assert_eq!((receipt.state, receipt.revision, receipt.refused.len()), (State::Accepted, 1, 1));
    assert!(receipt.refused[0].reason.contains("wrong secret"), "{receipt:?}");
    for secret in [b"the right secret".as_slice(), b"an invented secret"] {
        assert!(!holds_secret(directory, secret), "a secret is left in the file");
    }
}

#[tokio::test]
async fn a_secret_found_right_of_late_is_not_kept() {
    let node = Node::new().await;
    node.register(0).await;
    node.spool.answered();
    let (_, _, profile) = fact(0);
    // The first use keeps the secret's hash, the second remembers the tester.
    for _ in 0..2 {
        node.intake.legacy(profile, b"the right secret").await.unwrap();
    }
    node.spool.note_silence();
    let (id, taken) = node.legacy(0, b"the right secret").await;
    assert!(matches!(taken, Taken::Spooled { .. }), "{taken:?}");
    assert!(!holds_secret(node.stack.directory.path(), b"the right secret"));
    let LegacyProof::Whose(other) = node.intake.legacy(profile, b"a wrong one").await.unwrap() else {
        panic!("refused")
    };
    assert!(matches!(other.claim, Claim::Legacy { secret: Some(_), .. }));
    node.hand_over().await;
    assert_eq!(node.stack.readers.receipt(id).await.unwrap().unwrap().state, State::Accepted);
}

#[tokio::test]
async fn a_report_of_a_profile_not_registered_yet_is_held_until_it_is() {
    let node = Node::new().await;
    let (id, _) = node.legacy(0, b"secret").await;
    node.spooled(1, &body("1.0")).await;
    assert_eq!(node.hand_over().await, Progress::Done { held: 1 });
    let receipt = node.spool.receipt(id).await.unwrap().unwrap();
    assert!(receipt.reason.is_some_and(|reason| reason.contains("not registered yet")));
    assert_eq!(node.receipt(1).await.state, State::Accepted, "what came after it is not held up");
    let node = node.again().await;
    node.register(0).await;
    assert_eq!(node.hand_over().await, Progress::Done { held: 0 });
    assert_eq!(node.stack.readers.receipt(id).await.unwrap().unwrap().state, State::Accepted);

    let (bytes, never, _) = fact(40);
    let claim = Claim::Legacy { profile: uuid::Uuid::from_u128(7), secret: Some(b"secret".to_vec()) };
    node.intake.take(Offer::new(never, Door::Metabase, Whose { tester: None, claim }, bytes)).await.unwrap();
    assert_eq!(node.hand_over().await, Progress::Done { held: 1 });
    node.stack.process.clock.advance(TimeDelta::days(31));
    assert_eq!(node.hand_over().await, Progress::Done { held: 0 }, "not for ever");
    let told = node.spool.with_refusals(never, None).await.unwrap().unwrap();
    assert!(told.reason.is_some_and(|reason| reason.contains("not registered in time")));
}
