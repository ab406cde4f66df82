//! Rows of the tables clients print: a mark, a module, one or two versions.

/// A row below a table's head.
#[derive(Debug, PartialEq)]
pub(crate) struct Row<'a> {
    /// Whether the client marked the row with `!`: what was there is not enough.
    pub marked: bool,
    pub module: &'a str,
    /// What stands between the module and the last column; empty in a table of two columns.
    pub middle: &'a str,
    pub last: &'a str,
}

impl<'a> Row<'a> {
    /// Reads an indented line of at least a module and one more column. Heads and rules are no rows.
    pub fn read(line: &'a str) -> Option<Row<'a>> {
        let text = line.trim_ascii();
        let (marked, text) = match text.strip_prefix('!') {
            Some(rest) => (true, rest.trim_ascii_start()),
            None => (false, text),
        };
        let indented = line.starts_with([' ', '\t']);
        let (module, rest) = text.split_once(|character: char| character.is_ascii_whitespace())?;
        let rest = rest.trim_ascii();
        let (middle, last) = match rest.rsplit_once(|character: char| character.is_ascii_whitespace()) {
            Some((middle, last)) => (middle.trim_ascii_end(), last),
            None => ("", rest),
        };
        let heading = module.starts_with("---") || module == "Module";
        (indented && !heading && !last.is_empty()).then_some(Row { marked, module, middle, last })
    }
}
