//! What the outside may send, and what assay makes of it.

mod bad;
mod corpus;
mod cpanstats;
mod distname;
mod extraction;
mod extraction_anything;
mod extraction_reasons;
mod extraction_speed;
mod feeds;
mod fixtures;
mod metabase;
mod perl;
mod platform;
mod query;
mod report;
mod report_anything;
mod uploads;
