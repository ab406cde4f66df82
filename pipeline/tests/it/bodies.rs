//! Bodies come out of the store as they went in; damaged ones are told, never met with a panic.

use pipeline::bodies::{Damaged, pack, unpack};
use pipeline::store::Body;
use proptest::prelude::*;

use crate::fixtures;

/// The dictionary new bodies are packed with.
const DICTIONARY: i64 = 1;

fn check(bytes: &[u8]) -> Body {
    let body = pack(bytes);
    assert_eq!(body.size, bytes.len() as i64);
    assert!(body.bytes.len() <= bytes.len(), "{} bytes became {}", bytes.len(), body.bytes.len());
    assert!(unpack(&body).unwrap() == bytes, "{} bytes came out otherwise", bytes.len());
    body
}

/// Bytes that nothing makes smaller, the same at each run.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn an_empty_body_comes_out_empty() {
    check(b"");
}

#[test]
fn a_body_of_33_megabytes_comes_out_identical() {
    let text = b"t/00-load.t .. ok\nAll tests successful.\n";
    let body = check(&text.repeat(33 * 1024 * 1024 / text.len()));
    assert!(body.bytes.len() < 100_000, "packed to {}", body.bytes.len());
}

#[test]
fn what_does_not_get_smaller_is_stored_as_it_is() {
    for length in [1, 100, 70_000, 33 * 1024 * 1024] {
        let bytes = noise(length);
        let body = check(&bytes);
        assert_eq!((body.dictionary, body.bytes.len()), (0, length));
    }
}

#[test]
fn the_captures_are_packed_to_a_fifth_or_less() {
    let captures = fixtures::captures();
    assert_eq!(captures.len(), 141);
    let raw: usize = captures.iter().map(|(_, bytes)| bytes.len()).sum();
    let packed: usize = captures.iter().map(|(_, bytes)| check(bytes).bytes.len()).sum();
    let share = 100.0 * packed as f64 / raw as f64;
    println!("{} captures: {raw} bytes packed to {packed}, {share:.1} %", captures.len());
    assert!(share <= 20.0, "{share:.1} %");
}

#[test]
fn a_truncated_body_is_told_as_damaged() {
    let packed = pack(&fixtures::captures()[0].1);
    assert_eq!(packed.dictionary, DICTIONARY);
    for length in (0..packed.bytes.len()).step_by(7).chain([packed.bytes.len() - 1]) {
        let cut = Body { bytes: packed.bytes[..length].to_vec(), ..packed.clone() };
        assert!(unpack(&cut).is_err(), "{length} of {} bytes were enough", packed.bytes.len());
    }
    unpack(&packed).expect("the failures before have left no trace");
}

#[test]
fn a_body_with_another_size_or_dictionary_is_told_as_damaged() {
    let bytes = fixtures::captures()[0].1.clone();
    let packed = pack(&bytes);
    for size in [0, packed.size - 1, packed.size + 1, -1, i64::MIN, i64::MAX] {
        let wrong = Body { size, ..packed.clone() };
        assert!(unpack(&wrong).is_err(), "a size of {size} was taken");
        let wrong = Body { size, dictionary: 0, bytes: bytes.clone() };
        assert!(matches!(unpack(&wrong), Err(Damaged::Size { .. })), "a size of {size} was taken");
        // Neither size nor bytes tell how much memory would be needed.
        let wrong = Body { size, dictionary: DICTIONARY, bytes: b"no frame at all".to_vec() };
        assert!(unpack(&wrong).is_err(), "a size of {size} was taken");
    }
    for dictionary in [-1, 2, i64::MAX] {
        let wrong = Body { dictionary, ..packed.clone() };
        assert!(matches!(unpack(&wrong), Err(Damaged::Dictionary(number)) if number == dictionary));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_come_out_identical(bytes in prop::collection::vec(any::<u8>(), 0..4_000)) {
        check(&bytes);
    }

    #[test]
    fn any_text_comes_out_identical(text in "(PASS|FAIL|t/[a-z]{1,8}\\.t \\.\\. ok\n|\\PC){0,200}") {
        check(text.as_bytes());
    }

    #[test]
    fn a_damaged_body_never_panics_and_never_gives_more_than_its_size(
        size in prop_oneof![0..20_000_i64, any::<i64>()],
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let packed = pack(&report_bytes());
        let mut bytes = packed.bytes.clone();
        for (index, value) in flips {
            *index.get_mut(&mut bytes) = value;
        }
        if let Ok(unpacked) = unpack(&Body { size, bytes: bytes.clone(), ..packed.clone() }) {
            prop_assert_eq!(unpacked.len() as i64, size);
        }
        if let Ok(unpacked) = unpack(&Body { bytes, ..packed.clone() }) {
            prop_assert_eq!(unpacked.len() as i64, packed.size);
        }
    }

    #[test]
    fn bytes_that_were_never_packed_never_panic(
        size in 0..1_000_000_i64,
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        // An error or, by a rare chance, bytes of the right size: nothing else.
        if let Ok(unpacked) = unpack(&Body { dictionary: DICTIONARY, size, bytes }) {
            prop_assert_eq!(unpacked.len() as i64, size);
        }
    }
}

fn report_bytes() -> Vec<u8> {
    crate::stack::report("Foo-Bar", "1.0", "fail", "5.36.0", "linux").repeat(20).into_bytes()
}
