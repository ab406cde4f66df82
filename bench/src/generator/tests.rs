//! The generated reports are what they are said to be.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::time::Instant;

use serde_json::Value;

use super::*;

fn reports(generator: &Generator, count: u64) -> Vec<Value> {
    (0..count).map(|index| serde_json::from_slice(&generator.report(index)).unwrap()).collect()
}

#[test]
fn a_seed_gives_the_same_bytes_and_another_seed_gives_others() {
    let (one, same, other) = (Generator::new(7, 10_240), Generator::new(7, 10_240), Generator::new(8, 10_240));
    for index in [0, 1, 99, 123_456] {
        assert_eq!(one.report(index), same.report(index));
        assert_ne!(one.report(index), other.report(index));
    }
}

#[test]
fn every_report_is_json_of_its_own_id_with_a_text_that_agrees_with_its_fields() {
    let generator = Generator::new(1, 10_240);
    let mut ids = BTreeSet::new();
    for (index, report) in reports(&generator, 2_000).iter().enumerate() {
        assert_eq!(report["id"], generator.id(index as u64).to_string());
        assert!(ids.insert(report["id"].to_string()));
        let text = report["result"]["output"]["uncategorized"].as_str().unwrap();
        let release = format!(
            "{}-{}",
            report["distribution"]["name"].as_str().unwrap(),
            report["distribution"]["version"].as_str().unwrap()
        );
        assert!(text.contains(&format!("computer-generated report for {release}\n")), "{text}");
        let architecture = report["environment"]["language"]["archname"].as_str().unwrap();
        assert!(text.contains(&format!("archname={architecture}\n")), "{text}");
        assert!(!text.contains('{') && !text.contains('}'), "a gap was left open: {text}");
    }
}

#[test]
fn the_median_size_is_the_one_asked_for() {
    for size in [700, 3_000, 6_000, 10_240, 30_000] {
        let generator = Generator::new(3, size);
        let mut sizes: Vec<usize> = (0..2_000).map(|index| generator.report(index).len()).collect();
        sizes.sort_unstable();
        let median = sizes[sizes.len() / 2];
        assert!(median.abs_diff(size) * 100 <= size * 12, "wanted {size}, median is {median}");
        if size > 8_000 {
            assert!(sizes[sizes.len() * 99 / 100] > size * 3 / 2, "real reports vary more in size");
        }
    }
}

#[test]
fn grades_are_93_5_1_1_of_a_hundred() {
    let generator = Generator::new(5, 700);
    let mut shares: BTreeMap<String, u32> = BTreeMap::new();
    for report in reports(&generator, 20_000) {
        *shares.entry(report["result"]["grade"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    for (grade, percent) in [("pass", 93.0), ("fail", 5.0), ("na", 1.0), ("unknown", 1.0)] {
        let share = f64::from(shares[grade]) / 200.0;
        assert!((share - percent).abs() < 0.4, "{grade} has {share} % instead of {percent} %");
    }
}

#[test]
fn testers_and_releases_are_as_skewed_as_on_a_real_day() {
    let generator = Generator::new(9, 700);
    let all = reports(&generator, 6_000);
    let mut testers: BTreeMap<&str, u32> = BTreeMap::new();
    for report in &all {
        *testers.entry(report["reporter"]["name"].as_str().unwrap()).or_default() += 1;
    }
    assert!((7..=9).contains(&testers.len()));
    let top = f64::from(*testers.values().max().unwrap()) / 60.0;
    assert!((52.0..58.0).contains(&top), "the busiest tester sends {top} %");
    for thousand in all.chunks(1_000).skip(1) {
        let releases: BTreeSet<String> = thousand.iter().map(|report| report["distribution"].to_string()).collect();
        assert!((400..=570).contains(&releases.len()), "{} releases in a thousand reports", releases.len());
    }
    let perls: BTreeSet<String> =
        all.iter().map(|report| report["environment"]["language"]["version"].to_string()).collect();
    assert!(perls.len() > 30, "{} perls", perls.len());
}

#[test]
fn a_body_packs_as_a_real_text_does() {
    let generator = Generator::new(11, 10_240);
    let mut ratios: Vec<f64> = (0..300)
        .map(|index| {
            let body = generator.report(index);
            let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(6));
            packer.write_all(&body).unwrap();
            packer.finish().unwrap().len() as f64 / body.len() as f64
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    let median = ratios[ratios.len() / 2];
    eprintln!("zlib packs the median body to {median:.3}");
    assert!((0.29..0.36).contains(&median), "zlib packs the median body to {median}");
}

#[test]
fn reports_are_made_far_faster_than_they_are_taken() {
    let generator = Generator::new(13, 10_240);
    let mut out = String::new();
    let began = Instant::now();
    for index in 0..2_000 {
        out.clear();
        generator.write(index, &mut out);
    }
    let rate = 2_000.0 / began.elapsed().as_secs_f64();
    // On an idle core it is over 100,000; a test may have to share the core with others.
    let wanted = if cfg!(debug_assertions) { 500.0 } else { 20_000.0 };
    eprintln!("{rate:.0} reports a second");
    assert!(rate > wanted, "{rate} reports a second");
}

#[test]
fn a_pinned_generator_fills_a_whole_matrix_of_one_release() {
    let generator = Generator::pinned(1, 700);
    let mut cells = BTreeSet::new();
    for report in reports(&generator, 20_000) {
        assert_eq!(report["distribution"]["name"], "Bench-Pinned");
        cells.insert((
            report["environment"]["language"]["version"].to_string(),
            report["environment"]["system"]["osname"].to_string(),
        ));
    }
    assert!(cells.len() > 400, "{} cells", cells.len());
}
