//! Other servers' history is brought over by commands: idempotent, resumable, beside a running server or without one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Path as InPath, State};
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::{Value, json};

use crate::profile::embedded_only;
use crate::server::{PATIENCE, Server};
use crate::submissions::captures;

/// A line of a dump as MySQL writes it.
pub fn line(number: usize, grade: &str, version: &str) -> String {
    let guid = guid(number);
    format!(
        "{number}\t{guid}\t{grade}\t201608\t\"J&#246;rg\" <joerg@example.org>\tFoo-Bar\t{version}\tx86_64-linux\t5.24.0\t\
         linux\t4.4\t201608191234\t2\t5\n"
    )
}

/// Ids of reports, the same at each run, in the case the predecessor wrote them in.
pub fn guid(number: usize) -> String {
    uuid::Uuid::from_u128(0x0b45_cd74_d944_4999_9c3d_0000_0000_0000 + number as u128).to_string().to_uppercase()
}

pub fn write(server: &Server, name: &str, bytes: impl AsRef<[u8]>) -> String {
    let path = server.home().join(name);
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

/// What an import says at its end.
pub fn import(server: &Server, arguments: &[&str]) -> Value {
    serde_json::from_str(&server.run(&[&["import"], arguments, &["--json"]].concat())).unwrap()
}

#[tokio::test]
async fn a_dump_is_imported_beside_a_running_server_and_read_by_number() {
    let server = Server::start();
    let lines = [
        line(200_834, "pass", "1.0"),
        line(200_835, "fail", "1.0"),
        line(200_836, "cpan", "1.0"),
        line(200_837, "pass", "1.0").replace("\t2\t5", "\t1\t5"),
        "damaged\n".to_owned(),
    ];
    let dump = write(&server, "cpanstats.tsv", lines.concat());
    let first = import(&server, &["cpanstats", &dump]);
    assert_eq!((&first["imported"], &first["renumbered"]), (&json!(2), &json!(0)));
    let skipped = json!({
        "state is not pass, fail, na or unknown": 1,
        "type is not 2: the row is no report": 1,
        "the line has not as many columns as the table": 1,
    });
    assert_eq!(first["skipped"], skipped);
    server.settle().await;

    let release = server.json("/v4/releases/Foo-Bar/1.0").await;
    assert_eq!((&release["pass"], &release["fail"]), (&json!(1), &json!(1)));
    let report = server.json(&format!("/v4/reports/{}", guid(200_834))).await;
    assert!(report.to_string().contains("Jörg") && !report.to_string().contains("joerg@example.org"), "{report}");
    let results = server.json("/v4/results?distribution=Foo-Bar").await;
    let numbers: BTreeSet<i64> =
        results["items"].as_array().unwrap().iter().map(|row| row["number"].as_i64().unwrap()).collect();
    assert_eq!(numbers, BTreeSet::from([200_834, 200_835]));
    for row in results["items"].as_array().unwrap() {
        assert_eq!(
            (&row["received_at"], &row["created_at"]),
            (&json!("2016-08-19T12:34:00Z"), &json!("2016-08-19T12:34:00Z"))
        );
    }

    let head = server.json("/v4/status").await["head"].clone();
    let second = import(&server, &["cpanstats", &dump]);
    assert_eq!((&second["imported"], &second["unchanged"]), (&json!(0), &json!(2)));
    server.settle().await;
    assert_eq!(server.json("/v4/status").await["head"], head);
}

#[tokio::test]
async fn an_import_killed_in_the_middle_goes_on_where_it_was() {
    if embedded_only("it watches the SQLite log to know when to kill") {
        return;
    }
    let mut server = Server::start();
    server.stop();
    let total = 30_000;
    let dump: String = (1..=total).map(|number| line(number, ["pass", "fail"][number % 2], "2.0")).collect();
    let dump = write(&server, "many.tsv", dump);
    let mut running = server.command(&["import", "cpanstats", &dump]).spawn().unwrap();
    let log = server.data().join("assay.db-wal");
    let end = Instant::now() + PATIENCE;
    while log.metadata().map_or(0, |log| log.len()) < 4 << 20 && running.try_wait().unwrap().is_none() {
        assert!(Instant::now() < end, "nothing is written");
        std::thread::sleep(Duration::from_millis(5));
    }
    running.kill().unwrap();
    running.wait().unwrap();

    let rest = import(&server, &["cpanstats", &dump]);
    let imported = rest["imported"].as_u64().unwrap();
    assert!(imported < total as u64, "nothing was there: {rest}");
    server.start_again();
    server.settle().await;
    let release = server.json("/v4/releases/Foo-Bar/2.0").await;
    assert_eq!((&release["pass"], &release["fail"]), (&json!(total / 2), &json!(total / 2)));
}

#[tokio::test]
async fn compressed_facts_of_a_directory_are_imported_with_their_testers_names() {
    let mut server = Server::start();
    server.stop();
    let folder = server.home().join("facts");
    std::fs::create_dir(&folder).unwrap();
    let mut names = BTreeMap::new();
    for capture in
        captures().into_iter().filter(|capture| schemas::metabase::report(capture.body.as_bytes()).is_ok()).take(12)
    {
        let legacy = schemas::metabase::report(capture.body.as_bytes()).unwrap();
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, capture.body.as_bytes()).unwrap();
        std::fs::write(folder.join(legacy.id.to_string()), encoder.finish().unwrap()).unwrap();
        names.insert(legacy.id.to_string(), legacy.creator);
    }
    std::fs::write(folder.join("sereal"), b"=srl\x03\x00").unwrap();
    let creators: BTreeSet<_> = names.values().collect();
    let testers: String =
        creators.iter().map(|creator| format!("metabase:user:{creator},Näme {creator},x@example.org\n")).collect();
    let testers = write(&server, "testers.csv", format!("resource,fullname,email\n{testers}"));
    let arguments = ["metabase", folder.to_str().unwrap(), "--testers", &testers];
    let first = import(&server, &arguments);
    assert_eq!(first["imported"], names.len());
    assert!(first["skipped"].to_string().contains("Sereal"), "{first}");
    assert_eq!(import(&server, &arguments)["unchanged"], names.len());

    server.start_again();
    for (guid, creator) in names {
        let receipt = server.json(&format!("/v4/reports/{guid}/receipt")).await;
        assert_eq!(receipt["state"], "processed");
        let tester = server.json(&format!("/v4/testers/{creator}")).await;
        assert_eq!(tester["name"], format!("Näme {creator}"));
    }
}

/// A server of somebody else's: stored answers, and how often each was asked for.
#[derive(Clone, Default)]
struct Elsewhere {
    answers: Arc<Mutex<BTreeMap<String, String>>>,
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
    /// So many of the next requests are answered 503.
    failing: Arc<AtomicUsize>,
}

impl Elsewhere {
    async fn start(&self) -> String {
        async fn answer(State(all): State<Elsewhere>, InPath(path): InPath<String>) -> (StatusCode, String) {
            *all.asked.lock().unwrap().entry(path.clone()).or_default() += 1;
            let failing = all.failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            if failing.is_ok() {
                return (StatusCode::SERVICE_UNAVAILABLE, "later".to_owned());
            }
            match all.answers.lock().unwrap().get(&path) {
                Some(answer) => (StatusCode::OK, answer.clone()),
                None => (StatusCode::NOT_FOUND, "{\"error\":\"Not Found\"}".to_owned()),
            }
        }
        let router = Router::new().route("/{*path}", get(answer)).with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        format!("http://{address}")
    }

    fn say(&self, path: &str, answer: Value) {
        self.answers.lock().unwrap().insert(path.to_owned(), answer.to_string());
    }

    fn asked(&self, path: &str) -> usize {
        self.asked.lock().unwrap().get(path).copied().unwrap_or(0)
    }
}

fn report(number: usize, language: &str) -> Value {
    json!({
        "id": guid(number).to_lowercase(), "created": "2026-05-01T10:20:30Z",
        "reporter": {"name": "Ann", "email": "ann@example.org"},
        "environment": {"language": {"name": language, "version": "5.36.0", "archname": "x86_64-linux"},
            "system": {"osname": "linux", "osversion": "6.1"}},
        "distribution": {"name": "Foo-Bar", "version": "3.0"},
        "result": {"grade": "pass", "output": {"uncategorized": "All tests successful.\n"}},
    })
}

/// Runs a command in a thread of its own: the server it asks lives in this one.
async fn import_meanwhile(server: Arc<Server>, arguments: Vec<String>) -> Value {
    tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        import(&server, &arguments)
    })
    .await
    .unwrap()
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_is_read_day_by_day_and_what_is_there_is_not_asked_for_again() {
    let elsewhere = Elsewhere::default();
    let ids = |numbers: &[usize]| json!(numbers.iter().map(|number| guid(*number).to_lowercase()).collect::<Vec<_>>());
    elsewhere.say("v1/timestamp/2026/05/01", ids(&[1, 2]));
    elsewhere.say("v1/timestamp/2026/05/02", ids(&[3, 4]));
    for number in [1, 2, 3] {
        elsewhere.say(&format!("v1/report/{}", guid(number).to_lowercase()), report(number, "perl"));
    }
    elsewhere.failing.store(2, Ordering::SeqCst);
    let url = elsewhere.start().await;
    let server = Arc::new(Server::start());
    // A row of one of them is there already: the report takes its place, and keeps its number.
    let dump = write(&server, "cpanstats.tsv", line(77, "fail", "3.0").replace(&guid(77), &guid(2)));
    import(&server, &["cpanstats", &dump]);

    let command = words(&format!("v3 {url} --from 2026-05-01 --until 2026-05-02"));
    let tally = import_meanwhile(server.clone(), command.clone()).await;
    assert_eq!((&tally["imported"], &tally["replaced"]), (&json!(2), &json!(1)), "{tally}");
    assert_eq!(tally["skipped"], json!({"the server lists the report and does not have it": 1}));
    server.settle().await;
    assert_eq!(server.json("/v4/releases/Foo-Bar/3.0").await["pass"], 3);
    let results = server.json("/v4/results?distribution=Foo-Bar").await;
    let replaced = results["items"].as_array().unwrap().iter().find(|row| row["id"] == guid(2).to_lowercase()).unwrap();
    assert_eq!((&replaced["number"], &replaced["grade"]), (&json!(77), &json!("pass")));

    let path = format!("v1/report/{}", guid(3).to_lowercase());
    let before = elsewhere.asked(&path);
    let again = import_meanwhile(server.clone(), command).await;
    assert_eq!((&again["imported"], &again["unchanged"]), (&json!(0), &json!(3)), "{again}");
    assert_eq!(elsewhere.asked(&path), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_is_read_by_distribution_and_an_assay_by_a_list_of_ids() {
    let elsewhere = Elsewhere::default();
    elsewhere.say("v3/summary/Foo-Bar", json!([{"guid": guid(1)}, {"guid": guid(2)}, {"guid": "17"}]));
    for number in [1, 2] {
        elsewhere.say(&format!("v3/report/{}", guid(number).to_lowercase()), report(number, "Perl 5"));
    }
    let url = elsewhere.start().await;
    let server = Arc::new(Server::start());
    let tally = import_meanwhile(server.clone(), words(&format!("v3 {url} --dist Foo-Bar --dist Nothing"))).await;
    assert_eq!(tally["imported"], 2, "{tally}");
    assert_eq!(tally["skipped"], json!({"the id is not a GUID": 1, "there are no reports of Nothing": 1}));
    let list = write(&server, "ids", format!("{}\n\n{}\n", guid(1), guid(9)));
    let tally = import_meanwhile(server.clone(), words(&format!("v3 {url} --ids {list}"))).await;
    assert_eq!((&tally["unchanged"], tally["skipped"].as_object().unwrap().len()), (&json!(1), 1), "{tally}");
}

pub fn hit(author: &str, archive: &str, date: &str, status: &str) -> Value {
    json!({"_source": {"author": author, "archive": archive, "date": date, "status": status}})
}

#[tokio::test]
async fn uploads_come_from_each_kind_of_file_and_name_the_author_of_a_release() {
    let server = Server::start();
    let dump = write(&server, "cpanstats.tsv", line(1, "pass", "1.0"));
    import(&server, &["cpanstats", &dump]);
    server.settle().await;
    assert_eq!(server.json("/v4/releases/Foo-Bar/1.0").await["author"], Value::Null);

    let hits = json!({"hits": {"hits": [
        hit("ANN", "Foo-Bar-1.0.tar.gz", "2016-08-01T00:00:00", "backpan"),
        hit("ANN", "Foo-Bar-1.1.tar.gz", "2016-08-02T00:00:00", "latest"),
        hit("ANN", "notes.txt", "2016-08-02T00:00:00", "latest"),
    ]}});
    let search = write(&server, "search.json", hits.to_string());
    let head = server.json("/v4/status").await["head"].as_i64().unwrap();
    let first = import(&server, &["uploads", &search]);
    assert_eq!(first, json!({"new": 2, "changed": 0, "unchanged": 0, "collisions": 0, "releases": 1}));
    let release = server.json("/v4/changes?after=0").await;
    assert_eq!(release["head"], head + 1);
    let index = "File:         02packages.details.txt\nLine-Count:   2\n\n\
                 Foo::Bar  1.1  A/AN/ANN/Foo-Bar-1.1.tar.gz\nFoo::Baz  1.1  A/AN/ANN/Foo-Bar-1.1.tar.gz\n\
                 Qux  0.1  B/BO/BOB/Qux-0.1.tgz\n";
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, index.as_bytes()).unwrap();
    let index = write(&server, "02packages.details.txt.gz", encoder.finish().unwrap());
    let table = "uploadid,type,author,dist,version,filename,released\n\
                 1,cpan,BOB,Qux,0.1,Qux-0.1.tgz,1479524600\n2,unknown,,Old,1,,0\n3,backpan,CAT,Foo-Bar,1.1,Foo-Bar-1.1.zip,1479524600\n";
    let table = write(&server, "uploads.csv", table);
    let more = import(&server, &["uploads", &index, &table]);
    assert_eq!(more, json!({"new": 1, "changed": 1, "unchanged": 1, "collisions": 1, "releases": 0}));
    let again = import(&server, &["uploads", &search, &index, &table]);
    assert_eq!((&again["new"], &again["changed"]), (&json!(0), &json!(0)), "{again}");
}

/// A release search: answers what is asked of it, a page at a time.
pub async fn search(hits: Arc<Mutex<Vec<Value>>>, failing: Arc<AtomicUsize>) -> String {
    type Shared = (Arc<Mutex<Vec<Value>>>, Arc<AtomicUsize>);
    async fn answer(
        State((hits, failing)): State<Shared>,
        axum::extract::Query(asked): axum::extract::Query<BTreeMap<String, String>>,
    ) -> (StatusCode, String) {
        if failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return (StatusCode::BAD_GATEWAY, String::new());
        }
        let after =
            asked["q"].strip_prefix("date:[\"").and_then(|rest| rest.strip_suffix("\" TO *]")).unwrap().to_owned();
        assert_eq!(asked["sort"], "date:asc");
        let (from, size): (usize, usize) = (asked["from"].parse().unwrap(), asked["size"].parse().unwrap());
        let hits = hits.lock().unwrap();
        let mut found: Vec<&Value> =
            hits.iter().filter(|hit| hit["_source"]["date"].as_str().unwrap() >= after.as_str()).collect();
        found.sort_by_key(|hit| hit["_source"]["date"].as_str().unwrap().to_owned());
        let page: Vec<&Value> = found.into_iter().skip(from).take(size).collect();
        (StatusCode::OK, json!({"hits": {"hits": page}}).to_string())
    }
    let router = Router::new().route("/v1/release/_search", get(answer)).with_state((hits, failing));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("http://{address}/v1/release/_search")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_search_is_read_to_its_end_page_by_page() {
    // More than a page, and more than a page at one time.
    let hits = (0..2500).map(|number| {
        let date = if number < 1200 {
            "2016-01-01T00:00:00".to_owned()
        } else {
            format!("2017-01-01T00:{:02}:{:02}", number / 60 % 60, number % 60)
        };
        hit("ANN", &format!("Many-{number}-1.{number}.tar.gz"), &date, "cpan")
    });
    let url = search(Arc::new(Mutex::new(hits.collect())), Arc::new(AtomicUsize::new(1))).await;
    let server = Arc::new(Server::start());
    let all = import_meanwhile(server.clone(), words(&format!("uploads {url}"))).await;
    assert_eq!(all["new"], 2500, "{all}");
    let again = import_meanwhile(server, words(&format!("uploads {url}"))).await;
    assert_eq!((&again["new"], &again["changed"]), (&json!(0), &json!(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_asks_the_upstream_again_and_again_and_survives_its_failures() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let today = chrono::DateTime::from_timestamp(i64::try_from(now).unwrap() - 3600, 0).unwrap();
    let date = today.format("%Y-%m-%dT%H:%M:%S").to_string();
    let hits = Arc::new(Mutex::new(vec![
        hit("ANN", "Foo-Bar-1.0.tar.gz", &date, "latest"),
        hit("OLD", "Foo-Bar-0.9.tar.gz", "2016-01-01T00:00:00", "cpan"),
    ]));
    let url = search(hits.clone(), Arc::new(AtomicUsize::new(2))).await;
    let upstream = format!("uploads.upstream={url}");
    let server = Server::with(&["--listen", "127.0.0.1:0", "--set", &upstream, "--set", "uploads.every=1s"]);
    for (number, version) in [(1, "1.0"), (2, "0.9")] {
        let dump = write(&server, &format!("{number}.tsv"), line(number, "pass", version));
        import(&server, &["cpanstats", &dump]);
    }
    server.settle().await;
    wait_for(&server, "/v4/summaries?distribution=Foo-Bar&version=1.0", |page| page["items"][0]["author"] == "ANN")
        .await;
    let old = server.json("/v4/summaries?distribution=Foo-Bar&version=0.9").await;
    assert_eq!(old["items"][0]["author"], Value::Null, "only the last days are asked for");
    assert!(server.log().contains("uploads could not be had"), "{}", server.log());
    let changed = server.json("/v4/status").await["head"].as_i64().unwrap();
    hits.lock().unwrap()[0] = hit("ANN", "Foo-Bar-1.0.tar.gz", &date, "backpan");
    wait_for(&server, "/v4/changes?after=0", |page| page["head"].as_i64().unwrap() > changed).await;
}

async fn wait_for(server: &Server, path: &str, done: impl Fn(&Value) -> bool) {
    let end = Instant::now() + PATIENCE;
    loop {
        let page = server.json(path).await;
        if done(&page) {
            return;
        }
        assert!(Instant::now() < end, "{path}: {page}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn what_cannot_be_imported_is_said_plainly() {
    let mut server = Server::start();
    server.stop();
    let refused = |arguments: &[&str]| {
        let output = server.command(&[&["import"], arguments].concat()).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let table = write(&server, "wrong.csv", "a,b\n1,2\n");
    assert!(refused(&["uploads", &table]).contains("needs a first line with author and filename"));
    assert!(refused(&["cpanstats", "nowhere.tsv"]).contains("nowhere.tsv"));
    assert!(refused(&["v3", "http://127.0.0.1:9"]).contains("--from DAY, --dist DIST or --ids FILE"));
}
