//! Writes every page with sample values to a directory, to be looked at in a browser.
//!
//! `cargo run -p dashboards --example gallery -- DIRECTORY`

#[path = "../tests/it/pages_of_all_kinds.rs"]
mod pages_of_all_kinds;
#[path = "../tests/it/samples.rs"]
mod samples;

use std::path::Path;
use std::{env, fs, io};

use dashboards::{Site, assets};

fn main() -> io::Result<()> {
    let directory = env::args().nth(1).unwrap_or_else(|| "gallery".to_owned());
    let directory = Path::new(&directory);
    fs::create_dir_all(directory.join("static"))?;
    for asset in assets() {
        fs::write(directory.join("static").join(&asset.name), asset.bytes)?;
    }
    // Files are opened without a server, so what stands below the root is looked for beside the pages.
    let site = Site { origin: String::new(), root: ".".to_owned() };
    for (name, html) in pages_of_all_kinds::pages_of_all_kinds(&site) {
        fs::write(directory.join(format!("{name}.html")), html)?;
    }
    Ok(())
}
