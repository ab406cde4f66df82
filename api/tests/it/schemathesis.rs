//! Requests that schemathesis makes from the API's own documents: nothing fails in the server, and every answer is as
//! its document says.
//!
//! `ASSAY_SCHEMATHESIS_EXAMPLES=200 cargo test -p api --test it schemathesis` makes over 10,000 requests.

use std::process::Command;

use crate::server::Server;

/// What each answer is held against. That a request fits its document and is refused all the same is no fault: not
/// every rule can be said in a document.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance";

/// Requests for each operation and phase, unless the environment says otherwise.
const EXAMPLES: &str = "12";

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_schemathesis_are_as_the_documents_say() {
    if !installed() {
        return;
    }
    let server = Server::with(&["--listen", "127.0.0.1:0", "--demo"]);
    let (token, _) = server.token(&["--scope", "submit,read,admin"]);
    let examples = std::env::var("ASSAY_SCHEMATHESIS_EXAMPLES").unwrap_or_else(|_| EXAMPLES.to_owned());
    let mut faults = Vec::new();
    for document in ["/v4/openapi.json", "/v3", "/v1"] {
        let output = Command::new("schemathesis")
            .args(["run", &server.at(document), "--checks", CHECKS, "--max-examples", &examples])
            .args(["--phases", "examples,coverage,fuzzing", "--seed", "20261121", "--request-timeout", "30"])
            .args(["--header", &format!("Authorization: Bearer {token}")])
            // Holding requests open says nothing about their answers, and 0 workers would end the processing. Events come
            // without end.
            .args(["--exclude-operation-id", "resizeWorkers", "--exclude-operation-id", "events"])
            .args(["--suppress-health-check", "all", "--no-color"])
            .current_dir(server.home())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        println!("{document}: {}", told.lines().find(|line| line.contains("generated")).unwrap_or("?").trim());
        if !output.status.success() {
            faults.push(format!("{document}:\n{told}\n{}", String::from_utf8_lossy(&output.stderr)));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn installed() -> bool {
    let there = Command::new("schemathesis").arg("--version").output().is_ok_and(|ran| ran.status.success());
    if !there {
        assert!(std::env::var_os("CI").is_none(), "CI needs schemathesis (a package of PyPI) on the PATH");
        services::say("SKIPPED: schemathesis is not installed, so NOTHING was asked from the API's documents");
    }
    there
}
