//! Which releases have to ask anew whose they are, after rows of theirs have changed.

use std::collections::{HashMap, HashSet};

use schemas::extract::Extract;

use crate::store::{NewExtract, OldExtract, ReleaseNumber, StoreError, Teller, Telling, Tx};

/// What a report says of whose its release is. One that names an archive and no author says nothing of it.
pub(crate) fn telling(extract: &Extract) -> Option<Telling> {
    Some(Telling { author: extract.author.clone()?, archive: extract.archive.clone() })
}

/// Lets the releases of rows just written say what their reports say now, and gives the authors who lost one by it.
pub(crate) async fn retell(
    tx: &mut Tx,
    old: &HashMap<i64, OldExtract>,
    rows: &[NewExtract],
    releases: &[ReleaseNumber],
) -> Result<Vec<String>, StoreError> {
    let tellers = tx.tellers(releases).await?;
    let asking = asking(&tellers, old, rows);
    if asking.is_empty() {
        return Ok(Vec::new());
    }
    tx.retell_releases(&asking).await?;
    Ok(tellers.into_iter().filter(|one| asking.contains(&one.release)).filter_map(|one| one.author).collect())
}

/// Releases whose teller has changed its row, or whom a report with a lower number tells something. All others believe
/// whom they believed.
fn asking(tellers: &[Teller], old: &HashMap<i64, OldExtract>, rows: &[NewExtract]) -> Vec<ReleaseNumber> {
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
