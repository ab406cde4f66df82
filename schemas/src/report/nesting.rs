//! How deep a JSON text nests, told before it is parsed.

/// Whether arrays and objects are nested more than `deepest` levels.
///
/// Takes any text: where it is not JSON the answer means nothing, and the parser tells what is wrong.
pub(crate) fn deeper_than(deepest: usize, text: &str) -> bool {
    // The two opening brackets differ in one bit, so most bodies are let through by a single vectorised count.
    let opening = text.bytes().filter(|byte| byte | 0x20 == b'{').count();
    opening > deepest && scan(deepest, text.as_bytes())
}

fn scan(deepest: usize, bytes: &[u8]) -> bool {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => at = after_string(bytes, at),
            b'{' | b'[' => {
                depth += 1;
                if depth > deepest {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Where a string ends whose first character is at `at`.
fn after_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(step) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))) {
        if bytes[at + step] == b'"' {
            return at + step + 1;
        }
        at += step + 2;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::deeper_than;

    #[test]
    fn brackets_in_strings_do_not_nest() {
        let text = format!("{{\"text\": \"{}\\\"{}\"}}", "[".repeat(70), "{".repeat(70));
        assert!(!deeper_than(64, &text));
    }

    #[test]
    fn the_deepest_level_is_still_read() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(!deeper_than(64, &nested(64)));
        assert!(deeper_than(64, &nested(65)));
        assert!(deeper_than(64, &"{\"a\":".repeat(100)));
        assert!(!deeper_than(64, &format!("[{}1]", "[1],".repeat(100))), "many, but not deep");
    }
}
