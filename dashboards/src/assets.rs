//! Static files, compiled in, each under a name that changes with its content.

use std::sync::LazyLock;

use schemas::ids::Digest;

/// A file served under `/static/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// Name with sixteen digits of the content's SHA-256 in it: `assay-0123456789abcdef.css`. It may be cached for
    /// ever, as other content has another name.
    pub name: String,
    pub content_type: &'static str,
    pub bytes: &'static [u8],
    /// Name in the source, by which pages ask for it: `assay.css`.
    source: &'static str,
}

/// All static files.
pub fn assets() -> &'static [Asset] {
    &*ASSETS
}

/// The static file served as `/static/{name}`.
pub fn asset(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

/// The served name of a file in `static/`.
pub(crate) fn served_name(source: &str) -> &'static str {
    let found = ASSETS.iter().find(|asset| asset.source == source);
    found.map_or("", |asset| asset.name.as_str())
}

static ASSETS: LazyLock<[Asset; 2]> = LazyLock::new(|| {
    [
        named("assay.css", "text/css; charset=utf-8", include_bytes!("../static/assay.css")),
        named("mark.svg", "image/svg+xml", include_bytes!("../static/mark.svg")),
    ]
});

fn named(source: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Asset {
    let digest = Digest::of(bytes).to_string();
    let (stem, extension) = source.split_once('.').unwrap_or((source, ""));
    let name = format!("{stem}-{}.{extension}", &digest[..16]);
    Asset { name, content_type, bytes, source }
}
