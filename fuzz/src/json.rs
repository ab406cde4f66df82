//! Changes to JSON along its structure: values of other kinds, fields gone or renamed, texts changed within.

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use serde_json::{Value, json};

use crate::mutation::mutate;

/// Changes one to three values of a document. `None`: the seed is no JSON.
///
/// A text that is JSON itself, as in the legacy envelope, is mostly changed within.
pub fn change(random: &mut StdRng, seed: &[u8], other: &[u8], words: &[&str], longest: usize) -> Option<Vec<u8>> {
    let mut document: Value = serde_json::from_slice(seed).ok()?;
    for _ in 0..random.random_range(1..=3) {
        descend(random, &mut document, other, words, longest);
    }
    let mut bytes = serde_json::to_vec(&document).ok()?;
    bytes.truncate(longest);
    Some(bytes)
}

fn descend(random: &mut StdRng, value: &mut Value, other: &[u8], words: &[&str], longest: usize) {
    let stop = random.random_bool(0.15);
    match value {
        Value::Object(fields) if !fields.is_empty() && !stop => {
            let names: Vec<String> = fields.keys().cloned().collect();
            let Some(name) = names.choose(random) else { return };
            match random.random_range(0..20) {
                0 => drop(fields.remove(name)),
                1 => {
                    let renamed = words.choose(random).map_or_else(|| name.to_uppercase(), |word| (*word).to_owned());
                    if let Some(moved) = fields.remove(name) {
                        fields.insert(renamed, moved);
                    }
                }
                _ => descend(random, &mut fields[name.as_str()], other, words, longest),
            }
        }
        Value::Array(items) if !items.is_empty() && !stop => {
            let place = random.random_range(0..items.len());
            match random.random_range(0..12) {
                0 => drop(items.remove(place)),
                1 => items.push(items[place].clone()),
                _ => descend(random, &mut items[place], other, words, longest),
            }
        }
        Value::String(text) if !stop => change_text(random, text, other, words, longest),
        _ => *value = another(random, words),
    }
}

fn change_text(random: &mut StdRng, text: &mut String, other: &[u8], words: &[&str], longest: usize) {
    if text.starts_with(['{', '['])
        && random.random_bool(0.8)
        && let Ok(mut within) = serde_json::from_str::<Value>(text)
    {
        descend(random, &mut within, other, words, longest);
        *text = within.to_string();
        return;
    }
    let changed = mutate(random, text.as_bytes(), other, words, longest);
    *text = String::from_utf8_lossy(&changed).into_owned();
}

/// A value of any kind but the expected.
fn another(random: &mut StdRng, words: &[&str]) -> Value {
    match random.random_range(0..14) {
        0 => Value::Null,
        1 => json!(random.random_bool(0.5)),
        2 => json!(random.random::<i64>()),
        3 => json!(u64::MAX),
        4 => json!(-1),
        5 => json!(1e308),
        6 => json!(0.5),
        7 => json!(""),
        8 => json!({}),
        9 => json!([]),
        10 => json!("x".repeat(random.random_range(1..5_000))),
        11 => (0..random.random_range(1..120)).fold(json!(1), |inner, _| json!([inner])),
        12 => (0..random.random_range(1..120)).fold(json!({}), |inner, _| json!({"a": inner})),
        _ => json!(words.choose(random).unwrap_or(&"x")),
    }
}
