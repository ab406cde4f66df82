//! The lines of a text, with the place of each.

/// A line without its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    /// First byte in the text.
    pub start: usize,
    /// Without line feed and the white space before it.
    pub text: &'a str,
}

impl<'a> Line<'a> {
    /// The byte the line begins with; 0 for an empty line.
    pub fn first(&self) -> u8 {
        self.text.as_bytes().first().copied().unwrap_or(0)
    }
}

pub(crate) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = text.get(start..).filter(|rest| !rest.is_empty())?;
        let length = rest.find('\n').unwrap_or(rest.len());
        let line = Line { start, text: rest[..length].trim_ascii_end() };
        start += length + 1;
        Some(line)
    })
}
