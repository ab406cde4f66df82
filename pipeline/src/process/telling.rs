//! Which releases have to ask anew whose they are, after rows of theirs have changed.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use schemas::extract::Extract;

use crate::store::{MarkedRelease, NewExtract, OldExtract, ReleaseNumber, StoreError, Teller, Telling, Tx};

/// What a report says of whose its release is. One that names an archive and no author says nothing of it.
pub(crate) fn telling(extract: &Extract) -> Option<Telling> {
    Some(Telling { author: extract.author.clone()?, archive: extract.archive.clone() })
}

/// Gives the releases of rows just written change numbers from `first` on, and lets them say what their reports say now.
/// With them come the authors who lost one by it.
pub(crate) async fn mark(
    tx: &mut Tx,
    old: &HashMap<i64, OldExtract>,
    rows: &[NewExtract],
    releases: &[ReleaseNumber],
    first: i64,
    now: DateTime<Utc>,
) -> Result<(Vec<MarkedRelease>, Vec<String>), StoreError> {
    let tellers = tx.tellers(releases).await?;
    let asking = asking(&tellers, old, rows);
    let (retold, others): (Vec<ReleaseNumber>, Vec<ReleaseNumber>) =
        releases.iter().partition(|release| asking.contains(release));
    let mut marked = Vec::with_capacity(releases.len());
    if !retold.is_empty() {
        marked = tx.mark_retold_releases(&retold, first, now).await?;
    }
    if !others.is_empty() {
        let first = first + i64::try_from(retold.len()).expect("a list has fewer than 2^63 entries");
        marked.extend(tx.mark_releases(&others, first, now).await?);
    }
    let losing = tellers.into_iter().filter(|one| asking.contains(&one.release)).filter_map(|one| one.author);
    Ok((marked, losing.collect()))
}

/// Releases whose teller has changed its row, or whom a report with a lower number tells something. All others believe
/// whom they believed.
fn asking(tellers: &[Teller], old: &HashMap<i64, OldExtract>, rows: &[NewExtract]) -> HashSet<ReleaseNumber> {
    let changed: HashSet<(ReleaseNumber, i64)> = rows
        .iter()
        .filter_map(|row| Some((old.get(&row.counted.number)?.counted.release, row.counted.number)))
        .collect();
    let mut lowest: HashMap<ReleaseNumber, i64> = HashMap::new();
    for row in rows.iter().filter(|row| row.telling.is_some()) {
        let number = row.counted.number;
        lowest.entry(row.counted.release).and_modify(|known| *known = number.min(*known)).or_insert(number);
    }
    let asks = |teller: &&Teller| {
        let lowest = lowest.get(&teller.release);
        match teller.told_by {
            None => lowest.is_some(),
            Some(told_by) => {
                changed.contains(&(teller.release, told_by)) || lowest.is_some_and(|number| *number <= told_by)
            }
        }
    };
    tellers.iter().filter(asks).map(|teller| teller.release).collect()
}
