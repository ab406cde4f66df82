//! Where the pages live: every address they hold is made here, so that each value in it is percent-encoded.

use std::fmt::Write as _;

use crate::assets;

/// The place the pages are served from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// Scheme and host for canonical addresses, without a slash at the end: `https://reports.example`. Empty when it
    /// is not known; canonical addresses are then relative to the host.
    pub origin: String,
    /// Path below which all pages are mounted, without a slash at the end; empty at the root of a host.
    pub root: String,
}

impl Site {
    pub fn home(&self) -> String {
        format!("{}/", self.root)
    }

    /// A path below the root, taken as it is.
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.root)
    }

    /// A file of `dashboards/static`, by the name it is served under.
    pub fn asset(&self, source: &str) -> String {
        format!("{}/static/{}", self.root, assets::served_name(source))
    }

    pub fn distribution(&self, language: &str, distribution: &str) -> String {
        in_language(self.segments("dist", &[distribution]), language)
    }

    pub fn release(&self, language: &str, distribution: &str, version: &str) -> String {
        in_language(self.segments("dist", &[distribution, version]), language)
    }

    /// The matrix of a distribution over its versions.
    pub fn matrix(&self, language: &str, distribution: &str) -> String {
        in_language(self.segments("matrix", &[distribution]), language)
    }

    pub fn author(&self, id: &str) -> String {
        self.segments("author", &[id])
    }

    pub fn tester(&self, id: &str) -> String {
        self.segments("tester", &[id])
    }

    pub fn report(&self, id: &str) -> String {
        self.segments("report", &[id])
    }

    /// What became of a submission.
    pub fn receipt(&self, id: &str) -> String {
        self.segments("status", &[id])
    }

    /// The jobs in a state, or all; with `after` a later page of them.
    pub fn jobs(&self, state: Option<&str>, after: Option<&str>) -> String {
        self.query("jobs", &[("state", state), ("after", after)])
    }

    pub fn job(&self, number: &i64) -> String {
        self.segments("jobs", &[&number.to_string()])
    }

    /// A job's JSON, as `/v4` serves it.
    pub fn job_api(&self, number: &i64) -> String {
        self.segments("v4/jobs", &[&number.to_string()])
    }

    /// A report's JSON, or with `part` its `text`, `raw` or `receipt`, as `/v4` serves it.
    pub fn report_api(&self, id: &str, part: &str) -> String {
        let parts: &[&str] = if part.is_empty() { &[id] } else { &[id, part] };
        self.segments("v4/reports", parts)
    }

    /// A search, and with `after` a later page of it.
    pub fn search(&self, query: &str, after: Option<&str>) -> String {
        self.query("search", &[("q", Some(query)), ("after", after)])
    }

    /// An address with a query string; parameters without a value are left out.
    pub fn query(&self, page: &str, parameters: &[(&str, Option<&str>)]) -> String {
        let mut address = format!("{}/{page}", self.root);
        let mut separator = '?';
        for (name, value) in parameters {
            let Some(value) = value else { continue };
            address.push(separator);
            address.push_str(name);
            address.push('=');
            percent_encode(value, &mut address);
            separator = '&';
        }
        address
    }

    fn segments(&self, page: &str, segments: &[&str]) -> String {
        let mut address = format!("{}/{page}", self.root);
        for segment in segments {
            address.push('/');
            percent_encode(segment, &mut address);
        }
        address
    }
}

/// The address of what exists under the same name in more than one language; Perl's needs no word more.
fn in_language(mut address: String, language: &str) -> String {
    if language != "perl" {
        address.push_str("?language=");
        percent_encode(language, &mut address);
    }
    address
}

/// Encodes all but the unreserved characters of RFC 3986 §2.3.
fn percent_encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            write!(into, "%{byte:02X}").expect("a String takes all that is written to it");
        }
    }
}
