//! A database from before whose releases show the word that was told first shows the rule's after its migration.

use pipeline::rebuild;
use pipeline::store::ChangeRow;
use pipeline::uploads;
use schemas::uploads::{Kind, Upload};

use crate::raw::Raw;
use crate::stack::{Stack, id, report};

async fn send(stack: &Stack, number: usize, distribution: &str, path: &str) {
    let mut body: serde_json::Value =
        serde_json::from_str(&report(distribution, "1.0", "pass", "5.36.0", "linux")).unwrap();
    body["distribution"]["path"] = path.into();
    stack.accept(&id(number), &body.to_string(), "Ann").await;
    stack.work_off().await;
}

/// Distribution, author, archive.
async fn shown(raw: &Raw) -> Vec<(String, Option<String>, Option<String>)> {
    raw.rows("SELECT distribution, author, archive FROM releases ORDER BY distribution").await
}

#[tokio::test]
async fn releases_of_a_database_from_before_show_the_rule_and_the_feed_tells_it() {
    let stack = Stack::new().await;
    let raw = stack.raw().await;
    send(&stack, 0, "Foo", "ANN/Foo.tar.gz").await;
    send(&stack, 1, "Foo", "BOB/Foo.zip").await;
    send(&stack, 2, "Bar", "ANN/Bar.tar.gz").await;
    send(&stack, 3, "Sent", "ANN/Sent.tar.gz").await;
    let upload = Upload::of_archive("CLEO", "Sent-1.0.tar.gz", None, Kind::Cpan).unwrap();
    uploads::store(&stack.process, vec![upload]).await.unwrap();
    let rule = shown(&raw).await;

    // As the version before left it, when the second report on Foo was processed first.
    for sql in [
        "ALTER TABLE extracts DROP COLUMN author",
        "ALTER TABLE extracts DROP COLUMN archive",
        "ALTER TABLE releases DROP COLUMN told_by",
        "UPDATE releases SET author = 'BOB', archive = 'Foo.zip' WHERE distribution = 'Foo'",
        "DELETE FROM assay_migrations WHERE version = 20261121000008",
    ] {
        raw.run(sql).await;
    }
    let head = stack.store().head().await.unwrap();
    stack.store().migrate().await.unwrap();

    let (changes, after) = stack.store().changes(head, 10).await.unwrap();
    let [ChangeRow::Summary { summary, .. }] = changes.as_slice() else { panic!("{changes:?}") };
    assert_eq!((summary.distribution.as_str(), summary.author.as_deref(), after), ("Foo", Some("ANN"), head + 1));
    assert_eq!(stack.store().head().await.unwrap(), head + 1);
    // How the archive was called that was not shown was not kept.
    let archive = |row: &(String, Option<String>, Option<String>)| row.2.clone();
    assert_eq!(shown(&raw).await.iter().map(archive).filter(Option::is_none).count(), 1);
    rebuild::rebuild(&stack.process, 0, |_| ()).await.unwrap();
    assert_eq!(shown(&raw).await, rule);
    assert_eq!(rebuild::rebuild(&stack.process, 0, |_| ()).await.unwrap().changed, 0);
}
