//! Canonical operating system names (contract §3.5), kept beside the reported ones.

/// Canonical names with the titles people know them by, the commonest first.
const SYSTEMS: &[(&str, &str)] = &[
    ("linux", "Linux"),
    ("freebsd", "FreeBSD"),
    ("openbsd", "OpenBSD"),
    ("netbsd", "NetBSD"),
    ("darwin", "Mac OS X"),
    ("mswin32", "Windows (Win32)"),
    ("cygwin", "Windows (Cygwin)"),
    ("msys", "Windows (MSYS)"),
    ("solaris", "Solaris"),
    ("dragonfly", "DragonFly BSD"),
    ("gnukfreebsd", "Debian GNU/kFreeBSD"),
    ("gnu", "GNU Hurd"),
    ("midnightbsd", "MidnightBSD"),
    ("mirbsd", "MirBSD"),
    ("bitrig", "Bitrig"),
    ("aix", "AIX"),
    ("hpux", "HP-UX"),
    ("irix", "IRIX"),
    ("dec_osf", "Tru64 UNIX"),
    ("haiku", "Haiku"),
    ("beos", "BeOS"),
    ("android", "Android"),
    ("minix", "MINIX"),
    ("macos", "Mac OS (Classic)"),
    ("sunos", "SunOS"),
    ("sco", "SCO UNIX"),
    ("bsdos", "BSD/OS"),
    ("interix", "Interix"),
    ("os2", "OS/2"),
    ("os390", "OS/390, z/OS"),
    ("os400", "OS/400"),
    ("qnx", "QNX"),
    ("nto", "QNX Neutrino"),
    ("unicos", "UNICOS"),
    ("vms", "VMS"),
    ("vos", "Stratus VOS"),
];

/// The canonical, lower-case name of an operating system: `MSWin32` is `mswin32`, `openThis` is `openbsd`.
/// A name that is not known is lower-cased and kept.
pub fn canonical(osname: &str) -> String {
    let name = osname.trim().to_ascii_lowercase();
    match mangled(&name) {
        Some(known) => known.to_owned(),
        None => name,
    }
}

/// The title of a canonical name for people: `mswin32` is `Windows (Win32)`. A name that is not known is its own title.
pub fn title(canonical: &str) -> &str {
    SYSTEMS.iter().find(|(name, _)| *name == canonical).map_or(canonical, |(_, title)| *title)
}

/// The canonical operating system an architecture name tells of: `solaris` of `i86pc-solaris-thread-multi-64`.
pub fn from_archname(archname: &str) -> Option<&'static str> {
    // Names that are found anywhere, those that hold another name first.
    const PIECES: &[(&str, &str)] = &[
        ("gnukfreebsd", "gnukfreebsd"),
        ("midnightbsd", "midnightbsd"),
        ("android", "android"),
        ("linux", "linux"),
        ("freebsd", "freebsd"),
        ("openbsd", "openbsd"),
        ("netbsd", "netbsd"),
        ("mirbsd", "mirbsd"),
        ("dragonfly", "dragonfly"),
        ("bitrig", "bitrig"),
        ("darwin", "darwin"),
        ("mswin32", "mswin32"),
        ("cygwin", "cygwin"),
        ("solaris", "solaris"),
        ("haiku", "haiku"),
        ("beos", "beos"),
        ("dec_osf", "dec_osf"),
        ("hpux", "hpux"),
        ("pa-risc", "hpux"),
        ("irix", "irix"),
        ("interix", "interix"),
        ("macppc", "macos"),
        ("minix", "minix"),
        ("bsdos", "bsdos"),
        ("unicos", "unicos"),
        ("vms_", "vms"),
    ];
    // Names too short to be looked for inside a word.
    const WORDS: &[(&str, &str)] = &[
        ("gnu", "gnu"),
        ("msys", "msys"),
        ("aix", "aix"),
        ("sun4", "solaris"),
        ("osf", "dec_osf"),
        ("s390", "os390"),
        ("os390", "os390"),
        ("os400", "os400"),
        ("os2", "os2"),
        ("sco", "sco"),
        ("qnx", "qnx"),
        ("nto", "nto"),
        ("vms", "vms"),
        ("vos", "vos"),
    ];
    let archname = archname.to_ascii_lowercase();
    let piece = PIECES.iter().find(|(piece, _)| archname.contains(piece));
    let word = || {
        let words = archname.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
        words.into_iter().find_map(|word| WORDS.iter().find(|(short, _)| *short == word))
    };
    piece.or_else(word).map(|(_, canonical)| *canonical)
}

/// What a mangled name was meant to be (contract §3.5), of a lower-case name.
fn mangled(name: &str) -> Option<&'static str> {
    let known = match name {
        "osf" => "dec_osf",
        "macppc" => "macos",
        "pa-risc" => "hpux",
        "s390" => "os390",
        "vms_" => "vms",
        "freeb" => "freebsd",
        "netb" => "netbsd",
        "openb" => "openbsd",
        // `=3D` of a mail read as text.
        "3dmswin32" => "mswin32",
        _ => return run_in(name),
    };
    Some(known)
}

/// A name cut short by the text that ran into it, which began with "This": `linThis`, `darwiThis`.
fn run_in(name: &str) -> Option<&'static str> {
    let (begun, _) = name.split_once("this")?;
    if begun.is_empty() {
        return None;
    }
    SYSTEMS.iter().map(|(system, _)| *system).find(|system| system.starts_with(begun))
}
