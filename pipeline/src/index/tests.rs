//! Every engine does what an index must, and the one on disk survives what happens to disks and processes.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs, thread};

use schemas::query::parse;

use super::*;

#[test]
fn the_fake_conforms() {
    conformance(&Fake::default());
}

#[test]
fn the_fake_fails_when_told_to_and_changes_nothing() {
    let fake = Fake::default();
    fake.put(vec![document(1)], vec![], 1).unwrap();
    fake.fail(true);
    assert!(fake.put(vec![document(2)], vec![], 2).is_err());
    assert!(fake.clear().is_err());
    assert!(fake.mark().is_err());
    fake.fail(false);
    assert_eq!((all_numbers(&fake), fake.mark().unwrap()), (vec![1], 1));
}

#[test]
fn tantivy_conforms_in_memory() {
    conformance(&Tantivy::in_memory().unwrap());
}

#[test]
fn tantivy_conforms_on_disk_and_is_the_same_when_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let index = Tantivy::open(directory.path()).unwrap();
    conformance(&index);
    drop(index);

    let index = Tantivy::open(directory.path()).unwrap();
    assert_eq!(all_numbers(&index), [6, 5, 4, 3, 2, 1]);
    assert_eq!(index.mark().unwrap(), 99);
    // What was there before it was opened is replaced, too, not doubled.
    index.put(vec![document(6), document(7)], vec![1], 100).unwrap();
    assert_eq!(all_numbers(&index), [7, 6, 5, 4, 3, 2]);

    index.clear().unwrap();
    conformance(&index);
}

#[test]
fn a_second_process_is_told_that_the_index_is_in_use() {
    let directory = tempfile::tempdir().unwrap();
    let first = Tantivy::open(directory.path()).unwrap();
    let second = Tantivy::open(directory.path()).map(|_| ());
    assert!(matches!(second, Err(IndexError::Busy { .. })), "{second:?}");
    drop(first);
    Tantivy::open(directory.path()).unwrap();
}

#[test]
fn a_damaged_index_names_the_way_out_and_can_be_begun_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    conformance(&Tantivy::open(path).unwrap());
    fs::write(path.join("notes.txt"), "not of the index").unwrap();
    for damage in [b"{".as_slice(), b"\xff\0", b"{}", b""] {
        fs::write(path.join("meta.json"), damage).unwrap();
        let error = Tantivy::open(path).map(|_| ()).unwrap_err();
        assert!(matches!(error, IndexError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains("`assay rebuild`"), "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
    let index = Tantivy::anew(path).unwrap();
    assert_eq!((index.documents().unwrap(), index.mark().unwrap()), (0, 0));
    conformance(&index);
    assert_eq!(fs::read_to_string(path.join("notes.txt")).unwrap(), "not of the index");
}

#[test]
fn a_lost_segment_is_damage_and_never_a_panic() {
    let directory = tempfile::tempdir().unwrap();
    conformance(&Tantivy::open(directory.path()).unwrap());
    let segment = files(directory.path(), "idx").pop().unwrap();
    fs::remove_file(&segment).unwrap();
    let missing = Tantivy::open(directory.path()).map(|_| ());
    assert!(matches!(missing, Err(IndexError::Damaged { .. })), "{missing:?}");
    for garbage in [vec![], vec![0xff; 3], vec![0; 4096]] {
        fs::write(&segment, garbage).unwrap();
        let broken = Tantivy::open(directory.path()).and_then(|index| {
            index.search(&parse("foo OR \"all tests\"").unwrap(), Order::Relevance, 0, 10).map(|_| ())
        });
        assert!(broken.is_err());
    }
}

#[test]
fn a_segment_that_was_cut_short_is_damage() {
    let directory = tempfile::tempdir().unwrap();
    Tantivy::open(directory.path()).unwrap().put((1..50).map(document).collect(), vec![], 50).unwrap();
    for extension in ["idx", "pos", "store", "fast", "term", "fieldnorm"] {
        let segment = files(directory.path(), extension).pop().unwrap();
        let whole = fs::read(&segment).unwrap();
        for kept in [0, 3, 7, whole.len() / 2, whole.len() - 1] {
            fs::write(&segment, &whole[..kept]).unwrap();
            let cut = Tantivy::open(directory.path()).map(|_| ());
            assert!(matches!(cut, Err(IndexError::Damaged { .. })), "{extension} cut to {kept}: {cut:?}");
        }
        fs::write(&segment, whole).unwrap();
    }
    Tantivy::open(directory.path()).unwrap();
}

#[test]
fn an_index_of_another_layout_is_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let meta = directory.path().join("meta.json");
    Tantivy::open(directory.path()).unwrap().put(vec![document(1)], vec![], 1).unwrap();
    let now = fs::read_to_string(&meta).unwrap();
    for (from, to) in
        [("\\\"format\\\":1", "\\\"format\\\":0"), ("language_number", "language_figure"), ("payload", "ballast")]
    {
        assert!(now.contains(from), "{now}");
        fs::write(&meta, now.replace(from, to)).unwrap();
        let error = Tantivy::open(directory.path()).map(|_| ()).unwrap_err();
        assert!(matches!(error, IndexError::Outdated { .. }), "{error:?}");
        assert!(error.to_string().contains("`assay rebuild`"), "{error}");
    }
    fs::write(&meta, now).unwrap();
    assert_eq!(all_numbers(&Tantivy::open(directory.path()).unwrap()), [1]);
}

#[test]
fn a_beginning_that_was_cut_short_is_begun_again() {
    let directory = tempfile::tempdir().unwrap();
    drop(Tantivy::open(directory.path()).unwrap());
    let meta = directory.path().join("meta.json");
    let mut lists: serde_json::Value = serde_json::from_slice(&fs::read(&meta).unwrap()).unwrap();
    // Tantivy writes its list when an index is created, and only then can the first commit write the payload.
    lists.as_object_mut().unwrap().remove("payload").unwrap();
    fs::write(&meta, lists.to_string()).unwrap();
    conformance(&Tantivy::open(directory.path()).unwrap());
}

#[test]
fn small_commits_do_not_pile_up() {
    let directory = tempfile::tempdir().unwrap();
    let index = Tantivy::open(directory.path()).unwrap();
    for number in 1..=120 {
        index.put(vec![document(number)], vec![], number).unwrap();
    }
    // Merging goes on beside; a put takes what is merged by then.
    thread::sleep(Duration::from_millis(500));
    index.put(vec![], vec![], 121).unwrap();
    assert_eq!(index.documents().unwrap(), 120);
    let segments = files(directory.path(), "term").len();
    assert!(segments < 40, "{segments} segments");
}

const KILLED_IN: &str = "ASSAY_TEST_KILLED_INDEX";
const BATCH: i64 = 10;

/// Documents of a batch, and which of them the next batch removes.
fn batch(first: i64) -> (Vec<Document>, Vec<i64>) {
    ((first..first + BATCH).map(document).collect(), vec![first - 3])
}

/// Not a test by itself: the process that the next test kills.
#[test]
fn puts_until_it_is_killed() {
    let Ok(directory) = env::var(KILLED_IN) else { return };
    let index = Tantivy::open(Path::new(&directory)).unwrap();
    loop {
        let mark = index.mark().unwrap();
        let (documents, removed) = batch(mark + 1);
        index.put(documents, removed, mark + BATCH).unwrap();
        println!("\nmark {}", mark + BATCH);
    }
}

#[test]
fn a_killed_process_leaves_whole_batches_and_their_mark() {
    let directory = tempfile::tempdir().unwrap();
    let name = module_path!().split_once("::").unwrap().1.to_owned() + "::puts_until_it_is_killed";
    for round in 0..6 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args([&name, "--exact", "--nocapture"])
            .env(KILLED_IN, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut marks = lines.filter_map(|line| line.strip_prefix("mark ")?.parse::<i64>().ok());
        // The pipe stays open until the kill, so that nothing but the kill ends the process.
        let told = marks.by_ref().take(3).last().unwrap();
        thread::sleep(Duration::from_millis(7 * round));
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().code(), None, "it was ended by the kill");
        drop(marks);

        let index = Tantivy::open(directory.path()).unwrap();
        let mark = index.mark().unwrap();
        assert!(mark >= told && mark % BATCH == 0, "told {told}, found {mark}");
        let removed = |number: i64| number % BATCH == 8 && number + 3 <= mark;
        let expected: Vec<i64> = (1..=mark).rev().filter(|&number| !removed(number)).collect();
        assert_eq!(all_numbers(&index), expected, "after mark {mark}");
    }
}

pub(super) fn document(number: i64) -> Document {
    let at = DateTime::<Utc>::UNIX_EPOCH;
    Document {
        number,
        id: format!("{number:08x}-0000-4000-8000-000000000001").parse().unwrap(),
        distribution: "Foo-Bar".to_owned(),
        version: "1.0".to_owned(),
        author: None,
        tester: "Jane Doe".to_owned(),
        grade: Grade::Pass,
        os: "linux".to_owned(),
        language: "perl".to_owned(),
        language_version: "5.36.0".to_owned(),
        architecture: "x86_64-linux".to_owned(),
        reason: None,
        received_at: at,
        created_at: at,
        text: "all tests successful".to_owned(),
    }
}

fn all_numbers(index: &dyn DocumentIndex) -> Vec<i64> {
    let everything = parse("NOT nothing").unwrap();
    let found = index.search(&everything, Order::Newest, 0, MAX_WINDOW).unwrap();
    assert_eq!(found.total, index.documents().unwrap());
    found.hits.into_iter().map(|(number, _)| number).collect()
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}
