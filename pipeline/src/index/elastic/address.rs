//! Where a search engine is, and what assay's indices are called there.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use elasticsearch::http::Url;
use percent_encoding::percent_decode_str;

/// Prefix of the indices where the address names none.
const USUAL_PREFIX: &str = "assay";
/// Longest prefix, in bytes: generation and month have to fit behind it.
const LONGEST_PREFIX: usize = 100;
/// Most shards of a month's index, and most copies of each.
const MOST: u32 = 64;

/// One or more nodes of an Elasticsearch or OpenSearch cluster, written
/// `http://user:password@host:9200,other:9200/prefix?shards=1&replicas=1`, or with `https` and `&ca=FILE`. All but the
/// scheme and a host can be left out. It is shown without the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// At least one, without credentials.
    pub(super) nodes: Vec<Url>,
    pub(super) credentials: Option<Credentials>,
    /// What all of assay's indices and aliases begin with.
    pub(super) prefix: String,
    pub(super) options: Options,
}

/// What stands behind the `?`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Options {
    /// Of the index of one month.
    pub shards: u32,
    /// Copies of each shard beside the first. `None`: one where there is a second node for it.
    pub replicas: Option<u32>,
    /// PEM file with the certificates that those of the nodes are signed by. `None`: the usual ones of the web.
    pub ca: Option<PathBuf>,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub user: String,
    pub password: String,
}

/// The text is no address of a search engine; the message tells which part, and never the password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAnAddress(String);

impl Address {
    /// Whether the text means a search engine rather than a directory.
    pub fn meant_by(text: &str) -> bool {
        text.contains("://")
    }
}

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Address, NotAnAddress> {
        let (scheme, rest) = text.split_once("://").ok_or_else(|| not("expected http://HOST:PORT/PREFIX"))?;
        if !["http", "https"].contains(&scheme) {
            return Err(not("expected a URL of http or https"));
        }
        let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, hosts) = match authority.rsplit_once('@') {
            Some((credentials, hosts)) => (Some(read_credentials(credentials)?), hosts),
            None => (None, authority),
        };
        let nodes = hosts.split(',').map(|host| node(scheme, host)).collect::<Result<_, _>>()?;
        let prefix = match path.trim_end_matches('/') {
            "" => USUAL_PREFIX,
            prefix => prefix,
        };
        if !fit_for_prefix(prefix) {
            return Err(not(
                "expected a prefix of small letters, digits and _, in parts between - that begin with a letter",
            ));
        }
        Ok(Address { nodes, credentials, prefix: prefix.to_owned(), options: read_options(options)? })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, node) in self.nodes.iter().enumerate() {
            let shown = node.as_str().trim_end_matches('/');
            match (index, shown.split_once("://")) {
                (0, _) => f.write_str(shown)?,
                (_, Some((_, host))) => write!(f, ",{host}")?,
                (_, None) => write!(f, ",{shown}")?,
            }
        }
        write!(f, "/{}", self.prefix)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn not(message: &str) -> NotAnAddress {
    NotAnAddress(message.to_owned())
}

fn node(scheme: &str, host: &str) -> Result<Url, NotAnAddress> {
    let fault = || NotAnAddress(format!("expected HOST:PORT, found {host:?}"));
    let url = Url::parse(&format!("{scheme}://{host}/")).map_err(|_| fault())?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.has_host();
    if bare { Ok(url) } else { Err(fault()) }
}

fn read_credentials(text: &str) -> Result<Credentials, NotAnAddress> {
    let (user, password) = text.split_once(':').ok_or_else(|| not("expected USER:PASSWORD before the @"))?;
    let decoded = |text: &str| match percent_decode_str(text).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_) => Err(not("what stands before the @ is no UTF-8 once its % are decoded")),
    };
    Ok(Credentials { user: decoded(user)?, password: decoded(password)? })
}

/// Parts that begin with a letter, so that no prefix can be taken for another one's generation.
fn fit_for_prefix(prefix: &str) -> bool {
    let part = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_lowercase())
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    prefix.len() <= LONGEST_PREFIX && prefix.split('-').all(part)
}

fn read_options(text: &str) -> Result<Options, NotAnAddress> {
    let mut options = Options { shards: 1, replicas: None, ca: None };
    for option in text.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let number = value.parse().ok().filter(|number| *number <= MOST);
        match (name, number) {
            ("shards", Some(number)) if number > 0 => options.shards = number,
            ("replicas", Some(number)) => options.replicas = Some(number),
            ("ca", _) if !value.is_empty() => {
                let path =
                    percent_decode_str(value).decode_utf8().map_err(|_| not("the path behind ca= is no UTF-8"))?;
                options.ca = Some(PathBuf::from(path.into_owned()));
            }
            _ => {
                let expected = format!("expected shards=1 to {MOST}, replicas=0 to {MOST} or ca=FILE behind the ?");
                return Err(NotAnAddress(format!("{expected}, found {option:?}")));
            }
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_with_all_its_parts() {
        let address: Address = "http://ann:p%40ss:w@one:9200,two/reports-live?shards=2&replicas=0".parse().unwrap();
        let nodes: Vec<&str> = address.nodes.iter().map(Url::as_str).collect();
        assert_eq!(nodes, ["http://one:9200/", "http://two/"]);
        let credentials = address.credentials.as_ref().unwrap();
        assert_eq!((credentials.user.as_str(), credentials.password.as_str()), ("ann", "p@ss:w"));
        assert_eq!(address.prefix, "reports-live");
        assert_eq!((address.options.shards, address.options.replicas), (2, Some(0)));
        let address: Address = "https://one/?ca=/etc/assay/my%20ca.pem".parse().unwrap();
        assert_eq!(address.options.ca.unwrap().to_str(), Some("/etc/assay/my ca.pem"));
    }

    #[test]
    fn most_of_it_can_be_left_out() {
        let address: Address = "https://search.example.org".parse().unwrap();
        assert_eq!(address.prefix, "assay");
        assert_eq!((address.options.shards, address.options.replicas), (1, None));
        assert!(address.credentials.is_none());
        assert_eq!("http://[::1]:9200/".parse::<Address>().unwrap().nodes[0].as_str(), "http://[::1]:9200/");
    }

    #[test]
    fn the_password_is_never_shown() {
        let address: Address = "http://ann:secret@one:9200,two:9200".parse().unwrap();
        assert_eq!(address.to_string(), "http://one:9200,two:9200/assay");
        assert_eq!(format!("{address:?}"), address.to_string());
        let error = "http://ann:secret@one:9200,two:x/".parse::<Address>().unwrap_err();
        assert_eq!(error.to_string(), "expected HOST:PORT, found \"two:x\"");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "directory",
            "ftp://host",
            "http://",
            "http://host:99999",
            "http://a,,b",
            "http://ann@host",
            "http://ann:%ff@host",
            "http://host/Upper",
            "http://host/a/b",
            "http://host/assay-1",
            "http://host/-",
            "http://host/?shards=0",
            "http://host/?copies=1",
            "http://host/?replicas=x",
            "https://host/?ca=",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
