//! Every page with sample values, by name: what the tests check, and what the gallery draws.

use dashboards::Site;
use dashboards::pages::{
    self, HomePage, JobsPage, MatrixPage, OperationsPage, ReleasePage, ResultsFilter, ResultsPage, SearchAnswer,
    SearchPage,
};
use schemas::grade::Counts;
use schemas::views::jobs::JobState;
use schemas::views::{MatrixView, Page, State};

use crate::samples;

/// All pages, with the usual values and with rare ones.
pub fn pages_of_all_kinds(site: &Site) -> Vec<(&'static str, String)> {
    usual(site).into_iter().chain(rare(site)).collect()
}

fn usual(site: &Site) -> Vec<(&'static str, String)> {
    vec![
        ("home", pages::home(site, &samples::home())),
        ("distribution", pages::distribution(site, &samples::distribution())),
        ("matrix", pages::distribution_matrix(site, &samples::distribution_matrix())),
        ("release", pages::release(site, &samples::release())),
        ("results", pages::results(site, &samples::results_page())),
        ("report", pages::report(site, &samples::report())),
        ("author", pages::author(site, &samples::author())),
        ("tester", pages::tester(site, &samples::tester())),
        ("search", pages::search(site, &samples::search())),
        ("receipt", pages::receipt(site, &samples::receipt(State::Processing), samples::freshness())),
        ("jobs", pages::jobs(site, &samples::jobs_page())),
        ("job", pages::job(site, &samples::job(JobState::Waiting), samples::freshness())),
        ("operations", pages::operations(site, &samples::operations())),
        ("api", pages::api_reference(site, &samples::openapi())),
        ("search-help", pages::search_help(site)),
        ("not-found", pages::problem(site, &samples::problem(404), "/dist/Foo-Bar/9.99")),
    ]
}

/// Empty states and faults.
fn rare(site: &Site) -> Vec<(&'static str, String)> {
    let empty_matrix = MatrixView { cells: Vec::new(), totals: Counts::default(), ..samples::large_matrix() };
    let small_release = ReleasePage {
        release: samples::release_view(Counts { pass: 9, fail: 2, na: 0, unknown: 1 }),
        matrix: samples::matrix(&samples::perls()[30..36], &["linux", "mswin32"]),
        failing: Vec::new(),
        recent: samples::results(3),
    };
    let new_release = ReleasePage {
        release: samples::release_view(Counts::default()),
        matrix: empty_matrix.clone(),
        failing: Vec::new(),
        recent: Vec::new(),
    };
    let results = Page { items: Vec::new(), next: None, freshness: samples::freshness() };
    let mut unread = samples::report();
    unread.report.result = None;
    unread.report.details = None;
    unread.report.state = State::Accepted;
    let nothing = SearchPage { query: String::new(), answer: SearchAnswer::Nothing, freshness: samples::freshness() };
    let no_jobs = Page { items: Vec::new(), next: None, freshness: samples::freshness() };
    let mut new_job = samples::job(JobState::Running);
    (new_job.attempts, new_job.reports, new_job.children) = (Vec::new(), Vec::new(), Vec::new());
    vec![
        ("home-empty", pages::home(site, &HomePage::default())),
        ("release-small", pages::release(site, &small_release)),
        ("release-new", pages::release(site, &new_release)),
        ("matrix-empty", pages::distribution_matrix(site, &MatrixPage { matrix: empty_matrix, versions: Vec::new() })),
        (
            "results-empty",
            pages::results(site, &ResultsPage { filter: ResultsFilter::default(), results, total: None }),
        ),
        ("report-waiting", pages::report(site, &unread)),
        ("search-fault", pages::search(site, &samples::faulty_search())),
        ("search-nothing", pages::search(site, &nothing)),
        ("receipt-parked", pages::receipt(site, &samples::receipt(State::Parked), samples::freshness())),
        ("jobs-empty", pages::jobs(site, &JobsPage { state: Some(JobState::Parked), after: None, jobs: no_jobs })),
        ("job-new", pages::job(site, &new_job, samples::freshness())),
        ("operations-idle", pages::operations(site, &OperationsPage::default())),
        ("invalid", pages::problem(site, &samples::problem(422), "/results")),
        ("failure", pages::problem(site, &samples::problem(500), "/")),
    ]
}
