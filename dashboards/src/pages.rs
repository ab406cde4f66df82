//! One function for each page, and the struct it takes.

mod api_reference;
mod author;
mod distribution;
mod distribution_matrix;
mod home;
mod jobs;
mod letter;
mod operations;
mod problem;
mod receipt;
mod release;
mod report;
mod results;
mod search;
mod search_help;
mod tester;

pub use api_reference::api_reference;
pub use author::author;
pub use distribution::distribution;
pub use distribution_matrix::{MatrixPage, distribution_matrix};
pub use home::{HomePage, home};
pub use jobs::{JobsPage, job, jobs};
pub use letter::{LetterPage, kept_report, letter, no_report};
pub use operations::{CheckRow, OperationsPage, operations};
pub use problem::problem;
pub use receipt::receipt;
pub use release::{FailingPlatform, ReasonCount, ReleasePage, release};
pub use report::{ReportPage, report};
pub use results::{ResultsFilter, ResultsPage, results};
pub use search::{SearchAnswer, SearchPage, search};
pub use search_help::search_help;
pub use tester::tester;
