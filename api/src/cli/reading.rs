//! Commands that show one thing: a report, a receipt, a release, a distribution, an author, a tester, a matrix.

use clap::Args;
use schemas::views::DistributionView;
use serde::de::DeserializeOwned;

use crate::client::{Answer, Client};

use super::exit::Usage;
use super::{Remote, Said, Shape, printing, shown};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  assay report 0b45cd74-d944-4999-9c3d-c81021ca3d34
  assay report 0b45cd74-d944-4999-9c3d-c81021ca3d34 --text | less")]
pub struct Report {
    /// The report's id
    id: String,
    /// Print the text that people read
    #[arg(long, conflicts_with_all = ["raw", "json"])]
    text: bool,
    /// Print the bytes as they were submitted
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Args, Debug)]
#[command(after_help = "States: spooled, accepted, processing, then processed, rejected or parked.")]
pub struct Receipt {
    /// The report's id
    id: String,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  assay release Mojolicious 9.31")]
pub struct Release {
    /// Distribution, such as Foo-Bar; Foo::Bar means the same
    distribution: String,
    /// Version; without it, the newest
    version: Option<String>,
    #[command(flatten)]
    language: Language,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Args, Debug)]
pub struct Distribution {
    /// Distribution, such as Foo-Bar; Foo::Bar means the same
    distribution: String,
    #[command(flatten)]
    language: Language,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Args, Debug)]
pub struct Author {
    /// CPAN author id
    author: String,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Args, Debug)]
pub struct Tester {
    /// The tester's public id
    id: String,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Args, Debug)]
#[command(after_help = "P pass, F fail, N na, U unknown.

Examples:
  assay matrix Mojolicious 9.31
  assay matrix Mojolicious --axes version,os
  assay matrix Mojolicious --axes version,language_version,architecture --json")]
pub struct Matrix {
    /// Distribution, such as Foo-Bar; Foo::Bar means the same
    distribution: String,
    /// Version; without it, all versions together
    version: Option<String>,
    /// One to three of version, language_version, os, architecture
    #[arg(long, value_name = "AXES", value_delimiter = ',', default_values = ["language_version", "os"],
          value_parser = ["version", "language_version", "os", "architecture"])]
    axes: Vec<String>,
    #[command(flatten)]
    language: Language,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Args, Debug)]
#[command(after_help = "--ready asks as a proxy's health check does, and needs no database on the way: it suits the
health check of a container. It ends with exit code 5 when the server should be
given no requests now, and says why.")]
pub struct Status {
    /// Only ask whether the server can do its work now, and show its parts
    #[arg(long)]
    ready: bool,
    #[command(flatten)]
    asked: Asked,
}

/// The language whose reports are meant: counts of different languages never meet.
#[derive(Args, Debug)]
struct Language {
    /// perl or raku [default: perl]
    #[arg(long, value_name = "NAME", value_parser = ["perl", "raku"], hide_possible_values = true)]
    language: Option<String>,
}

impl Language {
    fn query(self) -> Vec<(&'static str, String)> {
        self.language.map(|language| ("language", language)).into_iter().collect()
    }
}

/// Whom to ask and how to print the answer.
#[derive(Args, Debug)]
pub struct Asked {
    #[command(flatten)]
    pub shape: Shape,
    #[command(flatten)]
    pub remote: Remote,
}

pub async fn report(Report { id, text, raw, asked }: Report, said: Said) -> anyhow::Result<()> {
    match (text, raw) {
        (true, _) => {
            let client = asked.remote.client(said)?;
            let answer = client.get(&["v4", "reports", &id, "text"], &[]).await?;
            printing::print(printing::harmless(&String::from_utf8_lossy(&answer.body)).as_bytes())
        }
        (_, true) => {
            let client = asked.remote.client(said)?;
            let mut chunks = client.stream(&["v4", "reports", &id, "raw"], &[], "*/*").await?;
            while let Some(chunk) = chunks.next().await? {
                printing::print(&chunk)?;
            }
            Ok(())
        }
        _ => asked.show(said, &["v4", "reports", &id], &[], shown::report).await,
    }
}

pub async fn receipt(Receipt { id, asked }: Receipt, said: Said) -> anyhow::Result<()> {
    asked.show(said, &["v4", "reports", &id, "receipt"], &[], shown::receipt).await
}

pub async fn release(Release { distribution, version, language, asked }: Release, said: Said) -> anyhow::Result<()> {
    let distribution = distribution_name(&distribution);
    let Asked { shape, remote } = asked;
    let client = remote.client(said)?;
    let query = language.query();
    let version = match version {
        Some(version) => version,
        None => newest(&client, &distribution, &query).await?,
    };
    let answer = client.get(&["v4", "releases", &distribution, &version], &query).await?;
    print(&answer, shape, shown::release)
}

pub async fn distribution(
    Distribution { distribution, language, asked }: Distribution,
    said: Said,
) -> anyhow::Result<()> {
    let name = distribution_name(&distribution);
    asked.show(said, &["v4", "distributions", &name], &language.query(), shown::distribution).await
}

pub async fn author(Author { author, asked }: Author, said: Said) -> anyhow::Result<()> {
    asked.show(said, &["v4", "authors", &author], &[], shown::author).await
}

pub async fn tester(Tester { id, asked }: Tester, said: Said) -> anyhow::Result<()> {
    asked.show(said, &["v4", "testers", &id], &[], shown::tester).await
}

pub async fn matrix(Matrix { distribution, version, axes, language, asked }: Matrix, said: Said) -> anyhow::Result<()> {
    if axes.len() > 3 {
        return Err(Usage("a matrix has one to three axes".to_owned()).into());
    }
    let name = distribution_name(&distribution);
    let mut path = vec!["v4", "matrix", &name];
    path.extend(version.as_deref());
    let mut query = language.query();
    query.push(("axes", axes.join(",")));
    asked.show(said, &path, &query, shown::matrix).await
}

pub async fn status(Status { ready, asked }: Status, said: Said) -> anyhow::Result<()> {
    let path: &[&str] = if ready { &["readyz"] } else { &["v4", "status"] };
    asked.show(said, path, &[], shown::status).await
}

impl Asked {
    /// Asks, and prints the answer as it came or for people.
    pub async fn show<T: DeserializeOwned>(
        self,
        said: Said,
        path: &[&str],
        query: &[(&str, String)],
        show: impl FnOnce(T) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let answer = self.remote.client(said)?.get(path, query).await?;
        print(&answer, self.shape, show)
    }
}

pub fn print<T: DeserializeOwned>(
    answer: &Answer,
    shape: Shape,
    show: impl FnOnce(T) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    // Read in either case: a proxy's page with status 200 is no answer, and is not passed on as JSON.
    let view = answer.view()?;
    match shape.json {
        true => printing::json(&answer.body),
        false => show(view),
    }
}

async fn newest(client: &Client, distribution: &str, query: &[(&str, String)]) -> anyhow::Result<String> {
    let answer = client.get(&["v4", "distributions", distribution], query).await?;
    let view: DistributionView = answer.view()?;
    let newest = view.releases.into_iter().next();
    Ok(newest.ok_or_else(|| Usage(format!("{distribution} has no release with reports")))?.version)
}

/// People say the module's name as often.
fn distribution_name(said: &str) -> String {
    said.replace("::", "-")
}
