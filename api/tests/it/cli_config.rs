//! Settings: which source wins, what is refused, and that nothing secret is shown.

use std::collections::BTreeMap;
use std::path::Path;

use api::config::{self, ConfigError, Database, Index, Origin, Queue, Secret, Settings, Sources, keys};
use tempfile::{TempDir, tempdir};

/// Sources with a home and nothing else.
fn sources(home: &Path) -> Sources {
    let environment = BTreeMap::from([("HOME".to_owned(), home.display().to_string())]);
    Sources { environment, ..Sources::default() }
}

fn with_environment(home: &Path, variables: &[(&str, &str)]) -> Sources {
    let mut sources = sources(home);
    sources.environment.extend(variables.iter().map(|(name, value)| (name.to_string(), value.to_string())));
    sources
}

fn flag(key: &str, value: &str) -> (String, String, String) {
    (key.to_owned(), value.to_owned(), format!("--set {key}"))
}

fn file(text: &str) -> (TempDir, Sources) {
    let home = tempdir().unwrap();
    let path = home.path().join("assay.toml");
    std::fs::write(&path, text).unwrap();
    let sources = Sources { file: Some(path), ..sources(home.path()) };
    (home, sources)
}

fn origin<'a>(settings: &'a Settings, name: &str) -> &'a Origin {
    &settings.effective.iter().find(|one| one.key.name == name).unwrap().origin
}

fn fault(sources: &Sources) -> String {
    let ConfigError(faults) = config::load(sources).unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults[0].clone()
}

#[test]
fn flags_win_over_environment_over_file_over_default() {
    let (home, mut sources) = file("workers = 3\n[intake]\nbody_limit = \"8 MiB\"\ngroup_limit = 10\n");
    let path = home.path().join("assay.toml");
    let settings = config::load(&sources).unwrap();
    assert_eq!((settings.workers, settings.intake.body_limit.bytes()), (3, 8 << 20));
    assert_eq!((settings.intake.group_limit, settings.intake.queue_limit), (10, 1_000_000));
    assert_eq!(origin(&settings, "workers"), &Origin::File(path));
    assert_eq!(origin(&settings, "intake.queue_limit"), &Origin::Default);

    sources.environment.insert("ASSAY_WORKERS".to_owned(), "4".to_owned());
    sources.environment.insert("ASSAY_INTAKE__BODY_LIMIT".to_owned(), "16MiB".to_owned());
    let settings = config::load(&sources).unwrap();
    assert_eq!((settings.workers, settings.intake.body_limit.bytes()), (4, 16 << 20));
    assert_eq!(origin(&settings, "intake.body_limit"), &Origin::Environment("ASSAY_INTAKE__BODY_LIMIT".to_owned()));

    sources.flags = vec![flag("workers", "5"), flag("workers", "0")];
    let settings = config::load(&sources).unwrap();
    assert_eq!(settings.workers, 0, "the last flag wins");
    assert_eq!(origin(&settings, "workers"), &Origin::Flag("--set workers".to_owned()));
}

#[test]
fn the_usual_file_is_read_when_it_is_there_and_a_named_one_must_be() {
    let home = tempdir().unwrap();
    let folder = home.path().join(".config/assay");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("assay.toml"), "workers = 7").unwrap();
    assert_eq!(config::load(&sources(home.path())).unwrap().workers, 7);

    let elsewhere = home.path().join("x");
    let text = elsewhere.display().to_string();
    let xdg = with_environment(home.path(), &[("XDG_CONFIG_HOME", &text)]);
    assert!(matches!(origin(&config::load(&xdg).unwrap(), "workers"), Origin::Default));

    let named = with_environment(home.path(), &[("ASSAY_CONFIG", "/no/such.toml")]);
    assert!(fault(&named).starts_with("/no/such.toml: "));
}

#[test]
fn an_unknown_key_names_itself_its_source_and_the_nearest_known_one() {
    let (home, sources) = file("[intake]\nbody_limitt = 5\n");
    let path = home.path().join("assay.toml");
    let told =
        format!("intake.body_limitt (file {}): no such setting; did you mean intake.body_limit?", path.display());
    assert_eq!(fault(&sources), told);

    let environment = with_environment(home.path(), &[("ASSAY_LISTENS", "127.0.0.1:1")]);
    assert_eq!(fault(&environment), "listens (environment ASSAY_LISTENS): no such setting; did you mean listen?");

    let mut flags = self::sources(home.path());
    flags.flags = vec![flag("body_limit", "5 MiB")];
    let told = "body_limit (flag --set body_limit): no such setting; did you mean intake.body_limit?";
    assert_eq!(fault(&flags), told);

    flags.flags = vec![flag("zzzzzzzzzzzzzzzzzzz", "1")];
    assert!(fault(&flags).contains("`assay check --reference` lists them"));
}

#[test]
fn every_fault_is_told_at_once() {
    let (_home, mut sources) = file("workers = \"many\"\n[read]\npage_limit = 0\n[log]\nformat = \"xml\"\n");
    sources.flags = vec![flag("listen", "nowhere"), flag("intake.body_limit", "5 PB")];
    let ConfigError(faults) = config::load(&sources).unwrap_err();
    let all = faults.join("\n");
    assert_eq!(faults.len(), 5, "{all}");
    for told in [
        "expected a whole number, not \"many\"",
        "0 is out of range: 1 to 100000 rows",
        "expected text or json, not \"xml\"",
        "listen (flag --set listen): expected HOST:PORT",
        "expected a size such as 32 MiB, not \"5 PB\"",
    ] {
        assert!(all.contains(told), "{told:?} is not in\n{all}");
    }
}

#[test]
fn a_file_that_is_no_toml_is_told_with_its_line() {
    let (_home, sources) = file("workers = \n");
    assert!(fault(&sources).contains("line 1"), "{}", fault(&sources));
}

#[test]
fn reports_without_a_credential_are_taken_by_default_only_on_loopback() {
    let home = tempdir().unwrap();
    for (listen, anonymous) in [
        ("127.0.0.1:8080", true),
        ("localhost:0,[::1]:8080", true),
        ("[::ffff:127.0.0.1]:1", true),
        ("127.0.0.1:8080,10.0.0.1:8080", false),
        ("0.0.0.0:8080", false),
        ("[::]:8080", false),
        ("example.org:80", false),
    ] {
        let settings = config::load(&with_environment(home.path(), &[("ASSAY_LISTEN", listen)])).unwrap();
        assert_eq!(settings.intake.anonymous, anonymous, "{listen}");
        let shown = settings.effective.iter().find(|one| one.key.name == "intake.anonymous").unwrap();
        assert_eq!(shown.value, anonymous.to_string(), "{listen}");
    }
    let mut said = with_environment(home.path(), &[("ASSAY_LISTEN", "0.0.0.0:1")]);
    said.flags = vec![flag("intake.anonymous", "true")];
    assert!(config::load(&said).unwrap().intake.anonymous);
}

#[test]
fn listening_addresses_are_a_list_in_the_file_too() {
    let (_home, sources) = file("listen = [\"127.0.0.1:1\", \"[::1]:2\"]\n");
    let listen: Vec<String> = config::load(&sources).unwrap().listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["127.0.0.1:1", "[::1]:2"]);
}

#[test]
fn urls_choose_the_profile_and_a_refusal_is_without_the_password() {
    let home = tempdir().unwrap();
    let url = "postgres://assay:hunter2@db/assay";
    let settings = config::load(&with_environment(home.path(), &[("ASSAY_DATABASE", url)])).unwrap();
    assert_eq!(settings.database, Database::Postgres(url.to_owned()));
    assert!(!settings.effective.iter().any(|effective| effective.value.contains("hunter2")));
    assert!(!settings.database.to_string().contains("hunter2"));
    for (variable, value) in [
        ("ASSAY_DATABASE", "mysql://assay:hunter2@db/assay"),
        ("ASSAY_QUEUE", "amqp://:hunter2@mq"),
        ("ASSAY_INDEX", "ftp://search:hunter2@x"),
    ] {
        let told = fault(&with_environment(home.path(), &[(variable, value)]));
        assert!(told.contains("expected"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
    let data = home.path().join("d").display().to_string();
    let settings = config::load(&with_environment(home.path(), &[("ASSAY_DATA", &data)])).unwrap();
    assert_eq!(settings.database, Database::Sqlite(home.path().join("d/assay.db")));
    let settings = config::load(&with_environment(home.path(), &[("ASSAY_DATABASE", "sqlite:///x/y.db")])).unwrap();
    assert_eq!(settings.database, Database::Sqlite("/x/y.db".into()));
}

#[test]
fn an_index_is_a_directory_or_the_nodes_of_a_search_engine() {
    let home = tempdir().unwrap();
    let with = |value: &str| with_environment(home.path(), &[("ASSAY_INDEX", value)]);
    let settings = config::load(&with("http://ann:hunter2@one:9200,two:9200/reports?replicas=2")).unwrap();
    let Index::Engine(address) = &settings.index else { panic!("{:?}", settings.index) };
    assert_eq!(address.to_string(), "http://one:9200,two:9200/reports");
    let shown = settings.effective.iter().find(|one| one.key.name == "index").unwrap();
    assert_eq!(shown.value, "http://ann:***@one:9200,two:9200/reports?replicas=2");
    assert!(!format!("{settings:?}").contains("hunter2"), "{settings:?}");
    for wrong in ["http://ann:hunter2@one:9200/a/b", "http://ann:hunter2@one:x", "ftp://ann:hunter2@one"] {
        let told = fault(&with(wrong));
        assert!(told.contains("index (environment ASSAY_INDEX)") && !told.contains("hunter2"), "{told}");
    }
    assert_eq!(config::load(&with("/x/index")).unwrap().index, Index::Directory("/x/index".into()));
}

#[test]
fn a_secret_can_come_from_a_file_and_is_said_once() {
    let home = tempdir().unwrap();
    let path = home.path().join("url");
    std::fs::write(&path, "sqlite:///x/z.db\r\n").unwrap();
    let text = path.display().to_string();
    let settings = config::load(&with_environment(home.path(), &[("ASSAY_DATABASE_FILE", &text)])).unwrap();
    assert_eq!(settings.database, Database::Sqlite("/x/z.db".into()));
    let named = Origin::Environment("ASSAY_DATABASE_FILE".to_owned());
    assert_eq!(origin(&settings, "database"), &Origin::SecretFile(path.clone(), Box::new(named)));

    let both = [("ASSAY_DATABASE_FILE", text.as_str()), ("ASSAY_DATABASE", "sqlite:///x/y.db")];
    assert!(fault(&with_environment(home.path(), &both)).contains("database is said twice"));
    let missing = with_environment(home.path(), &[("ASSAY_DATABASE_FILE", "/no/such")]);
    assert!(fault(&missing).contains("/no/such"));
    let (_home, not_secret) = file("workers_file = \"/x\"");
    assert!(fault(&not_secret).contains("no such setting"));
}

#[test]
fn the_token_is_not_in_what_is_shown_or_printed_for_debugging() {
    let (_home, sources) = file("[client]\ntoken = \"as_secret\"\nserver = \"https://a.example/x/\"\n");
    let settings = config::load(&sources).unwrap();
    let server = config::load_server(&sources).unwrap();
    assert_eq!(server.token.as_ref().unwrap().0, "as_secret");
    assert!(!format!("{settings:?} {server:?}").contains("as_secret"));
}

#[test]
fn without_a_home_the_data_directory_must_be_said() {
    let told = fault(&Sources::default());
    assert_eq!(told, "data (default): neither HOME nor XDG_DATA_HOME is set; say where with --data DIR");
    let flags = vec![flag("data", "/srv/assay")];
    assert!(config::load(&Sources { flags, ..Sources::default() }).is_ok());
    assert!(config::load_server(&Sources::default()).is_ok(), "asking a server needs none");
}

#[test]
fn every_default_can_be_read_and_every_key_is_read_once() {
    let settings = config::load(&sources(tempdir().unwrap().path())).unwrap();
    let shown: Vec<&str> = settings.effective.iter().map(|one| one.key.name).collect();
    let known: Vec<&str> = keys::all().map(|key| key.name).collect();
    assert_eq!(shown, known);
    assert!(keys::all().all(|key| !key.manual.trim().is_empty() && !key.accepts.is_empty()));
}

#[test]
fn the_manual_tells_the_range_of_workers_that_the_queue_keeps_to() {
    let told = format!("0 to {};", pipeline::queue::MOST_WORKERS);
    assert!(keys::find("workers").unwrap().accepts.starts_with(&told));
    let home = tempdir().unwrap();
    let more = (pipeline::queue::MOST_WORKERS + 1).to_string();
    assert!(fault(&with_environment(home.path(), &[("ASSAY_WORKERS", &more)])).contains(&told));
}

#[test]
fn a_redis_is_named_by_its_url_and_its_password_is_not_shown() {
    let home = tempdir().unwrap();
    let load = |variables: &[(&str, &str)]| config::load(&with_environment(home.path(), variables)).unwrap();
    let shown = |settings: &Settings, name: &str| {
        settings.effective.iter().find(|one| one.key.name == name).unwrap().value.clone()
    };
    let settings = load(&[]);
    assert_eq!((&settings.queue, &settings.events), (&Queue::InDatabase, &None));

    // News goes over the queue's Redis, unless another is named, or none.
    let url = "redis://assay:s3cr3t@10.0.0.7:6380/2";
    let settings = load(&[("ASSAY_QUEUE", url)]);
    let redis = |url: &str| Secret(url.to_owned());
    assert_eq!((&settings.queue, &settings.events), (&Queue::Redis(redis(url)), &Some(redis(url))));
    assert!(!format!("{settings:?}").contains("s3cr3t"));
    for name in ["queue", "events"] {
        assert_eq!(shown(&settings, name), "redis://assay:***@10.0.0.7:6380/2");
    }
    let settings = load(&[("ASSAY_QUEUE", url), ("ASSAY_EVENTS", "redis://10.0.0.8")]);
    assert_eq!(settings.events, Some(redis("redis://10.0.0.8")));
    let settings = load(&[("ASSAY_QUEUE", url), ("ASSAY_EVENTS", "none")]);
    assert_eq!(settings.events, None);

    for (variable, value, told) in [
        ("ASSAY_QUEUE", "amqp://10.0.0.7", "expected redis://HOST"),
        ("ASSAY_QUEUE", "redis://:s3cr3t@10.0.0.7/first", "expected redis://"),
        ("ASSAY_QUEUE", "redis://:s3cr3t@10.0.0.7?prefix=all*", "letters, digits"),
        ("ASSAY_EVENTS", "redis://:s3cr3t@10.0.0.7?prefix=", "letters, digits"),
        ("ASSAY_EVENTS", "rediss://:s3cr3t@10.0.0.7", "no TLS to Redis"),
        ("ASSAY_EVENTS", "10.0.0.7", "expected redis://HOST"),
    ] {
        let fault = fault(&with_environment(home.path(), &[(variable, value)]));
        assert!(fault.contains(told) && !fault.contains("s3cr3t"), "{fault}");
    }
}
