//! How long reading a report takes; a measurement, not a check: `cargo test --release -- --ignored --nocapture speed`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use schemas::extract;
use schemas::report::Report;

use crate::extraction::{mails, report, submissions};
use crate::fixtures;

#[test]
#[ignore = "a measurement of release builds"]
fn speed_of_rows_and_details() {
    let client = fixtures::read("texts/clients/report-cpan-reporter-1.2020.txt");
    let ten = report("pass", "Bitcoin-Crypto", "4.005", &client);
    let failing = mails().into_iter().find(|(number, _)| number == "2321729").expect("a mail").1;
    println!("one pass, {} bytes: {}", client.len(), figures(&[ten]));
    println!("one fail, {} bytes: {}", failing.text().len(), figures(&[failing]));
    let ordinary = submissions().into_iter().map(|(_, report)| report).filter(|report| report.text().len() < 60_000);
    let ordinary: Vec<Report> = ordinary.collect();
    let bytes: usize = ordinary.iter().map(|report| report.text().len()).sum();
    println!("{} submissions of {} bytes on average: {}", ordinary.len(), bytes / ordinary.len(), figures(&ordinary));
    let mut failures = ordinary;
    failures.retain(|report| report.result.grade != schemas::grade::Grade::Pass);
    let bytes: usize = failures.iter().map(|report| report.text().len()).sum();
    println!("{} failures of {} bytes on average: {}", failures.len(), bytes / failures.len(), figures(&failures));
}

fn figures(reports: &[Report]) -> String {
    let row = each(reports, |report| drop(black_box(extract::read(black_box(report)))));
    let details = each(reports, |report| drop(black_box(extract::details(black_box(report)))));
    format!("row {row:?}, details {details:?}")
}

/// Mean time of one call.
fn each(reports: &[Report], read: impl Fn(&Report)) -> Duration {
    let started = Instant::now();
    let mut calls = 0;
    while started.elapsed() < Duration::from_millis(700) {
        reports.iter().for_each(&read);
        calls += reports.len();
    }
    started.elapsed() / u32::try_from(calls).expect("few calls")
}
