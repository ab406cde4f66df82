//! `assay-bench`: measures assay over HTTP, beside floors measured in the same run.

use std::path::PathBuf;

mod dictionary;
#[expect(dead_code, reason = "x")]
mod generator;
mod samples;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(2).map(PathBuf::from);
    let out = arguments.next().unwrap();
    let files: Vec<PathBuf> = arguments.collect();
    let value = dictionary::train(&out, &files)?;
    for row in value["held_out"].as_array().unwrap() {
        println!("{:26} {:7} {} n={} ratio={:.3} nodict={:.3} us={:.1}",row["split"].as_str().unwrap(),row["shape"].as_str().unwrap(),row["level"],row["bodies"],row["ratio"].as_f64().unwrap(),row["ratio_without_dictionary"].as_f64().unwrap(),row["micros_per_10_kb"].as_f64().unwrap());
    }
    println!("{} {}", value["samples"], value["dictionary_bytes"]);
    Ok(())
}
