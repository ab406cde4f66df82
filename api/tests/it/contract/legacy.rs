//! A tester with an install client: the requests that real clients make, byte by byte (contract §2.2, §11.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::server::{Answer, Server, exchange};
use crate::submissions::{Made, legacy_report, registration};

/// Where clients of today and of old send.
pub const BASES: [&str; 2] = ["/api/v1/", "/beta/"];

pub struct Tester {
    pub profile: String,
    pub name: String,
    pub address: String,
    /// Anything may stand in it, colons and letters beyond ASCII too.
    pub secret: String,
}

impl Tester {
    pub fn named(name: &str) -> Tester {
        Tester {
            profile: uuid::Uuid::new_v4().to_string(),
            name: name.to_owned(),
            address: "ann@example.org".to_owned(),
            secret: "s3cr:t/ö:".to_owned(),
        }
    }

    /// One whose profile the server has.
    pub async fn registered(server: &Server, name: &str) -> Tester {
        let tester = Tester::named(name);
        let answer = exchange(server, &tester.registering("/api/v1/", true)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        tester
    }

    /// `POST {base}register`: profile and secret as an array of two, or the profile alone. Nobody is authorized yet.
    pub fn registering(&self, base: &str, with_secret: bool) -> Vec<u8> {
        let secret = with_secret.then_some(self.secret.as_str());
        let mut body = registration(&self.profile, &self.name, &self.address, secret);
        if !with_secret {
            let profile: serde_json::Value = serde_json::from_str(&body).unwrap();
            body = profile[0].to_string();
        }
        let escaped = body.chars().map(|character| match character {
            ascii if ascii.is_ascii() => ascii.to_string(),
            other => format!("\\u{:04x}", u32::from(other)),
        });
        posting(&format!("{base}register"), None, &escaped.collect::<String>())
    }

    /// `POST {base}submit/CPAN-Testers-Report` of a body.
    pub fn submitting(&self, base: &str, body: &str) -> Vec<u8> {
        let credentials = STANDARD.encode(format!("{}:{}", self.profile, self.secret));
        posting(&format!("{base}submit/CPAN-Testers-Report"), Some(&credentials), body)
    }

    /// Sends a report, which must be accepted.
    pub async fn submits(&self, server: &Server, made: &Made) {
        self.submits_body(server, &self.report(made)).await;
    }

    /// Sends a report's body, which must be accepted.
    pub async fn submits_body(&self, server: &Server, body: &str) {
        let answer = exchange(server, &self.submitting("/api/v1/", body)).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }

    pub fn report(&self, made: &Made) -> String {
        legacy_report(&made.id, &self.profile, made)
    }
}

fn posting(path: &str, credentials: Option<&str>, body: &str) -> Vec<u8> {
    let authorization = credentials.map(|known| format!("Authorization: Basic {known}\r\n")).unwrap_or_default();
    format!(
        "POST {path} HTTP/1.1\r\nHost: metabase.cpantesters.org\r\nContent-Length: {}\r\n\
         User-Agent: Metabase::Client::Simple/0.013 HTTP-Tiny/0.082\r\n{authorization}Accept: application/json\r\n\
         Content-Type: application/octet-stream\r\nContent_Type: application/json\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A refusal whose text a client shows: JSON under exactly this type, with `error`. Gives the text.
pub fn shown_to_tester(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/json");
    let body = answer.json();
    assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
    body["error"].as_str().unwrap().to_owned()
}
