//! The legacy protocol from the tester's side: submit, and register when the server does not know the profile
//! (contract §2.2).

use std::path::{Path, PathBuf};

use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use reqwest::{Method, RequestBuilder, header};

use crate::client::{Answer, Client, ClientError, Refusal};

use super::exit::Usage;

/// Who a tester is to the legacy routes, as `metabase_id.json` says it.
#[derive(Clone)]
pub struct Identity {
    /// The profile's guid.
    profile: String,
    authorization: String,
    /// The file itself: the body of `register`.
    file: Bytes,
}

impl Identity {
    /// Reads `metabase_id.json`: the array of a profile and its secret that `metabase-profile` makes.
    pub fn read(path: &Path) -> anyhow::Result<Identity> {
        let file = std::fs::read(path).with_context(|| format!("{} could not be read", path.display()))?;
        let unfit = |reason: String| Usage(format!("{} is not a Metabase identity: {reason}", path.display()));
        let registration = schemas::metabase::registration(&file).map_err(|error| unfit(error.to_string()))?;
        let secret = registration.secret.ok_or_else(|| unfit("it has no secret".to_owned()))?;
        let profile = registration.profile.hyphenated().to_string();
        let credential = [profile.as_bytes(), b":", secret.as_bytes()].concat();
        let authorization = format!("Basic {}", BASE64_STANDARD.encode(credential));
        Ok(Identity { profile, authorization, file: Bytes::from(file) })
    }

    /// A request in this tester's name.
    pub fn sign(&self, request: RequestBuilder) -> RequestBuilder {
        request.header(header::AUTHORIZATION, &self.authorization)
    }

    /// Where CPAN::Reporter and its like keep it.
    pub fn usual_place(home: Option<&Path>) -> Option<PathBuf> {
        let home = home?;
        let places = [".cpanreporter/metabase_id.json", ".metabase/metabase_id.json", ".cpanm/metabase_id.json"];
        places.into_iter().map(|place| home.join(place)).find(|path| path.is_file())
    }
}

/// Submits a fact. A profile that the server does not know is registered, and the fact submitted again.
pub async fn submit(client: &Client, identity: &Identity, fact: &Bytes) -> Result<Answer, ClientError> {
    match submit_once(client, identity, fact).await {
        Err(refused) if refused.status() == Some(401) => {
            if known(client, &identity.profile).await? {
                return Err(with_hint(refused));
            }
            register(client, identity).await?;
            submit_once(client, identity, fact).await
        }
        other => other,
    }
}

async fn submit_once(client: &Client, identity: &Identity, fact: &Bytes) -> Result<Answer, ClientError> {
    let request = identity
        .sign(client.bare_request(Method::POST, &["api", "v1", "submit", "CPAN-Testers-Report"]))
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::ACCEPT, "application/json")
        .body(fact.clone());
    client.send(request, client.timeout()).await
}

async fn known(client: &Client, profile: &str) -> Result<bool, ClientError> {
    let request = client.bare_request(Method::HEAD, &["api", "v1", "guid", profile]);
    match client.send(request, client.timeout()).await {
        Ok(_) => Ok(true),
        Err(error) if error.transient() => Err(error),
        Err(_) => Ok(false),
    }
}

async fn register(client: &Client, identity: &Identity) -> Result<(), ClientError> {
    let request = client
        .bare_request(Method::POST, &["api", "v1", "register"])
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::ACCEPT, "application/json")
        .body(identity.file.clone());
    client.send(request, client.timeout()).await.map(|_| ())
}

/// The server knows the profile, so its secret is another than ours.
fn with_hint(refused: ClientError) -> ClientError {
    match refused {
        ClientError::Refused(refusal) => {
            let hint = "the server knows this profile with another secret";
            let detail =
                if refusal.detail.is_empty() { hint.to_owned() } else { format!("{}; {hint}", refusal.detail) };
            ClientError::Refused(Box::new(Refusal { detail, ..*refusal }))
        }
        other => other,
    }
}
