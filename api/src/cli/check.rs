//! `assay check`: the settings in force, where each was said, and whether each part works.

use std::fmt::Write;

use clap::Args;
use serde_json::json;

use crate::config::{Key, Settings, keys};
use crate::installation::{self, Part};

use super::exit::Class;
use super::tables::{Ink, Table};
use super::{Local, Said, Shape, printing};

#[derive(Args, Debug)]
#[command(after_help = "Passwords and tokens are shown as stars. Exit code 1 when a part does not work.

Examples:
  assay check --data /var/lib/assay
  assay check --reference > assay.toml    every setting, to be edited")]
pub struct Check {
    #[command(flatten)]
    local: Local,
    /// Print every setting with its manual, default and range, as a TOML file, and test nothing
    #[arg(long, conflicts_with = "json")]
    reference: bool,
    #[command(flatten)]
    shape: Shape,
}

pub async fn check(Check { local, reference, shape }: Check, said: Said) -> anyhow::Result<Class> {
    if reference {
        return printing::print(self::reference().as_bytes()).map(|()| Class::Done);
    }
    let settings = local.settings(said)?;
    let parts = installation::check(&settings).await;
    match shape.json {
        true => printing::json(&as_json(&settings, &parts)?)?,
        false => {
            settings_table(&settings).print()?;
            parts_table(&parts).print()?;
        }
    }
    match parts.iter().all(|part| part.fault.is_none()) {
        true => Ok(Class::Done),
        false => Ok(Class::Other),
    }
}

fn settings_table(settings: &Settings) -> Table {
    let mut table = Table::new(&["setting", "value", "said by"]);
    for one in &settings.effective {
        let value = if one.value.is_empty() { "none" } else { &one.value };
        table.row([one.key.name.to_owned(), value.to_owned(), one.origin.to_string()]);
    }
    table
}

fn parts_table(parts: &[Part]) -> Table {
    let mut table = Table::new(&["part", "state", "found"]);
    for part in parts {
        let (word, ink, found) = match &part.fault {
            None => ("works", Ink::Good, part.found.clone()),
            Some(fault) => ("fails", Ink::Bad, fault.clone()),
        };
        table.inked([(part.name.to_owned(), Ink::Plain), (word.to_owned(), ink), (found, Ink::Plain)]);
    }
    table
}

fn as_json(settings: &Settings, parts: &[Part]) -> serde_json::Result<Vec<u8>> {
    let settings: Vec<_> = settings
        .effective
        .iter()
        .map(|one| json!({"key": one.key.name, "value": one.value, "origin": one.origin.to_string()}))
        .collect();
    let parts: Vec<_> = parts
        .iter()
        .map(|part| json!({"part": part.name, "works": part.fault.is_none(), "found": part.found, "fault": part.fault}))
        .collect();
    serde_json::to_vec_pretty(&json!({"settings": settings, "parts": parts}))
}

/// A configuration file with every setting at its default, commented out.
fn reference() -> String {
    let mut text = String::from("# Settings of assay. Each line below shows a default; remove the # to change it.\n");
    let mut section = "";
    for key in keys::all() {
        let (its_section, name) = key.name.rsplit_once('.').unwrap_or(("", key.name));
        if its_section != section {
            section = its_section;
            write!(text, "\n[{section}]\n").expect("writing to a string does not fail");
        }
        text.push_str(&entry(key, name));
    }
    text
}

fn entry(key: &Key, name: &str) -> String {
    let mut text = String::from("\n");
    for line in key.manual.lines() {
        text.push_str(&format!("#{line}\n"));
    }
    text.push_str(&format!("# Takes: {}.\n", key.accepts));
    if let Some(variable) = key.variable {
        text.push_str(&format!("# Also as {variable}.\n"));
    }
    if key.secret.is_some() {
        text.push_str(&format!("# Also from a file that holds the value: {name}_file = \"PATH\".\n"));
    }
    text.push_str(&format!("#{name} = {}\n", toml::Value::from(key.default)));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_is_toml_that_says_every_default() {
        let uncommented: String = reference()
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(setting) if setting.contains(" = ") && !setting.starts_with(' ') => format!("{setting}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let table: toml::Table = uncommented.parse().unwrap();
        for key in keys::all() {
            let value =
                key.name.split('.').try_fold(toml::Value::from(table.clone()), |value, name| value.get(name).cloned());
            assert_eq!(value, Some(toml::Value::from(key.default)), "{}", key.name);
        }
    }
}
