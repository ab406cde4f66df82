//! `assay forget-secret`: the way back for a legacy tester who lost their secret.

use clap::Args;
use reqwest::Method;

use super::{Remote, Said, printing};

#[derive(Args, Debug)]
#[command(after_help = "The first secret used with a legacy profile is the profile's: others are refused. A tester
who lost theirs, such as metabase_id.json with it, makes a new profile, or has the
old secret forgotten; then the next one used is kept. Be sure that it is they who ask:
whoever submits next owns the profile.

Needs a token with the scope admin.

Example:
  assay forget-secret ce39923d-d72f-4b7a-aff0-af6d77c1616d --token-file admin.token")]
pub struct ForgetSecret {
    /// The tester's profile id
    profile: String,
    #[command(flatten)]
    remote: Remote,
}

pub async fn forget_secret(ForgetSecret { profile, remote }: ForgetSecret, said: Said) -> anyhow::Result<()> {
    let client = remote.client(said)?;
    let request = client.request(Method::DELETE, &["v4", "testers", &profile, "secret"]);
    client.send(request, client.timeout()).await?;
    printing::line(&format!("forgot the secret of {profile}; the next one used with it is kept"))
}
