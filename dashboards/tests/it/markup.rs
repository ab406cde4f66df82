//! Every page is well-formed, accessible, and keeps to the policy it is served under.

use std::collections::BTreeSet;

use dashboards::Site;

use crate::pages_of_all_kinds::pages_of_all_kinds;

/// Elements that have no end tag in HTML.
const VOID: [&str; 4] = ["meta", "link", "input", "br"];

/// All attributes pages use. One that is not here came out of a value that was not escaped.
const ATTRIBUTES: [&str; 48] = [
    "action",
    "aria-current",
    "aria-hidden",
    "aria-label",
    "autocomplete",
    "charset",
    "class",
    "content",
    "cx",
    "cy",
    "d",
    "datetime",
    "for",
    "height",
    "href",
    "http-equiv",
    "id",
    "lang",
    "method",
    "name",
    "open",
    "placeholder",
    "preserveAspectRatio",
    "r",
    "rel",
    "role",
    "scope",
    "selected",
    "spellcheck",
    "tabindex",
    "title",
    "type",
    "value",
    "viewBox",
    "width",
    "x",
    "y",
    "colspan",
    "rowspan",
    "checked",
    "disabled",
    "min",
    "max",
    "step",
    "pattern",
    "required",
    "multiple",
    "size",
];

/// A start tag.
pub struct Tag {
    pub name: String,
    pub attributes: Vec<(String, String)>,
}

impl Tag {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Reads a page strictly: every element closed in order, every attribute known and in double quotes, every `&` the
/// begin of a reference. Returns the start tags.
pub fn read(page: &str, html: &str) -> Vec<Tag> {
    let mut rest = html.strip_prefix("<!doctype html>").unwrap_or_else(|| panic!("{page} has no doctype"));
    let (mut open, mut tags): (Vec<String>, Vec<Tag>) = (Vec::new(), Vec::new());
    while let Some(start) = rest.find('<') {
        check_text(page, &rest[..start]);
        rest = &rest[start + 1..];
        if let Some(after) = rest.strip_prefix('/') {
            let end = after.find('>').unwrap_or_else(|| panic!("{page}: an end tag does not end"));
            let expected = open.pop();
            assert_eq!(expected.as_deref(), Some(&after[..end]), "{page}: near {:.80}", rest);
            rest = &after[end + 1..];
            continue;
        }
        let (tag, closed, after) = start_tag(page, rest);
        if !closed && !VOID.contains(&tag.name.as_str()) {
            open.push(tag.name.clone());
        }
        tags.push(tag);
        rest = after;
    }
    assert_eq!(open, Vec::<String>::new(), "{page}: elements left open");
    assert_eq!(rest.trim(), "", "{page}: text after the end");
    tags
}

fn start_tag<'a>(page: &str, text: &'a str) -> (Tag, bool, &'a str) {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    assert!(end > 0, "{page}: a bare < near {text:.60}");
    let mut tag = Tag { name: text[..end].to_owned(), attributes: Vec::new() };
    let mut rest = &text[end..];
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix("/>") {
            return (tag, true, after);
        }
        if let Some(after) = rest.strip_prefix('>') {
            return (tag, false, after);
        }
        let end = rest.find(['=', ' ', '>', '/']).unwrap_or_else(|| panic!("{page}: a tag does not end"));
        let name = &rest[..end];
        assert!(ATTRIBUTES.contains(&name), "{page}: attribute {name:?} in {}", tag.name);
        rest = &rest[end..];
        let mut value = "";
        if let Some(quoted) = rest.strip_prefix("=\"") {
            let end = quoted.find('"').unwrap_or_else(|| panic!("{page}: an attribute does not end"));
            value = &quoted[..end];
            rest = &quoted[end + 1..];
            check_text(page, value);
        }
        assert!(tag.attribute(name).is_none(), "{page}: {name} twice in {}", tag.name);
        tag.attributes.push((name.to_owned(), value.to_owned()));
    }
}

fn check_text(page: &str, text: &str) {
    assert!(!text.contains('<'), "{page}: a bare < in {text:.80}");
    for (at, _) in text.match_indices('&') {
        let reference = text[at..].split(';').next().unwrap_or("");
        let known = reference.len() < 8 && reference[1..].chars().all(|c| c == '#' || c.is_ascii_alphanumeric());
        assert!(known && text[at..].contains(';'), "{page}: a bare & in {text:.80}");
    }
}

#[test]
fn every_page_is_well_formed() {
    for (page, html) in pages_of_all_kinds(&Site::default()) {
        read(page, &html);
    }
}

#[test]
fn no_page_holds_a_script_or_a_style_or_names_another_host() {
    for (page, html) in pages_of_all_kinds(&Site::default()) {
        for tag in read(page, &html) {
            assert!(
                !["script", "style", "iframe", "object", "base"].contains(&tag.name.as_str()),
                "{page}: {}",
                tag.name
            );
            for name in ["href", "src", "action"] {
                let Some(address) = tag.attribute(name) else {
                    continue;
                };
                let local = (address.starts_with('/') && !address.starts_with("//")) || address.starts_with('#');
                assert!(local, "{page}: {name}={address:?} leads elsewhere");
            }
        }
    }
}

#[test]
fn every_page_can_be_read_by_all() {
    for (page, html) in pages_of_all_kinds(&Site::default()) {
        let tags = read(page, &html);
        let count = |name: &str| tags.iter().filter(|tag| tag.name == name).count();
        assert_eq!(count("h1"), 1, "{page}: one main heading");
        assert_eq!(count("table"), count("caption"), "{page}: every table has a caption");
        assert_eq!((count("title"), count("main"), count("header").min(1)), (1, 1, 1), "{page}");
        assert!(tags.iter().any(|tag| tag.name == "html" && tag.attribute("lang") == Some("en")), "{page}: language");
        assert!(tags.iter().any(|tag| tag.attribute("href") == Some("#content")), "{page}: skip link");
        assert!(tags.iter().any(|tag| tag.attribute("rel") == Some("canonical")), "{page}: canonical address");
        let description = tags.iter().find(|tag| tag.attribute("name") == Some("description"));
        let description = description.and_then(|tag| tag.attribute("content"));
        assert!(description.is_some_and(|text| text.len() > 10), "{page}: description is {description:?}");
        for tag in tags.iter().filter(|tag| tag.name == "th") {
            assert!(matches!(tag.attribute("scope"), Some("row" | "col")), "{page}: a heading without scope");
        }
        check_labels(page, &tags);
    }
}

fn check_labels(page: &str, tags: &[Tag]) {
    let mut ids = BTreeSet::new();
    for id in tags.iter().filter_map(|tag| tag.attribute("id")) {
        assert!(ids.insert(id), "{page}: id {id} twice");
    }
    let labelled: BTreeSet<&str> = tags.iter().filter_map(|tag| tag.attribute("for")).collect();
    for tag in tags.iter().filter(|tag| ["input", "select"].contains(&tag.name.as_str())) {
        // A box to tick stands within its label.
        let ticked = tag.attribute("type") == Some("checkbox");
        assert!(ticked || tag.attribute("id").is_some_and(|id| labelled.contains(id)), "{page}: a field without label");
    }
}
