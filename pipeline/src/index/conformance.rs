//! What every document index must do, tried on one: the contract of [`DocumentIndex`] as code.

mod corpus;

use schemas::query::parse;

use super::{Document, DocumentIndex, Found, IndexError, MAX_WINDOW, Order, oracle};
use corpus::{Chance, corpus, document, random_document, random_query};

/// No hits.
const NONE: [i64; 0] = [];

/// Tries all that is asked of an index, on an empty one, and leaves documents in it. Panics, saying what was found
/// and what was expected, where the index does otherwise.
pub fn conformance(index: &dyn DocumentIndex) {
    begins_empty(index);
    finds_what_it_is_asked_for(index);
    agrees_with_a_scan(index);
    orders_and_pages(index);
    replaces_and_removes(index);
    clears(index);
    put(index, corpus(), &[], 99);
}

fn begins_empty(index: &dyn DocumentIndex) {
    assert_eq!(index.documents().expect("an empty index counts"), 0);
    assert_eq!(index.mark().expect("an empty index has a mark"), 0);
    assert_eq!(found(index, "anything", Order::Relevance), NONE);
    assert_eq!(found(index, "NOT anything", Order::Newest), NONE);
    put(index, vec![], &[], 7);
    assert_eq!(index.mark().expect("a mark without documents is kept"), 7);
}

/// Queries with the numbers they must find, newest first.
const EXPECTED: &[(&str, &[i64])] = &[
    ("timeout", &[4]),
    ("TIMEOUT", &[4]),
    ("Scriptalicious", &[2, 1]),
    ("foo", &[6, 4, 3]),
    ("Foo::Bar", &[4, 3]),
    ("\"bar foo\"", &[]),
    ("\"all tests successful\"", &[2, 1]),
    ("\"all successful\"", &[]),
    ("t/01-basic.t", &[3]),
    ("PERL_MM_USE_DEFAULT=1", &[1]),
    ("JÖRG", &[5]),
    ("beginning", &[6]),
    ("ending", &[6]),
    ("middle", &[]),
    // The two ends of a long text are not next to each other, nor are the distribution's name and the text.
    ("\"lead trail\"", &[]),
    ("\"long beginning\"", &[]),
    ("beforehand afterwards", &[5]),
    ("\"beforehand afterwards\"", &[]),
    ("distribution:Scriptalicious", &[2, 1]),
    ("dist:foo::bar", &[4, 3]),
    ("dist:Foo", &[]),
    ("version:1.17", &[2, 1]),
    ("version:V1.2_03", &[4]),
    ("author:samv", &[2, 1]),
    ("tester:doe", &[4, 1]),
    ("tester:\"JANE DOE\"", &[1]),
    ("arch:linux", &[6, 5, 1]),
    ("arch:x86_64-linux", &[5, 1]),
    ("grade:pass", &[6, 2, 1]),
    ("os:MSWin32", &[4]),
    ("language:raku", &[5]),
    ("reason:test_failure", &[3]),
    ("reason:other", &[5]),
    ("phase:test", &[4, 3]),
    ("id:00000003-0000-4000-8000-00000000ABCD", &[3]),
    ("id:00000009-0000-4000-8000-00000000ABCD", &[]),
    ("perl:5.8", &[3, 2]),
    ("perl:5.8.9", &[3]),
    ("perl:\"5.36.0 RC1\"", &[4]),
    ("perl:5.36.0", &[4, 1]),
    ("perl:>5.8.9", &[4, 2, 1]),
    ("raku:2021", &[5]),
    ("perl:2021", &[]),
    ("language_version:>5.8.9", &[5, 4, 2, 1]),
    ("perl:<5.8.10", &[3]),
    ("perl:5.8..5.36", &[4, 3, 2, 1]),
    ("perl:..5.8", &[3, 2]),
    ("perl:v6.d", &[]),
    ("perl:blead", &[6]),
    ("NOT language_version:>=0", &[6]),
    ("received:2026-01-02", &[2]),
    ("received:2026-01-02..2026-01-04", &[4, 3, 2]),
    ("received:>=2026-01-05", &[6, 5]),
    ("received:<2026-01-02", &[1]),
    ("created:2025", &[6, 5, 4, 3, 2, 1]),
    ("created:>2025", &[]),
    ("timeout OR successful", &[4, 2, 1]),
    ("foo AND bar", &[4, 3]),
    ("foo -bar", &[6]),
    ("NOT grade:pass", &[5, 4, 3]),
    ("-grade:pass -grade:fail", &[5]),
    ("(timeout OR beginning) grade:fail", &[4]),
    ("NOT (foo OR successful)", &[5]),
    ("grade:pass OR NOT foo", &[6, 5, 2, 1]),
    ("foo (NOT timeout OR tester:nobody)", &[6, 3]),
];

fn finds_what_it_is_asked_for(index: &dyn DocumentIndex) {
    put(index, corpus(), &[], 10);
    assert_eq!(index.documents().expect("documents are counted"), 6);
    assert_eq!(index.mark().expect("the mark is kept"), 10);
    for (query, expected) in EXPECTED {
        assert_eq!(found(index, query, Order::Newest), *expected, "{query}");
    }
}

/// Many documents and queries put together by chance, with nobody having thought of the answers.
fn agrees_with_a_scan(index: &dyn DocumentIndex) {
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let mut documents: Vec<Document> = (1..=300).map(|number| random_document(number, &mut chance)).collect();
    for batch in documents.chunks(70) {
        put(index, batch.to_vec(), &[], batch[batch.len() - 1].number);
    }
    // Some again, otherwise, so that there is something deleted to be kept out.
    for document in documents.iter_mut().filter(|document| document.number % 5 == 0) {
        *document = random_document(document.number, &mut chance);
        put(index, vec![document.clone()], &[], 300);
    }
    for _ in 0..400 {
        let text = random_query(3, &mut chance);
        let query = parse(&text).expect("queries are made to be valid");
        let expected: Vec<i64> = documents
            .iter()
            .rev()
            .filter(|document| oracle::matches(&query, document))
            .map(|document| document.number)
            .collect();
        assert_eq!(found(index, &text, Order::Newest), expected, "{query}");
        let mut relevant = found(index, &text, Order::Relevance);
        relevant.sort_by(|a, b| b.cmp(a));
        assert_eq!(relevant, expected, "{query}");
    }
    let numbers: Vec<i64> = (1..=300).collect();
    put(index, corpus(), &numbers[6..], 300);
}

fn orders_and_pages(index: &dyn DocumentIndex) {
    let document = |number: i64, text: &str| Document {
        text: text.to_owned(),
        distribution: "Paged".to_owned(),
        ..document(number)
    };
    let padding = "and so on ".repeat(20);
    put(
        index,
        vec![
            document(11, &format!("needle {padding}")),
            document(12, &format!("needle needle needle {padding}")),
            document(13, &format!("{padding} needle")),
            document(14, &padding),
        ],
        &[],
        301,
    );
    let relevant = search(index, "needle", Order::Relevance, 0, 10);
    let numbers: Vec<i64> = relevant.hits.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [12, 13, 11], "the best match first, then the newest");
    assert!(relevant.hits[0].1 > relevant.hits[1].1 && relevant.hits[2].1 > 0.0, "{relevant:?}");
    assert_eq!(found(index, "needle", Order::Newest), [13, 12, 11]);
    let conditions = search(index, "dist:paged", Order::Relevance, 0, 10);
    assert_eq!(conditions.hits, [(14, 0.0), (13, 0.0), (12, 0.0), (11, 0.0)], "without words, the newest first");

    for order in [Order::Relevance, Order::Newest] {
        let whole = search(index, "dist:paged", order, 0, 10);
        for offset in 0..6 {
            for limit in 0..6 {
                let page = search(index, "dist:paged", order, offset, limit);
                let expected: Vec<(i64, f32)> = whole.hits.iter().copied().skip(offset).take(limit).collect();
                assert_eq!((page.total, page.hits), (4, expected), "{limit} from {offset}");
            }
        }
    }
    search(index, "needle", Order::Newest, MAX_WINDOW - 1, 1);
    let query = parse("needle").expect("a word is a query");
    for (offset, limit) in [(MAX_WINDOW, 1), (0, MAX_WINDOW + 1), (usize::MAX, 1)] {
        let refused = index.search(&query, Order::Newest, offset, limit);
        assert!(matches!(refused, Err(IndexError::TooDeep)), "{refused:?}");
    }
    put(index, vec![], &[11, 12, 13, 14], 302);
}

fn replaces_and_removes(index: &dyn DocumentIndex) {
    let first = Document { text: "former words".to_owned(), ..document(3) };
    let second = Document { text: "latter words".to_owned(), version: "2".to_owned(), ..document(3) };
    put(index, vec![first.clone()], &[], 310);
    put(index, vec![second.clone()], &[], 311);
    assert_eq!(found(index, "words", Order::Newest), [3]);
    assert_eq!(found(index, "former", Order::Newest), NONE);
    assert_eq!(found(index, "version:2 latter", Order::Newest), [3]);
    assert_eq!(index.documents().expect("documents are counted"), 6);

    // The same batch again changes nothing; in a batch the last of a number counts.
    put(index, vec![first.clone(), second.clone()], &[4, 4000], 312);
    put(index, vec![first, second], &[4, 4000], 312);
    assert_eq!(found(index, "words", Order::Newest), [3]);
    assert_eq!(found(index, "latter", Order::Newest), [3]);
    assert_eq!(found(index, "timeout", Order::Newest), NONE);
    assert_eq!(index.documents().expect("documents are counted"), 5);
    assert_eq!(index.mark().expect("the mark is kept"), 312);

    // What was removed can come back, and what is put and removed at once is removed.
    put(index, corpus(), &[], 313);
    assert_eq!(found(index, "timeout", Order::Newest), [4]);
    put(index, corpus(), &[4], 314);
    assert_eq!(found(index, "timeout", Order::Newest), NONE);
    assert_eq!(found(index, "foo", Order::Newest), [6, 3]);
}

fn clears(index: &dyn DocumentIndex) {
    index.clear().expect("an index can be emptied");
    assert_eq!(index.documents().expect("an emptied index counts"), 0);
    assert_eq!(index.mark().expect("an emptied index has a mark"), 0);
    assert_eq!(found(index, "NOT nothing", Order::Newest), NONE);
    put(index, corpus(), &[], 30);
    index.clear().expect("an index can be emptied again");
    put(index, corpus(), &[], 31);
    assert_eq!(found(index, "foo", Order::Newest), [6, 4, 3]);
    assert_eq!(index.documents().expect("documents are counted"), 6);
}

fn put(index: &dyn DocumentIndex, documents: Vec<Document>, removed: &[i64], mark: i64) {
    index.put(documents, removed.to_vec(), mark).expect("documents can be put");
}

fn search(index: &dyn DocumentIndex, query: &str, order: Order, offset: usize, limit: usize) -> Found {
    let parsed = parse(query).unwrap_or_else(|error| panic!("{query}: {error}"));
    index.search(&parsed, order, offset, limit).unwrap_or_else(|error| panic!("{query}: {error:?}"))
}

/// The numbers of all documents found; the total has to be as many.
fn found(index: &dyn DocumentIndex, query: &str, order: Order) -> Vec<i64> {
    let found = search(index, query, order, 0, 1000);
    assert_eq!(found.total, found.hits.len() as u64, "{query}");
    found.hits.into_iter().map(|(number, _)| number).collect()
}
