//! What is damaged while it is in use is found out and begun anew; what is whole is never thrown away.

use std::fs;
use std::path::Path;

use schemas::query::parse;

use super::super::Tantivy;
use crate::index::tests::document;
use crate::index::{DocumentIndex, IndexError, MAX_WINDOW, Mended, Order};

/// Forty-nine documents, and the directory they are in.
fn filled() -> (tempfile::TempDir, Tantivy) {
    let directory = tempfile::tempdir().unwrap();
    let index = Tantivy::open(&directory.path().join("index")).unwrap();
    index.put((1..50).map(document).collect(), vec![], 50).unwrap();
    (directory, index)
}

fn numbers(index: &Tantivy) -> Result<Vec<i64>, IndexError> {
    let found = index.search(&parse("\"all tests successful\"").unwrap(), Order::Newest, 0, MAX_WINDOW)?;
    Ok(found.hits.into_iter().map(|(number, _)| number).collect())
}

/// It is empty, can be filled, and what is put into it is there when it is opened again.
fn begun_anew(index: Tantivy, directory: &Path) {
    assert_eq!((index.documents().unwrap(), index.mark().unwrap()), (0, 0));
    assert_eq!(numbers(&index).unwrap(), [0_i64; 0]);
    index.put(vec![document(3), document(4)], vec![], 7).unwrap();
    assert_eq!((numbers(&index).unwrap(), index.mark().unwrap()), (vec![4, 3], 7));
    assert_eq!(index.mend().unwrap(), Mended::Nothing, "it is mended once");
    drop(index);
    let index = Tantivy::open(&directory.join("index")).unwrap();
    assert_eq!((numbers(&index).unwrap(), index.mark().unwrap()), (vec![4, 3], 7));
}

/// Writes over a file, and neither shortens nor moves it.
fn overwrite(path: &Path) {
    use std::io::Write as _;
    let length = fs::metadata(path).unwrap().len();
    let mut file = fs::File::options().write(true).open(path).unwrap();
    file.write_all(&vec![0xff; usize::try_from(length).unwrap()]).unwrap();
}

fn files(directory: &Path, extension: &str) -> Vec<std::path::PathBuf> {
    let paths = fs::read_dir(directory.join("index")).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

fn damaged<T: std::fmt::Debug>(result: Result<T, IndexError>) {
    assert!(matches!(result, Err(IndexError::Damaged { .. })), "{result:?}");
}

#[test]
fn a_directory_that_vanishes_is_made_again() {
    let (directory, index) = filled();
    fs::remove_dir_all(directory.path().join("index")).unwrap();
    damaged(index.mark());
    assert_eq!(index.mend().unwrap(), Mended::Anew);
    begun_anew(index, directory.path());
}

#[test]
fn a_list_of_segments_that_cannot_be_read_is_made_again() {
    for damage in [b"{".as_slice(), b"\xff\0", b"{}", b""] {
        let (directory, index) = filled();
        fs::write(directory.path().join("index/meta.json"), damage).unwrap();
        damaged(index.mark());
        assert_eq!(index.mend().unwrap(), Mended::Anew);
        begun_anew(index, directory.path());
    }
}

#[test]
fn damage_that_only_a_search_meets_is_mended_too() {
    let (directory, index) = filled();
    files(directory.path(), "pos").iter().for_each(|path| overwrite(path));
    damaged(numbers(&index));
    assert_eq!(index.mend().unwrap(), Mended::Anew);
    begun_anew(index, directory.path());
}

#[test]
fn damage_that_only_a_write_meets_is_mended_too() {
    let (directory, index) = filled();
    files(directory.path(), "term").iter().for_each(|path| overwrite(path));
    damaged(index.put(vec![document(5)], vec![], 51));
    assert_eq!(index.mend().unwrap(), Mended::Anew);
    begun_anew(index, directory.path());
}

#[test]
fn files_that_are_removed_are_read_until_the_next_start() {
    for extension in ["idx", "pos", "store", "fast", "term", "fieldnorm"] {
        let (directory, index) = filled();
        files(directory.path(), extension).iter().for_each(|path| fs::remove_file(path).unwrap());
        index.put(vec![document(5), document(50)], vec![1], 51).unwrap();
        let expected: Vec<i64> = (2..=50).rev().collect();
        assert_eq!((numbers(&index).unwrap(), index.mend().unwrap()), (expected, Mended::Nothing));
        drop(index);
        damaged(Tantivy::open(&directory.path().join("index")).map(|_| ()));
        let look = Tantivy::look(&directory.path().join("index"));
        // Looking reads the numbers, and no texts.
        assert!(matches!(look, Err(IndexError::Damaged { .. })), "{extension}: {look:?}");
    }
}

#[test]
fn while_there_is_no_room_for_another_the_index_stays_suspected() {
    let (directory, index) = filled();
    let path = directory.path().join("index");
    fs::remove_dir_all(&path).unwrap();
    fs::write(&path, "not a directory").unwrap();
    assert!(index.mark().is_err());
    for _ in 0..2 {
        let mended = index.mend();
        assert!(matches!(mended, Err(IndexError::Engine { .. })), "{mended:?}");
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(index.mend().unwrap(), Mended::Anew);
    begun_anew(index, directory.path());
}

#[test]
fn an_index_that_cannot_be_opened_at_first_is_opened_later() {
    let (directory, index) = filled();
    let path = directory.path().join("index");
    let later = Tantivy::unopened(&path);
    let busy = later.mend();
    assert!(matches!(busy, Err(IndexError::Busy { .. })), "{busy:?}");
    assert!(later.mark().is_err() && later.documents().is_err() && numbers(&later).is_err() && later.clear().is_err());
    drop(index);
    kept(&later);

    let later = Tantivy::unopened(&directory.path().join("none"));
    assert_eq!(later.mend().unwrap(), Mended::Nothing);
    assert_eq!((later.documents().unwrap(), later.mark().unwrap()), (0, 0));
}

fn engine() -> Result<(), IndexError> {
    Err(IndexError::Engine { attempt: "a test was made", source: "it is told to fail".into() })
}

fn torn(directory: &Path) -> Result<(), IndexError> {
    Err(IndexError::Damaged { directory: directory.into(), source: "it is told to fail".into() })
}

/// Its files are whole: it is as it was, and can be written to.
fn kept(index: &Tantivy) {
    assert_eq!(index.mend().unwrap(), Mended::Nothing);
    assert_eq!((index.documents().unwrap(), index.mark().unwrap()), (49, 50));
    index.put(vec![document(1)], vec![], 50).unwrap();
    assert_eq!(numbers(index).unwrap(), (1..50).rev().collect::<Vec<i64>>());
}

#[test]
fn a_whole_index_is_kept_when_a_search_says_that_it_is_damaged() {
    let (directory, index) = filled();
    index.health.searched(&torn(directory.path()));
    assert!(index.health.suspected());
    kept(&index);
    index.health.searched(&torn(directory.path()));
    assert!(!index.health.suspected(), "all files would be read for each such query");
}

#[test]
fn a_whole_index_is_kept_however_often_writes_fail_for_other_reasons() {
    let (_directory, index) = filled();
    let looked: Vec<u32> = (1..=40)
        .filter(|_| {
            index.health.written(&engine());
            let suspected = index.health.suspected();
            assert_eq!(index.mend().unwrap(), Mended::Nothing);
            suspected
        })
        .collect();
    assert_eq!(looked, [4, 8, 16, 32]);
    kept(&index);
}

#[test]
fn an_index_that_nothing_can_be_put_into_is_begun_anew_although_its_files_are_whole() {
    let (directory, index) = filled();
    for failures in 1..=3 {
        index.health.written(&torn(directory.path()));
        let expected = if failures < 3 { Mended::Nothing } else { Mended::Anew };
        assert_eq!(index.mend().unwrap(), expected);
    }
    begun_anew(index, directory.path());
}
