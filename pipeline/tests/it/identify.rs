//! Whose a submission is: proven by secret or token, or only said.

use chrono::{DateTime, TimeDelta, Utc};
use pipeline::identify::Proof;
use pipeline::store::{Scope, Tester};
use pipeline::tokens::{self, Issue};
use schemas::metabase::{Registration, registration};
use schemas::report::Reporter;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::dump::dump;
use crate::stack::Stack;

const PROFILE: Uuid = Uuid::from_u128(0xce39_923d_d72f_4b7a_aff0_af6d_77c1_616d);

/// A registration as a client sends it.
fn profile(name: &str, email: &str, secret: Option<&str>) -> Registration {
    let fact = |kind: &str, content: Value| {
        let user = format!("metabase:user:{PROFILE}");
        let core = json!({
            "type": kind, "schema_version": 1, "guid": PROFILE, "resource": user, "creator": user,
            "creation_time": "2026-11-20T22:19:32Z", "update_time": "2026-11-20T22:19:32Z", "valid": 1,
        });
        json!({"metadata": {"core": core}, "content": content})
    };
    let parts = json!([fact("Metabase-User-FullName", name.into()), fact("Metabase-User-EmailAddress", email.into()),]);
    let mut facts = vec![fact("Metabase-User-Profile", parts.to_string().into())];
    facts.extend(secret.map(|secret| fact("Metabase-User-Secret", secret.into())));
    registration(Value::from(facts).to_string().as_bytes()).unwrap()
}

fn proven(proof: Proof) -> Tester {
    match proof {
        Proof::Proven(tester) => *tester,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_first_secret_is_kept_and_any_other_refused() {
    let stack = Stack::new().await;
    assert_eq!(stack.identify.legacy(PROFILE, b"first").await.unwrap(), Proof::Unknown);
    let tester = proven(stack.identify.register(&profile("Ann", "ann@example.org", None)).await.unwrap());
    assert_eq!((tester.door.as_str(), tester.id), ("metabase", PROFILE.to_string()));

    let first = proven(stack.identify.legacy(PROFILE, b"first").await.unwrap());
    for wrong in [b"second".as_slice(), b"", b"first ", b"First", b"first\0"] {
        assert_eq!(stack.identify.legacy(PROFILE, wrong).await.unwrap(), Proof::WrongSecret, "{wrong:?}");
    }
    assert_eq!(proven(stack.identify.legacy(PROFILE, b"first").await.unwrap()).number, first.number);

    // Nor does a process that starts afresh take another one.
    let stack = Stack::open(stack.into_place()).await;
    assert_eq!(stack.identify.legacy(PROFILE, b"second").await.unwrap(), Proof::WrongSecret);
    assert_eq!(proven(stack.identify.legacy(PROFILE, b"first").await.unwrap()).number, first.number);
    let hash = stack.store().tester_by_number(first.number).await.unwrap().unwrap().secret_hash.unwrap();
    assert!(hash.starts_with("$argon2id$") && !hash.contains("first"), "{hash}");
}

#[tokio::test]
async fn of_two_first_secrets_at_once_only_one_is_kept() {
    let stack = Stack::new().await;
    stack.identify.register(&profile("Ann", "ann@example.org", None)).await.unwrap();
    let (one, two) = tokio::join!(stack.identify.legacy(PROFILE, b"one"), stack.identify.legacy(PROFILE, b"two"));
    let answers = [one.unwrap(), two.unwrap()];
    let right = answers.iter().filter(|proof| matches!(proof, Proof::Proven(_))).count();
    assert_eq!(right, 1, "{answers:?}");
    let again = [b"one", b"two"].map(|secret| stack.identify.legacy(PROFILE, secret));
    let again = futures::future::join_all(again).await;
    for (first, second) in answers.iter().zip(again) {
        assert_eq!(std::mem::discriminant(first), std::mem::discriminant(&second.unwrap()));
    }
}

#[tokio::test]
async fn a_secret_may_hold_colons_and_bytes_beyond_ascii() {
    for secret in [b"s3cr:t/x:".as_slice(), b"\xe9\xff\x80\xa0", b"\0\x01", &[0xff; 1024]] {
        let stack = Stack::new().await;
        stack.identify.register(&profile("Ann", "ann@example.org", None)).await.unwrap();
        proven(stack.identify.legacy(PROFILE, secret).await.unwrap());
        let mut other = secret.to_vec();
        *other.last_mut().unwrap() ^= 1;
        assert_eq!(stack.identify.legacy(PROFILE, &other).await.unwrap(), Proof::WrongSecret);
        assert_eq!(stack.identify.legacy(PROFILE, &secret[1..]).await.unwrap(), Proof::WrongSecret);
        proven(stack.identify.legacy(PROFILE, secret).await.unwrap());
    }
}

#[tokio::test]
async fn a_secret_sent_with_the_registration_is_the_one_sent_with_reports() {
    let stack = Stack::new().await;
    proven(stack.identify.register(&profile("Ann", "ann@example.org", Some("s\u{e9}cr:t"))).await.unwrap());
    proven(stack.identify.legacy(PROFILE, b"s\xe9cr:t").await.unwrap());
    assert_eq!(stack.identify.legacy(PROFILE, "s\u{e9}cr:t".as_bytes()).await.unwrap(), Proof::WrongSecret);
}

#[tokio::test]
async fn a_known_profile_changes_its_name_only_with_its_secret() {
    let stack = Stack::new().await;
    let registered = stack.identify.register(&profile("Ann", "ann@example.org", Some("right"))).await.unwrap();
    let number = proven(registered).number;
    for secret in [Some("wrong"), Some(""), None] {
        let refused = stack.identify.register(&profile("Mallory", "mallory@example.org", secret)).await.unwrap();
        assert_eq!(refused, Proof::WrongSecret, "with {secret:?}");
        let kept = stack.store().tester_by_number(number).await.unwrap().unwrap();
        assert_eq!((kept.name.as_str(), kept.address.as_deref()), ("Ann", Some("ann@example.org")));
    }
    let renamed = stack.identify.register(&profile("Ann Lee", "lee@example.org", Some("right"))).await.unwrap();
    assert_eq!(proven(renamed).name, "Ann Lee");
    let kept = proven(stack.identify.legacy(PROFILE, b"right").await.unwrap());
    assert_eq!(
        (kept.number, kept.name.as_str(), kept.address.as_deref()),
        (number, "Ann Lee", Some("lee@example.org"))
    );
}

#[tokio::test]
async fn anonymous_testers_are_told_apart_by_address_and_name() {
    let stack = Stack::new().await;
    let anonymous = async |name: &str, email: &str| {
        let reporter = Reporter { name: Some(name.to_owned()), email: email.to_owned() };
        stack.identify.anonymous(&reporter).await.unwrap()
    };
    let ann = anonymous("Ann", "ann@example.org").await;
    assert_eq!(ann.number, anonymous(" Ann ", "Ann@Example.org ").await.number);
    assert_ne!(ann.number, anonymous("Bob", "ann@example.org").await.number);
    assert_ne!(ann.number, anonymous("Ann", "ann@example.com").await.number);
    // Where the address ends and the name begins is not to be guessed.
    assert_ne!(anonymous("b c", "a").await.number, anonymous("c", "a b").await.number);
    let nobody = stack.identify.anonymous(&Reporter::default()).await.unwrap();
    assert_eq!((nobody.name.as_str(), nobody.address), ("Unknown", None));
}

#[tokio::test]
async fn one_who_proves_nothing_is_never_one_who_did() {
    let stack = Stack::new().await;
    let legacy = profile("Ann", "ann@example.org", Some("right"));
    let proven = proven(stack.identify.register(&legacy).await.unwrap());
    let order = Issue { scopes: vec![Scope::Submit], tester: Some("Ann".to_owned()), expires_at: None };
    let (_, own) = tokens::issue(stack.store(), &stack.process.clock, &order).await.unwrap();
    let order = Issue { scopes: vec![Scope::Submit], tester: None, expires_at: None };
    let (_, open) = tokens::issue(stack.store(), &stack.process.clock, &order).await.unwrap();
    let said = Reporter { name: Some("Ann".to_owned()), email: "ann@example.org".to_owned() };

    let own = stack.identify.token_tester(&own, &said).await.unwrap();
    let open = stack.identify.token_tester(&open, &said).await.unwrap();
    let anonymous = stack.identify.anonymous(&said).await.unwrap();
    let as_profile = Reporter { name: None, email: PROFILE.to_string() };
    let pretender = stack.identify.anonymous(&as_profile).await.unwrap();
    let numbers = [proven.number, own.number, open.number, anonymous.number, pretender.number];
    let different: std::collections::HashSet<_> = numbers.iter().collect();
    assert_eq!(different.len(), numbers.len(), "{numbers:?}");
    // The token's own tester, whatever the report says.
    assert_eq!((own.name.as_str(), open.name.as_str()), ("Ann", "Ann"));
}

#[tokio::test]
async fn a_token_works_until_it_expires_and_no_longer() {
    let stack = Stack::new().await;
    let clock = &stack.process.clock;
    let end: DateTime<Utc> = clock.now() + TimeDelta::hours(1);
    let order = Issue { scopes: vec![Scope::Read], tester: None, expires_at: Some(end) };
    let (secret, token) = tokens::issue(stack.store(), clock, &order).await.unwrap();
    assert!(token.allows(Scope::Read) && !token.allows(Scope::Submit) && !token.allows(Scope::Admin));
    assert_eq!(stack.identify.token(secret.reveal()).await.unwrap().map(|token| token.id), Some(token.id.clone()));
    assert!(stack.identify.token(&token.id).await.unwrap().is_none());
    assert!(stack.identify.token("").await.unwrap().is_none());

    clock.advance(TimeDelta::minutes(60) - TimeDelta::microseconds(1));
    assert!(stack.identify.token(secret.reveal()).await.unwrap().is_some());
    clock.advance(TimeDelta::microseconds(1));
    assert!(stack.identify.token(secret.reveal()).await.unwrap().is_none());
    assert!(tokens::rotate(stack.store(), clock, &token.id, clock.now()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_revoked_token_is_refused_and_can_be_revoked_once() {
    let stack = Stack::new().await;
    let clock = &stack.process.clock;
    let order = Issue { scopes: vec![Scope::Admin], tester: Some("Ann".to_owned()), expires_at: None };
    let (secret, token) = tokens::issue(stack.store(), clock, &order).await.unwrap();
    assert!(Scope::ALL.into_iter().all(|scope| token.allows(scope)));
    assert!(stack.identify.token(secret.reveal()).await.unwrap().is_some());
    assert!(tokens::revoke(stack.store(), clock, &token.id).await.unwrap());
    stack.identify.forget_tokens();
    assert!(stack.identify.token(secret.reveal()).await.unwrap().is_none());
    assert!(!tokens::revoke(stack.store(), clock, &token.id).await.unwrap());
    assert!(!tokens::revoke(stack.store(), clock, "no such token").await.unwrap());
}

#[tokio::test]
async fn a_rotated_token_keeps_tester_and_scopes_and_ends_the_old_one_in_time() {
    let stack = Stack::new().await;
    let clock = &stack.process.clock;
    let order = Issue { scopes: vec![Scope::Submit, Scope::Read], tester: Some("Ann".to_owned()), expires_at: None };
    let (old_secret, old) = tokens::issue(stack.store(), clock, &order).await.unwrap();
    let end = clock.now() + TimeDelta::days(1);
    let (secret, new) = tokens::rotate(stack.store(), clock, &old.id, end).await.unwrap().unwrap();
    assert!(new.id != old.id && secret.reveal() != old_secret.reveal());
    assert_eq!((new.tester, &new.scopes), (old.tester, &old.scopes));
    assert!(stack.identify.token(old_secret.reveal()).await.unwrap().is_some());
    assert!(stack.identify.token(secret.reveal()).await.unwrap().is_some());

    clock.advance(TimeDelta::days(1));
    stack.identify.forget_tokens();
    assert!(stack.identify.token(old_secret.reveal()).await.unwrap().is_none());
    assert!(stack.identify.token(secret.reveal()).await.unwrap().is_some());
    // At once: the next look finds it revoked.
    let (newest, _) = tokens::rotate(stack.store(), clock, &new.id, clock.now()).await.unwrap().unwrap();
    stack.identify.forget_tokens();
    assert!(stack.identify.token(secret.reveal()).await.unwrap().is_none());
    assert!(stack.identify.token(newest.reveal()).await.unwrap().is_some());
}

#[tokio::test]
async fn the_database_holds_neither_tokens_nor_secrets() {
    let stack = Stack::new().await;
    let order = Issue { scopes: vec![Scope::Submit], tester: Some("Ann".to_owned()), expires_at: None };
    let (secret, _) = tokens::issue(stack.store(), &stack.process.clock, &order).await.unwrap();
    stack.identify.register(&profile("Ann", "ann@example.org", Some("plainly-to-be-found"))).await.unwrap();
    let secrets = [secret.reveal(), "plainly-to-be-found"];
    for rows in dump(&stack.raw().await).await.into_values() {
        for secret in secrets {
            let bytes: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
            assert!(!rows.iter().any(|row| row.contains(secret) || row.to_lowercase().contains(&bytes)));
        }
    }
    stack.store().close().await;
    if stack.store().shared() {
        return println!("the files are PostgreSQL's; its tables hold neither");
    }
    let mut files = 0;
    for file in std::fs::read_dir(stack.directory.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for secret in secrets {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
        }
        files += 1;
    }
    assert!(files > 0);
}
