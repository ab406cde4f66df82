//! Lines the server refuses, written beside the file with the reason, each once.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::lines::{Batch, Line};
use super::sending::Fate;

/// The file of refused lines. It is made with the first of them.
#[derive(Debug)]
pub struct Rejects {
    path: PathBuf,
    file: Option<File>,
    length: u64,
}

impl Rejects {
    /// Goes on after `length` bytes. What a stopped run wrote beyond them is written again.
    pub fn open(path: PathBuf, length: u64) -> anyhow::Result<Rejects> {
        let mut rejects = Rejects { path, file: None, length };
        if rejects.path.is_file() {
            rejects.file()?;
        }
        Ok(rejects)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes what of a batch was refused, and tells the length of the file now.
    pub fn write(&mut self, batch: &Batch, fates: &[Fate]) -> anyhow::Result<u64> {
        let mut text = String::new();
        for number in &batch.unfit {
            text.push_str(&format!("{}\n", json!({"line": number, "status": 413, "reason": "the line is too long"})));
        }
        for (line, fate) in batch.lines.iter().zip(fates) {
            if let Fate::Refused(reason) = fate {
                let errors = &reason.errors;
                let told = json!({
                    "line": line.number,
                    "status": reason.status,
                    "reason": reason.detail,
                    "errors": errors,
                    "report": as_sent(line),
                });
                text.push_str(&format!("{told}\n"));
            }
        }
        if !text.is_empty() {
            let attempted = format!("refused lines could not be written to {}", self.path.display());
            self.file()?.write_all(text.as_bytes()).context(attempted)?;
            self.length += text.len() as u64;
        }
        Ok(self.length)
    }

    fn file(&mut self) -> anyhow::Result<&mut File> {
        if self.file.is_none() {
            let open = || {
                let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&self.path)?;
                file.set_len(self.length)?;
                file.seek(SeekFrom::End(0))?;
                Ok::<_, std::io::Error>(file)
            };
            self.file = Some(open().with_context(|| format!("{} could not be opened", self.path.display()))?);
        }
        Ok(self.file.as_mut().expect("it was opened above"))
    }
}

/// The line as JSON, so that it can be mended and sent again; as text when it is not JSON.
fn as_sent(line: &Line) -> Value {
    let text = String::from_utf8_lossy(&line.bytes);
    match serde_json::from_str::<&RawValue>(&text) {
        Ok(_) => serde_json::from_str(&text).unwrap_or_default(),
        Err(_) => Value::String(text.into_owned()),
    }
}
