//! String facts: UTF-8 bytes that travel as Latin-1 characters (contract §2.2).

/// The bytes a string fact stands for. One that holds a character beyond Latin-1 was never packed.
pub(super) fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(character).ok()).collect::<Option<_>>().unwrap_or_else(|| text.into())
}

/// A string fact as its sender meant it, decoded once: a name packed twice keeps one layer, as today's server keeps it.
pub(super) fn decode(text: String) -> String {
    if text.is_ascii() {
        return text;
    }
    String::from_utf8(bytes(&text)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::{bytes, decode};

    #[test]
    fn packed_text_is_decoded_once() {
        let check = |text: &str, decoded: &str| assert_eq!(decode(text.to_owned()), decoded);
        check("J\u{c3}\u{b6}rg", "Jörg");
        check("Jörg", "Jörg");
        check("Łukasz", "Łukasz");
        check("plain", "plain");
        check("J\u{c3}\u{83}\u{c2}\u{b6}rg", "J\u{c3}\u{b6}rg");
    }

    #[test]
    fn a_secret_keeps_its_bytes() {
        assert_eq!(bytes("\u{c3}\u{b6}:\u{ff}"), [0xc3, 0xb6, b':', 0xff]);
        assert_eq!(bytes("Ł"), "Ł".as_bytes());
    }
}
