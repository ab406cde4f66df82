//! The engine of the deployed profile: Elasticsearch or OpenSearch, reached over HTTP.
//!
//! Documents lie in one index for each month of receipt, all behind an alias. Each write carries the mark of its batch
//! as its version, and a write loses against a newer one: a request that comes late, or from a process that has fallen
//! behind, does no harm. How far an index has come is a document of its own, written when all before it is searchable.

mod address;
mod bulk;
mod client;
mod contents;
mod generations;
mod layout;
mod translate;

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use elasticsearch::http::Method;
use schemas::query::Query;
use serde_json::{Value, json};

use super::{Contents, Document, DocumentIndex, Found, IndexError, Order, check_window};
pub use address::{Address, NotAnAddress};
use bulk::{Bulk, Target, Write};
use client::{Answer, Client, Failure, Request};
use generations::{Generations, Reached};
use layout::{FORMAT, NUMBER, Names};

/// Documents in a search engine. Several processes may write to it, and none is harmed by another.
pub struct Elastic {
    client: Arc<Client>,
    address: Address,
    names: Names,
    /// What searches are to see. `None`: whatever generation is shown.
    beside: Option<u64>,
    /// The generation that those who write know the mark of.
    known: Mutex<Option<u64>>,
    /// Held by the one who writes: the months that are known to be there.
    months: Mutex<HashSet<String>>,
}

impl Elastic {
    /// An index at this address. Nothing is asked of the engine yet, which may be away.
    pub fn new(address: &Address) -> Result<Elastic, IndexError> {
        let client = Client::new(address).map_err(told("the search engine cannot be used"))?;
        Ok(Elastic::of(Arc::new(client), address, None))
    }

    fn of(client: Arc<Client>, address: &Address, beside: Option<u64>) -> Elastic {
        let (known, months) = (Mutex::new(beside), Mutex::new(HashSet::new()));
        Elastic { client, address: address.clone(), names: Names::new(address), beside, known, months }
    }

    /// The numbers of the documents that searches see.
    pub fn contents(&self) -> Result<Contents, IndexError> {
        // The mark first: documents may be of a later batch, but of no earlier one.
        let mark = self.mark()?;
        let numbers = contents::numbers(&self.client, &self.searched());
        let numbers = numbers.map_err(told("the documents could not be listed"))?;
        Ok(Contents { mark, numbers })
    }

    /// Takes everything off the engine that has the prefix of the address: all generations, aliases and the template.
    pub fn remove(&self) -> Result<(), IndexError> {
        let removing = told("the document index could not be removed");
        locked(&self.months).clear();
        *locked(&self.known) = None;
        self.generations().remove(|_| true).map_err(&removing)?;
        let path = format!("_index_template/{}", self.names.shown());
        match self.client.call(Request::write(Method::Delete, path)).map_err(&removing)? {
            answer if answer.status == 404 => Ok(()),
            answer => answer.done().map(drop).map_err(removing),
        }
    }

    fn generations(&self) -> Generations<'_> {
        Generations { client: &self.client, address: &self.address, names: &self.names }
    }

    /// What a search is put to.
    fn searched(&self) -> String {
        match self.beside {
            Some(generation) => self.names.months(generation),
            None => self.names.shown().to_owned(),
        }
    }

    fn reached(&self) -> Result<Option<Reached>, IndexError> {
        let generations = self.generations();
        let reached = match self.beside {
            Some(generation) => generations.of(generation),
            None => generations.shown(),
        };
        let reached = reached.map_err(told("the document index could not be asked"))?;
        match reached {
            Some(reached) if reached.format != FORMAT => Err(IndexError::Unfit {
                place: self.address.to_string(),
                fault: "was made by another version of assay",
            }),
            reached => Ok(reached),
        }
    }

    /// The generation that a write goes to, made when there is none. One that has taken the place of the one whose
    /// mark the caller knows is refused once: with the new one's mark, he has something else to write.
    fn written(&self) -> Result<u64, IndexError> {
        let generation = match (self.reached()?, self.beside) {
            (Some(reached), _) => reached.generation,
            (None, Some(generation)) => return Err(replaced(generation)),
            (None, None) => self.first().map_err(told(INDEXING))?,
        };
        match locked(&self.known).replace(generation) {
            Some(known) if known != generation => Err(replaced(known)),
            _ => Ok(generation),
        }
    }

    /// Begins and shows a generation where there is none.
    fn first(&self) -> Result<u64, Failure> {
        let generations = self.generations();
        let generation = generations.begin()?;
        if let Some(other) = generations.shown()? {
            // Another process was quicker.
            generations.remove(|one| one == generation)?;
            return Ok(other.generation);
        }
        generations.show(generation)?;
        Ok(generation)
    }

    /// Writes documents to the indices of their months, and takes the removed ones out of wherever they are.
    fn write(
        &self,
        generation: u64,
        months: &mut HashSet<String>,
        documents: &BTreeMap<i64, Document>,
        removed: &[i64],
        version: i64,
    ) -> Result<(), Failure> {
        let mut bulk = Bulk::new(&self.client);
        for document in documents.values() {
            let month = self.names.month(generation, document.received_at);
            if !months.contains(&month) {
                if months.is_empty() {
                    // How many shards and copies there are to be may have been said otherwise since.
                    self.generations().set_template()?;
                }
                self.generations().begin_month(generation, &month, self.beside.is_none())?;
                months.insert(month.clone());
            }
            let target = Target { index: &month, number: document.number, version };
            bulk.add(Write::put(&target, &layout::document(document)))?;
        }
        bulk.flush()?;
        if !removed.is_empty() {
            // What an earlier attempt has written is not searchable yet if it was cut short.
            self.refresh(generation)?;
            for (number, index) in contents::places(&self.client, &self.names.months(generation), removed)? {
                bulk.add(Write::remove(&Target { index: &index, number, version }))?;
            }
            bulk.flush()?;
        }
        if !documents.is_empty() || !removed.is_empty() {
            self.refresh(generation)?;
        }
        self.generations().set_mark(generation, version)
    }

    /// Lets searches see what has been written.
    fn refresh(&self, generation: u64) -> Result<(), Failure> {
        let path = format!("{}/_refresh?ignore_unavailable=true", self.names.months(generation));
        let answer = self.client.call(Request::write(Method::Post, path))?.done()?;
        match answer.body.pointer("/_shards/failed").and_then(Value::as_u64) {
            Some(0) => Ok(()),
            _ => Err(Failure::Partly { reason: client::reason(&answer.body) }),
        }
    }

    fn ask(&self, body: &Value, order: Order) -> Result<Answer, Failure> {
        // Statistics of all months and shards together, or a rare word would weigh otherwise in each.
        let kind = if order == Order::Relevance { "dfs_query_then_fetch" } else { "query_then_fetch" };
        let options = "ignore_unavailable=true&allow_partial_search_results=false";
        // The same question goes to the same copies: between copies, scores differ by what is not yet merged away.
        let preference = preference(&body["query"]);
        let path = format!("{}/_search?{options}&search_type={kind}&preference={preference}", self.searched());
        let request = Request::read(Method::Post, path).json(body);
        let answer = self.client.call(request.clone())?;
        // Indices that went while they were searched have been replaced: the alias names others by now.
        let answer = if answer.status == 404 { self.client.call(request)? } else { answer };
        answer.done()
    }
}

impl DocumentIndex for Elastic {
    /// Not all or nothing, as no request spans two indices: documents of a batch that fails may be found, but the mark
    /// stays, and the batch put again does the rest.
    fn put(&self, documents: Vec<Document>, removed: Vec<i64>, mark: i64) -> Result<(), IndexError> {
        let mut months = locked(&self.months);
        let generation = self.written().inspect_err(|_| months.clear())?;
        let mut documents: BTreeMap<i64, Document> =
            documents.into_iter().map(|document| (document.number, document)).collect();
        let removed_at_once: HashSet<i64> = removed.iter().copied().collect();
        documents.retain(|number, _| !removed_at_once.contains(number));
        let written = self.write(generation, &mut months, &documents, &removed, mark);
        // A month may be gone, or its generation not be shown any more.
        written.inspect_err(|_| months.clear()).map_err(told(INDEXING))
    }

    fn mark(&self) -> Result<i64, IndexError> {
        let Some(reached) = self.reached()? else { return Ok(0) };
        locked(&self.known).get_or_insert(reached.generation);
        Ok(reached.mark)
    }

    fn search(&self, query: &Query, order: Order, offset: usize, limit: usize) -> Result<Found, IndexError> {
        check_window(offset, limit)?;
        let mut body = json!({
            "query": translate::translate(query),
            "from": offset,
            "size": limit,
            "track_total_hits": true,
            "stored_fields": "_none_",
        });
        body["sort"] = match order {
            Order::Newest => json!([{ NUMBER: "desc" }]),
            Order::Relevance => json!([{ "_score": "desc" }, { NUMBER: "desc" }]),
        };
        let searching = told("the document index could not be searched");
        let answer = self.ask(&body, order).map_err(&searching)?.body;
        found(&answer, order).ok_or_else(|| searching(Failure::Partly { reason: "an answer without hits".to_owned() }))
    }

    fn clear(&self) -> Result<(), IndexError> {
        let emptying = told("the document index could not be emptied");
        let mut months = locked(&self.months);
        let generations = self.generations();
        let generation = match self.beside {
            Some(generation) => {
                generations.remove(|one| one == generation).map_err(&emptying)?;
                generations.begin_at(generation).map_err(&emptying)?;
                generation
            }
            None => {
                let generation = generations.begin().map_err(&emptying)?;
                generations.show(generation).map_err(&emptying)?;
                generations.remove(|one| one < generation).map_err(&emptying)?;
                generation
            }
        };
        months.clear();
        *locked(&self.known) = Some(generation);
        Ok(())
    }

    fn documents(&self) -> Result<u64, IndexError> {
        let body = json!({ "size": 0, "track_total_hits": true });
        let counting = told("the documents could not be counted");
        let answer = self.ask(&body, Order::Newest).map_err(&counting)?.body;
        total(&answer).ok_or_else(|| counting(Failure::Partly { reason: "an answer without a total".to_owned() }))
    }

    fn shared(&self) -> Option<String> {
        Some(self.address.to_string())
    }

    fn renew(&self) -> Result<Option<Arc<dyn DocumentIndex>>, IndexError> {
        let generation = self.generations().begin().map_err(told("a new document index could not be begun"))?;
        Ok(Some(Arc::new(Elastic::of(Arc::clone(&self.client), &self.address, Some(generation)))))
    }

    fn show(&self) -> Result<(), IndexError> {
        let Some(generation) = self.beside else { return Ok(()) };
        let showing = told("the new document index could not be put in the place of the old one");
        self.generations().show(generation).map_err(&showing)?;
        // Those that were never shown, too: whoever filled them was cut short.
        self.generations().remove(|one| one != generation).map_err(showing)
    }
}

const INDEXING: &str = "the documents could not be indexed";

fn told(attempt: &'static str) -> impl Fn(Failure) -> IndexError {
    move |failure| IndexError::Engine { attempt, source: Box::new(failure) }
}

fn replaced(generation: u64) -> IndexError {
    let reason = format!("generation {generation} of the index has been replaced by another process");
    IndexError::Engine { attempt: INDEXING, source: reason.into() }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn found(answer: &Value, order: Order) -> Option<Found> {
    let hits = answer.pointer("/hits/hits")?.as_array()?;
    let hit = |hit: &Value| match order {
        Order::Newest => Some((hit.pointer("/sort/0")?.as_i64()?, 0.0)),
        Order::Relevance => Some((hit.pointer("/sort/1")?.as_i64()?, hit.pointer("/sort/0")?.as_f64()? as f32)),
    };
    Some(Found { total: total(answer)?, hits: hits.iter().map(hit).collect::<Option<_>>()? })
}

fn total(answer: &Value) -> Option<u64> {
    answer.pointer("/hits/total/value")?.as_u64()
}

fn preference(query: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    query.to_string().hash(&mut hasher);
    hasher.finish()
}
