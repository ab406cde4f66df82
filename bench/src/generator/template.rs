//! A text with named gaps, cut up once and filled many times.

/// Text and gaps in their order.
pub struct Template {
    pieces: Vec<Piece>,
}

enum Piece {
    Text(String),
    Gap(String),
}

impl Template {
    /// Gaps are written `{name}`, of lower case letters and underscores.
    pub fn parse(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, name, after)) = next_gap(rest) {
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(Piece::Gap(name.to_owned()));
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Template { pieces }
    }

    /// Appends the text to `out`; `fill` is asked to append what goes into each gap.
    pub fn write(&self, out: &mut String, mut fill: impl FnMut(&str, &mut String)) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Gap(name) => fill(name, out),
            }
        }
    }
}

fn next_gap(text: &str) -> Option<(&str, &str, &str)> {
    let open = text.find('{')?;
    let close = open + text[open..].find('}')?;
    Some((&text[..open], &text[open + 1..close], &text[close + 1..]))
}

/// Appends `text` as the inside of a JSON string. Meant for small pieces and for pieces made once.
pub fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            character => out.push(character),
        }
    }
}
