//! Static files can be cached for ever, contact nobody, and are legible in light and dark.

use std::collections::BTreeMap;

use dashboards::{Site, asset, assets};

use crate::markup::read;
use crate::pages_of_all_kinds::pages_of_all_kinds;

fn style_sheet() -> &'static str {
    let sheet = assets().iter().find(|asset| asset.content_type.starts_with("text/css")).expect("there is a sheet");
    std::str::from_utf8(sheet.bytes).expect("the sheet is UTF-8")
}

#[test]
fn a_name_changes_with_the_content() {
    for asset in assets() {
        let digest = schemas::ids::Digest::of(asset.bytes).to_string();
        assert!(asset.name.contains(&digest[..16]), "{}", asset.name);
    }
}

#[test]
fn every_page_asks_only_for_files_that_exist() {
    for (page, html) in pages_of_all_kinds(&Site::default()) {
        let tags = read(page, &html);
        let mut asked = 0;
        for address in tags.iter().filter_map(|tag| tag.attribute("href")) {
            let Some(name) = address.strip_prefix("/static/") else {
                continue;
            };
            assert!(asset(name).is_some(), "{page} asks for {name}");
            asked += 1;
        }
        assert_eq!(asked, 2, "{page}: icon and style sheet");
    }
    assert!(asset("assay.css").is_none(), "a name without digest is not served");
    assert!(asset("../Cargo.toml").is_none());
}

#[test]
fn the_style_sheet_loads_nothing() {
    for forbidden in ["url(", "@import", "http:", "https:", "//"] {
        assert!(!style_sheet().contains(forbidden), "{forbidden}");
    }
}

/// Contrast as WCAG 2.2 §1.4.3 asks for text: 4.5 to 1.
#[test]
fn text_stands_out_from_its_ground_in_light_and_dark() {
    let pairs = [
        ("ink", "paper"),
        ("ink", "sheet"),
        ("ink", "raised"),
        ("ink", "mixed-wash"),
        ("ink", "fail-wash"),
        ("faint", "paper"),
        ("faint", "sheet"),
        ("faint", "raised"),
        ("faint", "fail-wash"),
        ("link", "paper"),
        ("link", "sheet"),
        ("link", "raised"),
        ("bronze", "paper"),
        ("on-bronze", "bronze"),
        ("mark-ink", "mark"),
    ];
    let grades = ["pass-ink", "fail-ink", "na-ink", "unknown-ink"];
    let grounds = ["sheet", "paper", "raised", "pass-wash", "mixed-wash", "fail-wash", "other-wash"];
    let graded = grades.into_iter().flat_map(|grade| grounds.into_iter().map(move |ground| (grade, ground)));
    let pairs: Vec<_> = pairs.into_iter().chain(graded).collect();
    let (light, dark) = schemes();
    for (scheme, colours) in [("light", light), ("dark", dark)] {
        for (text, ground) in &pairs {
            let contrast = contrast(colours[*text], colours[*ground]);
            assert!(contrast >= 4.5, "{scheme}: {text} on {ground} is {contrast:.2}");
        }
    }
}

/// Pass and fail differ in lightness, so that they are told apart without colour.
#[test]
fn bars_of_pass_and_fail_differ_in_lightness() {
    let (light, dark) = schemes();
    for colours in [light, dark] {
        assert!(contrast(colours["pass"], colours["fail"]) >= 1.5, "{colours:?}");
    }
}

type Colours = BTreeMap<&'static str, [u8; 3]>;

fn schemes() -> (Colours, Colours) {
    let (light, dark) = style_sheet().split_once("@media (prefers-color-scheme: dark)").expect("there are two schemes");
    let dark = &dark[..dark.find("\n}").expect("the scheme ends")];
    (colours(light), colours(dark))
}

fn colours(text: &'static str) -> Colours {
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix("--")?.strip_suffix(';')?.split_once(": #"));
    let part = |digits: &str, at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("a colour in hexadecimal");
    lines.map(|(name, digits)| (name, [part(digits, 0), part(digits, 2), part(digits, 4)])).collect()
}

fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

fn luminance(colour: [u8; 3]) -> f64 {
    let [red, green, blue] = colour.map(|part| {
        let part = f64::from(part) / 255.0;
        if part <= 0.03928 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}
