//! Distribution, version and author out of an archive's path, as CPAN::DistnameInfo reads them (contract §3.1).

/// What the path of an archive says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DistName {
    /// CPAN author id.
    pub author: Option<String>,
    pub distribution: Option<String>,
    pub version: Option<String>,
    /// `-TRIAL` anywhere, or an underscore after a dotted version. `None` when there is no distribution.
    pub developer: Option<bool>,
    /// File name without directories.
    pub filename: String,
    /// `tar.gz` and its like, as written.
    pub extension: Option<String>,
    /// Name and version in one, without the extension.
    pub distvname: Option<String>,
}

/// Reads a path such as `AUTHOR/Foo-Bar-1.23.tar.gz` or `authors/id/A/AU/AUTHOR/Foo-Bar-1.23.tar.gz`.
pub fn read(path: &str) -> DistName {
    let _ = path;
    unimplemented!()
}
