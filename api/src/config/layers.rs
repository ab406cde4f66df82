//! Where values come from: flags over environment over file over default, each value with its origin.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::keys::{self, Key};
use super::units::Setting;
use super::{ConfigError, Effective};

/// The places settings are read from. Handed in, so that a test needs neither a home nor an environment.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `--config FILE`.
    pub file: Option<PathBuf>,
    /// Environment variables; those not beginning with `ASSAY_` are read only for `HOME` and `XDG_…`.
    pub environment: BTreeMap<String, String>,
    /// Dotted key, value, and the flag as it was written; later ones win.
    pub flags: Vec<(String, String, String)>,
}

/// Where a value was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    File(PathBuf),
    Environment(String),
    Flag(String),
    /// A file that holds the value, and where that file was named.
    SecretFile(PathBuf, Box<Origin>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path) => write!(f, "file {}", path.display()),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::Flag(flag) => write!(f, "flag {flag}"),
            Origin::SecretFile(path, named) => write!(f, "file {}, named by {named}", path.display()),
        }
    }
}

/// Everything that was said, checked against the table of keys, and the faults found so far.
#[derive(Debug)]
pub struct Layers {
    said: BTreeMap<&'static str, (String, Origin)>,
    environment: BTreeMap<String, String>,
    faults: Vec<String>,
    effective: Vec<Effective>,
}

impl Layers {
    /// Reads every source. A key that nobody knows, or a file that cannot be read, is a fault kept for
    /// [`Layers::finish`].
    pub fn gather(sources: &Sources) -> Layers {
        let environment = sources.environment.clone();
        let mut layers = Layers { said: BTreeMap::new(), environment, faults: Vec::new(), effective: Vec::new() };
        layers.read_file(sources.file.as_deref());
        layers.read_environment();
        let flags: BTreeMap<&str, (&str, Origin)> = sources
            .flags
            .iter()
            .map(|(key, value, flag)| (key.as_str(), (value.as_str(), Origin::Flag(flag.clone()))))
            .collect();
        layers.add(flags.into_iter().map(|(key, (value, origin))| (key.to_owned(), value.to_owned(), origin)));
        layers
    }

    /// The value of a key, or its default; what cannot be read is noted and the default used in its stead.
    pub fn value<T: Setting>(&mut self, key: &'static Key, fits: impl Fn(&T) -> bool) -> T {
        let (text, origin) = match self.said.get(key.name) {
            Some((text, origin)) => (text.clone(), origin.clone()),
            None => (key.default.to_owned(), Origin::Default),
        };
        let parsed = T::parse(&text).and_then(|value| match fits(&value) {
            true => Ok(value),
            false => Err(format!("{text} is out of range: {}", key.accepts)),
        });
        let value = parsed.unwrap_or_else(|fault| {
            self.faults.push(format!("{} ({origin}): {fault}", key.name));
            T::parse(key.default).expect("every default can be read, as a test of this crate shows")
        });
        self.effective.push(Effective { key, value: key.shown(&text), origin });
        value
    }

    /// Notes a fault found after parsing, under the key and the origin of its value.
    pub fn fault(&mut self, name: &str, text: &str) {
        let origin = self.effective.iter().find(|one| one.key.name == name).map(|one| one.origin.clone());
        self.faults.push(format!("{name} ({}): {text}", origin.unwrap_or(Origin::Default)));
    }

    /// Shows a value that was worked out where none was said.
    pub fn derive(&mut self, name: &str, value: String) {
        if let Some(one) = self.effective.iter_mut().find(|one| one.key.name == name && one.value.is_empty()) {
            one.value = value;
        }
    }

    /// A folder of the XDG base directory specification: the variable, else a folder below `HOME`.
    pub fn base_directory(&self, variable: &str, below_home: &str) -> Option<PathBuf> {
        base_directory(&self.environment, variable, below_home)
    }

    pub fn finish(self) -> Result<Vec<Effective>, ConfigError> {
        match self.faults.is_empty() {
            true => Ok(self.effective),
            false => Err(ConfigError(self.faults)),
        }
    }

    fn read_file(&mut self, named: Option<&Path>) {
        let variable = self.environment.get("ASSAY_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
        let named = named.map(Path::to_owned).or(variable);
        let usual = self.base_directory("XDG_CONFIG_HOME", ".config").map(|base| base.join("assay/assay.toml"));
        let Some(path) = named.or(usual.filter(|path| path.is_file())) else { return };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => return self.faults.push(format!("{}: {error}", path.display())),
        };
        let table: toml::Table = match text.parse() {
            Ok(table) => table,
            Err(error) => return self.faults.push(format!("{}: {}", path.display(), error.to_string().trim_end())),
        };
        let mut leaves = Vec::new();
        flatten("", table, &mut leaves);
        self.add(leaves.into_iter().map(|(key, value)| (key, value, Origin::File(path.clone()))));
    }

    fn read_environment(&mut self) {
        let mut said = Vec::new();
        for (name, value) in &self.environment {
            let Some(rest) = name.strip_prefix("ASSAY_") else { continue };
            // A variable set to nothing, as compose files leave behind, says nothing.
            if name == "ASSAY_CONFIG" || value.is_empty() {
                continue;
            }
            let key = keys::of_variable(name).unwrap_or_else(|| rest.to_ascii_lowercase().replace("__", "."));
            said.push((key, value.clone(), Origin::Environment(name.clone())));
        }
        self.add(said);
    }

    /// Puts one source over those before it.
    fn add(&mut self, said: impl IntoIterator<Item = (String, String, Origin)>) {
        let mut layer: BTreeMap<&'static str, (String, Origin)> = BTreeMap::new();
        for (name, value, origin) in said {
            let (key, value, origin) = match keys::find(&name) {
                Some(key) => (key, value, origin),
                None => match keys::find_by_file(&name) {
                    Some(key) => match read_secret(&value) {
                        Ok(secret) => (key, secret, Origin::SecretFile(PathBuf::from(value), Box::new(origin))),
                        Err(error) => {
                            self.faults.push(format!("{name} ({origin}): {value}: {error}"));
                            continue;
                        }
                    },
                    None => {
                        self.faults.push(unknown(&name, &origin));
                        continue;
                    }
                },
            };
            if let Some((_, other)) = layer.insert(key.name, (value, origin.clone())) {
                self.faults.push(format!("{} is said twice: by {other} and by {origin}", key.name));
            }
        }
        self.said.append(&mut layer);
    }
}

/// The file's content without the line end that editors put there.
fn read_secret(path: &str) -> std::io::Result<String> {
    let text = std::fs::read_to_string(path)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn unknown(name: &str, origin: &Origin) -> String {
    match keys::nearest(name) {
        Some(key) => format!("{name} ({origin}): no such setting; did you mean {key}?"),
        None => format!("{name} ({origin}): no such setting; `assay check --reference` lists them"),
    }
}

/// Leaves of a TOML document under their dotted names, as text.
fn flatten(prefix: &str, table: toml::Table, leaves: &mut Vec<(String, String)>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match value {
            toml::Value::Table(table) => flatten(&key, table, leaves),
            value => leaves.push((key, plain(value))),
        }
    }
}

fn plain(value: toml::Value) -> String {
    match value {
        toml::Value::String(text) => text,
        toml::Value::Array(values) => values.into_iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// See [`Layers::base_directory`].
pub fn base_directory(environment: &BTreeMap<String, String>, variable: &str, below_home: &str) -> Option<PathBuf> {
    // The specification asks to ignore relative paths.
    let absolute = |name: &str| environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(below_home)))
}
