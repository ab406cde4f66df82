//! Pages show what they were given, in the order people look for it, with links that lead there.

use dashboards::Site;
use dashboards::pages::{self, ReleasePage, SearchAnswer, SearchPage};
use schemas::grade::Counts;
use schemas::query::{KeyField, TimeField, WordField};
use schemas::retention::DroppedView;
use schemas::views::{CellView, MatrixView, ReceiptView, RefusalView, State};
use schemas::withdrawal::{BodyFate, WithdrawnAs, WithdrawnBy, WithdrawnView};

use crate::markup::read;
use crate::samples;

fn cell(language_version: &str, os: &str, pass: i64, fail: i64) -> CellView {
    CellView {
        language_version: Some(language_version.to_owned()),
        os: Some(os.to_owned()),
        counts: Counts { pass, fail, na: 0, unknown: 0 },
        ..CellView::default()
    }
}

fn release_with(cells: Vec<CellView>) -> String {
    let totals = cells.iter().fold(Counts::default(), |sum, cell| sum + cell.counts);
    let matrix = MatrixView { cells, totals, ..samples::matrix(&[], &[]) };
    let release = samples::release_view(totals);
    pages::release(&Site::default(), &ReleasePage { release, matrix, failing: Vec::new(), recent: Vec::new() })
}

/// The text of a page without its tags, white space shrunk.
fn text_of(html: &str) -> String {
    let mut text = String::new();
    for piece in html.split('<') {
        text.push_str(piece.split_once('>').map_or(piece, |(_, text)| text));
        text.push(' ');
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn assert_in_order(html: &str, needles: &[&str]) {
    let mut from = 0;
    for needle in needles {
        let at = html[from..].find(needle).unwrap_or_else(|| panic!("{needle:?} is not after byte {from}"));
        from += at + needle.len();
    }
}

#[test]
fn perls_stand_newest_first_by_their_numbers() {
    let versions = ["5.8.9", "5.10.1", "5.36.0", "5.16.0", "5.16.0 RC0", "5.16.0 patch x", "5.9.5", "weird"];
    let html = release_with(versions.iter().map(|version| cell(version, "linux", 1, 0)).collect());
    let heads = ["5.36.0", "5.16.0 patch x", "5.16.0", "5.16.0 RC0", "5.10.1", "5.9.5", "5.8.9", "weird"];
    let heads: Vec<String> = heads.iter().map(|head| format!(">{head}</a></th>")).collect();
    assert_in_order(&html, &heads.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_cell_leads_to_the_reports_behind_it() {
    let html = release_with(vec![cell("5.42.0 RC1", "mswin32", 3, 1)]);
    let address = "/results?language=perl&#38;distribution=Foo-Bar&#38;version=1.10&#38;language_version=5.42.0%20RC1&#38;os=mswin32\"";
    assert!(html.contains(&format!("<td class=\"mixed\"><a href=\"{address}")), "{html}");
}

#[test]
fn a_raku_matrix_leads_to_raku_reports() {
    let mut matrix = samples::matrix(&["2025.10".to_owned()], &["linux"]);
    matrix.language = "raku".to_owned();
    let page = ReleasePage { matrix, ..samples::release() };
    let html = pages::release(&Site::default(), &page);
    assert!(html.contains("/results?language=raku&#38;distribution=Foo-Bar"));
}

#[test]
fn rows_columns_and_the_whole_are_added_up() {
    let cells = vec![cell("5.36.0", "linux", 10, 1), cell("5.36.0", "darwin", 5, 0), cell("5.38.0", "linux", 2_000, 4)];
    let text = text_of(&release_with(cells));
    assert!(text.contains("all P 2,015 F 5 P 2,010 F 5 P 5 5.38.0"), "the row of totals: {text}");
    assert!(text.contains("5.36.0 P 15 F 1 P 10 F 1 P 5"), "a row with its total: {text}");
}

#[test]
fn a_failure_among_thousands_of_passes_is_seen() {
    let html = release_with(vec![cell("5.36.0", "linux", 99_999, 1)]);
    assert!(html.contains("<rect class=\"p\" x=\"0\" y=\"5\" width=\"96\" height=\"5\"/><rect class=\"f\" x=\"96\" y=\"0\" width=\"4\" height=\"10\"/>"));
    assert!(text_of(&html).contains("Passing 99 %"), "all but one is not all");
}

#[test]
fn what_failures_have_in_common_is_said() {
    let html = release_with(vec![
        cell("5.40.0", "linux", 4, 0),
        cell("5.36.0", "linux", 9, 0),
        cell("5.36.0", "mswin32", 0, 3),
        cell("5.10.1", "linux", 0, 2),
        cell("5.8.9", "linux", 0, 1),
    ]);
    assert!(html.contains("<li>No pass on mswin32: 3 failures.</li>"));
    assert!(html.contains("<li>No pass with perl 5.10.1 or older: 3 failures.</li>"));
    assert!(!html.contains("or newer"));
}

#[test]
fn platforms_without_any_pass_are_listed_first() {
    let html = release_with(vec![cell("5.40.0", "linux", 4, 1), cell("5.8.9", "netbsd", 0, 1)]);
    assert_in_order(&html, &["perl 5.8.9 on netbsd", "perl 5.40.0 on linux"]);
}

#[test]
fn a_report_shows_missing_prerequisites_first_and_says_so() {
    let html = pages::report(&Site::default(), &samples::report());
    assert_in_order(
        &html,
        &["Some::Module::With", "✗</span> missing", "Moo", "✗</span> too old", "Carp", "✓</span> ok"],
    );
    assert!(html.contains("2 of 5 not satisfied"));
}

#[test]
fn a_report_shows_its_text_without_terminal_escapes_and_with_hidden_characters() {
    let html = pages::report(&Site::default(), &samples::report());
    assert!(html.contains("\nt/00-load.t ..... ok\nt/10-basic.t .... \n"), "escapes and carriage returns are gone");
    assert!(html.contains("&#39;handles &lt;b&gt;&amp;amp;&lt;/b&gt; right&#39;"), "markup is text");
    assert!(html.contains("Grüße<span class=\"hidden\">\\x00</span><span class=\"hidden\">\\x07</span>"));
}

#[test]
fn the_output_of_a_failure_is_unfolded_and_that_of_a_pass_is_not() {
    let mut page = samples::report();
    assert_in_order(
        &pages::report(&Site::default(), &page),
        &["<details class=\"text\" open>\n<summary>Program output"],
    );
    page.report.result = Some(samples::result(0));
    assert!(!pages::report(&Site::default(), &page).contains("<details class=\"text\" open>"));
}

#[test]
fn addresses_in_texts_are_shown_without_their_host() {
    let mut page = samples::report();
    page.report.details = None;
    page.text =
        "cc jane.doe+x@mail.example.org. At 5.8.8@RELEASE/bin; @ISA; a@b; ü@x.org; x@y.z0; end@host.de".to_owned();
    let html = pages::report(&Site::default(), &page);
    assert!(html.contains("cc jane.doe+x@…. At 5.8.8@RELEASE/bin; @ISA; a@b; ü@x.org; x@y.z0; end@…</pre>"), "{html}");
}

#[test]
fn a_match_within_an_address_does_not_show_its_host() {
    let SearchAnswer::Found(mut found) = samples::search().answer else { panic!("the sample found something") };
    let text = "write to jane@mail.example.org today";
    found.items.truncate(1);
    found.items[0].highlights =
        vec![schemas::views::Highlight { text: text.to_owned(), marks: vec![(0, 5), (14, 18)] }];
    let page = SearchPage { answer: SearchAnswer::Found(found), ..samples::search() };
    assert!(pages::search(&Site::default(), &page).contains("<mark>write</mark> to jane@… today</pre>"));
}

#[test]
fn a_raku_distribution_is_not_mixed_up_with_a_perl_one_of_the_same_name() {
    let mut view = samples::distribution();
    view.language = "raku".to_owned();
    view.releases.iter_mut().for_each(|release| release.language = "raku".to_owned());
    let html = pages::distribution(&Site::default(), &view);
    assert!(html.contains("href=\"/dist/Foo-Bar/1.24?language=raku\""), "{html}");
    assert!(html.contains("href=\"/matrix/Foo-Bar?language=raku\""));
    assert!(html.contains("href=\"/results?language=raku&#38;distribution=Foo-Bar\""));
}

#[test]
fn a_report_that_tells_no_time_is_not_said_to_tell_one() {
    let mut page = samples::report();
    assert!(pages::report(&Site::default(), &page).contains("by the tester's clock"));
    page.report.report = serde_json::json!({});
    assert!(!pages::report(&Site::default(), &page).contains("tester's clock"));
}

#[test]
fn a_long_text_is_cut_in_the_middle() {
    let mut page = samples::report();
    page.text = format!("begin{}end", "ä".repeat(1_000_000));
    page.report.details = None;
    let html = pages::report(&Site::default(), &page);
    read("report", &html);
    assert!(html.len() < 300_000, "{} bytes", html.len());
    assert_in_order(&html, &[">beginä", "bytes left out here", "/v4/reports/", "/text\">The whole text", "äend</pre>"]);
}

#[test]
fn a_submission_under_way_is_asked_for_again_and_a_settled_one_is_not() {
    for state in [State::Spooled, State::Accepted, State::Processing, State::Processed, State::Rejected, State::Parked]
    {
        let html = pages::receipt(&Site::default(), &samples::receipt(state), samples::freshness());
        assert_eq!(html.contains("http-equiv=\"refresh\""), !state.settled(), "{state:?}");
        assert!(html.contains(&format!("<span class=\"state {0}\">{0}</span>", state.as_str())));
    }
}

#[test]
fn a_withdrawn_report_says_who_took_it_back_and_why_and_offers_no_text_that_is_gone() {
    let mut page = samples::report();
    page.report.result = None;
    for (kind, by, body, words) in [
        (WithdrawnAs::Retracted, WithdrawnBy::Tester, BodyFate::Kept, "Retracted by its tester"),
        (WithdrawnAs::Invalid, WithdrawnBy::Operator, BodyFate::Purged, "Marked invalid by an operator"),
    ] {
        let reason = "a <b>broken</b> compiler".to_owned();
        let withdrawn = WithdrawnView { kind, reason, by, at: samples::hour(960), body };
        page.report.withdrawn = Some(withdrawn.clone());
        let html = pages::report(&Site::default(), &page);
        read("report", &html);
        assert_in_order(&html, &["Report", words, "a &lt;b&gt;broken&lt;/b&gt; compiler"]);
        assert_eq!(html.contains("/text\">Text</a>"), body == BodyFate::Kept, "{kind}");
        assert_eq!(html.contains("Its text was deleted"), body == BodyFate::Purged, "{kind}");
        assert!(html.contains("noindex"), "search engines are to forget it");

        let receipt = ReceiptView { withdrawn: Some(withdrawn), ..samples::receipt(State::Processed) };
        let html = pages::receipt(&Site::default(), &receipt, samples::freshness());
        read("receipt", &html);
        assert!(html.contains("<span class=\"state withdrawn\">withdrawn</span>"));
        assert_in_order(&html, &["counted and listed nowhere", words, "broken", "Its text"]);
    }
}

#[test]
fn a_report_whose_text_is_kept_no_longer_says_so_and_shows_what_was_read_out_of_it() {
    let mut page = samples::report();
    let dropped = DroppedView { month: "2024-05".to_owned(), at: samples::hour(960) };
    page.report.dropped = Some(dropped.clone());
    page.report.details = None;
    page.text = String::new();
    let html = pages::report(&Site::default(), &page);
    read("report", &html);
    let distribution = page.report.result.unwrap().distribution;
    assert_in_order(&html, &["Report", &distribution, "Its text is no longer here", "2024-05", "Platform"]);
    assert!(!html.contains("/text\">") && !html.contains("/raw\">") && !html.contains("bytes</span>"), "{html}");

    let receipt = ReceiptView { dropped: Some(dropped), ..samples::receipt(State::Processed) };
    let html = pages::receipt(&Site::default(), &receipt, samples::freshness());
    read("receipt", &html);
    assert_in_order(&html, &["processed", "Its text is no longer here", "2024-05", "Attempts"]);
}

#[test]
fn a_submission_refused_after_it_was_spooled_is_told_with_its_reason() {
    let refused = vec![RefusalView {
        digest: "0123456789abcdef".to_owned(),
        received_at: samples::hour(950),
        refused_at: samples::hour(960),
        reason: "the token <b>it</b> was sent with is unknown".to_owned(),
    }];
    let receipt = ReceiptView { refused, ..samples::receipt(State::Processed) };
    let html = pages::receipt(&Site::default(), &receipt, samples::freshness());
    read("receipt", &html);
    assert_in_order(
        &html,
        &["processed", "Refused", "the token &lt;b&gt;it&lt;/b&gt;", "0123456789abcdef", "Attempts"],
    );
}

#[test]
fn pages_say_how_fresh_they_are() {
    let html = text_of(&pages::home(&Site::default(), &samples::home()));
    assert!(html.contains("Complete up to 2026-02-11 16:00 , 3 reports waiting. Change 482113."), "{html}");
}

#[test]
fn a_later_page_is_reached_with_the_same_choice() {
    let html = pages::results(&Site::default(), &samples::results_page());
    assert!(html.contains("os=linux&#38;grade=fail&#38;after=b64%2Fcursor%2B%3D\">Next page"));
    let html = pages::search(&Site::default(), &samples::search());
    assert!(html.contains("/search?q=failed%20Gr%C3%BC%C3%9Fe%20os%3Alinux&#38;after=next%2Bcursor"));
}

#[test]
fn the_place_at_fault_in_a_query_is_shown() {
    let html = pages::search(&Site::default(), &samples::faulty_search());
    assert!(html.contains("Grüße <mark>colour:red</mark>"));
    assert!(html.contains("The fault is at character 7"));
    assert!(html.contains("value=\"Grüße colour:red\""), "the query can be mended");
}

#[test]
fn every_query_in_the_help_can_be_read_and_every_field_is_explained() {
    let html = pages::search_help(&Site::default());
    let examples = html.split("class=\"query\"").skip(1).map(|rest| &rest[..rest.find("</code>").expect("an end")]);
    let mut read = 0;
    for example in examples {
        let example = example.rsplit('>').next().expect("there is a last piece");
        let query = example.replace("&#34;", "\"").replace("&#62;", ">").replace("&gt;", ">");
        schemas::query::parse(&query).unwrap_or_else(|error| panic!("{query}: {error}"));
        read += 1;
    }
    assert_eq!(read, 23, "nine forms and fourteen fields");
    let words = [WordField::Tester, WordField::Architecture].into_iter().filter_map(WordField::name);
    let times = [TimeField::Received, TimeField::Created].into_iter().map(TimeField::name);
    for name in KeyField::ALL.into_iter().map(KeyField::name).chain(words).chain(times) {
        assert!(html.contains(&format!("<code>{name}:</code>")), "{name} is not explained");
    }
}

#[test]
fn matches_are_marked_by_bytes() {
    let html = pages::search(&Site::default(), &samples::search());
    assert!(html.contains("#   <mark>Failed test</mark> &#39;handles <mark>Grüße</mark> right"));
    let SearchAnswer::Found(mut found) = samples::search().answer else { panic!("the sample found something") };
    found.items.clear();
    let page = SearchPage { answer: SearchAnswer::Found(found), ..samples::search() };
    assert!(pages::search(&Site::default(), &page).contains("No report matches"));
}

#[test]
fn an_author_sees_what_fails_first() {
    let text = text_of(&pages::author(&Site::default(), &samples::author()));
    assert_in_order(&text, &["Failing", "0 %", "Without failures", "100 %"]);
}

#[test]
fn only_the_newest_twenty_versions_stand_in_the_matrix_of_a_distribution() {
    let html = pages::distribution_matrix(&Site::default(), &samples::distribution_matrix());
    assert_in_order(&html, &[">1.24</a></th>", ">1.23</a></th>", ">1.05</a></th>"]);
    assert!(!html.contains(">1.04</a>"));
    assert!(html.contains("The newest 20 versions."));
}

#[test]
fn all_links_stand_below_the_root_and_are_encoded() {
    let site = Site { origin: "https://reports.example".to_owned(), root: "/cpan".to_owned() };
    let html = pages::tester(&site, &samples::tester());
    assert!(html.contains("<link rel=\"canonical\" href=\"https://reports.example/cpan/tester/0f3c%2F%C3%A5%20b\">"));
    for tag in read("tester", &html).iter().filter(|tag| tag.name == "a") {
        let address = tag.attribute("href").expect("a link leads somewhere");
        assert!(address.starts_with("/cpan/") || address == "#content", "{address}");
    }
}

#[test]
fn the_api_page_shows_parameters_answers_and_made_up_examples() {
    let html = pages::api_reference(&Site::default(), &samples::openapi());
    assert_in_order(
        &html,
        &["id=\"post--v4-reports\"", "<code>Prefer</code>", "<dt>202</dt>", "id=\"get--v4-reports--id-\""],
    );
    assert!(html.contains("<a href=\"#schema-Receipt\">Receipt</a>") && html.contains("id=\"schema-Receipt\""));
    assert!(html.contains("&quot;state&quot;: &quot;accepted&quot;"), "an example is made of the schema");
    assert!(html.contains("<code>202</code> is a promise"));
}
