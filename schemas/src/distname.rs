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
    /// The path below the author's directory; the whole path when it names no author.
    pub filename: String,
    /// `tar.gz` and its like, as written.
    pub extension: Option<String>,
    /// Name and version in one, without the extension.
    pub distvname: Option<String>,
}

/// Reads a path such as `AUTHOR/Foo-Bar-1.23.tar.gz` or `authors/id/A/AU/AUTHOR/Foo-Bar-1.23.tar.gz`.
pub fn read(path: &str) -> DistName {
    let path = single_slashes(path);
    let (author, filename) = split_author(&path);
    let mut read = DistName { author: author.map(str::to_owned), filename: filename.to_owned(), ..Default::default() };
    if let Some((distvname, extension)) = split_extension(&path) {
        let (distribution, version) = split_version(distvname);
        read.developer = Some(version.as_deref().is_some_and(|version| developer(distvname, version)));
        read.distribution = Some(distribution);
        read.version = version;
        read.extension = Some(extension.to_owned());
        read.distvname = Some(distvname.to_owned());
    }
    read
}

fn single_slashes(path: &str) -> String {
    let mut single = String::with_capacity(path.len());
    for character in path.chars() {
        if character != '/' || !single.ends_with('/') {
            single.push(character);
        }
    }
    single
}

/// The author's id and the path below the author's directory.
///
/// In a full path the id stands below its first letter and its first two letters. A path that begins with the id
/// itself, as in a report's resource, is read too.
fn split_author(path: &str) -> (Option<&str>, &str) {
    let below_id = path.match_indices("authors/id/").find_map(|(at, prefix)| {
        let whole_name = at == 0 || path.as_bytes()[at - 1] == b'/';
        if whole_name { author_in_tree(&path[at + prefix.len()..]) } else { None }
    });
    let found = below_id
        .or_else(|| path.strip_prefix("id/").and_then(author_in_tree))
        .or_else(|| author_in_tree(path))
        .or_else(|| path.split_once('/').filter(|(author, _)| author_id(author)));
    match found {
        Some((author, filename)) => (Some(author), filename),
        None => (None, path),
    }
}

/// Splits `A/AU/AUTHOR/rest` into author and rest.
fn author_in_tree(path: &str) -> Option<(&str, &str)> {
    let (letter, path) = path.split_once('/')?;
    let (letters, path) = path.split_once('/')?;
    let (author, filename) = path.split_once('/')?;
    let nested = letter.len() == 1 && letters.len() == 2 && letters.starts_with(letter) && author.starts_with(letters);
    (nested && author_id(author)).then_some((author, filename))
}

fn author_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 2
        && bytes[..2].iter().all(u8::is_ascii_uppercase)
        && bytes[2..].iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'-')
}

/// Splits the last component of a path into what stands before the archive's extension, and the extension.
fn split_extension(path: &str) -> Option<(&str, &str)> {
    const EXTENSIONS: [&str; 5] = [".tar.gz", ".tar.z", ".tar.bz2", ".zip", ".tgz"];
    let name = path.rsplit('/').next().unwrap_or(path);
    EXTENSIONS.into_iter().find_map(|extension| {
        let at = name.len().checked_sub(extension.len()).filter(|at| *at > 0)?;
        let found = name.get(at..)?.eq_ignore_ascii_case(extension);
        found.then(|| (&name[..at], &name[at + 1..]))
    })
}

/// Splits `Foo-Bar-1.23` into `Foo-Bar` and `1.23`.
fn split_version(distvname: &str) -> (String, Option<String>) {
    let end = name_end(distvname.as_bytes());
    if end == 0 {
        return (distvname.to_owned(), None);
    }
    let (name, version) = distvname.split_at(end);
    let (mut name, mut version) = (name.to_owned(), version);

    if version.is_empty() && name.ends_with("-undef") {
        name.truncate(name.len() - "-undef".len());
    }
    version = version.strip_suffix("-withoutworldwriteables").unwrap_or(version);
    // A version inside the name, as in Unicode-Collate-Standard-V3_1_1-0.1.
    if version.starts_with("-V") || version.starts_with("-v") {
        version = move_to_name(&mut name, version, |before| before.len() >= 2);
    }
    // And as in Task-Deprecations5_14-1.00, which libao-perl_0.03-1 only resembles.
    version = move_to_name(&mut name, version, |before| before.bytes().skip(1).any(|byte| byte == b'_'));
    if name.ends_with(".pm") {
        name.truncate(name.len() - ".pm".len());
    }
    let version = whole_version(&mut name, version);
    (name, (!version.is_empty()).then_some(version))
}

/// Where the name ends: at the last letter followed by no letter, or digit followed by a hyphen, that can be reached
/// without passing a part of the name that has no such end. The letter of a `v` prefix ends nothing.
fn name_end(name: &[u8]) -> usize {
    let mut end = 0;
    loop {
        let mut at = end + name[end..].iter().take_while(|byte| b"-+.".contains(byte)).count();
        let mut reached = end;
        while at < name.len() && in_name(name, at) {
            at += 1;
            if ends_name(name, at) {
                reached = at;
            }
        }
        if reached == end {
            return end;
        }
        end = reached;
    }
}

fn in_name(name: &[u8], at: usize) -> bool {
    match name[at] {
        b'_' => {
            let after_other = at > 0 && !name[at - 1].is_ascii_digit();
            after_other || name.get(at + 1).is_some_and(|next| !next.is_ascii_digit())
        }
        byte => byte.is_ascii_alphanumeric(),
    }
}

/// Whether a name can end before the byte at `end`, which is at least 1.
fn ends_name(name: &[u8], end: usize) -> bool {
    let (last, next) = (name[end - 1], name.get(end));
    if last.is_ascii_digit() {
        return next == Some(&b'-');
    }
    let version_prefix = end >= 2 && b"._-".contains(&name[end - 2]) && last.eq_ignore_ascii_case(&b'v');
    last.is_ascii_alphabetic() && !next.is_some_and(u8::is_ascii_alphabetic) && !version_prefix
}

/// Moves what stands before the last hyphen and digit from the version to the name, where `belongs` says so.
fn move_to_name<'a>(name: &mut String, version: &'a str, belongs: impl Fn(&str) -> bool) -> &'a str {
    let bytes = version.as_bytes();
    let hyphen = (1..bytes.len()).rev().find(|at| bytes[at - 1] == b'-' && bytes[*at].is_ascii_digit());
    match hyphen {
        Some(at) if belongs(&version[..at - 1]) => {
            name.push_str(&version[..at - 1]);
            &version[at..]
        }
        _ => version,
    }
}

/// The version without the separator before it, completed by parts of it that were taken for the name.
fn whole_version(name: &mut String, version: &str) -> String {
    let last_part = name.rfind('-').map(|at| name[at + 1..].to_owned());
    if let Some(part) = last_part {
        let (word, last) = part.split_at(part.len().saturating_sub(usize::from(part.is_ascii())));
        let digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        // `Foo-2b`
        let whole = version.is_empty() && digits && last.bytes().all(word_byte);
        // `Foo-r5`
        let begun = !version.is_empty()
            && version.bytes().all(|byte| byte.is_ascii_digit())
            && !part.is_empty()
            && part.bytes().all(word_byte);
        if whole || begun {
            name.truncate(name.len() - part.len() - 1);
            return format!("{part}{version}");
        }
    }
    let dotted = version
        .as_bytes()
        .windows(3)
        .any(|three| three[0].is_ascii_digit() && three[1] == b'.' && three[2].is_ascii_digit());
    let separators: &[char] = if dotted { &['-', '_', '.'] } else { &['-', '_'] };
    version.trim_start_matches(separators).to_owned()
}

fn word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn developer(distvname: &str, version: &str) -> bool {
    match perl_release(distvname) {
        Some(developer) => developer,
        None => version.contains("-TRIAL") || underscored(version.as_bytes()),
    }
}

/// A digit, anything else, digits, an underscore and a digit: `1.0_01`.
fn underscored(version: &[u8]) -> bool {
    (1..version.len()).any(|at| {
        if version[at].is_ascii_digit() || !version[at - 1].is_ascii_digit() {
            return false;
        }
        let digits = version[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let after = &version[at + 1 + digits..];
        digits > 0 && after.first() == Some(&b'_') && after.get(1).is_some_and(u8::is_ascii_digit)
    })
}

/// Whether a release of perl itself is a development release; `None` for anything else.
fn perl_release(distvname: &str) -> Option<bool> {
    let rest = distvname.strip_prefix("perl")?;
    let (major, rest) = leading_digits(rest.strip_prefix('-').unwrap_or(rest));
    let (minor, mut rest) = leading_digits(rest.strip_prefix('.')?);
    if major.is_empty() || minor.is_empty() {
        return None;
    }
    let mut patch = "";
    let mut characters = rest.chars();
    if characters.next().is_some_and(|separator| !separator.is_ascii_digit()) {
        let (digits, after) = leading_digits(characters.as_str());
        if !digits.is_empty() {
            (patch, rest) = (digits, after);
        }
    }
    let candidate = rest.strip_prefix("-TRIAL").or_else(|| rest.strip_prefix("-RC"));
    if let Some(number) = candidate {
        let (digits, after) = leading_digits(number);
        return (!digits.is_empty() && after.is_empty()).then_some(true);
    }
    let odd = minor.bytes().last().is_some_and(|digit| digit % 2 == 1);
    let above_six = minor.parse().map_or(true, |minor: u64| minor > 6);
    let snapshot = !patch.is_empty() && patch.parse().map_or(true, |patch: u64| patch >= 50);
    rest.is_empty().then_some((above_six && odd) || snapshot)
}

fn leading_digits(text: &str) -> (&str, &str) {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at(end)
}
