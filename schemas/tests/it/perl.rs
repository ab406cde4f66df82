//! Language versions: their parts, the flags of contract §3.3, and the orders.

use std::cmp::Ordering;

use proptest::prelude::*;
use schemas::perl::{LanguageVersion, compare, compare_versions};

/// The three flags as a short text: `d` development, `p` patched, `D` devel.
fn flags(text: &str) -> String {
    let read = LanguageVersion::read(text);
    let flags = [(read.development, 'd'), (read.patched, 'p'), (read.devel, 'D')];
    flags.into_iter().filter(|(up, _)| *up).map(|(_, flag)| flag).collect()
}

#[test]
fn flags_follow_the_contract() {
    for (version, wanted) in [
        ("5.24.0", ""),
        ("5.9.5", "dD"),
        ("5.7.3", "dD"),
        ("5.20.3 RC1", "pD"),
        ("5.31.0 patch 1231", "dpD"),
        ("5.11.0 patch GitLive-blead-1437-g8bca5c8", "dpD"),
        ("5.10.0 patch 33443", "p"),
        ("v5.25.10", "dD"),
        ("5.21.1", "dD"),
        ("5.43.10", "dD"),
        ("5.8.8", ""),
        ("5.5.3", ""),
        ("5.005_57", ""),
        ("5.00505", ""),
        ("5.010001", ""),
        ("5.36.0-RC2", "p"),
        ("5.36.0 RC", ""),
        ("2022.07.1", ""),
        ("6.d", ""),
        ("0", ""),
        ("", ""),
        // The dot of the contract's pattern is not escaped.
        ("5x13", "d"),
        ("5_9", "d"),
    ] {
        assert_eq!(flags(version), wanted, "{version:?}");
    }
}

#[test]
fn versions_are_taken_apart() {
    let read = LanguageVersion::read("vv5.16.0 RC0");
    assert_eq!(read.verbatim, "5.16.0 RC0");
    assert_eq!(read.number.as_deref(), Some("5.16.0"));
    assert_eq!(read.release_candidate, Some(0));
    assert_eq!(read.patch, None);

    let read = LanguageVersion::read("5.11.0 patch GitLive-blead-1437-g8bca5c8");
    assert_eq!(read.patch.as_deref(), Some("GitLive-blead-1437-g8bca5c8"));
    assert_eq!(LanguageVersion::read("5.11.0 patch").patch.as_deref(), Some(""));
    assert_eq!(LanguageVersion::read("perl 5.6 and 5.8.8").number.as_deref(), Some("5.8.8"));
    assert_eq!(LanguageVersion::read("5.8").number, None);
    assert_eq!(LanguageVersion::read("1.2.3.4").number.as_deref(), Some("1.2.3"));
}

/// Asserts that a list stands in its order.
fn ascending(list: &[&str], order: fn(&str, &str) -> Ordering) {
    for (at, left) in list.iter().enumerate() {
        for (other, right) in list.iter().enumerate() {
            assert_eq!(order(left, right), at.cmp(&other), "{left} and {right}");
        }
    }
}

#[test]
fn language_versions_are_ordered_by_number() {
    let list = [
        "",
        "5.00505",
        "5.6.2",
        "5.008008",
        "5.8.9",
        "5.10.0",
        "5.10.0 patch 33443",
        "5.10.0 patch 34034",
        "5.10.1",
        "5.36.0 RC2",
        "5.36.0 RC10",
        "5.36.0",
        "v5.36.1",
        "5.43.10",
        "2022.12",
    ];
    ascending(&list, compare);
    assert_eq!(compare("5.008008", "5.8.8"), "5.008008".cmp("5.8.8"), "the same number, ordered as texts");
}

#[test]
fn distribution_versions_are_ordered_as_perl_orders_them() {
    let list = [
        "0.0",
        "0.01",
        "0.9",
        "1.00-TRIAL",
        "1.00",
        "1.01_01",
        "1.10",
        "1.100_001",
        "1.2",
        "1.23",
        "1.9",
        "v1.900.1",
        "1.901.2",
        "2",
        "v2.0.9",
        "v2.0.10",
        "20120101",
        "123456789012345678901234567890",
    ];
    ascending(&list, compare_versions);
}

/// Texts that are versions, nearly versions, or anything.
fn version() -> impl Strategy<Value = String> {
    prop_oneof![
        "v{0,2}[0-9]{1,3}(\\.[0-9]{1,4}){0,3}(_[0-9]{1,2})?( RC[0-9]{1,2}| patch [0-9a-z]{0,3}|-TRIAL[0-9]?|-RC1|b)?",
        "[0-3.]{0,5}[0-9v_.]{0,3}",
        "\\PC{0,6}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn both_orders_are_total(a in version(), b in version(), c in version()) {
        for order in [compare, compare_versions] {
            prop_assert_eq!(order(&a, &b), order(&b, &a).reverse());
            prop_assert_eq!(order(&a, &b) == Ordering::Equal, a == b);
            let mut list = [a.as_str(), b.as_str(), c.as_str()];
            list.sort_by(|left, right| order(left, right));
            prop_assert!(order(list[0], list[1]).is_le() && order(list[1], list[2]).is_le());
            prop_assert!(order(list[0], list[2]).is_le(), "{list:?}");
        }
    }

    #[test]
    fn any_text_is_read(text in version()) {
        let read = LanguageVersion::read(&text);
        prop_assert!(!read.verbatim.starts_with('v'));
    }
}
