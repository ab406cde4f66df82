//! Generations: sets of indices of which searches see one, while a next one may be filled beside it.
//!
//! A generation is the indices of its months and the index of its mark. Which one is shown is said by two aliases,
//! moved in one step of the cluster.

use elasticsearch::http::Method;
use serde_json::{Value, json};

use super::address::Address;
use super::client::{Answer, Client, Failure, Request};
use super::layout::{self, FORMAT, MARK, Names};

/// Names in one request: an engine takes paths of no more than 4 KB.
const NAMES: usize = 25;

/// The generations of one prefix.
pub(super) struct Generations<'a> {
    pub client: &'a Client,
    pub address: &'a Address,
    pub names: &'a Names,
}

/// A generation and how far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reached {
    pub generation: u64,
    pub mark: i64,
    /// Number of the layout it has been filled with.
    pub format: u64,
}

impl Generations<'_> {
    /// The one that searches see; `None` before there is any.
    pub(super) fn shown(&self) -> Result<Option<Reached>, Failure> {
        self.reached(&self.names.shown_mark())
    }

    /// How far this one has come; `None` when it is gone.
    pub(super) fn of(&self, generation: u64) -> Result<Option<Reached>, Failure> {
        self.reached(&self.names.mark(generation))
    }

    fn reached(&self, index: &str) -> Result<Option<Reached>, Failure> {
        let answer = self.client.call(Request::read(Method::Get, format!("{index}/_doc/{MARK}")))?;
        if answer.status == 404 {
            // Without a document, an index was begun and its first mark not yet written.
            return Ok(None);
        }
        let body = answer.done()?.body;
        let index = body["_index"].as_str().and_then(|index| self.names.read(index));
        let source = &body["_source"];
        let reached = index.and_then(|index| {
            let (mark, format) = (source["mark"].as_i64()?, source["format"].as_u64()?);
            Some(Reached { generation: index.generation, mark, format })
        });
        reached.map(Some).ok_or_else(|| Failure::Partly { reason: format!("not a mark: {body}") })
    }

    /// Begins a new generation, empty and not shown.
    pub(super) fn begin(&self) -> Result<u64, Failure> {
        let mut generation = self.all()?.into_iter().map(|(_, generation)| generation).max().unwrap_or(0) + 1;
        // Another process may begin one at the same time.
        while !self.begin_at(generation)? {
            generation += 1;
        }
        Ok(generation)
    }

    /// Begins the generation of this number. False: there is one.
    pub(super) fn begin_at(&self, generation: u64) -> Result<bool, Failure> {
        let begun = self.create(&self.names.mark(generation), &layout::mark_index())?;
        if begun {
            self.set_mark(generation, 0)?;
        }
        Ok(begun)
    }

    /// Says how indices of months are to be made from now on.
    pub(super) fn set_template(&self) -> Result<(), Failure> {
        let path = format!("_index_template/{}", self.names.shown());
        let template = layout::template(self.address);
        self.client.call(Request::write(Method::Put, path).json(&template))?.done().map(drop)
    }

    /// Writes how far a generation has come, unless it is written already that it has come further.
    pub(super) fn set_mark(&self, generation: u64, mark: i64) -> Result<(), Failure> {
        let index = self.names.mark(generation);
        let path = format!("{index}/_doc/{MARK}?version={mark}&version_type=external_gte");
        let body = json!({ "format": FORMAT, "mark": mark });
        let answer = self.client.call(Request::write(Method::Put, path).json(&body))?;
        if answer.status == 409 { Ok(()) } else { answer.done().map(drop) }
    }

    /// Makes the index of a month unless it is there, and shows it if its generation is shown; a generation that was
    /// to be shown and is not any more is an error.
    pub(super) fn begin_month(&self, generation: u64, month: &str, shown: bool) -> Result<(), Failure> {
        self.create(month, &json!({}))?;
        if shown {
            let (mark, shown_mark) = (self.names.mark(generation), self.names.shown_mark());
            self.aliases(&[
                // Put back at once: it must be there, or nothing of this is done.
                json!({ "remove": { "index": mark, "alias": shown_mark, "must_exist": true } }),
                json!({ "add": { "index": mark, "alias": shown_mark } }),
                json!({ "add": { "index": month, "alias": self.names.shown() } }),
            ])?;
        }
        Ok(())
    }

    /// Lets searches see this generation and no other, from one moment to the next.
    pub(super) fn show(&self, generation: u64) -> Result<(), Failure> {
        // A month may be added to the old generation at the same moment, so it is looked again.
        for _ in 0..10 {
            let actions = self.moves(generation)?;
            if actions.is_empty() {
                return Ok(());
            }
            self.aliases(&actions)?;
        }
        Err(Failure::Partly { reason: "another process shows another generation".to_owned() })
    }

    /// What is to be done to the aliases until they show this generation only.
    fn moves(&self, generation: u64) -> Result<Vec<Value>, Failure> {
        let mut removals = Vec::new();
        let mut additions = Vec::new();
        for (index, aliases) in self.listed()? {
            let Some(name) = self.names.read(&index) else { continue };
            let alias = if name.mark { self.names.shown_mark() } else { self.names.shown().to_owned() };
            match (name.generation == generation, aliases.contains(&alias)) {
                (true, false) => additions.push(json!({ "add": { "index": index, "alias": alias } })),
                (false, true) => removals.push(json!({ "remove": { "index": index, "alias": alias } })),
                _ => {}
            }
        }
        removals.extend(additions);
        Ok(removals)
    }

    /// Deletes these generations.
    pub(super) fn remove(&self, gone: impl Fn(u64) -> bool) -> Result<(), Failure> {
        let all = self.all()?;
        let names: Vec<&str> = all.iter().filter(|(_, of)| gone(*of)).map(|(name, _)| name.as_str()).collect();
        for names in names.chunks(NAMES) {
            // Each by its name: engines refuse to delete by a pattern.
            let path = format!("{}?ignore_unavailable=true", names.join(","));
            self.client.call(Request::write(Method::Delete, path))?.done()?;
        }
        Ok(())
    }

    /// All indices, with the generation each belongs to.
    fn all(&self) -> Result<Vec<(String, u64)>, Failure> {
        let named = |(name, _): (String, Vec<String>)| Some((self.names.read(&name)?.generation, name));
        Ok(self.listed()?.into_iter().filter_map(named).map(|(generation, name)| (name, generation)).collect())
    }

    /// All indices whose names begin with the prefix, with their aliases.
    fn listed(&self) -> Result<Vec<(String, Vec<String>)>, Failure> {
        let answer = self.client.call(Request::write(Method::Get, format!("{}/_alias", self.names.all())))?;
        if answer.status == 404 {
            return Ok(Vec::new());
        }
        let Answer { body: Value::Object(indices), .. } = answer.done()? else { return Ok(Vec::new()) };
        let aliases = |index: &Value| match index["aliases"].as_object() {
            Some(aliases) => aliases.keys().cloned().collect(),
            None => Vec::new(),
        };
        Ok(indices.iter().map(|(name, index)| (name.clone(), aliases(index))).collect())
    }

    /// False when there is an index of this name already.
    fn create(&self, index: &str, body: &Value) -> Result<bool, Failure> {
        let answer = self.client.call(Request::write(Method::Put, index).json(body))?;
        let there = answer.body.pointer("/error/type").is_some_and(|kind| kind == "resource_already_exists_exception");
        if there { Ok(false) } else { answer.done().map(|_| true) }
    }

    fn aliases(&self, actions: &[Value]) -> Result<(), Failure> {
        let body = json!({ "actions": actions });
        self.client.call(Request::write(Method::Post, "_aliases").json(&body))?.done().map(drop)
    }
}
