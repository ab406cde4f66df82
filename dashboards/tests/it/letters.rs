//! Letters keep every line of a report, and nothing in a report ends its letter early.

use dashboards::Site;
use dashboards::pages::{LetterPage, kept_report, letter, no_report};

#[test]
fn a_letter_is_read_line_by_line_and_holds_any_text() {
    let page = LetterPage {
        from: "Ann <b> O'Hara".to_owned(),
        subject: "PASS Foo-1.0 5.36.0 Linux".to_owned(),
        date: "2026-11-20T22:19:33Z".to_owned(),
        text: "\n\nfirst\n</pre><script>alert(1)</script>\n\n  last\n\n".to_owned(),
    };
    let html = letter(&page);
    let expected = "<pre>\nFrom: <strong>Ann &#60;b&#62; O&#39;Hara</strong>\n\
                    Subject: <strong>PASS Foo-1.0 5.36.0 Linux</strong>\nDate: <strong>2026-11-20T22:19:33Z</strong>\n\
                    \n\n\nfirst\n&#60;/pre&#62;&#60;script&#62;alert(1)&#60;/script&#62;\n\n  last\n\n\n</pre>";
    assert!(html.contains(expected), "{html}");
    assert_eq!(html.matches("</pre>").count(), 1);
}

#[test]
fn the_other_pages_escape_what_was_asked_for() {
    let hostile = "\"><script>alert(1)</script>";
    for html in [kept_report(&Site::default(), hostile), no_report(&Site::default(), hostile)] {
        assert!(!html.contains("<script>"), "{html}");
    }
    let page = no_report(&Site::default(), "17");
    assert!(page.contains("<h1>Report not found</h1>") && page.contains("noindex"), "{page}");
    assert!(kept_report(&Site::default(), "17").contains("content=\"0; url=/report/17\""));
}
