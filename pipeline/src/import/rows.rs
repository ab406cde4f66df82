//! Rows of `cpanstats`, out of a dump or a live database, as reports.

use std::io::Read;

use chrono::{DateTime, Utc};
use schemas::cpanstats::{self, Row, Unfit};

use super::{Historic, Sender};
use crate::store::Door;

/// The report a row is. It was received when it was made, which is the only time it tells; no later than `now`.
pub fn historic(row: &Row, now: DateTime<Utc>) -> Result<Historic, Unfit> {
    let reading = cpanstats::read(row)?;
    Ok(Historic {
        id: reading.id,
        number: row.id.filter(|id| *id > 0),
        door: Door::Cpanstats,
        tester: Sender::named(reading.reporter),
        received_at: reading.created.min(now),
        bytes: serde_json::to_vec(row).expect("a row is texts and numbers"),
    })
}

/// How a dump writes its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Commas, quotes doubled within quotes.
    Csv,
    /// As MySQL writes it: tabs, `\N` for NULL, backslash escapes.
    Tsv,
}

/// Columns of the table in the order it has them, for dumps without a line of names.
const COLUMNS: [&str; 14] = [
    "id", "guid", "state", "postdate", "tester", "dist", "version", "platform", "perl", "osname", "osvers", "fulldate",
    "type", "uploadid",
];

/// The rows of a dump, one after the other.
pub struct Rows<R> {
    reader: csv::Reader<R>,
    form: Form,
    columns: Vec<String>,
    record: csv::ByteRecord,
    /// The first line, where it held a row.
    first: Option<csv::ByteRecord>,
}

/// A line that is no row; the reading goes on after it.
#[derive(Debug, thiserror::Error)]
pub enum Damaged {
    #[error("the line has not as many columns as the table")]
    Columns,
    #[error("the line is not text in UTF-8")]
    Encoding,
    #[error("the dump could not be read")]
    Read(#[source] csv::Error),
}

impl Damaged {
    /// Whether nothing comes after it.
    pub fn last(&self) -> bool {
        matches!(self, Damaged::Read(_))
    }
}

impl<R: Read> Rows<R> {
    /// Reads the line of names, if there is one: a first line with `guid` in it.
    pub fn open(source: R, form: Form) -> Result<Rows<R>, Damaged> {
        let mut builder = csv::ReaderBuilder::new();
        builder.has_headers(false).flexible(true);
        if form == Form::Tsv {
            builder.delimiter(b'\t').quoting(false);
        }
        let mut reader = builder.from_reader(source);
        let mut record = csv::ByteRecord::new();
        let mut first = None;
        let mut columns: Vec<String> = COLUMNS.iter().map(|name| (*name).to_owned()).collect();
        if reader.read_byte_record(&mut record).map_err(Damaged::Read)? {
            let names: Vec<String> =
                record.iter().map(|name| String::from_utf8_lossy(name).trim().to_ascii_lowercase()).collect();
            match names.iter().any(|name| name == "guid") {
                true => columns = names,
                false => first = Some(record.clone()),
            }
        }
        Ok(Rows { reader, form, columns, record, first })
    }

    fn row(&self, record: &csv::ByteRecord) -> Result<Row, Damaged> {
        if record.len() != self.columns.len() {
            return Err(Damaged::Columns);
        }
        let mut row = Row::default();
        for (name, bytes) in self.columns.iter().zip(record) {
            let text = self.text(bytes)?;
            match name.as_str() {
                "id" => row.id = text.trim().parse().ok(),
                "guid" => row.guid = text,
                "state" => row.state = text,
                "postdate" => row.postdate = text,
                "tester" => row.tester = text,
                "dist" => row.dist = text,
                "version" => row.version = text,
                "platform" => row.platform = text,
                "perl" => row.perl = text,
                "osname" => row.osname = text,
                "osvers" => row.osvers = text,
                "fulldate" => row.fulldate = text,
                "type" => row.kind = text,
                "uploadid" => row.uploadid = text.trim().parse().ok(),
                // Older dumps have columns that nothing was made of.
                _ => {}
            }
        }
        Ok(row)
    }

    fn text(&self, bytes: &[u8]) -> Result<String, Damaged> {
        let bytes = match self.form {
            Form::Csv if bytes == b"NULL" || bytes == b"\\N" => Vec::new(),
            Form::Csv => bytes.to_vec(),
            Form::Tsv => unescaped(bytes),
        };
        String::from_utf8(bytes).map_err(|_| Damaged::Encoding)
    }
}

impl<R: Read> Iterator for Rows<R> {
    type Item = Result<Row, Damaged>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(first) = self.first.take() {
            return Some(self.row(&first));
        }
        let mut record = std::mem::take(&mut self.record);
        let read = self.reader.read_byte_record(&mut record);
        let item = match read {
            Ok(false) => None,
            Ok(true) => Some(self.row(&record)),
            Err(error) => Some(Err(Damaged::Read(error))),
        };
        self.record = record;
        item
    }
}

/// MySQL's escapes: `\N` alone is NULL, `\t`, `\n`, `\r`, `\0`, and a backslash before anything else.
fn unescaped(bytes: &[u8]) -> Vec<u8> {
    if bytes == b"\\N" || bytes == b"NULL" {
        return Vec::new();
    }
    let mut text = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        match (byte, byte == &b'\\') {
            (_, true) => text.push(match rest.next() {
                Some(b't') => b'\t',
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b'0') => 0,
                Some(b'Z') => 0x1a,
                Some(other) => *other,
                None => b'\\',
            }),
            (plain, false) => text.push(*plain),
        }
    }
    text
}
