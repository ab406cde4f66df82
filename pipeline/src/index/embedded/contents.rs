//! What an index holds, read beside the process that writes it.

use std::path::Path;

use tantivy::directory::MmapDirectory;
use tantivy::{Index, ReloadPolicy};

use super::faults::{guarded, told};
use super::opened::Payload;
use super::place::check_positions;
use super::{OPENING, Tantivy, fields};
use crate::index::IndexError;

/// The numbers of an index's documents.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    /// The change number up to which the index is complete.
    pub mark: i64,
    /// A number for each document, ascending; twice where two documents have it.
    pub numbers: Vec<i64>,
}

impl Tantivy {
    /// Looks into the index in this directory without taking its lock. An index that was never begun is empty.
    ///
    /// The mark is read before the documents, which may be of a later commit, but of no earlier one.
    pub fn look(directory: &Path) -> Result<Contents, IndexError> {
        if !directory.exists() {
            return Ok(Contents::default());
        }
        guarded(directory, || {
            let opening = told(OPENING, directory);
            let outdated = || IndexError::Outdated { directory: directory.into() };
            let files = MmapDirectory::open(directory).map_err(|error| opening(error.into()))?;
            if !Index::exists(&files).map_err(|error| opening(error.into()))? {
                return Ok(Contents::default());
            }
            let index = Index::open(files).map_err(opening)?;
            let metas = index.load_metas().map_err(opening)?;
            if metas.schema != fields::Fields::new().schema {
                return Err(outdated());
            }
            let Some(payload) = metas.payload else { return Ok(Contents::default()) };
            let mark = Payload::of_this_layout(&payload).ok_or_else(outdated)?.mark;
            check_positions(&index).map_err(opening)?;
            let numbers = numbers(&index).map_err(opening)?;
            Ok(Contents { mark, numbers })
        })
    }
}

fn numbers(index: &Index) -> tantivy::Result<Vec<i64>> {
    let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
    let mut numbers = Vec::new();
    for segment in reader.searcher().segment_readers() {
        let column = segment.fast_fields().i64(fields::NUMBER)?;
        numbers.extend(segment.doc_ids_alive().filter_map(|document| column.first(document)));
    }
    numbers.sort_unstable();
    Ok(numbers)
}
