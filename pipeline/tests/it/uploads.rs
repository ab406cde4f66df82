//! Uploads are stored once, and releases follow them whichever comes first (contract §3.4).

use pipeline::process::Process;
use pipeline::uploads::{Stored, store};
use schemas::extract::Language;
use schemas::uploads::{Kind, Upload};

use crate::recount::AllCounts;
use crate::stack::{Stack, id, report};

fn upload(author: &str, archive: &str, at: Option<&str>, kind: Kind) -> Upload {
    Upload::of_archive(author, archive, at.map(|at| at.parse().unwrap()), kind).expect("a named archive")
}

async fn put(process: &Process, uploads: &[Upload]) -> Stored {
    store(process, uploads.to_vec()).await.unwrap()
}

/// Author, archive, whether on CPAN, and release time of a release's row.
async fn release(stack: &Stack, version: &str) -> (Option<String>, Option<String>, bool, Option<String>, i64) {
    let raw = stack.raw().await;
    let day = raw.either("substr(released_at, 1, 10)", "to_char(released_at, 'YYYY-MM-DD')");
    let columns = format!("author, archive, on_cpan, {day}, change_number");
    raw.row(format!("SELECT {columns} FROM releases WHERE version = '{version}'")).await
}

#[tokio::test]
async fn a_second_import_changes_nothing() {
    let stack = Stack::new().await;
    let uploads = [
        upload("ANN", "Foo-Bar-1.0.tar.gz", Some("2026-01-02T03:04:05Z"), Kind::Cpan),
        upload("BOB", "Foo-Bar-2.0.tar.gz", None, Kind::Cpan),
    ];
    let first = put(&stack.process, &uploads).await;
    assert_eq!((first.new.len(), first.changed.len(), first.same), (2, 0, 0));
    let head = stack.store().head().await.unwrap();
    let second = put(&stack.process, &uploads).await;
    assert_eq!((second.new.len(), second.changed.len(), second.same), (0, 0, 2));
    assert_eq!(stack.store().head().await.unwrap(), head);
    let kept = stack.store().upload(Language::Perl, "Foo-Bar", "2.0").await.unwrap().unwrap();
    assert_eq!(kept.upload, uploads[1]);
    assert_eq!(stack.store().upload(Language::Raku, "Foo-Bar", "2.0").await.unwrap(), None);
}

#[tokio::test]
async fn a_release_with_reports_follows_its_upload_and_gets_a_change_number() {
    let stack = Stack::new().await;
    stack.accept(&id(1), &report("Foo-Bar", "1.0", "pass", "5.36.0", "linux"), "Ann").await;
    stack.work_off().await;
    let (author, _, _, _, before) = release(&stack, "1.0").await;
    assert_eq!(author, None);

    let at = Some("2026-01-02T03:04:05Z");
    let mut heard = stack.process.events.processed();
    let stored = put(&stack.process, &[upload("ANN", "Foo-Bar-1.0.tar.gz", at, Kind::Cpan)]).await;
    assert_eq!(stored.releases, 1);
    let (author, archive, on_cpan, day, number) = release(&stack, "1.0").await;
    assert_eq!((author.as_deref(), archive.as_deref()), (Some("ANN"), Some("Foo-Bar-1.0.tar.gz")));
    assert_eq!((on_cpan, day.as_deref()), (true, Some("2026-01-02")));
    assert_eq!((number > before, number), (true, stack.store().head().await.unwrap()));
    let news = heard.try_recv().unwrap();
    assert_eq!(news.releases, [(Language::Perl, "Foo-Bar".to_owned(), "1.0".to_owned())]);

    // Deleted from CPAN: told by its status, not by its absence from an index.
    let stored = put(&stack.process, &[upload("ANN", "Foo-Bar-1.0.tar.gz", at, Kind::Backpan)]).await;
    assert_eq!((stored.changed.len(), stored.releases), (1, 1));
    assert!(!release(&stack, "1.0").await.2);
    let stored = put(&stack.process, &[upload("ANN", "Foo-Bar-1.0.tar.gz", None, Kind::Unknown)]).await;
    assert_eq!((stored.same, stored.releases), (1, 0));
}

#[tokio::test]
async fn a_release_that_appears_later_picks_its_upload_up_and_so_does_a_rebuild() {
    let stack = Stack::new().await;
    let at = Some("2026-01-02T03:04:05Z");
    put(&stack.process, &[upload("ANN", "Foo-Bar-1.0.tar.gz", at, Kind::Backpan)]).await;
    stack.accept(&id(1), &report("Foo-Bar", "1.0", "pass", "5.36.0", "linux"), "Ann").await;
    stack.work_off().await;
    let picked_up = |release: (Option<String>, Option<String>, bool, Option<String>, i64)| {
        assert_eq!(release.0.as_deref(), Some("ANN"));
        assert_eq!((release.2, release.3.as_deref()), (false, Some("2026-01-02")));
    };
    picked_up(release(&stack, "1.0").await);
    let counts = AllCounts::stored(&stack.raw().await).await;
    pipeline::rebuild::clear(&stack.process).await.unwrap();
    pipeline::rebuild::rebuild(&stack.process, 0, |_| {}).await.unwrap();
    picked_up(release(&stack, "1.0").await);
    assert_eq!(AllCounts::stored(&stack.raw().await).await, counts);
}

#[tokio::test]
async fn of_two_archives_of_one_name_the_first_released_counts_in_any_order() {
    let early = upload("ANN", "Foo-Bar-1.0.tar.gz", Some("2026-01-02T03:04:05Z"), Kind::Cpan);
    let late = upload("BOB", "Foo-Bar-1.0.tar.gz", Some("2026-02-02T03:04:05Z"), Kind::Cpan);
    let undated = upload("CAT", "Foo-Bar-1.0.zip", None, Kind::Cpan);
    for order in [[&early, &late, &undated], [&undated, &late, &early], [&late, &undated, &early]] {
        let stack = Stack::new().await;
        let mut collisions = 0;
        for one in order {
            collisions += put(&stack.process, std::slice::from_ref(one)).await.collisions.len();
        }
        let kept = stack.store().upload(Language::Perl, "Foo-Bar", "1.0").await.unwrap().unwrap();
        assert_eq!((kept.upload, collisions), (early.clone(), 2), "{order:?}");
    }
}
