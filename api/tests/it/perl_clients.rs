//! Real Perl clients speak to assay: CPAN.pm with CPAN::Reporter, and Test::Reporter by itself (contract §11.1).
//!
//! Their scripts lie in `fixtures/perl`. Without the modules a test says that it proves nothing, and in CI it fails.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::server::Server;

/// A tester's machine: a home and an identity file of its own.
struct Machine {
    directory: TempDir,
    profile: String,
}

impl Machine {
    fn new() -> Machine {
        let mut machine = Machine { directory: tempfile::tempdir().unwrap(), profile: String::new() };
        std::fs::create_dir(machine.path("home")).unwrap();
        let identity = machine.path("metabase_id.json");
        let made = machine.run("make-profile.pl", &[text(&identity), "Jörg Example", "jorg@example.com"], &[]);
        machine.profile = made.trim().to_owned();
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs a script of `fixtures/perl`, and gives what it printed.
    fn run(&self, script: &str, arguments: &[&str], environment: &[(&str, &str)]) -> String {
        let output = Command::new("perl")
            .arg(scripts().join(script))
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .env("PERL_MM_USE_DEFAULT", "1")
            .envs(environment.iter().copied())
            .current_dir(self.directory.path())
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let told = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(output.status.success(), "{script} failed:\n{told}");
        told
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cpan_reporter_tests_a_release_and_both_its_reports_show_on_the_releases_page() {
    if !installed(&["CPAN::Reporter", "Test::Reporter", "Metabase::User::Profile"]) {
        return;
    }
    let server = Server::start();
    let machine = Machine::new();
    let (mirror, identity) = (machine.path("mirror"), machine.path("metabase_id.json"));
    machine.run("make-mirror.pl", &[text(&mirror)], &[]);
    let base = server.at("/api/v1/");
    for (failing, grade) in [("", "pass"), ("1", "fail")] {
        let arguments = [text(&mirror), &base, text(&identity)];
        let told = machine.run("test-release.pl", &arguments, &[("ASSAY_SAMPLE_FAILS", failing)]);
        assert!(told.contains(&format!("sending test report with '{grade}' via Metabase")), "{told}");
        assert!(!told.contains("error from"), "{told}");
    }
    server.settle().await;

    let release = server.json("/v4/releases/Assay-Sample/1.00").await;
    let counts = |name: &str| release[name].as_i64().unwrap();
    assert_eq!((counts("pass"), counts("fail"), counts("na"), counts("unknown")), (1, 1, 0, 0), "{release}");
    let rows = server.lines("/v4/results?distribution=Assay-Sample").await;
    let of = |grade: &str| rows.iter().find(|row| row["grade"] == grade).unwrap();
    for row in &rows {
        assert_eq!((row["author"].as_str(), row["version"].as_str()), (Some("ASSAY"), Some("1.00")));
        assert_eq!(row["tester"], "Jörg Example");
        assert_eq!(row["tester_id"], machine.profile.as_str());
    }
    assert_eq!(of("pass")["suite"]["tests"], 3);
    assert_eq!(of("fail")["suite"]["failures"], 1);
    assert_eq!(of("fail")["reason"]["code"], "test_failure");
    assert_eq!(of("fail")["reason"]["detail"], "t/environment.t");
    assert_eq!(of("fail")["language_version"], perl("printf '%vd', $^V").as_str());
    assert_eq!(of("fail")["architecture"], perl("use Config; print $Config{archname}").as_str());

    let page = server.get("/dist/Assay-Sample/1.00").await.text();
    for row in &rows {
        assert!(page.contains(row["id"].as_str().unwrap()), "the page links {row}");
    }
    let report = server.get(&format!("/v4/reports/{}/text", of("fail")["id"].as_str().unwrap())).await.text();
    assert!(report.contains("nobody asked this test to fail"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn test_reporter_registers_its_profile_and_sends_facts_of_the_real_classes() {
    if !installed(&["Test::Reporter", "Metabase::User::Profile"]) {
        return;
    }
    let server = Server::start();
    let machine = Machine::new();
    let identity = machine.path("metabase_id.json");
    // The second base path is the old one, and the profile is known by then.
    for (base, grade) in [("/api/v1/", "na"), ("/beta/", "unknown")] {
        let base = server.at(base);
        let comment = "a word of the tester: naïve façade";
        machine.run("send-report.pl", &[&base, text(&identity), grade, "ASSAY/Foo-Bar-v1.2.3.tar.gz", comment], &[]);
    }
    server.settle().await;
    let release = server.json("/v4/releases/Foo-Bar/v1.2.3").await;
    assert_eq!((&release["na"], &release["unknown"]), (&Value::from(1), &Value::from(1)));
    let rows = server.lines("/v4/results?distribution=Foo-Bar").await;
    assert!(rows.iter().all(|row| row["tester"] == "Jörg Example"), "{rows:?}");
    let answer = server.client.head(server.at(&format!("/api/v1/guid/{}", machine.profile))).send().await.unwrap();
    assert_eq!(answer.status(), 200, "the profile is registered");
}

fn installed(modules: &[&str]) -> bool {
    let missing: Vec<&&str> = modules
        .iter()
        .filter(|module| {
            !Command::new("perl")
                .arg(format!("-M{module}"))
                .args(["-e", "1"])
                .output()
                .is_ok_and(|ran| ran.status.success())
        })
        .collect();
    if !missing.is_empty() {
        assert!(std::env::var_os("CI").is_none(), "CI needs the Perl modules {missing:?}");
        services::say(&format!(
            "SKIPPED: the Perl modules {missing:?} are not installed, so NO real client spoke to assay"
        ));
    }
    missing.is_empty()
}

fn perl(program: &str) -> String {
    String::from_utf8(Command::new("perl").args(["-e", program]).output().unwrap().stdout).unwrap()
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/perl")
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
