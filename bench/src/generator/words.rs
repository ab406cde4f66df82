//! The vocabulary of generated reports: names of platforms, perls, modules, words, and sentences of test output.

/// Architecture name, operating system name and version, and how many reports of a thousand come from it, shaped on a
/// day of August 2016.
pub const PLATFORMS: [(&str, &str, &str, u64); 21] = [
    ("x86_64-linux", "linux", "4.4.0-31-generic", 164),
    ("amd64-netbsd-thread-multi", "netbsd", "7.0", 137),
    ("x86_64-linux-thread-multi", "linux", "3.16.0-4-amd64", 110),
    ("i386-gnukfreebsd", "gnukfreebsd", "9.0-2-686", 107),
    ("i386-freebsd-64int", "freebsd", "10.3-release-p4", 63),
    ("x86_64-gnukfreebsd", "gnukfreebsd", "10.1-0-amd64", 55),
    ("i386-freebsd", "freebsd", "9.3-release", 54),
    ("armv7l-linux-thread-multi", "linux", "4.4.13-v7+", 44),
    ("x86_64-gnukfreebsd-thread-multi", "gnukfreebsd", "10.1-0-amd64", 39),
    ("amd64-netbsd", "netbsd", "6.1.5", 38),
    ("x86_64-linux-thread-multi-ld", "linux", "4.8.0-2-amd64", 37),
    ("x86_64-linux-ld", "linux", "4.6.0-1-amd64", 35),
    ("armv6l-linux-thread-multi", "linux", "4.1.19+", 30),
    ("i386-freebsd-thread-multi", "freebsd", "11.0-rc1", 21),
    ("amd64-openbsd", "openbsd", "6.0", 17),
    ("MSWin32-x86-multi-thread-64int", "MSWin32", "6.1", 15),
    ("darwin-thread-multi-2level", "darwin", "15.6.0", 12),
    ("i86pc-solaris-thread-multi-64", "solaris", "2.11", 9),
    ("MSWin32-x64-multi-thread", "MSWin32", "10.0.10586", 7),
    ("cygwin-thread-multi-64int", "cygwin", "2.5.2(0.29753)", 4),
    ("x86_64-dragonfly", "dragonfly", "4.6-release", 2),
];

/// Minor and patch version, what follows it, and how many reports of a thousand were made with it on the same day;
/// the last ones are of the years after.
pub const PERLS: [(u32, u32, &str, u64); 60] = [
    (18, 2, "", 154), (24, 0, "", 136), (8, 9, "", 128), (12, 2, "", 78), (18, 1, "", 65), (25, 3, "", 58),
    (12, 1, "", 57), (22, 3, " RC3", 45), (12, 3, "", 38), (10, 1, "", 32), (25, 2, "", 19), (22, 2, "", 18),
    (16, 0, "", 14), (22, 1, "", 13), (24, 1, " RC3", 11), (8, 5, "", 9), (18, 4, "", 8), (25, 4, "", 8),
    (20, 3, "", 7), (22, 0, "", 7), (8, 6, "", 7), (8, 3, "", 7), (12, 5, "", 6), (16, 3, "", 6), (8, 2, "", 6),
    (14, 4, "", 6), (8, 8, "", 5), (14, 2, "", 5), (8, 1, "", 5), (8, 7, "", 4), (8, 4, "", 4), (25, 1, "", 3),
    (10, 0, "", 3), (20, 2, "", 3), (20, 1, "", 3), (14, 3, "", 3), (12, 4, "", 3), (20, 0, "", 2), (18, 3, "", 2),
    (18, 0, "", 2), (16, 2, "", 2), (16, 1, "", 2), (14, 1, "", 2), (14, 0, "", 2), (12, 0, "", 1), (6, 2, "", 1),
    (26, 3, "", 4), (28, 3, "", 4), (30, 3, "", 5), (32, 1, "", 6), (34, 1, "", 5), (36, 0, "", 9), (36, 3, "", 6),
    (38, 2, "", 8), (38, 4, "", 4), (40, 0, "", 6), (40, 1, "", 5), (41, 3, "", 3), (42, 0, "", 7), (43, 4, "", 3),
];

/// Name, mail address, client, home directory, and share of a hundred reports: as skewed as in life.
pub const TESTERS: [(&str, &str, &str, &str, u64); 8] = [
    ("Ada Example", "ada@example.org", "CPAN-Reporter-1.2018", "/home/ada", 55),
    ("Björn Example", "bjoern@example.org", "CPAN-Reporter-1.2017", "/usr/home/bj", 18),
    ("Chloe Example", "chloe@example.net", "CPAN-Reporter-1.2020", "/home/chloe/smoke", 12),
    ("Dmitri Example", "dmitri@example.com", "CPAN-Reporter-1.2015", "/export/home/dmitri", 6),
    ("Eiko Example", "eiko@example.org", "CPAN-Reporter-1.2018", "/home/cpan/eiko", 4),
    ("Farid Example", "farid@example.net", "CPAN-Reporter-1.2011", "/Users/farid", 3),
    ("Greta Example", "greta@example.org", "CPAN-Reporter-1.2020", "/srv/testers/greta", 1),
    ("Hal Example", "hal@example.com", "CPAN-Reporter-1.2014", "/home/hal", 1),
];

/// Parts of distribution names.
pub const NAMES: [&str; 96] = [
    "Acme", "Algorithm", "Alien", "App", "Archive", "Async", "Audio", "Authen", "Bio", "Browser", "Business", "Cache",
    "Calendar", "Catalyst", "Chart", "Class", "Clone", "Compress", "Config", "Context", "Crypt", "Dancer", "Data",
    "Date", "Debug", "Devel", "Digest", "Dist", "Docker", "Email", "Encode", "Error", "Event", "Excel", "Exporter",
    "Feed", "File", "Filter", "Font", "Format", "Future", "Game", "Geo", "Getopt", "Git", "Graph", "Hash", "Import",
    "Inline", "Iterator", "JSON", "Lexical", "Lingua", "List", "Locale", "Log", "Mail", "Markdown", "Math", "Memoize",
    "Metrics", "Mojo", "Mojolicious", "Monitor", "Moose", "Net", "Number", "Object", "Params", "Parse", "Path", "Plack",
    "Plugin", "Pod", "Proc", "Query", "Redis", "Regexp", "Schema", "Search", "Session", "Socket", "Sort", "Spreadsheet",
    "Statistics", "String", "Template", "Term", "Test", "Text", "Throwable", "Time", "Tree", "Validate", "Web", "Zilla",
];

/// Parts of test file names and of the sentences in test output.
pub const WORDS: [&str; 128] = [
    "accessor", "alias", "anchor", "append", "argument", "array", "async", "attribute", "author", "autoload", "backend",
    "basic", "binary", "boundary", "branch", "buffer", "builder", "bytes", "cache", "callback", "charset", "child",
    "cleanup", "clone", "column", "command", "compile", "config", "connect", "context", "convert", "cookie", "corrupt",
    "coverage", "cursor", "cycle", "date", "decode", "default", "delay", "delete", "depth", "digest", "directory",
    "dispatch", "driver", "dump", "element", "empty", "encode", "encoding", "endian", "error", "escape", "event",
    "exception", "export", "fallback", "fetch", "field", "filter", "float", "flush", "fork", "format", "function",
    "getter", "global", "handle", "hash", "header", "hook", "import", "inherit", "insert", "integer", "iterator", "join",
    "kwalitee", "large", "layer", "leak", "length", "limit", "listener", "literal", "locale", "lookup", "loop", "manifest",
    "match", "memory", "merge", "method", "mixed", "module", "nested", "newline", "null", "number", "object", "offset",
    "option", "order", "overload", "parser", "path", "pipe", "pod", "prefix", "proxy", "query", "quote", "random",
    "recursion", "regression", "render", "request", "response", "role", "scalar", "schema", "session", "signal", "sort",
    "stream", "timeout", "unicode",
];

/// Modules that distributions ask for, and a version one finds installed.
pub const MODULES: [(&str, &str); 72] = [
    ("B", "1.42"), ("Carp", "1.38"), ("Class::Method::Modifiers", "2.12"), ("Clone", "0.38"), ("Cwd", "3.62"),
    ("DBI", "1.636"), ("Data::Dumper", "2.160"), ("DateTime", "1.36"), ("DateTime::Format::Strptime", "1.68"),
    ("Devel::StackTrace", "2.01"), ("Digest::MD5", "2.54"), ("Digest::SHA", "5.95"), ("Encode", "2.86"),
    ("Errno", "1.23"), ("Exporter", "5.72"), ("Exporter::Tiny", "0.042"), ("Fcntl", "1.13"), ("File::Basename", "2.85"),
    ("File::Copy", "2.31"), ("File::Find", "1.29"), ("File::Path", "2.12"), ("File::ShareDir", "1.102"),
    ("File::Slurp", "9999.19"), ("File::Spec", "3.62"), ("File::Temp", "0.2304"), ("Getopt::Long", "2.48"),
    ("HTTP::Message", "6.11"), ("HTTP::Request", "6.11"), ("HTTP::Tiny", "0.064"), ("Hash::Merge", "0.200"),
    ("IO::File", "1.16"), ("IO::Handle", "1.36"), ("IO::Socket::SSL", "2.036"), ("IPC::Open3", "1.20"),
    ("IPC::Run3", "0.048"), ("JSON", "2.90"), ("JSON::MaybeXS", "1.003005"), ("JSON::PP", "2.27400"),
    ("LWP::UserAgent", "6.15"), ("List::MoreUtils", "0.416"), ("List::Util", "1.45"), ("MIME::Base64", "3.15"),
    ("Math::BigInt", "1.999726"), ("Module::Load", "0.32"), ("Module::Runtime", "0.014"), ("Mojolicious", "7.04"),
    ("Moo", "2.002004"), ("Moose", "2.1805"), ("MooseX::Types", "0.46"), ("Mouse", "v2.4.5"), ("POSIX", "1.65"),
    ("Params::Validate", "1.24"), ("Path::Class", "0.36"), ("Path::Tiny", "0.096"), ("Plack", "1.0039"),
    ("Pod::Usage", "1.68"), ("Role::Tiny", "2.000003"), ("Scalar::Util", "1.45"), ("Storable", "2.56"),
    ("Sub::Quote", "2.003001"), ("Template", "2.26"), ("Term::ANSIColor", "4.05"), ("Text::CSV_XS", "1.25"),
    ("Time::HiRes", "1.9733"), ("Time::Local", "1.2300"), ("Try::Tiny", "0.24"), ("Type::Tiny", "1.000005"),
    ("URI", "1.71"), ("XML::LibXML", "2.0126"), ("YAML::XS", "0.63"), ("base", "2.23"), ("namespace::clean", "0.27"),
];

/// Modules for testing and building.
pub const TEST_MODULES: [(&str, &str); 16] = [
    ("Module::Build", "0.4218"), ("Test::CheckDeps", "0.010"), ("Test::Deep", "1.123"), ("Test::Differences", "0.64"),
    ("Test::Exception", "0.43"), ("Test::Fatal", "0.014"), ("Test::LeakTrace", "0.15"), ("Test::MockObject", "1.20161202"),
    ("Test::More", "1.302052"), ("Test::Most", "0.34"), ("Test::NoWarnings", "1.04"), ("Test::Output", "1.03"),
    ("Test::Pod", "1.51"), ("Test::Requires", "0.10"), ("Test::TCP", "2.17"), ("Test::Warn", "0.30"),
];

/// What every report lists as the toolchain, and a version of it.
pub const TOOLCHAIN: [(&str, &str); 19] = [
    ("CPAN", "2.11"), ("CPAN::Meta", "2.150005"), ("Cwd", "3.62"), ("ExtUtils::CBuilder", "0.280224"),
    ("ExtUtils::Command", "7.18"), ("ExtUtils::Install", "2.04"), ("ExtUtils::MakeMaker", "7.18"),
    ("ExtUtils::Manifest", "1.70"), ("ExtUtils::ParseXS", "3.30"), ("File::Spec", "3.62"), ("JSON", "2.90"),
    ("JSON::PP", "2.27300"), ("Module::Build", "0.4218"), ("Module::Signature", "0.79"), ("Parse::CPAN::Meta", "1.4417"),
    ("Test::Harness", "3.36"), ("Test::More", "1.302052"), ("YAML", "1.15"), ("version", "0.9917"),
];

/// Why a test file was passed over.
pub const SKIPPED: [&str; 8] = [
    "these tests are for testing by the author",
    "these tests are for release candidate testing",
    "Set RELEASE_TESTING=1 to run this test",
    "Test::Pod 1.22 required for testing POD",
    "no network connection",
    "fork is not available here",
    "DISPLAY is not set",
    "set TEST_LIVE to enable this test (developer only!)",
];

/// Compile-time options of an interpreter.
pub const BUILD_OPTIONS: [&str; 24] = [
    "HAS_TIMES", "HAVE_INTERP_INTERN", "MULTIPLICITY", "PERLIO_LAYERS", "PERL_COPY_ON_WRITE", "PERL_DONT_CREATE_GVSV",
    "PERL_HASH_FUNC_ONE_AT_A_TIME_HARD", "PERL_IMPLICIT_CONTEXT", "PERL_MALLOC_WRAP", "PERL_NEW_COPY_ON_WRITE",
    "PERL_OP_PARENT", "PERL_PRESERVE_IVUV", "PERL_USE_DEVEL", "USE_64_BIT_ALL", "USE_64_BIT_INT", "USE_ITHREADS",
    "USE_LARGE_FILES", "USE_LOCALE", "USE_LOCALE_COLLATE", "USE_LOCALE_CTYPE", "USE_LOCALE_NUMERIC", "USE_PERLIO",
    "USE_PERL_ATOF", "USE_REENTRANT_API",
];
