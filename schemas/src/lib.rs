//! The words of assay: what a report is, how its outside forms are read, and what is said about it to readers.
//!
//! Nothing here does input or output, waits, or asks what time it is; every function gives the same answer for the
//! same argument. The modules follow a report from the bytes a tester sent to the answer a reader gets:
//!
//! | Module | What it holds |
//! | --- | --- |
//! | [`ids`] | names of single things: reports, testers, digests, cursors |
//! | [`grade`] | the four grades and counts of them |
//! | [`report`] | the current shape of a report (contract §2.1) and its checks |
//! | [`metabase`] | the legacy envelope, and its upgrade to the current shape (contract §2.2, §3.1) |
//! | [`cpanstats`] | rows of the predecessor's table, read as reports (contract §3.2) |
//! | [`uploads`] | archives released on CPAN, as its servers tell of them (contract §3.4) |
//! | [`distname`] | distribution, version and author out of an archive's path, as CPAN::DistnameInfo reads them |
//! | [`perl`] | language versions and their maturity (contract §3.3) |
//! | [`platform`] | canonical operating system names |
//! | [`text`] | report texts cut into sections, prerequisites, environment, `perl -V` |
//! | [`reason`] | why a report is not a pass: phase and code |
//! | [`extract`] | all that is read out of one report, with its source |
//! | [`query`] | the search language |
//! | [`contract`] | rows as the CPAN Testers contract has them on the wire |
//! | [`addresses`] | mail addresses in texts, kept from readers |
//! | [`problem`] | faults, told to the sender (RFC 9457) |
//! | [`views`] | what readers get |
//! | [`feeds`] | the same in the rows that the CPAN Testers site's consumers read (contract §1.8, §1.9) |
//! | [`withdrawal`] | reports taken back, and what is said of them |

pub mod addresses;
pub mod contract;
pub mod cpanstats;
pub mod distname;
pub mod extract;
pub mod feeds;
pub mod grade;
pub mod ids;
pub mod metabase;
pub mod perl;
pub mod platform;
pub mod problem;
pub mod query;
pub mod reason;
pub mod report;
pub mod retention;
pub mod text;
pub mod uploads;
pub mod views;
pub mod withdrawal;
