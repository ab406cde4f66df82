//! The testers: they send reports once to three times, correct some, retract some, and try their luck with others'.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use futures::future::{join_all, try_join_all};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::delivery::{Courier, Delivered, DeliveredMany, End, Line};
use crate::ledger::{Account, Retracted};
use crate::reports::{Body, Reports};

/// Reports that are begun together, all of one tester; sometimes sent with one request.
pub const BLOCK: u64 = 5;
/// Blocks that are under way at a time.
const HANDS: usize = 12;
/// Reports whose second part waits; beyond this, they come first.
const LATER: usize = 60;
/// The form another tester tries to put in the place of a report.
const FOREIGN: u64 = 1_000;

/// Ways of a body to the database behind a proxy that sends it to both nodes: of each node, one straight there after its
/// time is over, and one out of the spool.
const WAYS: usize = 4;

/// A tester with a token of their own.
#[derive(Clone, Debug)]
pub struct Tester {
    pub name: String,
    pub token: String,
}

/// What there is to send, and who sends it.
pub struct Load {
    pub reports: Reports,
    pub courier: Courier,
    pub testers: Vec<Tester>,
    pub seed: u64,
    /// How many reports there are.
    pub count: u64,
    /// How many processes are to be killed meanwhile: the load is spread over them.
    pub kills: u64,
    /// Whether this assay lets testers take reports back.
    pub retracting: bool,
    next: AtomicU64,
    later: Mutex<VecDeque<Account>>,
    done: Mutex<Vec<Account>>,
}

impl Load {
    pub fn new(reports: Reports, courier: Courier, testers: Vec<Tester>, seed: u64, count: u64, kills: u64) -> Self {
        Load {
            reports,
            courier,
            testers,
            seed,
            count,
            kills,
            retracting: false,
            next: AtomicU64::new(0),
            later: Mutex::default(),
            done: Mutex::default(),
        }
    }

    /// Sends one report and takes it back; tells whether this assay does that.
    pub async fn probe(&mut self) -> anyhow::Result<bool> {
        // Beyond the last of those that are sent later.
        let mut account = self.account(self.count.next_multiple_of(BLOCK));
        self.courier.tally.reports.add();
        let body = self.form(&mut account, 0)?;
        let delivered = self.courier.deliver(&body, self.token(&account)).await;
        anyhow::ensure!(matches!(delivered.end, End::Taken(_)), "the first report was not taken: {delivered:?}");
        self.note(&mut account, &body, delivered);
        let (status, text) = self
            .courier
            .retract(&account.id, self.token(&account))
            .await
            .context("the first retraction has no answer")?;
        self.retracting = match status {
            200 => true,
            404 | 405 => false,
            _ => anyhow::bail!("the first retraction was answered {status}: {text}"),
        };
        if self.retracting {
            account.retracted = Retracted::Yes;
            self.courier.tally.retractions.add();
        }
        self.finish(account);
        Ok(self.retracting)
    }

    /// Sends until everything is sent, or the run is told to end.
    pub async fn run(self: Arc<Self>) -> anyhow::Result<()> {
        let hands = (0..HANDS).map(|_| {
            let load = Arc::clone(&self);
            async move { tokio::spawn(async move { load.work().await }).await.context("a tester panicked")? }
        });
        try_join_all(hands).await?;
        Ok(())
    }

    /// What is known of each report, once nobody sends any more.
    pub fn accounts(&self) -> Vec<Account> {
        let mut accounts = std::mem::take(&mut *self.done.lock().expect("no holder of the accounts panics"));
        accounts.extend(self.later.lock().expect("no holder of the accounts panics").drain(..));
        accounts
    }

    /// How many reports are begun.
    pub fn begun(&self) -> u64 {
        self.next.load(Ordering::Relaxed).min(self.count)
    }

    async fn work(&self) -> anyhow::Result<()> {
        while !self.courier.tally.ended() {
            let waiting = self.later.lock().expect("no holder of the accounts panics").len();
            let more = self.begun() < self.count;
            if waiting > LATER || (!more && waiting > 0) {
                let account = self.later.lock().expect("no holder of the accounts panics").pop_front();
                if let Some(account) = account {
                    self.follow_up(account).await?;
                }
            } else if !more {
                return Ok(());
            } else if self.begun() >= self.allowed() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            } else {
                self.begin_block(self.next.fetch_add(BLOCK, Ordering::Relaxed)).await?;
            }
        }
        Ok(())
    }

    /// How many reports may be begun after the kills so far.
    fn allowed(&self) -> u64 {
        let kills = self.courier.tally.kills.get();
        if kills >= self.kills { self.count } else { self.count * (kills + 2) / (self.kills + 1) }
    }

    async fn begin_block(&self, first: u64) -> anyhow::Result<()> {
        let mut random = self.random(first, 1);
        let mut accounts: Vec<Account> =
            (first..(first + BLOCK).min(self.count)).map(|index| self.account(index)).collect();
        accounts.iter().for_each(|_| self.courier.tally.reports.add());
        if random.random_bool(0.2) {
            self.send_together(&mut accounts).await?;
        }
        try_join_all(accounts.iter_mut().map(|account| self.send_first(account))).await?;
        for account in accounts {
            // What comes soon meets the report before it is processed; what comes later, after.
            match random.random_bool(0.5) {
                true => self.later.lock().expect("no holder of the accounts panics").push_back(account),
                false => self.follow_up(account).await?,
            }
        }
        Ok(())
    }

    async fn send_together(&self, accounts: &mut [Account]) -> anyhow::Result<()> {
        let bodies: Vec<Body> =
            accounts.iter_mut().map(|account| self.form(account, 0)).collect::<anyhow::Result<_>>()?;
        let Some(owner) = accounts.first() else { return Ok(()) };
        let DeliveredMany { perhaps, lines } = self.courier.deliver_many(&bodies, self.token(owner)).await;
        for (place, (account, body)) in accounts.iter_mut().zip(&bodies).enumerate() {
            match lines.as_ref().map(|lines| lines[place]) {
                Some(Line { spooled: true, .. }) => account.spooled.push(body.digest.clone()),
                // Nothing but this body was ever sent, so it is the first revision.
                Some(Line { status: 200 | 202, .. }) => self.acknowledge(account, 1, &body.digest),
                Some(Line { status, .. }) => {
                    self.courier.watch.answer(false, || format!("a line was answered {status}"));
                }
                None => {}
            }
            if perhaps {
                account.perhaps.push(body.digest.clone());
            }
        }
        Ok(())
    }

    /// The first form: once to three times, one after the other or at the same time.
    async fn send_first(&self, account: &mut Account) -> anyhow::Result<()> {
        let mut random = self.random(account.index, 2);
        let body = self.form(account, 0)?;
        let times = random.random_range(1..=3);
        if random.random_bool(0.4) {
            let token = self.token(account);
            let all = join_all((0..times).map(|_| self.courier.deliver(&body, token))).await;
            all.into_iter().for_each(|delivered| self.note(account, &body, delivered));
        } else {
            for _ in 0..times {
                let delivered = self.courier.deliver(&body, self.token(account)).await;
                self.note(account, &body, delivered);
            }
        }
        Ok(())
    }

    /// Corrections, others' tries, and a retraction, for those reports that get them.
    async fn follow_up(&self, mut account: Account) -> anyhow::Result<()> {
        let mut random = self.random(account.index, 3);
        if random.random_bool(0.3) {
            self.correct(&mut account, &mut random).await?;
        }
        if random.random_bool(0.1) {
            self.meddle(&mut account).await?;
        }
        if self.retracting && !account.acknowledged.is_empty() && random.random_bool(0.1) {
            self.retract(&mut account, &mut random).await?;
        }
        self.finish(account);
        Ok(())
    }

    async fn correct(&self, account: &mut Account, random: &mut StdRng) -> anyhow::Result<()> {
        let first = self.form(account, 1)?;
        if random.random_bool(0.3) {
            // Two corrections race; whichever comes second counts.
            let second = self.form(account, 2)?;
            let token = self.token(account);
            let (one, other) =
                futures::join!(self.courier.deliver(&first, token), self.courier.deliver(&second, token));
            self.note_correction(account, &first, one);
            self.note_correction(account, &second, other);
            return Ok(());
        }
        for _ in 0..random.random_range(1..=2) {
            let delivered = self.courier.deliver(&first, self.token(account)).await;
            self.note_correction(account, &first, delivered);
        }
        if random.random_bool(0.2) {
            // Back to what it was: other bytes than those stored, so a correction, too.
            let before = self.form(account, 0)?;
            let delivered = self.courier.deliver(&before, self.token(account)).await;
            self.note_correction(account, &before, delivered);
        }
        Ok(())
    }

    /// Another tester sends something else under the id of a report that is there.
    async fn meddle(&self, account: &mut Account) -> anyhow::Result<()> {
        if account.acknowledged.is_empty() {
            return Ok(());
        }
        let body = self.reports.body(account.index, FOREIGN)?;
        let other = &self.testers[(account.owner + 1) % self.testers.len()];
        match self.courier.deliver(&body, &other.token).await.end {
            End::Conflict(text) => {
                self.courier.tally.conflicts.add();
                let digests = text.split(|c: char| !c.is_ascii_hexdigit()).filter(|word| word.len() == 64).count();
                let both = text.contains(&body.digest) && digests >= 2;
                self.courier.watch.answer(both, || format!("a conflict without both digests: {text}"));
            }
            // Whose the report is can be asked later.
            End::Taken(receipt) if receipt.spooled() && receipt.digest == body.digest => {
                account.unwanted.push(body.digest.clone());
            }
            End::Taken(_) => self.courier.watch.answer(false, || format!("another tester corrected {}", account.id)),
            End::Refused | End::Abandoned => {}
        }
        Ok(())
    }

    async fn retract(&self, account: &mut Account, random: &mut StdRng) -> anyhow::Result<()> {
        let mut answer = self.courier.retract(&account.id, self.token(account)).await;
        if answer.is_some() && random.random_bool(0.3) {
            // Once more does nothing else.
            answer = self.courier.retract(&account.id, self.token(account)).await.or(answer);
        }
        match answer {
            Some((200, _)) => {
                account.retracted = Retracted::Yes;
                self.courier.tally.retractions.add();
            }
            Some((status, text)) => {
                self.courier.watch.answer(false, || format!("retracting {} was answered {status}: {text}", account.id));
            }
            None => account.retracted = Retracted::Perhaps,
        }
        if account.retracted == Retracted::Yes && random.random_bool(0.5) {
            // A correction does not bring it back.
            let body = self.form(account, 3)?;
            match self.courier.deliver(&body, self.token(account)).await.end {
                End::Taken(receipt) if receipt.spooled() && receipt.digest == body.digest => {
                    account.unwanted.push(body.digest.clone());
                }
                End::Taken(_) => {
                    self.courier.watch.answer(false, || format!("{} was corrected after its retraction", account.id));
                }
                _ => self.courier.watch.answer(true, String::new),
            }
        }
        Ok(())
    }

    /// Takes down what became of a body that its tester sent.
    pub fn note(&self, account: &mut Account, body: &Body, delivered: Delivered) {
        if delivered.perhaps {
            account.perhaps.push(body.digest.clone());
        }
        match delivered.end {
            End::Taken(receipt) if receipt.spooled() => {
                // Of another body that waits, its own delivery told; then this one is in the database already.
                if receipt.digest == body.digest {
                    account.spooled.push(receipt.digest);
                }
            }
            End::Taken(receipt) => self.acknowledge(account, receipt.revision, &receipt.digest),
            End::Conflict(text) => {
                self.courier.watch.answer(false, || format!("{} was refused its own tester: {text}", account.id));
            }
            End::Refused | End::Abandoned => {}
        }
    }

    fn note_correction(&self, account: &mut Account, body: &Body, delivered: Delivered) {
        if matches!(&delivered.end, End::Taken(receipt) if receipt.digest == body.digest) {
            self.courier.tally.corrections.add();
        }
        self.note(account, body, delivered);
    }

    fn acknowledge(&self, account: &mut Account, revision: i64, digest: &str) {
        let noted = account.acknowledge(revision, digest);
        self.courier.watch.answer(noted.is_ok(), || noted.err().unwrap_or_default());
    }

    /// A form of a report, which is remembered as one its tester sends.
    pub fn form(&self, account: &mut Account, form: u64) -> anyhow::Result<Body> {
        let body = self.reports.body(account.index, form)?;
        if account.told(&body.digest).is_none() {
            account.forms.push((body.digest.clone(), body.told.clone()));
        }
        Ok(body)
    }

    pub fn account(&self, index: u64) -> Account {
        let owner = (index / BLOCK) as usize % self.testers.len();
        let ways = if self.courier.availability.is_some() { WAYS } else { 1 };
        Account { ways, ..Account::new(index, self.reports.id(index), owner) }
    }

    pub fn token(&self, account: &Account) -> &str {
        &self.testers[account.owner].token
    }

    pub fn finish(&self, account: Account) {
        self.done.lock().expect("no holder of the accounts panics").push(account);
    }

    /// Chance of its own for each report and purpose.
    fn random(&self, index: u64, purpose: u64) -> StdRng {
        StdRng::seed_from_u64(self.seed ^ index.rotate_left(16) ^ purpose.rotate_left(60))
    }
}
