//! The sight: every page of assay as a pure function, a value in and HTML out.
//!
//! Nothing here reads a clock, a file or a network. The door that serves the pages fills the arguments from its
//! store, answers `/static/{name}` from [`assets()`], and sends [`CONTENT_SECURITY_POLICY`] with each page: no page
//! holds an inline style or script, and none names another host.
//!
//! | Module | What it holds |
//! | --- | --- |
//! | [`mod@assets`] | style sheet and pictures, with a digest in the name so that they can be cached for ever |
//! | [`site`] | where the pages live: every link they hold is made there |
//! | [`pages`] | one function for each page, with the struct it takes |
//! | `frame`, `tables`, `attempts`, `grid`, `counts`, `moment`, `passage`, `prose` | what pages are made of |

pub mod assets;
pub mod pages;
pub mod site;

mod attempts;
mod counts;
mod frame;
mod grid;
mod held;
mod moment;
mod passage;
mod prose;
mod tables;

pub use assets::{Asset, asset, assets};
pub use site::Site;

/// The policy every page keeps to; send it as the `Content-Security-Policy` header.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
    img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
