//! What was sent of each report and what assay answered: the side of the story that assay has to agree with.

use std::collections::BTreeMap;

use crate::client::Receipt;
use crate::recount::Told;

/// Everything known of one report from outside.
#[derive(Clone, Debug)]
pub struct Account {
    pub index: u64,
    pub id: String,
    /// Which tester's it is.
    pub owner: usize,
    /// Digest and content of each body its tester has sent, in the order of their forms.
    pub forms: Vec<(String, Told)>,
    /// Digest of each revision that assay has acknowledged.
    pub acknowledged: BTreeMap<i64, String>,
    /// Digests of bodies sent without an answer: each may have been stored, once.
    pub perhaps: Vec<String>,
    /// Digests of bodies that a node took into its spool: each is stored later, as a revision that is not known.
    pub spooled: Vec<String>,
    /// Digests of bodies in a spool that must not be stored: another tester's, and corrections of what is retracted.
    pub unwanted: Vec<String>,
    /// How often a body that was sent once may be stored: another one may come between.
    pub ways: usize,
    pub retracted: Retracted,
}

/// Whether a report was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retracted {
    No,
    /// It was asked for, and nobody answered.
    Perhaps,
    Yes,
}

impl Account {
    pub fn new(index: u64, id: String, owner: usize) -> Self {
        Account {
            index,
            id,
            owner,
            forms: Vec::new(),
            acknowledged: BTreeMap::new(),
            perhaps: Vec::new(),
            spooled: Vec::new(),
            unwanted: Vec::new(),
            ways: 1,
            retracted: Retracted::No,
        }
    }

    /// Takes an acknowledgement down. One that speaks against an earlier one is an error.
    pub fn acknowledge(&mut self, revision: i64, digest: &str) -> Result<(), String> {
        let known = self.acknowledged.entry(revision).or_insert_with(|| digest.to_owned());
        match known == digest {
            true => Ok(()),
            false => Err(format!("report {}: revision {revision} is said to be {known} and {digest}", self.id)),
        }
    }

    /// Whether a final receipt (`None`: there is none) can be what became of this, as `kept`: nothing acknowledged
    /// is lost; and as `revised`: the last revision is the one that counts.
    pub fn judge(&self, receipt: Option<&Receipt>) -> Verdict {
        let Some(receipt) = receipt else {
            let taken = !self.acknowledged.is_empty() || !self.spooled.is_empty();
            let lost = taken || self.retracted == Retracted::Yes;
            return Verdict { kept: if lost { Err("it is not there".to_owned()) } else { Ok(()) }, revised: Ok(()) };
        };
        Verdict { kept: self.judge_outcome(receipt), revised: self.judge_revision(receipt) }
    }

    fn judge_outcome(&self, receipt: &Receipt) -> Result<(), String> {
        let settled = matches!(receipt.state.as_str(), "processed" | "rejected" | "parked");
        if !settled && !receipt.withdrawn {
            return Err(format!("it has no outcome but is {}", receipt.state));
        }
        match (self.retracted, receipt.withdrawn) {
            (Retracted::Yes, false) => Err("it was retracted, and does not say so".to_owned()),
            (Retracted::No, true) => Err("it says that it was withdrawn, and nobody asked for that".to_owned()),
            _ => Ok(()),
        }
    }

    fn judge_revision(&self, receipt: &Receipt) -> Result<(), String> {
        let last = self.acknowledged.last_key_value().map_or(0, |(revision, _)| *revision);
        let Receipt { revision, digest, .. } = receipt;
        if let Some(acknowledged) = self.acknowledged.get(revision) {
            return match acknowledged == digest && *revision == last {
                true => Ok(()),
                false => Err(format!("revision {last} was acknowledged last, and it is {digest} as {revision}")),
            };
        }
        if *revision < last {
            return Err(format!("revision {last} was acknowledged, and it is at {revision}"));
        }
        // Each body without an answer, and each that was spooled, was stored no more often than there are ways for it.
        let beyond = usize::try_from(revision - last).unwrap_or(usize::MAX);
        let most = self.ways * (self.perhaps.len() + self.spooled.len());
        match beyond <= most && self.may_be_stored(digest) {
            true => Ok(()),
            false => Err(format!("revision {revision} is {digest}, which nothing sent can explain")),
        }
    }

    /// Whether a body may have become a revision without an acknowledgement that says which.
    pub fn may_be_stored(&self, digest: &str) -> bool {
        self.perhaps.iter().chain(&self.spooled).any(|known| known == digest)
    }

    /// Whether a revision may have this digest.
    pub fn may_be_revision(&self, revision: i64, digest: &str) -> bool {
        match self.acknowledged.get(&revision) {
            Some(acknowledged) => acknowledged == digest,
            None => self.may_be_stored(digest),
        }
    }

    /// What a body of this report says.
    pub fn told(&self, digest: &str) -> Option<&Told> {
        self.forms.iter().find(|(known, _)| known == digest).map(|(_, told)| told)
    }
}

/// Whether a final receipt agrees with what was sent; an error says how it does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub kept: Result<(), String>,
    pub revised: Result<(), String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(acknowledged: &[(i64, &str)], perhaps: &[&str]) -> Account {
        let mut account = Account::new(0, "id".to_owned(), 0);
        for (revision, digest) in acknowledged {
            account.acknowledge(*revision, digest).unwrap();
        }
        account.perhaps = perhaps.iter().map(|digest| (*digest).to_owned()).collect();
        account
    }

    fn receipt(revision: i64, digest: &str) -> Receipt {
        let (digest, state) = (digest.to_owned(), "processed".to_owned());
        Receipt { revision, digest, state, withdrawn: false, refused: Vec::new() }
    }

    #[test]
    fn what_was_acknowledged_last_counts() {
        let account = account(&[(1, "a"), (2, "b")], &[]);
        assert_eq!(account.judge(Some(&receipt(2, "b"))), Verdict { kept: Ok(()), revised: Ok(()) });
        for wrong in [receipt(1, "a"), receipt(2, "a"), receipt(3, "b"), receipt(3, "c")] {
            assert!(account.judge(Some(&wrong)).revised.is_err(), "{wrong:?}");
        }
        assert!(account.judge(None).kept.is_err());
    }

    #[test]
    fn what_nobody_answered_may_be_there_or_not() {
        let account = account(&[(1, "a")], &["b"]);
        for right in [receipt(1, "a"), receipt(2, "b")] {
            assert_eq!(account.judge(Some(&right)).revised, Ok(()), "{right:?}");
        }
        for wrong in [receipt(1, "b"), receipt(2, "a"), receipt(3, "b")] {
            assert!(account.judge(Some(&wrong)).revised.is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_was_never_acknowledged_may_be_missing() {
        let account = account(&[], &["a"]);
        assert_eq!(account.judge(None), Verdict { kept: Ok(()), revised: Ok(()) });
        assert_eq!(account.judge(Some(&receipt(1, "a"))).revised, Ok(()));
        assert!(account.judge(Some(&receipt(1, "x"))).revised.is_err());
    }

    #[test]
    fn what_was_spooled_is_stored_as_some_revision() {
        let mut account = account(&[(1, "a"), (3, "c")], &[]);
        account.spooled = vec!["b".to_owned()];
        for right in [receipt(3, "c"), receipt(4, "b")] {
            assert_eq!(account.judge(Some(&right)).revised, Ok(()), "{right:?}");
        }
        for wrong in [receipt(3, "b"), receipt(4, "c"), receipt(4, "a"), receipt(5, "b")] {
            assert!(account.judge(Some(&wrong)).revised.is_err(), "{wrong:?}");
        }
        assert!(
            account.may_be_revision(2, "b") && !account.may_be_revision(2, "c") && !account.may_be_revision(1, "b")
        );
        let alone = Account { spooled: vec!["b".to_owned()], ..Account::new(0, "id".to_owned(), 0) };
        assert!(alone.judge(None).kept.is_err());
    }

    #[test]
    fn a_retraction_is_kept_and_never_made_up() {
        let mut account = account(&[(1, "a")], &[]);
        let withdrawn = Receipt { withdrawn: true, ..receipt(1, "a") };
        assert!(account.judge(Some(&withdrawn)).kept.is_err());
        account.retracted = Retracted::Perhaps;
        assert_eq!(account.judge(Some(&withdrawn)).kept, Ok(()));
        assert_eq!(account.judge(Some(&receipt(1, "a"))).kept, Ok(()));
        account.retracted = Retracted::Yes;
        assert!(account.judge(Some(&receipt(1, "a"))).kept.is_err());
    }

    #[test]
    fn a_report_without_an_outcome_is_found() {
        let account = account(&[(1, "a")], &[]);
        let waiting = Receipt { state: "accepted".to_owned(), ..receipt(1, "a") };
        assert!(account.judge(Some(&waiting)).kept.is_err());
    }

    #[test]
    fn a_revision_has_one_digest() {
        let mut account = account(&[(1, "a")], &[]);
        assert!(account.acknowledge(1, "b").is_err());
        assert!(account.acknowledge(1, "a").is_ok());
    }
}
