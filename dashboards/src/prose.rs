//! Descriptions written as doc comments, shown as paragraphs with `code` in them.

use std::fmt;

use askama::filters::HtmlSafe;

use crate::passage::Passage;

/// Text in which an empty line parts paragraphs, `- ` begins an item, and back-quotes enclose code.
#[derive(Clone, Copy)]
pub(crate) struct Prose<'a>(pub &'a str);

/// One run of such text, without paragraphs.
#[derive(Clone, Copy)]
pub(crate) struct Phrase<'a>(pub &'a str);

impl HtmlSafe for Prose<'_> {}
impl HtmlSafe for Phrase<'_> {}

impl fmt::Display for Prose<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for block in self.0.split("\n\n").map(str::trim).filter(|block| !block.is_empty()) {
            if !block.starts_with("- ") {
                write!(f, "<p>{}</p>", Phrase(block))?;
                continue;
            }
            f.write_str("<ul>")?;
            for item in block.strip_prefix("- ").unwrap_or(block).split("\n- ") {
                write!(f, "<li>{}</li>", Phrase(item))?;
            }
            f.write_str("</ul>")?;
        }
        Ok(())
    }
}

impl fmt::Display for Phrase<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pieces: Vec<&str> = self.0.split('`').collect();
        let last = pieces.len() - 1;
        for (place, piece) in pieces.into_iter().enumerate() {
            // A back-quote without a partner is shown as it is.
            match (place % 2 == 1, place == last) {
                (true, true) => write!(f, "`{}", Passage(piece))?,
                (true, false) => write!(f, "<code>{}</code>", Passage(piece))?,
                (false, _) => write!(f, "{}", Passage(piece))?,
            }
        }
        Ok(())
    }
}
