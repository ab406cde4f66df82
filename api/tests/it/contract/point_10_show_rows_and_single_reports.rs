//! `/show/DIST.json` keys; report by numeric id and guid; `?json=1`, `?raw=1`, not-found under 200.

use serde_json::{Value, json};

use crate::server::{Answer, Server};
use crate::submissions::{Made, legacy_report, registration};

const PROFILE: &str = "1f0a3b52-7c1e-4b8e-9a52-6f0f8f1d2c3b";

/// Sends a legacy report by a tester with a name beyond ASCII.
pub async fn submit_legacy(server: &Server, made: &Made) {
    let registered = registration(PROFILE, "Jörg Example", "joerg@secret.example", Some("s3cret"));
    let answer = server.post("/api/v1/register", "application/json", registered).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let request =
        server.client.post(server.at("/api/v1/submit/CPAN-Testers-Report")).basic_auth(PROFILE, Some("s3cret"));
    let answer = server.ask(request.body(legacy_report(&made.id, PROFILE, made))).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
}

/// A server with one legacy report, and what it says.
async fn with_one_report(arguments: &[&str]) -> (Server, Made) {
    let server = Server::with(arguments);
    let made = Made {
        grade: "fail",
        perl: "5.37.1".to_owned(),
        osname: "MSWin32".to_owned(),
        archname: "MSWin32-x64-multi-thread".to_owned(),
        text: "Dear <author> & co,\nwrite to joerg@secret.example\n\n  ok 1\n".to_owned(),
        ..Made::default()
    };
    submit_legacy(&server, &made).await;
    server.settle().await;
    (server, made)
}

/// A HEAD of a reader who takes no packed answers, as today's do: how long a packed one gets is not known before.
async fn head(server: &Server, path: &str) -> Answer {
    server.ask(server.client.head(server.at(path)).header("accept-encoding", "identity")).await
}

fn show_row(made: &Made, tester: &str) -> Value {
    json!({
        "status": "FAIL",
        "state": "fail",
        "grade": "fail",
        "guid": made.id,
        "dist": "Foo-Bar",
        "distribution": "Foo-Bar",
        "version": "1.0",
        "distversion": "Foo-Bar-1.0",
        "type": 2,
        "osname": "MSWin32",
        "osvers": "6.1.0",
        "ostext": "Windows (Win32)",
        "perl": "5.37.1",
        "lang_version": "Perl 5 v5.37.1",
        "platform": "MSWin32-x64-multi-thread",
        "archname": "MSWin32-x64-multi-thread",
        "uploadid": null,
        "tester": tester,
        "id": 1,
        "postdate": "202611",
        "fulldate": "202611202219",
        "csspatch": "unp",
        "cssperl": "dev",
        "datetime": "2026-11-20T22:19:33",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_has_every_key_of_today_and_the_address_only_where_the_operator_says_so() {
    for (setting, tester) in [
        ("privacy.addresses=false", "\"Jörg Example\""),
        ("privacy.addresses=true", "\"Jörg Example\" <joerg@secret.example>"),
    ] {
        let (server, made) = with_one_report(&["--listen", "127.0.0.1:0", "--set", setting]).await;
        for path in
            ["/show/Foo-Bar.json", "/distro/F/Foo-Bar.json", "/author/PREACTION.json", "/author/PREACTION-nopass.json"]
        {
            let answer = server.get(path).await;
            assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"), "{path}");
            assert_eq!(answer.json(), json!([show_row(&made, tester)]), "{path}");
            assert_eq!(answer.header("content-length"), answer.body.len().to_string(), "{path}");
            let told = head(&server, path).await;
            assert_eq!((told.status, told.body.len()), (200, 0), "{path}");
            assert_eq!(told.header("content-length"), answer.body.len().to_string(), "{path}");
            assert_eq!(told.header("content-type"), "application/json", "{path}");
        }
        // By the contract the site serves the letter's text as it came; what is hidden is hidden in all of it.
        let text = server.get(&format!("/cpan/report/{}?raw=1", made.id)).await.text();
        assert_eq!(text.contains("joerg@secret.example"), setting.ends_with("true"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn css_classes_tell_patched_and_development_perls() {
    let server = Server::start();
    let cases = [
        ("5.36.0", "unp", "rel"),
        ("5.9.5", "unp", "dev"),
        ("5.8.9", "unp", "rel"),
        ("5.16.0 RC0", "pat", "rel"),
        ("5.11.0 patch GitLive-blead-1437-g8bca5c8", "pat", "dev"),
        ("5.41.10", "unp", "dev"),
    ];
    let reports: Vec<Value> =
        cases.iter().map(|(perl, ..)| Made { perl: (*perl).to_owned(), ..Made::default() }.json()).collect();
    server.submit_all(&reports).await;
    server.settle().await;
    let rows = server.json("/show/Foo-Bar.json").await;
    let mut found: Vec<(&str, &str, &str)> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["perl"].as_str().unwrap(), row["csspatch"].as_str().unwrap(), row["cssperl"].as_str().unwrap()))
        .collect();
    found.sort_unstable();
    let mut expected = cases;
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_of_an_unknown_name_are_an_empty_array_and_other_forms_lead_to_the_page() {
    let server = Server::start();
    for path in ["/show/No-Such.json", "/distro/N/No-Such.json", "/author/NOBODY.json", "/release/No-Such.json"] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "[]"), "{path}");
    }
    for (path, status, location) in [
        ("/show/Foo-Bar.html", 302, "/dist/Foo-Bar"),
        ("/show/Foo-Bar.rss", 302, "/dist/Foo-Bar"),
        ("/show/Foo-Bar", 302, "/dist/Foo-Bar"),
        ("/show/CGI.pm", 302, "/dist/CGI.pm"),
        ("/show/JSON%3A%3AName.html", 302, "/dist/JSON%3A%3AName"),
        ("/distro/F/Foo-Bar.html", 302, "/dist/Foo-Bar"),
        ("/author/P/PREACTION.html", 301, "/author/PREACTION.html"),
        ("/author/P/PREACTION.json", 301, "/author/PREACTION.json"),
        ("/author/P/PREACTION-nopass.rss", 301, "/author/PREACTION-nopass.rss"),
        ("/author/P/a%0Ab", 301, "/author/a%0Ab"),
        ("/cgi-bin/pages.cgi?act=cpan-report&id=17&raw=1", 301, "/cpan/report/17?raw=1"),
        ("/cgi-bin/pages.cgi?act=cpan-report&id=17", 301, "/cpan/report/17"),
        ("/show/Foo-Bar.yaml", 404, ""),
        ("/author/PREACTION.yaml", 404, ""),
        ("/cgi-bin/pages.cgi?act=other", 404, ""),
    ] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.header("location")), (status, location), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_hold_dots_and_the_newest_version_is_not_the_greatest_text() {
    let server = Server::start();
    let versions = ["1.9", "1.10", "v1.2.3"];
    for (place, version) in versions.into_iter().enumerate() {
        let made = Made { distribution: "Foo.Bar".to_owned(), version: version.to_owned(), ..Made::default() };
        submit_legacy(&server, &Made { distribution: "Foo.Bar".to_owned(), ..made }).await;
        let bar = Made { distribution: "Bar".to_owned(), version: format!("v1.{}.0", place + 8), ..Made::default() };
        submit_legacy(&server, &bar).await;
    }
    server.settle().await;
    let rows = server.json("/show/Foo.Bar.json").await;
    let listed: Vec<&str> = rows.as_array().unwrap().iter().map(|row| row["version"].as_str().unwrap()).collect();
    assert_eq!(listed, ["1.9", "1.10", "v1.2.3"]);
    // As texts v1.9.0 is greater than v1.10.0, and as decimals 1.9 is newer than 1.10.
    let rows = server.json("/author/preaction.json").await;
    let listed: Vec<(&str, &str)> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["dist"].as_str().unwrap(), row["version"].as_str().unwrap()))
        .collect();
    assert_eq!(listed, [("Bar", "v1.10.0"), ("Foo.Bar", "1.9")]);
    let counts = server.json("/release/Bar.json?$limit=2&$offset=1").await;
    let row = |version: &str| json!({"dist": "Bar", "version": version, "pass": 1, "fail": 0, "na": 0, "unknown": 0});
    assert_eq!(counts, json!([row("v1.9.0"), row("v1.8.0")]));
    assert_eq!(server.json("/release/Bar.json").await.as_array().unwrap().len(), 3);
    assert_eq!(server.json("/release/Bar.json?%24limit=1").await, json!([row("v1.10.0")]));
    assert_eq!(server.get("/release/Bar.json?$limit=x").await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_named_by_its_newest_change() {
    let (server, made) = with_one_report(&["--listen", "127.0.0.1:0"]).await;
    for path in ["/show/Foo-Bar.json", "/author/PREACTION.json"] {
        let before = server.get(path).await;
        let ask = |etag: &str| server.ask(server.client.get(server.at(path)).header("if-none-match", etag.to_owned()));
        assert!(before.header("etag").starts_with("W/\""), "{path}");
        let again = ask(before.header("etag")).await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        assert_eq!(again.header("etag"), before.header("etag"), "{path}");
        // A correction that moves no count.
        let osname = if path.starts_with("/show") { "MSWin64" } else { "cygwin" };
        submit_legacy(&server, &Made { osname: osname.to_owned(), ..made.clone() }).await;
        server.settle().await;
        let now = ask(before.header("etag")).await;
        assert_eq!((now.status, &now.json()[0]["osname"]), (200, &osname.into()), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_is_whole_and_comes_in_pieces() {
    let server = Server::start();
    let reports: Vec<Value> =
        (0..4_100).map(|number| Made { version: format!("{}.0", number % 3), ..Made::default() }.json()).collect();
    for some in reports.chunks(1_500) {
        server.submit_all(some).await;
    }
    server.settle().await;
    let answer = server.get("/show/Foo-Bar.json").await;
    assert_eq!((answer.status, answer.header("content-length")), (200, ""));
    let rows = answer.json();
    let mut ids: Vec<&str> = rows.as_array().unwrap().iter().map(|row| row["guid"].as_str().unwrap()).collect();
    let mut sent: Vec<&str> = reports.iter().map(|report| report["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    sent.sort_unstable();
    assert_eq!(ids, sent);
    let told = head(&server, "/show/Foo-Bar.json").await;
    assert_eq!((told.status, told.body.len(), told.header("etag")), (200, 0, answer.header("etag")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_found_by_number_and_by_guid_in_either_case_and_in_every_form() {
    let (server, made) = with_one_report(&["--listen", "127.0.0.1:0"]).await;
    let text = "Dear <author> & co,\nwrite to joerg@…\n\n  ok 1\n";
    let core = |kind: &str| {
        json!({"core": {
            "guid": made.id,
            "type": kind,
            "resource": "cpan:///distfile/PREACTION/Foo-Bar-1.0.tar.gz",
            "creator": format!("metabase:user:{PROFILE}"),
            "creation_time": "2026-11-20T22:19:33Z",
            "update_time": "2026-11-20T22:19:33Z",
            "schema_version": 1,
            "valid": 1,
        }})
    };
    let summary = json!({
        "grade": "fail",
        "osname": "MSWin32",
        "osversion": "6.1.0",
        "archname": "MSWin32-x64-multi-thread",
        "perl_version": "5.37.1",
    });
    let mut whole = summary.clone();
    whole["textreport"] = text.into();
    let expected = json!({"success": 1, "result": {
        "metadata": core("CPAN-Testers-Report"),
        "content": [
            {"metadata": core("CPAN-Testers-Fact-LegacyReport"), "content": whole},
            {"metadata": core("CPAN-Testers-Fact-TestSummary"), "content": summary},
        ],
    }});
    let letter = "<pre>\nFrom: <strong>Jörg Example</strong>\n\
                  Subject: <strong>FAIL Foo-Bar-1.0 5.37.1 Windows (Win32)</strong>\n\
                  Date: <strong>2026-11-20T22:19:33Z</strong>\n\n\
                  Dear &#60;author&#62; &#38; co,\nwrite to joerg@…\n\n  ok 1\n\n</pre>";
    let page = server.get(&format!("/report/{}", made.id)).await.text();
    for id in ["1", &made.id, &made.id.to_uppercase()] {
        for place in ["/cpan/report", "/report"] {
            let shape = server.get(&format!("{place}/{id}?json=1")).await;
            assert_eq!((shape.status, shape.header("content-type")), (200, "application/json"), "{place}/{id}");
            assert_eq!(shape.json(), expected, "{place}/{id}");
            let raw = server.get(&format!("{place}/{id}?raw=1")).await;
            assert_eq!((raw.status, raw.header("content-type")), (200, "text/html; charset=utf-8"), "{place}/{id}");
            assert!(raw.text().contains(letter), "{place}/{id}: {}", raw.text());
            assert!(raw.text().contains("<title>FAIL Foo-Bar-1.0 5.37.1 Windows (Win32)</title>"), "{place}/{id}");
            let html = server.get(&format!("{place}/{id}")).await;
            assert_eq!((html.status, heading(&html.text())), (200, heading(&page)), "{place}/{id}");
            for form in ["json=1", "raw=1"] {
                let path = format!("{place}/{id}?{form}");
                let answer = server.get(&path).await;
                let told = head(&server, &path).await;
                assert_eq!(told.header("content-length"), answer.body.len().to_string(), "{path}");
                let again = server.client.get(server.at(&path)).header("if-none-match", answer.header("etag"));
                assert_eq!(server.ask(again).await.status, 304, "{path}");
            }
        }
        let kept = server.get(&format!("/static/report/{id}")).await;
        assert_eq!((kept.status, kept.header("cache-control")), (200, "public, max-age=604800"));
        assert!(kept.text().contains(&format!("url=/report/{id}")), "{}", kept.text());
    }
}

fn heading(page: &str) -> String {
    let (_, rest) = page.split_once("<h1").expect("a page has a heading");
    rest.split("</h1>").next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn that_there_is_no_report_is_told_under_status_200() {
    let server = Server::start();
    let none = "0b45cd74-d944-4999-9c3d-000000000000";
    for id in ["1", "99999999999999999999999", none, "x", "%3Cscript%3E"] {
        let path = format!("/cpan/report/{id}");
        let page = server.get(&path).await;
        assert_eq!((page.status, page.header("cache-control")), (200, "no-store"), "{path}");
        assert!(page.text().contains("<h1>Report not found</h1>"), "{path}: {}", page.text());
        assert!(!page.text().contains("<script>"), "{path}");
        assert!(server.get(&format!("{path}?raw=1")).await.text().contains("<h1>Report not found</h1>"));
        let shape = server.get(&format!("{path}?json=1")).await;
        assert_eq!((shape.status, shape.text().as_str()), (200, "{\"success\":0}"), "{path}");
        assert_eq!(shape.header("content-type"), "application/json", "{path}");
    }
    assert_eq!(server.get("/report/1").await.status, 200);
    assert_eq!(server.get(&format!("/report/{none}?json=1")).await.text(), "{\"success\":0}");
    for wrong in ["x", "%3Cscript%3E", "..%2F..%2Fetc"] {
        assert_eq!(server.get(&format!("/static/report/{wrong}")).await.status, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn crawlers_are_asked_to_leave_single_reports_alone() {
    let robots = Server::start().get("/robots.txt").await;
    assert_eq!((robots.status, robots.header("content-type")), (200, "text/plain; charset=utf-8"));
    let text = robots.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "User-agent: *");
    assert!(lines.contains(&"Disallow: /report/") && lines.contains(&"Disallow: /cpan/report/"), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn head_tells_what_get_would() {
    let (server, made) = with_one_report(&["--listen", "127.0.0.1:0"]).await;
    for path in [
        "/show/Foo-Bar.json",
        "/show/Foo-Bar.html",
        "/show/Foo-Bar.yaml",
        "/distro/F/Foo-Bar.json",
        "/dist/Foo-Bar",
        "/dist/Foo-Bar.rss",
        "/dist/Foo-Bar/1.0",
        "/dist/Foo-Bar/1.0.rss",
        "/release/Foo-Bar.json",
        "/author/PREACTION",
        "/author/PREACTION.html",
        "/author/PREACTION.json",
        "/author/PREACTION.rss",
        "/author/PREACTION-nopass.rss",
        "/author/P/PREACTION.rss",
        &format!("/cpan/report/{}", made.id),
        &format!("/cpan/report/{}?json=1", made.id),
        "/cpan/report/99?json=1",
        "/static/report/1",
        "/cgi-bin/reports-metadata.cgi?range=1-",
        "/cgi-bin/reports-metadata.cgi?date=2026-11-20",
        "/tail/log.txt",
        "/robots.txt",
    ] {
        let request = server.client.get(server.at(path)).header("accept-encoding", "identity");
        let (whole, told) = (server.ask(request).await, head(&server, path).await);
        assert_eq!((told.status, told.body.len()), (whole.status, 0), "{path}");
        for name in ["content-type", "cache-control", "location"] {
            assert_eq!(told.header(name), whole.header(name), "{path}: {name}");
        }
        // A page tells how fresh it is, and the log when it was made; neither changes their lengths.
        let length =
            if whole.status == 200 { whole.body.len().to_string() } else { whole.header("content-length").into() };
        assert_eq!(told.header("content-length"), length, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_address_makes_the_server_fail() {
    let (server, _) = with_one_report(&["--listen", "127.0.0.1:0"]).await;
    let long = "x".repeat(4_000);
    let mut paths = vec![
        format!("/show/{long}.json"),
        "/release/Foo-Bar.json?$limit=0&$offset=99999999999999".to_owned(),
        "/release/Foo-Bar.json?$offset=-1".to_owned(),
        "/release/Foo-Bar.json?$limit=18446744073709551616".to_owned(),
        "/cpan/report/1?raw=1&raw=1".to_owned(),
        "/cpan/report/-1?json=1".to_owned(),
        "/cgi-bin/pages.cgi?act=cpan-report&id=%0D%0ASet-Cookie:x".to_owned(),
        "/cgi-bin/reports-metadata.cgi?date=262142-12-31".to_owned(),
        "/cgi-bin/reports-metadata.cgi?range=-9223372036854775807".to_owned(),
    ];
    for odd in [
        ".json",
        "..json",
        "%00.json",
        "%FF.json",
        "%0A",
        "a%2Fb.json",
        "'--.json",
        "\u{e4}.rss",
        "-nopass.json",
        "%3C.html",
    ] {
        for place in
            ["/show/", "/distro/F/", "/dist/", "/dist/Foo-Bar/", "/release/", "/author/", "/author/P/", "/cpan/report/"]
        {
            paths.push(format!("{place}{odd}"));
        }
    }
    for path in paths {
        let answer = server.get(&path).await;
        assert!(answer.status < 500, "{path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        assert!(!answer.headers.iter().any(|(name, _)| name == "set-cookie"), "{path}");
    }
}
