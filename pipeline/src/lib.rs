//! The life of a report.
//!
//! The files are named in the order it happens:
//!
//! 1. A door (in the `api` crate) has checked a submission; [`identify`] tells whose it is. [`intake`] sends it on, and
//!    into the [`spool`] while the database is away.
//! 2. [`accept`] commits submissions that arrive together together, with one fsync and one job. A 202 may be sent.
//! 3. [`queue`] hands the job to a [`worker`].
//! 4. [`process`] reads the extracts and, in one transaction, replaces the old ones, moves every count by the signed
//!    difference and gives each changed row its change number.
//! 5. [`catch_up`] puts the changed rows into the document [`index`]: searchable.
//! 6. [`publish`] rewrites the whole-file artefacts, and [`events`] tells those who wait in this process that something
//!    is new.
//!
//! 7. [`readers`] give what is known, and [`search`] finds it.
//!
//! [`withdraw`] takes a report back, and puts it back. [`jobs`] is what operators do with work that failed. [`rebuild`]
//! runs steps 4 and 5 again over what is stored, and [`fsck`] looks whether it all agrees. [`retention`] drops the bytes
//! of old reports. [`import`] brings other servers' history in, [`uploads`] what was released, and [`copy`] moves a whole
//! database to another. No step calls another: they meet through a stored row or a job. [`store`] alone writes SQL, but
//! for the spool's own file; [`index`] alone speaks to a search engine. [`bodies`] packs and unpacks bytes, [`tokens`]
//! makes and checks credentials, [`measures`] counts what happens, [`clock`] tells the time, [`link`] reaches Redis.

pub mod accept;
pub mod bodies;
pub mod catch_up;
pub mod clock;
pub mod copy;
pub mod difference;
pub mod events;
pub mod fsck;
pub mod identify;
pub mod import;
pub mod index;
pub mod intake;
pub mod jobs;
pub mod link;
pub mod measures;
pub mod process;
pub mod publish;
pub mod queue;
pub mod readers;
pub mod rebuild;
pub mod retention;
pub mod search;
pub mod spool;
pub mod store;
pub mod submission;
pub mod tokens;
pub mod uploads;
pub mod withdraw;
pub mod worker;
