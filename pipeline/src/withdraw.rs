//! A report is taken back: it is counted, listed and found nowhere, and the change feed carries its tombstone. And it is
//! put back, by processing it again.
//!
//! That a report was withdrawn is source, like the report: a rebuild keeps it. Each order can be given twice.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use schemas::withdrawal::{BodyFate, WithdrawnAs, WithdrawnBy};

use crate::process::{Process, bury};
use crate::queue::ProcessGroup;
use crate::store::{StoreError, Withdrawal, WithdrawalSelection};

/// What is asked for, by whom and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    pub kind: WithdrawnAs,
    pub reason: String,
    pub by: WithdrawnBy,
    /// Public id of the tester, or id of the operator's token.
    pub who: String,
    pub body: BodyFate,
}

/// What an order did to how many reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Withdrawn now, or otherwise than before.
    pub withdrawn: usize,
    /// Were so before.
    pub already: usize,
    /// Left alone, because an operator has marked them invalid and a tester asks for something else.
    pub overruled: usize,
}

/// What became of an order to put a report back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    /// It is processed again.
    Accepted,
    /// It was not withdrawn.
    Standing,
    /// Its bytes were deleted when it was withdrawn.
    Purged,
    /// Its bytes are kept no longer.
    Dropped,
}

/// Reports withdrawn in one transaction.
const BATCH: i64 = 256;

/// Withdraws reports by number in one transaction: note, tombstones, counts and bytes change together.
pub async fn withdraw(process: &Process, numbers: &[i64], order: &Order) -> Result<Tally, StoreError> {
    let now = process.clock.now();
    let mut tx = process.store.begin().await?;
    let before: HashMap<i64, Withdrawal> =
        tx.withdrawals(numbers).await?.into_iter().map(|one| (one.number, one)).collect();
    let mut tally = Tally::default();
    let mut changed = Vec::new();
    for number in numbers {
        match decide(*number, before.get(number), order, now) {
            Decision::Write(withdrawal) => changed.push(withdrawal),
            Decision::Already => tally.already += 1,
            Decision::Overruled => tally.overruled += 1,
        }
    }
    tally.withdrawn = changed.len();
    if changed.is_empty() {
        return Ok(tally);
    }
    let numbers_of = |withdrawals: &[Withdrawal]| withdrawals.iter().map(|one| one.number).collect::<Vec<_>>();
    let numbers = numbers_of(&changed);
    tx.put_withdrawals(&changed).await?;
    tx.dismiss_reports(&numbers, now).await?;
    changed.retain(|one| one.body == BodyFate::Purged);
    if !changed.is_empty() {
        tx.purge_bodies(&numbers_of(&changed)).await?;
    }
    let news = bury(&mut tx, &numbers, &process.clock).await?;
    tx.commit().await?;
    process.measures.withdrawn.inc_by(tally.withdrawn as u64);
    if let Some(news) = news {
        process.events.announce(news);
    }
    Ok(tally)
}

/// Withdraws the selected reports that are not withdrawn so yet, the oldest first and at most `limit` of them, in
/// batches with rests between.
pub async fn withdraw_selected(
    process: &Process,
    selection: &WithdrawalSelection,
    order: &Order,
    limit: i64,
) -> Result<Tally, StoreError> {
    let mut total = Tally::default();
    let mut last = 0;
    let mut left = limit;
    while left > 0 {
        let batch = left.min(BATCH);
        let found = process.store.withdrawable_after(selection, order.kind, order.body, last, batch).await?;
        let numbers: Vec<i64> = found.iter().map(|(number, _)| *number).collect();
        let Some(newest) = numbers.last() else { break };
        last = *newest;
        let tally = withdraw(process, &numbers, order).await?;
        total.withdrawn += tally.withdrawn;
        total.already += tally.already;
        total.overruled += tally.overruled;
        left -= batch;
        // The intake takes its turn.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(total)
}

/// Puts a withdrawn report back, while its bytes are there: it waits to be processed, as if it came now.
pub async fn restore(process: &Process, number: i64) -> Result<Restored, StoreError> {
    let now = process.clock.now();
    let mut tx = process.store.begin().await?;
    match tx.withdrawals(&[number]).await?.pop() {
        None => return Ok(Restored::Standing),
        Some(withdrawal) if withdrawal.body == BodyFate::Purged => return Ok(Restored::Purged),
        Some(_) if !tx.has_body(number).await? => return Ok(Restored::Dropped),
        Some(_) => {}
    }
    tx.drop_withdrawal(number).await?;
    let group = tx.open_group(1, now).await?;
    tx.regroup_reports(&[number], group).await?;
    tx.enqueue(&ProcessGroup::new(group)).await?;
    tx.commit().await?;
    process.events.jobs().notify_one();
    Ok(Restored::Accepted)
}

/// What an order means for one report.
#[derive(Debug, PartialEq)]
enum Decision {
    Write(Withdrawal),
    Already,
    Overruled,
}

fn decide(number: i64, before: Option<&Withdrawal>, order: &Order, now: DateTime<Utc>) -> Decision {
    let wanted = Withdrawal {
        number,
        kind: order.kind,
        reason: order.reason.clone(),
        by: order.by,
        who: order.who.clone(),
        at: now,
        body: order.body,
    };
    match before {
        None => Decision::Write(wanted),
        // An operator's finding is not for its tester to soften.
        Some(before) if before.kind == WithdrawnAs::Invalid && order.by == WithdrawnBy::Tester => Decision::Overruled,
        Some(before) if before.kind != order.kind => {
            let gone = before.body == BodyFate::Purged;
            Decision::Write(Withdrawal { body: if gone { BodyFate::Purged } else { order.body }, ..wanted })
        }
        // The first reason stands; what is still there can be purged later.
        Some(before) if before.body == BodyFate::Kept && order.body == BodyFate::Purged => {
            Decision::Write(Withdrawal { body: BodyFate::Purged, ..before.clone() })
        }
        Some(_) => Decision::Already,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(kind: WithdrawnAs, by: WithdrawnBy, body: BodyFate) -> Order {
        Order { kind, reason: "later".to_owned(), by, who: "x".to_owned(), body }
    }

    fn after(first: &Order, second: &Order) -> Decision {
        let Decision::Write(mut before) = decide(7, None, first, DateTime::UNIX_EPOCH) else { panic!("not written") };
        before.reason = "earlier".to_owned();
        decide(7, Some(&before), second, DateTime::UNIX_EPOCH)
    }

    fn check(first: &Order, second: &Order, expected: Option<(WithdrawnAs, BodyFate, &str)>) {
        match (after(first, second), expected) {
            (Decision::Write(written), Some((kind, body, reason))) => {
                assert_eq!((written.kind, written.body, written.reason.as_str()), (kind, body, reason));
            }
            (Decision::Already | Decision::Overruled, None) => {}
            other => panic!("{first:?} then {second:?}: {other:?}"),
        }
    }

    #[test]
    fn a_second_order_changes_what_it_may_and_no_more() {
        use BodyFate::{Kept, Purged};
        use WithdrawnAs::{Invalid, Retracted};
        use WithdrawnBy::{Operator, Tester};
        let retracted = order(Retracted, Tester, Kept);
        check(&retracted, &retracted, None);
        check(&retracted, &order(Retracted, Tester, Purged), Some((Retracted, Purged, "earlier")));
        check(&order(Retracted, Tester, Purged), &retracted, None);
        check(&retracted, &order(Invalid, Operator, Kept), Some((Invalid, Kept, "later")));
        check(&order(Retracted, Tester, Purged), &order(Invalid, Operator, Kept), Some((Invalid, Purged, "later")));
        check(&order(Invalid, Operator, Kept), &order(Retracted, Operator, Kept), Some((Retracted, Kept, "later")));
        let invalid = order(Invalid, Operator, Kept);
        assert_eq!(after(&invalid, &order(Retracted, Tester, Purged)), Decision::Overruled);
        assert_eq!(after(&invalid, &invalid), Decision::Already);
    }
}
