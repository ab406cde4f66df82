//! How the text of a setting becomes a value: sizes, durations, addresses, lists.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;

/// A value that a setting can hold. The error says what was expected, fit to follow the setting's name.
pub trait Setting: Sized {
    fn parse(text: &str) -> Result<Self, String>;
}

/// An amount of bytes, said as `33554432`, `32 MiB`, `32M` or `33 MB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Size {
    pub const KIB: u64 = 1 << 10;
    pub const MIB: u64 = 1 << 20;
    pub const GIB: u64 = 1 << 30;

    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl Setting for Size {
    fn parse(text: &str) -> Result<Self, String> {
        let expected = || format!("expected a size such as 32 MiB, not {text:?}");
        let (amount, unit) = amount_and_unit(text).ok_or_else(expected)?;
        let bytes: f64 = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 1.0,
            "k" | "kib" => Size::KIB as f64,
            "m" | "mib" => Size::MIB as f64,
            "g" | "gib" => Size::GIB as f64,
            "kb" => 1e3,
            "mb" => 1e6,
            "gb" => 1e9,
            _ => return Err(expected()),
        };
        Ok(Size((amount * bytes).round() as u64))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(Size::GIB, "GiB"), (Size::MIB, "MiB"), (Size::KIB, "KiB")];
        match units.into_iter().find(|(unit, _)| self.0 > 0 && self.0.is_multiple_of(*unit)) {
            Some((unit, name)) => write!(f, "{} {name}", self.0 / unit),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

impl Setting for Duration {
    /// `250ms`, `30s`, `5m`, `2h`, `7d`; a bare number is seconds.
    fn parse(text: &str) -> Result<Self, String> {
        let expected = || format!("expected a duration such as 30s, 5m or 2h, not {text:?}");
        let (amount, unit) = amount_and_unit(text).ok_or_else(expected)?;
        let seconds = match unit {
            "ms" => 0.001,
            "" | "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return Err(expected()),
        };
        Duration::try_from_secs_f64(amount * seconds).map_err(|_| expected())
    }
}

/// A parser of durations for clap.
pub fn duration(text: &str) -> Result<Duration, String> {
    Duration::parse(text)
}

/// A number, and the letters after it.
fn amount_and_unit(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let amount: f64 = text[..end].parse().ok()?;
    Some((amount, text[end..].trim()))
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// 0 picks a free port.
    pub port: u16,
}

impl Listen {
    /// Whether only this machine can reach it.
    pub fn loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        }
    }
}

impl Setting for Listen {
    fn parse(text: &str) -> Result<Self, String> {
        let expected = || format!("expected HOST:PORT such as 127.0.0.1:8080 or [::1]:8080, not {text:?}");
        let (host, port) = text.trim().rsplit_once(':').ok_or_else(expected)?;
        let port = port.parse().map_err(|_| expected())?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = bracketed.unwrap_or(host);
        let spaced = host.contains(|c: char| c.is_whitespace() || c == '/');
        let ambiguous = bracketed.is_none() && host.contains(':');
        if host.is_empty() || spaced || ambiguous {
            return Err(expected());
        }
        Ok(Listen { host: host.to_owned(), port })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Setting for Vec<Listen> {
    fn parse(text: &str) -> Result<Self, String> {
        text.split(',').map(Listen::parse).collect()
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

impl Setting for LogFormat {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err(format!("expected text or json, not {text:?}")),
        }
    }
}

/// Text that is shown to nobody: its `Debug` is three stars.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Setting for Secret {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(Secret(text.to_owned()))
    }
}

impl Setting for String {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl Setting for PathBuf {
    fn parse(text: &str) -> Result<Self, String> {
        std::path::absolute(text).map_err(|_| "expected a path".to_owned())
    }
}

impl Setting for Url {
    fn parse(text: &str) -> Result<Self, String> {
        let expected = || format!("expected a URL such as https://assay.example.org, not {text:?}");
        let url = Url::parse(text).map_err(|_| expected())?;
        // A password in the address would be shown in messages; there is a token for that.
        let plain = url.username().is_empty() && url.password().is_none();
        match matches!(url.scheme(), "http" | "https") && url.has_host() && plain {
            true => Ok(url),
            false => Err(expected()),
        }
    }
}

impl Setting for bool {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err(format!("expected true or false, not {text:?}")),
        }
    }
}

impl Setting for usize {
    fn parse(text: &str) -> Result<Self, String> {
        let digits = text.replace('_', "");
        digits.parse().map_err(|_| format!("expected a whole number, not {text:?}"))
    }
}

impl<T: Setting> Setting for Option<T> {
    /// Empty text is absence.
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "" => Ok(None),
            _ => T::parse(text).map(Some),
        }
    }
}
