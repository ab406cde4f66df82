//! Whatever a value holds, the page stays whole: text is escaped, ranges are kept in bounds, nothing panics.

use dashboards::Site;
use dashboards::pages::{
    self, CheckRow, FailingPlatform, HomePage, JobsPage, MatrixPage, ReleasePage, ReportPage, ResultsFilter,
    ResultsPage, SearchAnswer, SearchPage,
};
use proptest::prelude::*;
use schemas::extract::SectionView;
use schemas::grade::Counts;
use schemas::query::QueryError;
use schemas::views::jobs::JobState;
use schemas::views::{CellView, Highlight, State};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::markup::read;
use crate::samples;

const HOSTILE: &str = "<script>alert(\"x\")</script>' onload='x\" onload=\"x &amp; </pre></td>\u{1b}[31m\u{0}\u{202e}";

/// Puts hostile text into every text of a value that takes any text.
fn mangled<T: Serialize + DeserializeOwned>(value: &T) -> T {
    let mut json = serde_json::to_value(value).expect("a view can be written");
    let mut places = Vec::new();
    collect_texts(&json, String::new(), &mut places);
    for place in places {
        let text = json.pointer_mut(&place).expect("the place was just found");
        let before = std::mem::replace(text, Value::from(HOSTILE));
        if serde_json::from_value::<T>(json.clone()).is_err() {
            *json.pointer_mut(&place).expect("the place was just found") = before;
        }
    }
    serde_json::from_value(json).expect("each change was tried")
}

fn collect_texts(value: &Value, place: String, places: &mut Vec<String>) {
    match value {
        Value::String(_) => places.push(place),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| collect_texts(item, format!("{place}/{at}"), places));
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                collect_texts(field, format!("{place}/{name}"), places);
            }
        }
        _ => {}
    }
}

/// The page is whole, and shows the hostile text as text.
fn check(page: &str, html: &str) {
    for tag in read(page, html) {
        assert!(!["script", "style"].contains(&tag.name.as_str()), "{page}: {}", tag.name);
    }
    assert!(html.contains("script&#62;") || html.contains("script&gt;"), "{page} does not show the text");
}

#[test]
fn hostile_text_in_views_is_shown_as_text() {
    let site = Site { origin: HOSTILE.to_owned(), root: String::new() };
    check("distribution", &pages::distribution(&site, &mangled(&samples::distribution())));
    check("author", &pages::author(&site, &mangled(&samples::author())));
    check("tester", &pages::tester(&site, &mangled(&samples::tester())));
    check("receipt", &pages::receipt(&site, &mangled(&samples::receipt(State::Parked)), samples::freshness()));
    check("job", &pages::job(&site, &mangled(&samples::job(JobState::Parked)), samples::freshness()));
    let jobs = JobsPage { after: Some(HOSTILE.to_owned()), ..samples::jobs_page() };
    check("jobs", &pages::jobs(&site, &JobsPage { jobs: mangled(&jobs.jobs), ..jobs }));
    check("problem", &pages::problem(&site, &mangled(&samples::problem(422)), HOSTILE));
}

#[test]
fn hostile_text_in_pages_is_shown_as_text() {
    let site = Site::default();
    let recent = mangled(&samples::results(9));
    let failing = vec![mangled(&samples::summary(1))];
    check("home", &pages::home(&site, &HomePage { recent: recent.clone(), failing, ..samples::home() }));
    let matrix = mangled(&samples::matrix(&samples::perls()[..3], &["linux", "mswin32"]));
    let platform = FailingPlatform {
        language_version: HOSTILE.to_owned(),
        os: HOSTILE.to_owned(),
        ..samples::release().failing.remove(0)
    };
    let release = mangled(&samples::release_view(Counts { fail: 3, ..Counts::default() }));
    let page = ReleasePage { release, matrix: matrix.clone(), failing: vec![platform], recent: recent.clone() };
    check("release", &pages::release(&site, &page));
    check("release", &pages::release(&site, &ReleasePage { failing: Vec::new(), ..page }));
    check("matrix", &pages::distribution_matrix(&site, &MatrixPage { matrix, versions: Vec::new() }));
    let text = || Some(HOSTILE.to_owned());
    let filter = ResultsFilter {
        language: text(),
        distribution: text(),
        version: text(),
        author: text(),
        language_version: text(),
        os: text(),
        architecture: text(),
        tester: text(),
        grade: None,
        after: text(),
    };
    let results = mangled(&samples::results_page().results);
    check("results", &pages::results(&site, &ResultsPage { filter, results, total: None }));
}

#[test]
fn hostile_text_in_reports_and_searches_is_shown_as_text() {
    let site = Site::default();
    let mut page = samples::report();
    page.report = mangled(&page.report);
    page.others = mangled(&page.others);
    page.text.push_str(HOSTILE);
    let details = page.report.details.as_mut().expect("the sample has details");
    for values in [&mut details.environment, &mut details.toolchain, &mut details.configuration] {
        values.insert(HOSTILE.to_owned(), HOSTILE.to_owned());
    }
    details.sections[0].name = HOSTILE.to_owned();
    details.sections[2].end = page.text.len();
    check("report", &pages::report(&site, &page));
    let SearchAnswer::Found(found) = samples::search().answer else { panic!("the sample found something") };
    let answer = SearchAnswer::Found(Box::new(mangled(&*found)));
    check(
        "search",
        &pages::search(&site, &SearchPage { query: HOSTILE.to_owned(), answer, freshness: samples::freshness() }),
    );
    let fault = QueryError { at: 3, message: HOSTILE.to_owned() };
    let answer = SearchAnswer::Faulty(fault);
    check(
        "search",
        &pages::search(&site, &SearchPage { query: HOSTILE.to_owned(), answer, freshness: samples::freshness() }),
    );
}

#[test]
fn hostile_text_in_the_other_pages_is_shown_as_text() {
    let site = Site::default();
    let mut page = samples::operations();
    page.version = HOSTILE.to_owned();
    page.checks = vec![CheckRow { part: HOSTILE.to_owned(), working: false, detail: HOSTILE.to_owned() }];
    check("operations", &pages::operations(&site, &page));
    let mut openapi = samples::openapi();
    let mut places = Vec::new();
    collect_texts(&openapi, String::new(), &mut places);
    for place in places.iter().filter(|place| !place.ends_with("/$ref") && !place.ends_with("/type")) {
        *openapi.pointer_mut(place).expect("the place was just found") = Value::from(HOSTILE);
    }
    let paths = openapi["paths"].as_object_mut().expect("the sample has paths");
    paths.insert(HOSTILE.to_owned(), serde_json::json!({"get": {"responses": {HOSTILE: {}}}}));
    openapi["components"]["schemas"][HOSTILE] = serde_json::json!({"properties": {HOSTILE: {"type": HOSTILE}}});
    check("api", &pages::api_reference(&site, &openapi));
}

#[test]
fn a_document_that_is_no_openapi_document_gives_an_empty_page() {
    let looping = serde_json::json!({
        "paths": {"/x": {"$ref": "#/paths/~1x"}, "/y": {"get": {"responses": {"200": {"$ref": "#/nowhere"}}}}},
        "components": {"schemas": {"A": {"allOf": [{"$ref": "#/components/schemas/A"}]}}}
    });
    for document in [Value::Null, Value::from("x"), Value::from(vec![1]), looping] {
        read("api", &pages::api_reference(&Site::default(), &document));
    }
}

fn report_of(text: String, sections: Vec<(usize, usize)>) -> ReportPage {
    let mut page = samples::report();
    let details = page.report.details.as_mut().expect("the sample has details");
    let cut = |(start, end)| SectionView { name: "output".to_owned(), start, end };
    details.sections = sections.into_iter().map(cut).collect();
    page.text = text;
    page
}

#[test]
fn ranges_at_the_ends_of_what_a_number_holds_are_kept_in_bounds() {
    let ranges = vec![(usize::MAX, usize::MAX), (0, usize::MAX), (usize::MAX, 0), (1, 2), (3, 1)];
    let html = pages::report(&Site::default(), &report_of("äöü".to_owned(), ranges));
    read("report", &html);
    assert!(html.contains("<pre tabindex=\"0\">äöü</pre>"));
}

proptest! {
    #[test]
    fn any_text_cut_anywhere_gives_a_whole_page(
        text in "(\\PC|[\u{0}-\u{9f}]|\u{1b}\\[[0-9;]{0,3}[a-z]?|\u{1b}\\]|<|&|ß|😀){0,60}",
        sections in prop::collection::vec((0_usize..300, 0_usize..300), 0..5),
    ) {
        read("report", &pages::report(&Site::default(), &report_of(text, sections)));
    }

    #[test]
    fn any_marks_give_a_whole_page(
        text in "(\\PC|\u{1b}\\[1m|ß){0,30}",
        marks in prop::collection::vec((0_usize..80, 0_usize..80), 0..6),
        place in prop_oneof![0_usize..80, Just(usize::MAX)],
    ) {
        let SearchAnswer::Found(mut found) = samples::search().answer else { panic!("the sample found something") };
        found.items.truncate(1);
        found.items[0].highlights = vec![Highlight { text: text.clone(), marks }];
        let freshness = samples::freshness();
        let page = SearchPage { query: text.clone(), answer: SearchAnswer::Found(found), freshness };
        read("search", &pages::search(&Site::default(), &page));
        let fault = QueryError { at: place, message: "x".to_owned() };
        let page = SearchPage { query: text, answer: SearchAnswer::Faulty(fault), freshness };
        read("search", &pages::search(&Site::default(), &page));
    }

    #[test]
    fn any_names_and_counts_give_a_whole_matrix(
        cells in prop::collection::vec(("[0-9v._rRcC patch<-]{0,12}", "\\PC{0,6}", -5_i64..90_000, -5_i64..9), 0..40),
    ) {
        let mut matrix = samples::matrix(&[], &[]);
        matrix.cells = cells
            .into_iter()
            .map(|(version, os, pass, fail)| CellView {
                language_version: Some(version.clone()),
                version: Some(version),
                os: Some(os),
                counts: Counts { pass, fail, na: 0, unknown: 0 },
                ..CellView::default()
            })
            .collect();
        let page = MatrixPage { matrix: matrix.clone(), versions: Vec::new() };
        read("matrix", &pages::distribution_matrix(&Site::default(), &page));
        let release = samples::release_view(Counts::default());
        let page = ReleasePage { release, matrix, failing: Vec::new(), recent: Vec::new() };
        read("release", &pages::release(&Site::default(), &page));
    }
}
