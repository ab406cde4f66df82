//! The files in `deploy/` and what the documentation says of them fit this assay: its settings, HAProxy's variables.

use std::collections::BTreeSet;
use std::path::Path;

use api::config::keys;

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Words of capitals, digits and underscores that begin so.
fn variables<'a>(text: &'a str, start: &str) -> BTreeSet<&'a str> {
    let words = text.split(|letter: char| !(letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_'));
    words.filter(|word| word.starts_with(start) && word.len() > start.len()).collect()
}

fn known(variable: &str) -> bool {
    let said = || variable.strip_prefix("ASSAY_").unwrap_or_default().to_ascii_lowercase().replace("__", ".");
    let name = keys::of_variable(variable).unwrap_or_else(said);
    keys::find(&name).is_some() || keys::find_by_file(&name).is_some()
}

#[test]
fn every_variable_in_the_files_of_a_deployment_is_a_setting() {
    assert!(known("ASSAY_DATABASE_FILE") && known("ASSAY_SERVER__DRAIN") && !known("ASSAY_SERVER__DRAINS"));
    for name in ["deploy/compose.yaml", "deploy/Dockerfile", "docs/growing.md"] {
        let text = file(name);
        let found = variables(&text, "ASSAY_");
        assert!(!found.is_empty(), "{name} sets none");
        for variable in found {
            assert!(known(variable), "{name}: {variable} is no setting");
        }
    }
}

#[test]
fn the_proxy_of_the_whole_stack_knows_its_nodes() {
    let (compose, haproxy) = (file("deploy/compose.yaml"), file("deploy/haproxy.cfg"));
    let nodes = variables(&compose, "API_");
    assert_eq!(nodes.len(), 2);
    for node in nodes {
        let lines = |text: &str| text.matches(&format!("\"${{{node}-")).count();
        let (readers, submissions) = haproxy.split_once("\nbackend submissions\n").unwrap();
        assert_eq!((lines(readers), lines(submissions)), (1, 2), "{node} reads, submits, and submits when unready");
        let address = compose.split(&format!("{node}: ")).nth(1).unwrap().split_whitespace().next().unwrap();
        let service = address.strip_suffix(":8080").expect("where a node listens");
        assert!(compose.contains(&format!("\n  {service}:\n    <<: *api\n")), "{service} is an api node");
    }
}
