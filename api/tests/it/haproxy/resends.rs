//! What HAProxy sends to another node when one dies after it has taken a request: only what may be sent twice.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::front::Front;

/// Reads a request, and then dies without a word, again and again. Its health check finds nothing wrong.
struct Dying {
    address: String,
    requests: Arc<AtomicUsize>,
}

impl Dying {
    fn start() -> Dying {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let counted = Arc::clone(&counted);
                std::thread::spawn(move || converse(stream, &counted));
            }
        });
        Dying { address, requests }
    }
}

fn converse(mut stream: TcpStream, counted: &AtomicUsize) {
    // A whole request may come in pieces; the next piece is there soon, or there is none.
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut request = Vec::new();
    let mut piece = vec![0; 256 * 1024];
    while let Ok(length @ 1..) = stream.read(&mut piece) {
        request.extend_from_slice(&piece[..length]);
        if request.starts_with(b"GET /readyz ") && request.ends_with(b"\r\n\r\n") {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            return;
        }
    }
    if !request.is_empty() {
        counted.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_may_be_sent_twice_is_sent_twice() {
    let (one, other) = (Dying::start(), Dying::start());
    let Some(front) = Front::start([&one.address, &other.address]) else { return };
    front.wait_for_node(1, "UP");
    front.wait_for_node(2, "UP");
    // Each on a connection of its own: on one that was used before, HAProxy says no 502, but closes it.
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
    let id = "0b45cd74-d944-4999-9c3d-000000000001";
    let named = format!(r#"{{"reporter": {{"name": "A"}}, "id": "{id}", "result": {{"grade": "pass"}}}}"#);
    let long = format!(r#"{{"text": "{}", "id": "{id}"}}"#, "x".repeat(100_000));
    let json = "application/json";
    // As often as each backend's `retries` say, and once.
    let cases = [
        ("GET", "/v4/summaries", "", String::new(), 4),
        ("POST", "/v4/reports", json, named.clone(), 6),
        ("POST", "/v4/reports", json, r#"{"result": {"grade": "pass"}}"#.to_owned(), 1),
        ("POST", "/v4/reports", json, r#"{"id": null, "result": {"id": "pass"}}"#.to_owned(), 1),
        ("POST", "/v4/reports", json, long, 1),
        ("POST", "/v4/reports", "application/x-ndjson", format!("{named}\n{{}}\n"), 1),
        ("POST", "/v3/report", json, named.clone(), 1),
        ("POST", "/v1/report", json, named.clone(), 1),
        ("POST", &format!("/v1/report/{id}"), json, named.clone(), 6),
        ("POST", "/api/v1/submit/CPAN-Testers-Report", "application/octet-stream", "{}".to_owned(), 6),
        ("POST", "/beta/submit/CPAN-Testers-Report", "application/octet-stream", "{}".to_owned(), 6),
        ("POST", "/api/v1/register", json, "{}".to_owned(), 1),
        ("DELETE", &format!("/v4/reports/{id}"), "", String::new(), 1),
        ("PUT", "/v4/workers", json, r#"{"workers": 1}"#.to_owned(), 1),
    ];
    for (method, path, kind, body, tries) in cases {
        let before = [&one, &other].map(|node| node.requests.load(Ordering::SeqCst));
        let request = client.request(method.parse().unwrap(), front.at(path)).header("content-type", kind);
        let answer = request.body(body.clone()).send().await.unwrap();
        assert_eq!(answer.status(), 502, "{method} {path}");
        let after = [&one, &other].map(|node| node.requests.load(Ordering::SeqCst));
        let counts = [after[0] - before[0], after[1] - before[1]];
        let sent = counts[0] + counts[1];
        let what = &body[..body.len().min(80)];
        assert_eq!(sent, tries, "{method} {path} {kind} {what}");
        // Not at one node alone.
        assert!(tries == 1 || counts.iter().all(|count| *count > 0), "{method} {path} {what}: {counts:?}");
    }
}
