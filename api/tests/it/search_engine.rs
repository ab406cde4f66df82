//! assay with its documents in a search engine, which every process reaches.

use pipeline::index::Elastic;
use serde_json::Value;
use uuid::Uuid;

use crate::nodes::Node;
use crate::profile::embedded_only;
use crate::server::Server;
use crate::submissions::Made;

/// A prefix of this test's own on each engine that can be had here; what begins with it goes with this.
struct Place(String);

impl Place {
    fn each() -> Vec<Place> {
        let urls = [services::elasticsearch(), services::opensearch()].into_iter().flatten();
        urls.map(|url| Place(format!("{url}/t{}", Uuid::new_v4().simple()))).collect()
    }

    fn setting(&self) -> String {
        format!("index={}", self.0)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(Elastic::new(&self.0.parse().unwrap()).unwrap().remove());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_process_searches_and_the_index_is_made_anew_beside_them() {
    for place in Place::each() {
        let setting = place.setting();
        let server = Server::with(&["--listen", "127.0.0.1:0", "--set", &setting]);
        let made: Vec<Value> = (0..30).map(|_| Made::default().json()).collect();
        server.submit_all(&made).await;
        server.settle_index().await;
        assert_eq!(server.json("/v4/search?q=successful").await["total"], 30);

        let node = Node::beside(&server, &[&setting]);
        let there = node.get(&server, "/v4/search?q=successful").await.json();
        assert_eq!(there["total"], 30, "{there}");
        assert_eq!(
            there["items"][0]["highlights"],
            server.json("/v4/search?q=successful").await["items"][0]["highlights"]
        );

        let run = |arguments: &[&str]| -> Value {
            serde_json::from_str(&server.run(&[arguments, &["--json", "--set", &setting]].concat())).unwrap()
        };
        let rebuilt = run(&["rebuild", "--index"]);
        assert_eq!((&rebuilt["complete"], &rebuilt["documents"]), (&true.into(), &30.into()), "{rebuilt}");
        assert_eq!(server.json("/v4/search?q=successful").await["total"], 30);
        // The server goes on with the new one.
        server.submit_all(&[Made::default().json()]).await;
        server.settle_index().await;
        assert_eq!(server.json("/v4/search?q=successful").await["total"], 31);

        let checked = run(&["fsck", "--only", "index"]);
        assert_eq!((&checked["clean"], &checked["checks"][0]["checked"]), (&true.into(), &31.into()), "{checked}");
    }
}

/// Marked words of what a search shows of a report, in their order.
fn marked(hit: &Value) -> Vec<String> {
    let excerpts = hit["highlights"].as_array().unwrap().iter();
    let words = excerpts.flat_map(|excerpt| {
        let text = excerpt["text"].as_str().unwrap();
        let marks = excerpt["marks"].as_array().unwrap().iter();
        let place = |mark: &Value, side: usize| mark[side].as_u64().unwrap() as usize;
        marks.map(move |mark| text[place(mark, 0)..place(mark, 1)].to_owned())
    });
    words.collect()
}

/// Which words are found, and so shown, is a matter of how a text is cut into words: Perl's names, paths, numbers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_found_is_shown_alike_by_every_engine() {
    let text = "Can't locate object method \"new\" via package \"Foo::Bar::Baz\" at t/10-basic.t line 42.\n\
                # Looks like your test exited with 255 just after 3.\nFAILED tests 4-6\n";
    let directory = tempfile::tempdir().unwrap();
    let settings = Place::each().into_iter().map(|place| (place.setting(), Some(place)));
    let embedded = (format!("index={}", directory.path().join("index").display()), None);
    for (setting, _place) in settings.chain([embedded]) {
        let server = Server::with(&["--listen", "127.0.0.1:0", "--set", &setting]);
        server.submit_all(&[Made { text: text.to_owned(), ..Made::default() }.json()]).await;
        server.settle_index().await;
        for (query, expected) in [
            ("Foo::Bar::Baz", &["Foo::Bar::Baz"][..]),
            ("\"via package\"", &["via package"]),
            ("locate failed", &["locate", "FAILED"]),
            ("t/10-basic.t", &["t/10-basic.t"]),
            ("exited 255", &["exited", "255"]),
        ] {
            let answer = server.ask(server.client.get(server.at("/v4/search")).query(&[("q", query)])).await.json();
            assert_eq!(answer["total"], 1, "{query} with {setting}");
            assert_eq!(marked(&answer["items"][0]), expected, "{query} with {setting}: {answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_are_taken_while_the_search_engine_is_away() {
    // A port that nobody listens on.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let setting = format!("index=http://{}", listener.local_addr().unwrap());
    drop(listener);
    let server = Server::with(&["--listen", "127.0.0.1:0", "--set", &setting]);
    server.submit_all(&[Made::default().json()]).await;
    server.settle().await;
    assert_eq!(server.get("/readyz").await.status, 200, "the node is not to be taken out of service");
    assert_eq!(server.get("/v4/search?q=successful").await.status, 503);
    assert_eq!(server.json("/v4/results").await["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_in_a_directory_is_made_anew_while_no_server_runs() {
    if embedded_only("it is about tantivy's directory") {
        return;
    }
    let mut server = Server::start();
    server.submit_all(&[Made::default().json(), Made::default().json()]).await;
    server.settle_index().await;
    let busy = server.command(&["rebuild", "--index"]).output().unwrap();
    assert!(!busy.status.success());
    let told = String::from_utf8_lossy(&busy.stderr).into_owned();
    assert!(told.contains("one writer") && told.contains("assay serve"), "{told}");
    server.stop();
    let rebuilt: Value = serde_json::from_str(&server.run(&["rebuild", "--index", "--json"])).unwrap();
    assert_eq!((&rebuilt["complete"], &rebuilt["documents"]), (&true.into(), &2.into()), "{rebuilt}");
    server.start_again();
    assert_eq!(server.json("/v4/search?q=successful").await["total"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_says_nothing_takes_no_node_out_of_service() {
    // Connections come about, and nobody ever answers, as when the engine's machine hangs.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let setting = format!("index=http://{}/silent", silent.local_addr().unwrap());
    let server = Server::with(&["--listen", "127.0.0.1:0", "--set", &setting]);
    // deploy/haproxy.cfg takes a node that says nothing for 5 s for gone.
    let asking = server.client.get(server.at("/readyz")).timeout(std::time::Duration::from_secs(5)).send();
    let ready = asking.await.expect("the answer is there in time");
    assert_eq!(ready.status(), 200);
    assert_eq!(ready.json::<Value>().await.unwrap()["index"], "failing");
    assert_eq!(server.submit(&Made::default().json()).await.status, 202);
}
