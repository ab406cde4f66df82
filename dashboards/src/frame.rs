//! What all pages share: title, description, canonical address, search box, and how fresh they are.

use askama::Template;
use schemas::views::Freshness;

use crate::site::Site;

/// The head and foot of a page; `templates/base.html` shows it.
pub(crate) struct Frame<'a> {
    pub site: &'a Site,
    pub title: String,
    pub description: String,
    /// Address of the page itself, made by [`Site`].
    pub address: String,
    pub freshness: Option<Freshness>,
    /// What stands in the search box.
    pub query: &'a str,
    /// Seconds after which a reader's browser asks again.
    pub refresh: Option<u32>,
    /// Whether search engines should list the page.
    pub listed: bool,
    /// Whether the page has a search box of its own, so that the head needs none.
    pub own_search: bool,
}

impl<'a> Frame<'a> {
    pub fn new(site: &'a Site, title: impl Into<String>, description: impl Into<String>, address: String) -> Self {
        Frame {
            site,
            title: title.into(),
            description: description.into(),
            address,
            freshness: None,
            query: "",
            refresh: None,
            listed: true,
            own_search: false,
        }
    }

    pub fn fresh(mut self, freshness: Freshness) -> Self {
        self.freshness = Some(freshness);
        self
    }

    pub fn unlisted(mut self) -> Self {
        self.listed = false;
        self
    }

    /// The page's address with its host, as far as that is known.
    pub fn canonical(&self) -> String {
        format!("{}{}", self.site.origin, self.address)
    }

    /// Whether the page is `page`, for marking it in the navigation.
    pub fn at(&self, page: &str) -> bool {
        self.address == self.site.path(page)
    }
}

/// Writes a page.
pub(crate) fn render(page: &impl Template) -> String {
    page.render().expect("memory takes all that is written to it, and no part of a page fails")
}
