//! Output: stdout that may close early, stderr for people, and text from strangers made harmless.

use std::io::{self, IsTerminal, Write};

/// Writes to stdout at once. A closed pipe is an error that ends the command quietly.
pub fn print(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()?;
    Ok(())
}

/// Writes a line to stdout.
pub fn line(text: &str) -> anyhow::Result<()> {
    print(format!("{text}\n").as_bytes())
}

/// Writes JSON as it came, with a line end.
pub fn json(bytes: &[u8]) -> anyhow::Result<()> {
    print(bytes)?;
    match bytes.last() {
        Some(b'\n') => Ok(()),
        _ => print(b"\n"),
    }
}

/// Writes a line to stderr, for the person at the terminal.
pub fn note(text: &str) {
    // A closed stderr leaves nobody to be told.
    drop(writeln!(io::stderr(), "{}", harmless(text)));
}

/// Whether stdout takes colours: a terminal, and the person has not said otherwise (no-color.org).
pub fn coloured() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stdout().is_terminal() && !refused && !dumb
}

/// Text from a report or a server without what would move the cursor, ring or repaint a terminal. Line ends and
/// tabs stay.
pub fn harmless(text: &str) -> String {
    let keep = |c: char| matches!(c, '\n' | '\t') || !(c.is_control() || reorders(c));
    text.chars().map(|c| if keep(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// As [`harmless`], on one line.
pub fn one_line(text: &str) -> String {
    harmless(text).replace(['\n', '\t'], " ")
}

/// Marks that show letters in another order than they are in.
fn reorders(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_from_reports_do_not_reach_the_terminal() {
        assert_eq!(harmless("a\x1b[2Jb\u{9b}c\rd\u{202e}e\n\tf"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d\u{fffd}e\n\tf");
        assert_eq!(one_line("a\nb"), "a b");
    }
}
