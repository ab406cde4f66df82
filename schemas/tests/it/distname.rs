//! Every answer of the real CPAN::DistnameInfo 0.12 to 1,388 archive names, and ours.

use schemas::distname::{self, DistName};

use crate::fixtures;

struct Vector {
    path: String,
    wanted: DistName,
}

/// Rows of the table; `\N` stands for undefined.
fn vectors() -> Vec<Vector> {
    let table = fixtures::read("distnameinfo-vectors.tsv");
    table.lines().skip(1).map(vector).collect()
}

fn vector(row: &str) -> Vector {
    let columns: Vec<&str> = row.split('\t').collect();
    let defined = |at: usize| Some(columns[at]).filter(|text| *text != "\\N").map(str::to_owned);
    let distribution = defined(2);
    let developer = distribution.is_some().then(|| columns[4] == "developer");
    let wanted = DistName {
        author: defined(1),
        distribution,
        version: defined(3),
        developer,
        filename: columns[5].to_owned(),
        extension: defined(6),
        distvname: defined(7),
    };
    Vector { path: columns[0].to_owned(), wanted }
}

/// The path the real module was given: below the directories of the first component's letters.
fn full_path(path: &str) -> String {
    let author = path.split('/').next().unwrap();
    format!("authors/id/{}/{}/{path}", &author[..1], &author[..author.len().min(2)])
}

#[test]
fn agrees_with_the_real_module_on_every_row() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 1_388);
    let disagreements: Vec<String> = vectors
        .iter()
        .map(|vector| (vector, distname::read(&full_path(&vector.path))))
        .filter(|(vector, read)| *read != vector.wanted)
        .map(|(vector, read)| format!("{}\n  wanted {:?}\n  read   {read:?}", vector.path, vector.wanted))
        .collect();
    assert!(disagreements.is_empty(), "{} rows disagree:\n{}", disagreements.len(), disagreements.join("\n"));
}

#[test]
fn a_path_that_begins_with_the_author_reads_the_same() {
    for vector in vectors().into_iter().filter(|vector| vector.wanted.author.is_some()) {
        assert_eq!(distname::read(&vector.path), vector.wanted, "{}", vector.path);
    }
}

#[test]
fn doubled_slashes_and_mirror_prefixes_change_nothing() {
    let wanted = distname::read("AUTHOR/sub/Foo-Bar-1.0.tar.gz");
    assert_eq!(wanted.filename, "sub/Foo-Bar-1.0.tar.gz");
    for path in [
        "AUTHOR//sub///Foo-Bar-1.0.tar.gz",
        "id/A/AU/AUTHOR/sub/Foo-Bar-1.0.tar.gz",
        "A/AU/AUTHOR/sub/Foo-Bar-1.0.tar.gz",
        "http://www.cpan.org/authors/id/A/AU/AUTHOR/sub/Foo-Bar-1.0.tar.gz",
    ] {
        assert_eq!(distname::read(path), wanted, "{path}");
    }
}

#[test]
fn names_that_are_hard_to_split() {
    let cases: [(&str, &str, Option<&str>, bool); 12] = [
        ("Foo_Bar_1.0", "Foo_Bar", Some("1.0"), false),
        ("Foo", "Foo", None, false),
        ("1234", "1234", None, false),
        ("Foo-v1_02", "Foo", Some("v1_02"), false),
        ("Foo-Bar5", "Foo", Some("Bar5"), false),
        ("Foo-12c", "Foo", Some("12c"), false),
        ("perl-5.10.1-RC1", "perl", Some("5.10.1-RC1"), true),
        ("perl-5.6.1-TRIAL3", "perl", Some("5.6.1-TRIAL3"), true),
        ("perl-5.10.0", "perl", Some("5.10.0"), false),
        ("perl5.003_97", "perl", Some("5.003_97"), true),
        ("Foo-1.2.3-TRIAL", "Foo", Some("1.2.3-TRIAL"), true),
        ("Foo-1_2", "Foo", Some("1_2"), false),
    ];
    for (name, distribution, version, developer) in cases {
        let read = distname::read(&format!("AB/{name}.tar.gz"));
        assert_eq!(read.distribution.as_deref(), Some(distribution), "{name}");
        assert_eq!(read.version.as_deref(), version, "{name}");
        assert_eq!(read.developer, Some(developer), "{name}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_read(path in "\\PC{0,40}", tail in "([A-Za-z0-9._+/é-]{0,30})(\\.tar\\.gz)?") {
        distname::read(&path);
        distname::read(&tail);
    }
}
