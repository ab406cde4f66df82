//! Tests of the pages: nothing escapes, nothing breaks, and what is shown is what was given.

mod assets;
mod content;
mod hostile;
mod letters;
mod markup;
mod pages_of_all_kinds;
mod samples;
mod snapshots;
