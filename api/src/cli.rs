//! The command line of `assay`: what can be said, and who answers.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;

use crate::client::Client;
use crate::config::{self, Server, Settings, Sources};

mod changes;
mod check;
mod copy;
mod exit;
mod fsck;
mod import;
mod job;
mod lists;
mod metabase;
mod parcel;
mod patience;
mod printing;
mod progress;
mod reading;
mod rebuild;
mod reindex;
mod retention;
mod secret;
mod serving;
mod shown;
mod spool;
mod submit;
mod tables;
mod token;
mod withdrawals;

const BUGS: &str = match env!("CARGO_PKG_REPOSITORY").is_empty() {
    true => "Report bugs where the README says.",
    false => concat!("Report bugs at ", env!("CARGO_PKG_REPOSITORY"), "/issues."),
};

const VERSION: &str = env!("CARGO_PKG_VERSION");

const SETTINGS_HELP: &str = "\
Where settings come from, the first one found wins:
  1. a flag            --listen, --data, --server, or --set SECTION.KEY=VALUE
  2. the environment   ASSAY_SECTION__KEY, such as ASSAY_INTAKE__BODY_LIMIT
  3. a TOML file       --config FILE, else ASSAY_CONFIG, else
                       $XDG_CONFIG_HOME/assay/assay.toml when there is one
  4. the default
  `assay check --reference` prints every setting with its manual, default and
  range; `assay check` shows the values in force and where each was said.

Exit codes:
  0  done                          4  refused by the server (4xx)
  1  something else went wrong     5  the server failed (5xx)
  2  wrong usage or settings       6  the server could not be reached
  3  no right to do that           7  the server took too long
  8  the database is of another version of assay, or half migrated
  9  another assay works on the data directory";

const FOOTER: &str = "`assay --help` tells where settings come from, and the exit codes.";

/// Test reports of a package ecosystem: taken in, counted, searched, shown.
#[derive(Debug, Parser)]
#[command(
    name = "assay",
    version,
    long_version = format!("{VERSION}\n{BUGS}"),
    after_long_help = format!("{SETTINGS_HELP}\n\n{BUGS}"),
    after_help = "`--help` says more than `-h`.",
    max_term_width = 100,
    arg_required_else_help = true,
    subcommand_required = true,
)]
struct Cli {
    #[command(flatten)]
    said: Said,
    #[command(subcommand)]
    command: Command,
}

/// Settings that every command takes.
#[derive(Args, Debug)]
#[command(next_help_heading = "Settings")]
struct Said {
    /// Read settings from this TOML file
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Say any setting, such as intake.body_limit=8MiB
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything in one process: requests, pages, workers
    Serve(serving::Serve),
    /// Run only the part that answers requests
    Api(serving::Listening),
    /// Run only the part that processes reports
    Worker(Local),
    /// Bring the database to this version's shape
    Migrate(serving::Migrate),
    /// Read stored reports again, and bring up to date what is derived from them
    Rebuild(rebuild::Rebuild),
    /// Check what is stored against itself, and mend what can be derived
    Fsck(fsck::Fsck),
    /// Show which old bytes are kept no longer, and drop them
    Retention(retention::Retention),
    /// Move a whole database to another: from SQLite to PostgreSQL, or back
    Copy(copy::Copy),
    /// Show the settings in force with their origins, and test each part
    Check(check::Check),
    /// Issue, list, rotate and revoke bearer tokens
    Token(token::Token),
    /// Let a legacy tester who lost their secret use a new one
    ForgetSecret(secret::ForgetSecret),
    /// Send reports; keep them when the server is away, and send them later
    Submit(submit::Submit),
    /// Send a great many reports from files of lines, resumable
    Import(import::Import),
    /// Take back reports of yours: counted, listed and found nowhere
    Retract(withdrawals::Retract),
    /// Withdraw reports that are none: of a tester and a time, or by id
    Invalidate(withdrawals::Invalidate),
    /// Put withdrawn reports back
    Restore(withdrawals::Restore),
    /// Show one report
    Report(reading::Report),
    /// Show what became of a submission
    Receipt(reading::Receipt),
    /// Show the counts of one release
    Release(reading::Release),
    /// Show a distribution and its releases
    Distribution(reading::Distribution),
    /// Show the distributions of an author
    Author(reading::Author),
    /// Show a tester
    Tester(reading::Tester),
    /// Show grades by language version, operating system and other axes
    Matrix(reading::Matrix),
    /// List reports
    Results(lists::Results),
    /// List counts of releases
    Summaries(lists::Summaries),
    /// Search in reports
    Search(lists::Search),
    /// Show what has changed, in order, and go on as it happens
    Changes(changes::Changes),
    /// List, show, retry and park jobs, and wait until none is left
    Job(job::Job),
    /// Show how a server is doing
    Status(reading::Status),
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  assay completions bash > ~/.local/share/bash-completion/completions/assay")]
    Completions {
        /// The shell it is for
        shell: Shell,
    },
}

/// Flags of commands that work on the data directory themselves.
#[derive(Args, Debug)]
pub struct Local {
    /// Directory that holds all state; made when missing
    #[arg(long, value_name = "DIR", help_heading = "Settings")]
    data: Option<String>,
}

/// Flags of commands that ask a server.
#[derive(Args, Debug)]
pub struct Remote {
    /// The server to ask [default: client.server, http://127.0.0.1:8080]
    #[arg(long, value_name = "URL", help_heading = "Settings")]
    server: Option<String>,
    /// Bearer token; other users of this machine can see it, so rather use --token-file or ASSAY_TOKEN
    #[arg(long, value_name = "TOKEN", help_heading = "Settings", conflicts_with = "token_file")]
    token: Option<String>,
    /// File that holds the bearer token
    #[arg(long, value_name = "FILE", help_heading = "Settings")]
    token_file: Option<String>,
    /// Longest wait for one answer, such as 30s
    #[arg(long, value_name = "DURATION", help_heading = "Settings")]
    timeout: Option<String>,
}

/// How an answer is printed.
#[derive(Args, Clone, Copy, Debug)]
pub struct Shape {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Reads the command line, does what it says, and tells how it went.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = command().try_get_matches_from(arguments);
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            // Nobody is left to be told when stdout and stderr are closed.
            drop(error.print());
            return if error.use_stderr() { exit::Class::Usage.into() } else { exit::Class::Done.into() };
        }
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return exit::tell(&anyhow::Error::new(error).context("no threads could be started")).into(),
    };
    let class = runtime.block_on(run(cli)).unwrap_or_else(|error| exit::tell(&error));
    // A blocked read of stdin must not keep a finished command alive.
    runtime.shutdown_background();
    class.into()
}

async fn run(Cli { said, command }: Cli) -> anyhow::Result<exit::Class> {
    let done = exit::Class::Done;
    match command {
        Command::Serve(serve) => serving::serve(serve, said).await.map(|()| done),
        Command::Api(api) => serving::api(api, said).await.map(|()| done),
        Command::Worker(local) => serving::worker(local, said).await.map(|()| done),
        Command::Migrate(migrate) => serving::migrate(migrate, said).await.map(|()| done),
        Command::Rebuild(rebuild) => rebuild::rebuild(rebuild, said).await,
        Command::Fsck(fsck) => fsck::fsck(fsck, said).await,
        Command::Retention(retention) => retention::retention(retention, said).await,
        Command::Copy(copy) => copy::copy(copy, said).await,
        Command::Check(check) => check::check(check, said).await,
        Command::Token(token) => token::token(token, said).await.map(|()| done),
        Command::ForgetSecret(order) => secret::forget_secret(order, said).await.map(|()| done),
        Command::Submit(submit) => submit::submit(submit, said).await,
        Command::Import(import) => import::import(import, said).await,
        Command::Retract(retract) => withdrawals::retract(retract, said).await,
        Command::Invalidate(invalidate) => withdrawals::invalidate(invalidate, said).await.map(|()| done),
        Command::Restore(restore) => withdrawals::restore(restore, said).await,
        Command::Report(report) => reading::report(report, said).await.map(|()| done),
        Command::Receipt(receipt) => reading::receipt(receipt, said).await.map(|()| done),
        Command::Release(release) => reading::release(release, said).await.map(|()| done),
        Command::Distribution(one) => reading::distribution(one, said).await.map(|()| done),
        Command::Author(author) => reading::author(author, said).await.map(|()| done),
        Command::Tester(tester) => reading::tester(tester, said).await.map(|()| done),
        Command::Matrix(matrix) => reading::matrix(matrix, said).await.map(|()| done),
        Command::Results(results) => lists::results(results, said).await.map(|()| done),
        Command::Summaries(summaries) => lists::summaries(summaries, said).await.map(|()| done),
        Command::Search(search) => lists::search(search, said).await.map(|()| done),
        Command::Changes(changes) => changes::changes(changes, said).await.map(|()| done),
        Command::Job(job) => job::job(job, said).await,
        Command::Status(status) => reading::status(status, said).await.map(|()| done),
        Command::Completions { shell } => completions(shell).map(|()| done),
    }
}

/// The command line with the same last line under the help of each command.
fn command() -> clap::Command {
    Cli::command().mut_subcommands(with_footer)
}

fn with_footer(command: clap::Command) -> clap::Command {
    let help = command.get_after_help().map(|help| format!("{help}\n\n")).unwrap_or_default();
    command.after_help(format!("{help}{FOOTER}")).mut_subcommands(with_footer)
}

fn completions(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "assay", &mut script);
    printing::print(&script)
}

impl Said {
    /// The sources of settings, with the command's own flags over `--set`.
    fn sources(self, own: impl IntoIterator<Item = (&'static str, &'static str, Option<String>)>) -> Sources {
        let set = self.set.into_iter().map(|(key, value)| {
            let flag = format!("--set {key}");
            (key, value, flag)
        });
        let own = own.into_iter().filter_map(|(key, flag, value)| Some((key.to_owned(), value?, flag.to_owned())));
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Sources { file: self.config, environment, flags: set.chain(own).collect() }
    }
}

impl Local {
    fn settings(self, said: Said) -> anyhow::Result<Settings> {
        Ok(config::load(&said.sources([("data", "--data", self.data)]))?)
    }
}

impl Remote {
    fn server(self, said: Said) -> anyhow::Result<Server> {
        let sources = said.sources([
            ("client.server", "--server", self.server),
            ("client.token", "--token", self.token),
            ("client.token_file", "--token-file", self.token_file),
            ("client.timeout", "--timeout", self.timeout),
        ]);
        Ok(config::load_server(&sources)?)
    }

    fn client(self, said: Said) -> anyhow::Result<Client> {
        Ok(Client::new(&self.server(said)?)?)
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn every_command_says_what_it_is_for_and_each_flag_too() {
        for command in command().get_subcommands() {
            assert!(command.get_about().is_some(), "{} has no about", command.get_name());
            for argument in command.get_arguments() {
                let (command, argument_name) = (command.get_name(), argument.get_id());
                assert!(argument.get_help().is_some(), "{command} {argument_name} has no help");
            }
        }
    }
}
