//! Canonical operating system names (contract §3.5), kept beside the reported ones.

/// The canonical, lower-case name of an operating system: `MSWin32` is `mswin32`, `openThis` is `openbsd`.
/// A name that is not known is lower-cased and kept.
pub fn canonical(osname: &str) -> String {
    let _ = osname;
    unimplemented!()
}
