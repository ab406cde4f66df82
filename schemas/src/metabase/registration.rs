//! The body of `register`: who a tester is, and the secret that proves it (contract §2.2).

use serde::Deserialize;
use uuid::Uuid;

use super::envelope::{self, Fact, shown, user};
use super::{Refused, Registration, Secret, latin1};
use crate::report::Object;

const PROFILE: &str = "Metabase-User-Profile";
const SECRET: &str = "Metabase-User-Secret";
const NAME: &str = "Metabase-User-FullName";
const ADDRESS: &str = "Metabase-User-EmailAddress";

/// Longest name or address, in bytes.
const LONGEST: usize = 255;
/// Longest secret, in bytes; the client makes UUIDs.
const LONGEST_SECRET: usize = 1024;

/// Reads the body of `register`: `[profile, secret]` in either order, or a profile alone. A tester's
/// `metabase_id.json` has the same form.
pub fn registration(bytes: &[u8]) -> Result<Registration, Refused> {
    let facts = match envelope::outermost(bytes)? {
        Body::Facts(facts) => facts.into_iter().map(|Object(fact)| fact).collect(),
        Body::Fact(fact) => vec![fact.0],
    };
    let (mut profile, mut secret) = (None, None);
    for fact in facts {
        let kind = fact.kind()?.to_owned();
        let place = match kind.as_str() {
            PROFILE => &mut profile,
            SECRET => &mut secret,
            _ => return Err(Refused(format!("a registration holds no fact of type {}", shown(&kind)))),
        };
        if place.replace(fact).is_some() {
            return Err(Refused(format!("the registration holds more than one {kind}")));
        }
    }
    let profile = profile.ok_or_else(|| Refused(format!("the registration holds no {PROFILE}")))?;
    let mut registration = person(profile)?;
    registration.secret = secret.map(|fact| secret_of(registration.profile, fact)).transpose()?;
    Ok(registration)
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a profile, or an array of a profile and a secret, was expected")]
enum Body {
    Facts(Vec<Object<Fact>>),
    Fact(Box<Object<Fact>>),
}

fn person(profile: Fact) -> Result<Registration, Refused> {
    let guid = profile.guid()?;
    let (mut name, mut email) = (None, None);
    for fact in profile.content.facts(PROFILE)? {
        let kind = fact.kind()?.to_owned();
        match kind.as_str() {
            NAME if name.is_some() => return Err(Refused(format!("the profile holds more than one {NAME}"))),
            NAME => name = Some(line(fact, NAME)?),
            // A profile may hold several addresses; the first is the one reports are signed with.
            ADDRESS if email.is_none() => email = Some(line(fact, ADDRESS)?),
            _ => {}
        }
    }
    let name = name.ok_or_else(|| Refused(format!("the profile holds no {NAME}")))?;
    Ok(Registration { profile: guid, name, email, secret: None })
}

/// A name or an address: one line, not too long.
fn line(fact: Fact, kind: &str) -> Result<String, Refused> {
    let text = latin1::decode(fact.content.string(kind)?);
    if text.len() > LONGEST {
        return Err(Refused(format!("the {kind} is {} bytes long, more than {LONGEST}", text.len())));
    }
    match text.chars().find(char::is_ascii_control) {
        Some(character) => {
            Err(Refused(format!("the {kind} holds the control character U+{:04X}", u32::from(character))))
        }
        None => Ok(text),
    }
}

fn secret_of(profile: Uuid, fact: Fact) -> Result<Secret, Refused> {
    if user(fact.resource()?, "metadata.core.resource")? != profile {
        return Err(Refused(format!("the {SECRET} is of another profile")));
    }
    let bytes = latin1::bytes(&fact.content.string(SECRET)?);
    if bytes.len() > LONGEST_SECRET {
        return Err(Refused(format!("the {SECRET} is {} bytes long, more than {LONGEST_SECRET}", bytes.len())));
    }
    Ok(Secret(bytes))
}
