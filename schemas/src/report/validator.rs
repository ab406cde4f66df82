//! Faults in the words of today's server, for the answers of `POST /v3/report` (contract §1.5, §11.2).

use super::checks::{self, Faulty};
use super::shape::{Found, Wrong};
use super::{Dialect, Invalid};

/// What today's server would say of a body: messages, each with its path, in its order.
///
/// Empty for a body that [`super::Report::parse`] accepts under [`Dialect::V3`], and only for such.
pub fn faults_v3(bytes: &[u8]) -> Vec<(String, String)> {
    if bytes.is_empty() {
        return vec![("Missing property.".to_owned(), "/report".to_owned())];
    }
    let text = match checks::json(bytes) {
        Ok(text) => text,
        Err(Invalid::Syntax(text)) => return vec![unreadable(&text)],
        Err(invalid @ Invalid::Faults(_)) => return vec![unreadable(&invalid.to_string())],
    };
    match checks::examine(text, Dialect::V3) {
        Ok(_) => Vec::new(),
        Err(Faulty::Syntax(text)) => vec![unreadable(&text)],
        Err(Faulty::Found(mut found)) => {
            found.sort_by(|a, b| a.pointer.cmp(&b.pointer));
            found.iter().map(|found| (message(found), format!("/report{}", found.pointer))).collect()
        }
    }
}

/// Whether a `Content-Type` is taken, or the message and path of the refusal. A request without one is taken.
pub fn content_type_v3(header: &str) -> Result<(), (String, String)> {
    let media_type = header.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err((format!("Expected application/json - got {header}."), "/report".to_owned()))
}

fn unreadable(text: &str) -> (String, String) {
    (format!("Not a JSON document: {text}."), "/report".to_owned())
}

fn message(found: &Found) -> String {
    let words = match &found.wrong {
        Wrong::Missing => "Missing property.".to_owned(),
        Wrong::Type { expected, got } => format!("Expected {expected} - got {got}."),
        Wrong::NotIn(words) => format!("Not in enum list: {}.", words.join(", ")),
        Wrong::Nameless => "Discriminator name has no value.".to_owned(),
        Wrong::Stranger(name) => format!("No definition for discriminator {name}."),
        Wrong::Pattern => r"String does not match ^5\.\d+\.\d+.".to_owned(),
        Wrong::Negative(number) => format!("{number} < minimum(0)"),
        Wrong::TooLarge => format!("Greater than {}.", super::rules::MOST),
        Wrong::NotAMoment => "Does not match date-time format.".to_owned(),
        Wrong::NotAnId | Wrong::Twice => format!("The value {}.", found.wrong),
        Wrong::Rule(text) => format!("The value {text}."),
    };
    match found.part {
        Some(part) => format!("/allOf/{part} {words}"),
        None => words,
    }
}
