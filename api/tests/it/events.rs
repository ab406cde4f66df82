//! Server-sent events: whoever listens is told of what changes, and goes on where a connection ended.

use std::time::Duration;

use reqwest::{Client, Response};
use serde_json::Value;

use crate::server::{PATIENCE, Server};
use crate::submissions::Made;

/// An open stream of events.
pub struct Listener {
    response: Response,
    text: String,
}

/// One event as it came. Those without data only say where the feed is.
#[derive(Debug)]
pub struct Event {
    pub id: i64,
    pub kind: Option<String>,
    pub change: Option<Value>,
}

impl Listener {
    /// Listens at a node's URL from the change that was seen last on, or from now on.
    pub async fn open(client: &Client, url: &str, query: &str, seen: Option<i64>) -> Listener {
        let mut request = client.get(format!("{url}/v4/events{query}")).header("accept", "text/event-stream");
        if let Some(seen) = seen {
            request = request.header("last-event-id", seen.to_string());
        }
        let response = request.header("accept-encoding", "gzip").send().await.unwrap();
        assert_eq!(response.status(), 200);
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("content-type").as_deref(), Some("text/event-stream"));
        assert_eq!(header("cache-control").as_deref(), Some("no-cache"));
        assert_eq!(header("content-encoding"), None, "an event would wait until there is enough to be packed");
        Listener { response, text: String::new() }
    }

    /// The next event; `None` when the stream has ended. Panics after a long silence.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let event = self.text[..end].to_owned();
                self.text.drain(..end + 2);
                return Some(read(&event));
            }
            let piece = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("the feed says nothing");
            self.text.push_str(std::str::from_utf8(&piece.unwrap()?).unwrap());
        }
    }

    /// The next change.
    pub async fn change(&mut self) -> Value {
        loop {
            let event = self.next().await.expect("the feed goes on");
            if let Some(change) = event.change {
                assert_eq!(
                    (event.id, event.kind.as_deref()),
                    (change["number"].as_i64().unwrap(), change["kind"].as_str())
                );
                return change;
            }
        }
    }
}

fn read(event: &str) -> Event {
    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    Event {
        id: field("id").expect("each event says where it is").parse().unwrap(),
        kind: field("event").map(str::to_owned),
        change: field("data").map(|data| serde_json::from_str(data).unwrap()),
    }
}

fn made(distribution: &str) -> Made {
    Made { distribution: distribution.to_owned(), ..Made::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_is_told_what_they_asked_for_from_now_on() {
    let server = Server::start();
    server.submit_all(&[made("Before").json()]).await;
    server.settle().await;
    let mut all = Listener::open(&server.client, &server.url, "", None).await;
    let mut one = Listener::open(&server.client, &server.url, "?distribution=Foo-Bar", None).await;
    let mut summaries = Listener::open(&server.client, &server.url, "?kind=summary&distribution=Foo-Bar", None).await;
    let mut raku = Listener::open(&server.client, &server.url, "?language=raku", None).await;
    let other = made("Other");
    server.submit_all(&[other.json()]).await;
    server.settle().await;
    let wanted = made("Foo-Bar");
    server.submit_all(&[wanted.json()]).await;
    server.settle().await;

    let named = |change: &Value| {
        (change["kind"].as_str().unwrap().to_owned(), change["value"]["distribution"].as_str().unwrap().to_owned())
    };
    let word = |kind: &str, distribution: &str| (kind.to_owned(), distribution.to_owned());
    for (kind, distribution) in
        [("result", "Other"), ("summary", "Other"), ("result", "Foo-Bar"), ("summary", "Foo-Bar")]
    {
        assert_eq!(named(&all.change().await), word(kind, distribution));
    }
    let result = one.change().await;
    assert_eq!((&result["key"], &result["value"]["id"]), (&wanted.id.as_str().into(), &wanted.id.as_str().into()));
    assert_eq!(named(&one.change().await), word("summary", "Foo-Bar"));
    assert_eq!(named(&summaries.change().await), word("summary", "Foo-Bar"));

    // What is taken back has nothing left to be selected by.
    let (token, _) = server.token(&["--scope", "admin"]);
    let gone = server.client.delete(server.at(&format!("/v4/reports/{}?reason=a+mistake", other.id)));
    assert_eq!(server.ask(gone.bearer_auth(token)).await.status, 200);
    for feed in [&mut all, &mut one, &mut raku] {
        let tombstone = feed.change().await;
        assert_eq!((&tombstone["removed"], &tombstone["key"]), (&true.into(), &other.id.as_str().into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_begins_where_they_say_and_learns_at_once_where_that_is() {
    let server = Server::start();
    server.submit_all(&[made("Foo").json(), made("Bar").json()]).await;
    server.settle().await;
    let head = server.json("/v4/status").await["head"].as_i64().unwrap();
    let mut now = Listener::open(&server.client, &server.url, "", None).await;
    let place = now.next().await.unwrap();
    assert_eq!((place.id, place.kind, place.change), (head, None, None));
    assert_eq!(Listener::open(&server.client, &server.url, "?after=0", None).await.change().await["number"], 1);
    // What a browser says when it comes again is newer than what its page asked for.
    assert_eq!(Listener::open(&server.client, &server.url, "?after=0", Some(2)).await.change().await["number"], 3);

    for (query, seen, named) in [
        ("?after=99999", "", "after"),
        ("?after=-1", "", "after"),
        ("?kind=report", "", "kind"),
        ("?distributions=Foo", "", "distributions"),
        ("", "the last one", "Last-Event-ID"),
    ] {
        let request = server.client.get(server.at(&format!("/v4/events{query}"))).header("last-event-id", seen);
        let answer = server.ask(request).await;
        assert_eq!((answer.status, answer.header("content-type")), (400, "application/problem+json"), "{query}");
        assert!(answer.text().contains(named), "{query}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn feeds_are_bounded_and_end_when_the_server_does() {
    let mut server = Server::with(&["--listen", "127.0.0.1:0", "--set", "read.feeds=2"]);
    let mut first = Listener::open(&server.client, &server.url, "", None).await;
    let second = Listener::open(&server.client, &server.url, "", None).await;
    assert_eq!(server.get("/v4/events").await.status, 503);
    drop(second);
    let end = tokio::time::Instant::now() + PATIENCE;
    while server.client.get(server.at("/v4/events")).send().await.unwrap().status() == 503 {
        assert!(tokio::time::Instant::now() < end, "the place of a reader who is gone stays taken");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(first.next().await.is_some());
    let stopping = tokio::task::spawn_blocking(move || {
        server.stop();
        server
    });
    assert!(first.next().await.is_none(), "the stream ends");
    let server = stopping.await.unwrap();
    assert!(!server.log().contains("did not end in time"), "{}", server.log());
}
