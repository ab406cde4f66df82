//! The files in `deploy/` and what the documentation says of them fit this assay: its settings, HAProxy's variables.

use std::collections::BTreeSet;
use std::path::Path;

use api::config::keys;
use serde_json::Value;

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

/// `deploy/compose.yaml` as a container engine reads it.
fn compose() -> Value {
    serde_saphyr::from_str(&file("deploy/compose.yaml")).unwrap()
}

fn names(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(object) => object.keys().map(String::as_str).collect(),
        Value::Array(list) => list.iter().map(|name| name.as_str().unwrap()).collect(),
        Value::Null => Vec::new(),
        other => panic!("{other} names nothing"),
    }
}

#[test]
fn every_service_that_stays_has_a_health_check_and_refers_to_what_is_there() {
    let compose = compose();
    let services = compose["services"].as_object().unwrap();
    assert_eq!(services.len(), 9);
    let image = file("deploy/Dockerfile");
    assert!(image.contains("\nHEALTHCHECK "));
    for (name, service) in services {
        let checked = match service.get("healthcheck") {
            Some(check) => check["disable"] != true && !check["test"].as_array().unwrap().is_empty(),
            None => service["image"] == "assay",
        };
        // It ends by itself.
        assert_eq!(checked, name != "migrate", "{name}: {service}");
        for other in names(&service["depends_on"]) {
            assert!(services.contains_key(other), "{name} waits for {other}");
            let condition = &service["depends_on"][other]["condition"];
            assert!(condition != "service_healthy" || services[other].get("healthcheck").is_some(), "{other}");
        }
        for volume in names(&service["volumes"]) {
            let (source, _) = volume.split_once(':').unwrap();
            let known = compose["volumes"].as_object().unwrap().contains_key(source);
            assert!(known || Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(source).exists(), "{volume}");
        }
    }
    for (name, command) in [("api1", "api"), ("api2", "api"), ("worker1", "worker"), ("worker2", "worker")] {
        assert_eq!(services[name]["command"], serde_json::json!([command]));
        let settings = services[name]["environment"].as_object().unwrap();
        assert!(settings.contains_key("ASSAY_DATABASE"), "{name} has the settings of all: {settings:?}");
        assert_eq!(settings.contains_key("ASSAY_WORKER_LISTEN"), command == "worker");
    }
}

/// The proxy's address is believed, so it has to be the proxy's: no other service may be given it first.
#[test]
fn the_proxys_own_address_is_given_to_no_other_service() {
    let compose = compose();
    let network = &compose["networks"]["default"]["ipam"]["config"][0];
    let net = |name: &str| network[name].as_str().unwrap().parse::<ipnet::IpNet>().unwrap();
    let address = compose["services"]["haproxy"]["networks"]["default"]["ipv4_address"].as_str().unwrap();
    let parsed: std::net::IpAddr = address.parse().unwrap();
    assert!(net("subnet").contains(&parsed) && !net("ip_range").contains(&parsed));
    assert!(net("subnet").contains(&net("ip_range")));
    assert_eq!(compose["services"]["api1"]["environment"]["ASSAY_PROXIES"], address);
}
