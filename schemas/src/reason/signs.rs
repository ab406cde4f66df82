//! Signs of a cause in what an installation printed: phrases that tell what went wrong, each with its line.

/// The first sign of each kind, as shown to people.
#[derive(Debug, Default)]
pub(crate) struct Signs {
    found: [Option<String>; KINDS],
}

const KINDS: usize = 12;

/// What a phrase is a sign of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Memory,
    Disk,
    Timeout,
    Platform,
    Network,
    /// A module that could not be loaded, or was too old.
    Module,
    /// A module the configuration step warned of; it may not have mattered.
    Warned,
    Compiler,
    Make,
    Configure,
    NoTests,
    Stopped,
}

/// Phrases by their first byte, so that the text is walked once whatever their number.
fn phrases(first: u8) -> &'static [(&'static str, Kind)] {
    match first {
        b'C' => &[
            ("Can't locate ", Kind::Module),
            ("Cannot allocate memory", Kind::Memory),
            ("Can't connect to ", Kind::Network),
            ("Could not resolve host", Kind::Network),
            ("Connection refused", Kind::Network),
            ("Connection timed out", Kind::Network),
            ("Connection reset by peer", Kind::Network),
        ],
        b'B' => &[
            ("Base class package ", Kind::Module),
            ("Build.PL line ", Kind::Configure),
            ("Bailout called", Kind::Stopped),
        ],
        b'D' => &[("Disk quota exceeded", Kind::Disk)],
        b'F' => &[("FAILED--Further testing stopped", Kind::Stopped)],
        b'M' => &[("Makefile.PL line ", Kind::Configure)],
        b'N' => &[
            ("No space left on device", Kind::Disk),
            ("No support for OS", Kind::Platform),
            ("Network is unreachable", Kind::Network),
            ("Name or service not known", Kind::Network),
            ("No route to host", Kind::Network),
            ("No tests defined", Kind::NoTests),
        ],
        b'O' => &[("OS unsupported", Kind::Platform), ("Out of memory", Kind::Memory)],
        b'T' => &[
            ("Temporary failure in name resolution", Kind::Network),
            ("Timed out (>", Kind::Timeout),
            ("Test timed out", Kind::Timeout),
        ],
        b'A' => &[("Alarm clock", Kind::Timeout)],
        b'U' => &[("Unsupported OS", Kind::Platform), ("Unsupported operating system", Kind::Platform)],
        b'W' => &[("Warning: prerequisite ", Kind::Warned), ("Wstat: 14 ", Kind::Timeout)],
        b'*' => &[("*** [", Kind::Make), ("*** Error code", Kind::Make), ("*** No rule to make", Kind::Make)],
        b'c' => &[("cannot find -l", Kind::Compiler), ("command timed out", Kind::Timeout)],
        b'e' => &[("error: ", Kind::Compiler)],
        b'n' => &[("nodename nor servname provided", Kind::Network)],
        b'o' => &[("out of memory", Kind::Memory)],
        b'r' => &[("required--this is only ", Kind::Module)],
        b's' => &[("std::bad_alloc", Kind::Memory)],
        b't' => &[("test timed out", Kind::Timeout)],
        b'u' => &[("undefined reference to ", Kind::Compiler)],
        b'v' => &[("virtual memory exhausted", Kind::Memory)],
        _ => &[],
    }
}

impl Signs {
    /// Walks an output once. `own` is the distribution's main module, which is never its own prerequisite.
    pub fn scan(&mut self, output: &str, own: &str) {
        let bytes = output.as_bytes();
        let mut line = 0;
        let mut harmless = None;
        for (at, byte) in bytes.iter().enumerate() {
            if *byte == b'\n' {
                (line, harmless) = (at + 1, None);
                continue;
            }
            let Some((phrase, kind)) =
                phrases(*byte).iter().find(|(phrase, _)| bytes[at..].starts_with(phrase.as_bytes()))
            else {
                continue;
            };
            if self.get(*kind).is_none() && !*harmless.get_or_insert_with(|| expected(&output[line..])) {
                self.see(Hit { output, line, at, phrase, kind: *kind }, own);
            }
        }
    }

    pub fn get(&self, kind: Kind) -> Option<&str> {
        self.found[kind as usize].as_deref()
    }

    fn see(&mut self, hit: Hit<'_>, own: &str) {
        let (kind, detail) = match hit.kind {
            Kind::Module if hit.phrase.starts_with("required") => hit.required(),
            Kind::Module => (Kind::Module, hit.module().filter(|module| module != own)),
            Kind::Warned => {
                (Kind::Warned, hit.after().split(' ').next().filter(|name| module_name(name)).map(str::to_owned))
            }
            kind => (kind, Some(hit.shown())),
        };
        let found = &mut self.found[kind as usize];
        if found.is_none() {
            *found = detail;
        }
    }
}

/// Whether a line only tells of what was expected or passed over: a passing test, a skipped program.
fn expected(line: &str) -> bool {
    let line = line.lines().next().unwrap_or_default().trim_start();
    line.starts_with("ok ") || line.contains("skipped: ") || line.contains("# TODO") || line.contains("# SKIP")
}

/// How many bytes around a phrase are read.
const NEARBY: usize = 300;

/// A phrase found in an output.
struct Hit<'a> {
    output: &'a str,
    /// Where its line begins.
    line: usize,
    at: usize,
    phrase: &'static str,
    kind: Kind,
}

impl<'a> Hit<'a> {
    /// What the line says behind the phrase. Bounded, so that a line of many phrases is not read to its end for each.
    fn after(&self) -> &'a str {
        let rest = &self.output[self.at + self.phrase.len()..];
        rest[..rest.floor_char_boundary(NEARBY)].lines().next().unwrap_or_default()
    }

    /// What the line says before the phrase, bounded as well.
    fn before(&self) -> &'a str {
        let line = &self.output[self.line..self.at];
        &line[line.ceil_char_boundary(line.len().saturating_sub(NEARBY))..]
    }

    /// The line, or what of it begins at the phrase when that comes late.
    fn shown(&self) -> String {
        let start = if self.at - self.line > 100 { self.at } else { self.line };
        super::detail(&self.output[start..])
    }

    /// `Foo::Bar` of `Can't locate Foo/Bar.pm in @INC` and of `Base class package "Foo::Bar" is empty`.
    fn module(&self) -> Option<String> {
        let after = self.after();
        let name = match after.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next()?.to_owned(),
            None => after.split_once(".pm in @INC")?.0.replace('/', "::"),
        };
        module_name(&name).then_some(name)
    }

    /// `Foo 1.2` of `Foo version 1.2 required--this is only version 1.1`; a perl too old is a matter of the platform.
    fn required(&self) -> (Kind, Option<String>) {
        let mut words = self.before().split_ascii_whitespace().rev();
        let (version, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match name {
            "Perl" => (Kind::Platform, Some(self.shown())),
            "version" => {
                let module = words.next().filter(|module| module_name(module));
                (Kind::Module, module.map(|module| super::detail(&format!("{module} {version}"))))
            }
            _ => (Kind::Module, None),
        }
    }
}

fn module_name(name: &str) -> bool {
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':');
    letters && !name.is_empty() && name.len() <= 150
}
