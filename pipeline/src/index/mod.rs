//! (placeholder by the lead until the index is delivered: overwrite it)
use schemas::grade::Grade;
use schemas::ids::ReportId;
use schemas::query::Query;
use schemas::reason::{Code, Phase};
use chrono::{DateTime, Utc};
#[derive(Clone, Debug)]
pub struct Document { pub number: i64, pub id: ReportId, pub distribution: String, pub version: String, pub author: Option<String>, pub tester: String, pub grade: Grade, pub os: String, pub language: String, pub language_version: String, pub architecture: String, pub reason: Option<(Code, Option<Phase>)>, pub received_at: DateTime<Utc>, pub created_at: DateTime<Utc>, pub text: String }
#[derive(Debug, thiserror::Error)]
#[error("index")]
pub struct IndexError;
#[derive(Clone, Copy, Debug)]
pub enum Order { Relevance, Newest }
#[derive(Clone, Debug)]
pub struct Found { pub total: u64, pub hits: Vec<(i64, f32)> }
pub trait DocumentIndex: Send + Sync + 'static {
    fn put(&self, documents: Vec<Document>, removed: Vec<i64>, mark: i64) -> Result<(), IndexError>;
    fn mark(&self) -> Result<i64, IndexError>;
    fn search(&self, query: &Query, order: Order, offset: usize, limit: usize) -> Result<Found, IndexError>;
    fn clear(&self) -> Result<(), IndexError>;
    fn documents(&self) -> Result<u64, IndexError>;
}
