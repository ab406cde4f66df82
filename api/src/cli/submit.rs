//! `assay submit`: reports go to the server now, or into a spool and to the server later, once and in order.

use std::collections::{HashMap, VecDeque};
use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use reqwest::{Method, Url, header};
use schemas::views::ReceiptView;
use serde_json::Value;

use crate::client::{Client, ClientError};
use crate::config::Server;
use crate::config::units::duration;

use self::outcome::{Again, Outcome, Undelivered};
use super::exit::{self, Class, Usage};
use super::metabase::{self, Identity};
use super::parcel::{self, Kind, Parcel, Unfit};
use super::patience::Patience;
use super::spool::{Entry, Spool};
use super::{Remote, Said, printing};

mod outcome;

const HELP: &str = "\
A FILE is one v3 report, one legacy fact (Metabase), or lines of either; `-` is
stdin. A v3 report without an id is given one made of its content, so that
sending it twice counts it once.

When the server is away, answers 5xx, or asks to wait (429), the report is kept
in the spool, retried until --retry-for is over, and again at the next run.
Reports arrive in the order they were given. A report out of the spool that the
server refuses for good is put into its directory `rejected`, with the reason.

Examples:
  assay submit report.json --wait 10
  zcat reports.ndjson.gz | assay submit - --json
  assay submit fact.json --id-file ~/.cpanreporter/metabase_id.json
  assay submit --flush            only what the spool still holds

Exit code 0 when all are delivered, 4 when some are refused; when reports stay
in the spool, the code of the reason (4, 5, 6 or 7).";

#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Submit {
    /// Reports to send; `-` is stdin
    #[arg(value_name = "FILE", required_unless_present = "flush")]
    files: Vec<PathBuf>,
    /// Send what the spool holds from earlier runs
    #[arg(long)]
    flush: bool,
    /// Wait up to so many seconds for each report to be processed, and tell what became of it
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
    /// How long to go on trying before reports are left in the spool
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    retry_for: Duration,
    /// Where reports wait [default: a directory for each server below $XDG_STATE_HOME/assay/spool]
    #[arg(long, value_name = "DIR")]
    spool: Option<PathBuf>,
    /// Identity for legacy facts [default: ~/.cpanreporter/metabase_id.json, ~/.metabase/metabase_id.json]
    #[arg(long, value_name = "FILE")]
    id_file: Option<PathBuf>,
    /// Print one JSON object for each report
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// One run: how reports are delivered and told about.
struct Run {
    client: Client,
    identity: Result<Identity, String>,
    wait: Option<Duration>,
    json: bool,
    /// The first bad news decides the exit code.
    class: Class,
}

pub async fn submit(submit: Submit, said: Said) -> anyhow::Result<Class> {
    let server = submit.remote.server(said)?;
    let spool = spool_directory(submit.spool, &server)?;
    let inputs = read_files(&submit.files)?;
    let mut run = Run {
        client: Client::new(&server)?,
        identity: identity(submit.id_file, &server)?,
        wait: submit.wait.map(Duration::from_secs),
        json: submit.json,
        class: Class::Done,
    };
    let mut spool = Spool::open(spool)?;
    let mut parcels = VecDeque::new();
    for input in inputs {
        match input {
            Ok(parcel) => parcels.push_back(parcel),
            Err(unfit) => run.tell(unfit.into())?,
        }
    }
    if spool.entries()?.is_empty() {
        run.deliver_directly(&mut parcels).await?;
    }
    let mut labels = Labels::new();
    for parcel in parcels {
        let entry = spool.keep(&parcel)?;
        labels.insert(entry, parcel.label);
    }
    run.drain(&spool, &labels, Patience::lasting(submit.retry_for)).await?;
    Ok(run.class)
}

impl Run {
    /// Sends reports until one must be kept; that one and those behind it are left in the list.
    async fn deliver_directly(&mut self, parcels: &mut VecDeque<Parcel>) -> anyhow::Result<()> {
        while let Some(parcel) = parcels.front() {
            let outcome = match self.deliver(parcel).await {
                Ok(outcome) => outcome,
                Err(Undelivered { again: Again::Soon(_), reason, .. }) => {
                    printing::note(&format!("{}: {reason}; kept and tried again", parcel.label));
                    return Ok(());
                }
                Err(undelivered) => undelivered.outcome("refused", parcel),
            };
            self.tell(outcome)?;
            parcels.pop_front();
        }
        Ok(())
    }

    /// Sends what is in the spool, oldest first, for as long as there is patience.
    async fn drain(&mut self, spool: &Spool, labels: &Labels, mut patience: Patience) -> anyhow::Result<()> {
        let mut entries: VecDeque<Entry> = spool.entries()?.into();
        while let Some(entry) = entries.front() {
            let parcel = labelled(spool, entry, labels)?;
            match self.deliver(&parcel).await {
                Ok(outcome) => {
                    spool.remove(entry)?;
                    self.tell(outcome)?;
                    patience.renew();
                }
                Err(undelivered) => match undelivered.again {
                    Again::Soon(asked) if patience.wait(asked).await => continue,
                    Again::Soon(_) | Again::Changed => return self.leave(spool, &entries, labels, &undelivered),
                    Again::Never => {
                        spool.put_aside(entry, &undelivered.reason)?;
                        self.tell(undelivered.outcome("refused", &parcel))?;
                    }
                },
            }
            entries.pop_front();
        }
        Ok(())
    }

    /// Tells of each report that stays in the spool.
    fn leave(
        &mut self,
        spool: &Spool,
        entries: &VecDeque<Entry>,
        labels: &Labels,
        undelivered: &Undelivered,
    ) -> anyhow::Result<()> {
        for entry in entries {
            let parcel = labelled(spool, entry, labels)?;
            self.tell(undelivered.outcome("spooled", &parcel))?;
        }
        printing::note("`assay submit --flush` sends what is in the spool; so does the next submit");
        Ok(())
    }

    async fn deliver(&self, parcel: &Parcel) -> Result<Outcome, Undelivered> {
        let deadline = self.wait.map(|wait| Instant::now() + wait);
        let (status, id, receipt) = match parcel.kind {
            Kind::V3 => self.deliver_report(parcel).await?,
            Kind::Metabase => self.deliver_fact(parcel).await?,
        };
        let receipt = match (deadline, &id) {
            (Some(deadline), Some(id)) => self.settled(id, receipt, deadline).await,
            _ => receipt,
        };
        Ok(Outcome::accepted(parcel, id, status, receipt))
    }

    async fn deliver_fact(&self, parcel: &Parcel) -> Result<Delivered, Undelivered> {
        let identity = self.identity.as_ref().map_err(|missing| Undelivered {
            class: Class::Usage,
            status: None,
            reason: missing.clone(),
            again: Again::Changed,
        })?;
        let answer = metabase::submit(&self.client, identity, &parcel.bytes).await?;
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let id = body["guid"].as_str().map(str::to_owned).or(parcel.id.clone());
        Ok((answer.status, id, None))
    }

    async fn deliver_report(&self, parcel: &Parcel) -> Result<Delivered, ClientError> {
        let mut request = self
            .client
            .request(Method::POST, &["v4", "reports"])
            .header(header::CONTENT_TYPE, "application/json")
            .body(parcel.bytes.clone());
        if let Some(wait) = self.wait {
            request = request.header("prefer", format!("wait={}", wait.as_secs()));
        }
        let limit = self.client.timeout() + self.wait.unwrap_or_default();
        let answer = self.client.send(request, limit).await?;
        let receipt: ReceiptView = answer.view()?;
        Ok((answer.status, Some(receipt.id.clone()), Some(receipt)))
    }

    /// The receipt once nothing more will happen, or as it stands when the time is up. The report is accepted by
    /// now, so a server that does not tell its receipt is no failure.
    async fn settled(&self, id: &str, mut receipt: Option<ReceiptView>, deadline: Instant) -> Option<ReceiptView> {
        while !receipt.as_ref().is_some_and(|receipt| receipt.state.settled()) && Instant::now() < deadline {
            match self.client.get(&["v4", "reports", id, "receipt"], &[]).await {
                Ok(answer) => receipt = answer.view().ok().or(receipt),
                Err(error) if error.transient() => {}
                Err(_) => return receipt,
            }
            if !receipt.as_ref().is_some_and(|receipt| receipt.state.settled()) {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        receipt
    }

    fn tell(&mut self, outcome: Outcome) -> anyhow::Result<()> {
        if self.class == Class::Done {
            self.class = outcome.class;
        }
        match self.json {
            true => printing::json(outcome.as_json().to_string().as_bytes()),
            false => printing::line(&printing::harmless(&outcome.as_text())),
        }
    }
}

/// Where the reports of this run were read, by their place in the spool.
type Labels = HashMap<Entry, String>;

/// Status, id, and receipt when the door gives one.
type Delivered = (u16, Option<String>, Option<ReceiptView>);

fn labelled(spool: &Spool, entry: &Entry, labels: &Labels) -> anyhow::Result<Parcel> {
    let parcel = spool.parcel(entry)?;
    let label = labels.get(entry).cloned().unwrap_or(parcel.label);
    Ok(Parcel { label, ..parcel })
}

fn read_files(files: &[PathBuf]) -> anyhow::Result<Vec<Result<Parcel, Unfit>>> {
    let mut parcels = Vec::new();
    for path in files {
        let name = path.display().to_string();
        let mut bytes = Vec::new();
        let read = match name.as_str() {
            "-" => std::io::stdin().lock().read_to_end(&mut bytes),
            _ => std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)),
        };
        read.map_err(|error| Usage(format!("{name} could not be read: {error}")))?;
        parcels.extend(parcel::read(&name, Bytes::from(bytes)));
    }
    Ok(parcels)
}

/// The identity named, or the usual one. Its absence matters only once a legacy fact is to be sent.
fn identity(named: Option<PathBuf>, server: &Server) -> anyhow::Result<Result<Identity, String>> {
    match (named, Identity::usual_place(server.home.as_deref())) {
        (Some(path), _) => Identity::read(&path).map(Ok),
        (None, Some(path)) => Ok(Identity::read(&path).map_err(|error| exit::chain(&error))),
        (None, None) => Ok(Err("a legacy fact needs the tester's identity: --id-file metabase_id.json".to_owned())),
    }
}

/// Reports for one server are never sent to another.
fn spool_directory(named: Option<PathBuf>, server: &Server) -> anyhow::Result<PathBuf> {
    match (named, &server.state) {
        (Some(directory), _) => Ok(directory),
        (None, Some(state)) => Ok(state.join("spool").join(file_name(&server.url))),
        (None, None) => Err(Usage("there is no home for the spool: say --spool DIR".to_owned()).into()),
    }
}

/// A server's address as the name of a file.
pub fn file_name(url: &Url) -> String {
    url.as_str().trim_end_matches('/').replace(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-', "_")
}
