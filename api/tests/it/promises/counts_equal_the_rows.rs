//! After any mix of reports and corrections, at once from many sides, every count equals a recount of the rows.

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::recount::{check_counts, send_and_correct};
use crate::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn counts_equal_the_rows() {
    let server = Server::start();
    let mut generators: Vec<StdRng> = (0..6).map(StdRng::seed_from_u64).collect();
    let writers = generators.iter_mut().map(|random| send_and_correct(&server, random, 60));
    futures::future::join_all(writers).await;
    server.settle().await;
    check_counts(&server).await;
    let rows = server.lines("/v4/results").await;
    assert!((180..360).contains(&rows.len()), "corrections replace rows: {}", rows.len());
}
