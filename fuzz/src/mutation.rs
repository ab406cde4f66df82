//! Changes to bytes that upset parsers.

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

/// Bytes that mean something somewhere.
const TELLING: &[u8] = b"\0\t\n\r \"\\{}[]():;,.%<>&=+-_/@#*?!'|~0189azAZ\x1b\x7f\x80\xbf\xc3\xe2\xed\xf0\xff";

/// Texts that are longer than they look, turn lines around, grow when their case is changed, or are no text.
const ODD: &[&str] = &[
    "\u{202e}",
    "\u{feff}",
    "\u{fb03}",
    "\u{130}",
    "\u{df}",
    "e\u{301}\u{301}",
    "\u{fffd}",
    "\u{10ffff}",
    "\u{2028}",
    "\u{0}",
    "\\u0000",
    "\\ud800",
    "%00",
    "%ff",
    "\r\n",
    "&amp;",
    "../",
    "=3D",
    "=20\n",
    "\\n",
    "\u{661}\u{662}",
];

const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "-1",
    "1e999",
    "-1e-999",
    "0.1",
    "255",
    "256",
    "65536",
    "2147483648",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "1e18",
    "00001",
    "99999999999999999999999999999999999999",
    "0x10",
    "1.2.3.4.5.6",
    "NaN",
    "1_000",
];

/// Changes a seed in one to eight places. `other` is another seed, for parts of it; `words` mean something to the
/// parser. No more than `longest` bytes.
pub fn mutate(random: &mut StdRng, seed: &[u8], other: &[u8], words: &[&str], longest: usize) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    let changes = 1 + random.random_range(0..8_u32).min(random.random_range(0..8));
    for _ in 0..changes {
        change(random, &mut bytes, other, words, longest);
        bytes.truncate(longest);
    }
    bytes
}

fn change(random: &mut StdRng, bytes: &mut Vec<u8>, other: &[u8], words: &[&str], longest: usize) {
    let place = random.random_range(0..=bytes.len());
    match random.random_range(0..13) {
        0 if !bytes.is_empty() => bytes[place.saturating_sub(1)] ^= 1 << random.random_range(0..8),
        1 if !bytes.is_empty() => bytes[place.saturating_sub(1)] = *TELLING.choose(random).unwrap_or(&0),
        2 => {
            let noise: Vec<u8> = (0..random.random_range(1..9)).map(|_| random.random()).collect();
            insert(bytes, place, &noise);
        }
        3 | 4 => insert(bytes, place, words.choose(random).unwrap_or(&"\"").as_bytes()),
        5 => insert(bytes, place, ODD.choose(random).unwrap_or(&"").as_bytes()),
        6 => insert(bytes, place, NUMBERS.choose(random).unwrap_or(&"").as_bytes()),
        7 => {
            let part = range(random, bytes.len(), bytes.len());
            bytes.drain(part);
        }
        8 => {
            let part = bytes[range(random, bytes.len(), 2_000)].to_vec();
            insert(bytes, place, &part);
        }
        9 => {
            // Much of the same is what costs careless readers most.
            let part = bytes[range(random, bytes.len(), 12)].to_vec();
            let most = (longest.saturating_sub(bytes.len()) / part.len().max(1)).min(5_000);
            let times = random.random_range(0..=most);
            insert(bytes, place, &part.repeat(times));
        }
        10 => {
            let part = &other[range(random, other.len(), 4_000)];
            insert(bytes, place, part);
        }
        11 => bytes.truncate(place),
        _ => replace_number(random, bytes, place),
    }
}

/// Puts a number beyond the usual in the place of the next one.
fn replace_number(random: &mut StdRng, bytes: &mut Vec<u8>, place: usize) {
    let Some(start) = bytes[place..].iter().position(u8::is_ascii_digit) else { return };
    let start = place + start;
    let digits = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = NUMBERS.choose(random).unwrap_or(&"0");
    bytes.splice(start..start + digits, number.bytes());
}

fn insert(bytes: &mut Vec<u8>, place: usize, part: &[u8]) {
    bytes.splice(place..place, part.iter().copied());
}

/// A part of so many bytes, which itself has at most `most`.
fn range(random: &mut StdRng, length: usize, most: usize) -> std::ops::Range<usize> {
    let start = random.random_range(0..=length);
    // Small parts more often than large ones.
    let span = (length - start).min(most);
    let span = random.random_range(0..=span).min(random.random_range(0..=span));
    start..start + span
}
