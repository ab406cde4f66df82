//! What the store itself has to survive.

use super::*;

#[tokio::test]
async fn a_transaction_that_the_database_has_ended_by_itself_does_not_stop_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("assay.db")).await.unwrap();
    store.migrate().await.unwrap();
    for _ in 0..3 {
        let mut tx = store.begin().await.unwrap();
        // As SQLite does when the disk is full in the middle of a statement.
        query("ROLLBACK").execute(tx.connection()).await.unwrap();
        drop(tx);
        let mut tx = store.begin().await.unwrap();
        tx.take_changes(1).await.unwrap();
        tx.commit().await.unwrap();
    }
    assert_eq!(store.head().await.unwrap(), 3);
}
