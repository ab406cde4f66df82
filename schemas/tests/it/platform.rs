//! Names of operating systems.

use schemas::platform::{canonical, from_archname, title};

#[test]
fn names_become_canonical() {
    for (osname, wanted) in [
        ("linux", "linux"),
        ("MSWin32", "mswin32"),
        ("darwin", "darwin"),
        (" FreeBSD ", "freebsd"),
        ("gnukfreebsd", "gnukfreebsd"),
        ("linThis", "linux"),
        ("lThis", "linux"),
        ("openThis", "openbsd"),
        ("darwiThis", "darwin"),
        ("MacPPC", "macos"),
        ("osf", "dec_osf"),
        ("pa-risc", "hpux"),
        ("s390", "os390"),
        ("VMS_", "vms"),
        ("freeb", "freebsd"),
        ("netb", "netbsd"),
        ("3DMSWin32", "mswin32"),
        ("This", "this"),
        ("Plan9", "plan9"),
        ("", ""),
    ] {
        assert_eq!(canonical(osname), wanted, "{osname:?}");
        assert_eq!(canonical(&canonical(osname)), wanted, "{osname:?} twice");
    }
}

#[test]
fn titles_are_for_people() {
    assert_eq!(title("mswin32"), "Windows (Win32)");
    assert_eq!(title("linux"), "Linux");
    assert_eq!(title("plan9"), "plan9");
}

#[test]
fn architecture_names_tell_the_system() {
    for (archname, wanted) in [
        ("i86pc-solaris-thread-multi-64", Some("solaris")),
        ("x86_64-gnukfreebsd", Some("gnukfreebsd")),
        ("OpenBSD.amd64-openbsd", Some("openbsd")),
        ("MSWin32-x86-multi-thread-64int", Some("mswin32")),
        ("x86_64-linux-gnu-thread-multi", Some("linux")),
        ("s390x-linux", Some("linux")),
        ("i686-gnu", Some("gnu")),
        ("darwin-thread-multi-2level", Some("darwin")),
        ("cygwin-thread-multi-64int", Some("cygwin")),
        ("i386-midnightbsd", Some("midnightbsd")),
        ("sun4-solaris", Some("solaris")),
        ("amd64-freebsd-thread-multi", Some("freebsd")),
        ("PA-RISC2.0", Some("hpux")),
        ("alpha-dec_osf", Some("dec_osf")),
        ("VMS_AXP", Some("vms")),
        ("alpha-netbsd", Some("netbsd")),
        ("x86_64", None),
        ("", None),
    ] {
        assert_eq!(from_archname(archname), wanted, "{archname}");
    }
}
