//! The row of a report: what is counted and listed.

use crate::distname;
use crate::perl::LanguageVersion;
use crate::platform;
use crate::report::{Distribution, Report};

use super::{Extract, Language, outcome};

pub(super) fn read(report: &Report) -> Extract {
    let (language, system) = (&report.environment.language, &report.environment.system);
    let (author, archive) = archive(&report.distribution);
    let ending = outcome::read(report);
    Extract {
        distribution: report.distribution.name.clone(),
        version: report.distribution.version.clone(),
        author,
        archive,
        developer_release: developer_release(&report.distribution.version),
        grade: report.result.grade,
        language: language_of(&language.name),
        language_version: LanguageVersion::read(&language.version),
        architecture: language.archname.clone(),
        os: operating_system(&system.osname, &language.archname),
        osname: system.osname.clone(),
        os_version: system.osversion.clone().unwrap_or_default(),
        created_at: report.created,
        reason: ending.reason,
        suite: ending.suite,
    }
}

/// `Perl 5` and `perl` are Perl; `Perl 6` and `raku` are Raku (contract §1.7, §2.1).
fn language_of(name: &str) -> Language {
    let raku = name.eq_ignore_ascii_case("perl 6") || name.eq_ignore_ascii_case("raku");
    if raku { Language::Raku } else { Language::Perl }
}

/// Contract §3.3 `distmat`, which is not what [`distname`] calls a developer release.
fn developer_release(version: &str) -> bool {
    version.contains('_') || version.ends_with("-TRIAL")
}

/// The author and the archive below the author's directory, where the report gives a path.
fn archive(distribution: &Distribution) -> (Option<String>, Option<String>) {
    match &distribution.path {
        Some(path) => {
            let read = distname::read(path);
            (read.author, Some(read.filename).filter(|filename| !filename.is_empty()))
        }
        None => (None, None),
    }
}

/// The canonical name of the reported system; of reports that name none, what the architecture tells.
fn operating_system(osname: &str, archname: &str) -> String {
    if osname.trim().is_empty() {
        return platform::from_archname(archname).unwrap_or("unknown").to_owned();
    }
    platform::canonical(osname)
}
