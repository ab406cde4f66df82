//! One interpreter on one machine of one tester: what all its reports have in common.

use super::dice::Dice;
use super::template::{Template, escape};
use super::words::{BUILD_OPTIONS, PERLS, PLATFORMS, TESTERS, TOOLCHAIN};

/// A place reports come from, with its parts of the report's text made ready.
pub struct Rig {
    pub tester: usize,
    /// `5.24.0`, `5.22.3 RC3`.
    pub perl: String,
    pub architecture: &'static str,
    pub osname: &'static str,
    pub osversion: &'static str,
    pub prefix: String,
    pub make: &'static str,
    /// Number its own choices are made from.
    pub number: u64,
    /// Environment, special variables and toolchain, inside a JSON string; the gap is `pid`.
    pub context: Template,
    /// `perl -V`, likewise.
    pub configuration: Template,
    pub context_length: usize,
    pub configuration_length: usize,
}

/// Rigs of all testers, `count` in all; platforms and perls are drawn with the weights of real life.
pub fn rigs(seed: u64, count: usize) -> Vec<Rig> {
    let platforms = lottery(PLATFORMS.iter().map(|platform| platform.3));
    let perls = lottery(PERLS.iter().map(|perl| perl.3));
    let draw = |number: usize| {
        let mut dice = Dice::new(seed ^ 0x0716, number as u64);
        let platform = *dice.pick(&platforms);
        Rig::new(&mut dice, number, platform, *dice_perl(&perls, number, seed))
    };
    (0..count).map(draw).collect()
}

/// Every perl on every platform, for matrices as full as they get.
pub fn all_rigs(seed: u64) -> Vec<Rig> {
    let pairs = (0..PLATFORMS.len()).flat_map(|platform| (0..PERLS.len()).map(move |perl| (platform, perl)));
    let rig = |(number, (platform, perl)): (usize, (usize, usize))| {
        Rig::new(&mut Dice::new(seed ^ 0x0716, number as u64), number, platform, perl)
    };
    pairs.enumerate().map(rig).collect()
}

fn dice_perl(perls: &[usize], number: usize, seed: u64) -> &usize {
    Dice::new(seed ^ 0x7e71, number as u64).pick(perls)
}

/// A list in which each place stands as often as its weight says.
fn lottery(weights: impl Iterator<Item = u64>) -> Vec<usize> {
    weights.enumerate().flat_map(|(place, weight)| std::iter::repeat_n(place, weight as usize)).collect()
}

impl Rig {
    fn new(dice: &mut Dice, number: usize, platform: usize, perl: usize) -> Self {
        let (architecture, osname, osversion, _) = PLATFORMS[platform];
        let (minor, patch, candidate, _) = PERLS[perl];
        let tester = number % TESTERS.len();
        let home = TESTERS[tester].3;
        let prefix = match osname {
            "MSWin32" => format!("C:\\strawberry{minor}\\perl"),
            _ => format!("{home}/perl/5.{minor}.{patch}-{:04x}", dice.below(65_536)),
        };
        let build = Build { dice, architecture, osname, osversion, home, prefix: &prefix, minor, patch };
        let (context, configuration) = build.texts();
        Rig {
            tester,
            perl: format!("5.{minor}.{patch}{candidate}"),
            architecture,
            osname,
            osversion,
            make: if osname == "MSWin32" { "dmake" } else { "/usr/bin/make" },
            number: number as u64,
            context_length: context.len(),
            configuration_length: configuration.len(),
            context: Template::parse(&context),
            configuration: Template::parse(&configuration),
            prefix,
        }
    }
}

/// What the interpreter's own texts are made from.
struct Build<'a> {
    dice: &'a mut Dice,
    architecture: &'static str,
    osname: &'static str,
    osversion: &'static str,
    home: &'static str,
    prefix: &'a str,
    minor: u32,
    patch: u32,
}

impl Build<'_> {
    /// Context and configuration, inside a JSON string, with `{pid}` left open.
    fn texts(mut self) -> (String, String) {
        let configuration = match self.minor {
            20.. => include_str!("../../templates/configuration-new.txt"),
            _ => include_str!("../../templates/configuration-old.txt"),
        };
        let values = self.values();
        let fill = |template: &str| {
            let mut plain = String::new();
            Template::parse(template).write(&mut plain, |gap, out| {
                match values.iter().find(|(name, _)| *name == gap) {
                    Some((_, value)) => out.push_str(value),
                    None => out.extend(["{", gap, "}"]),
                }
            });
            let mut escaped = String::new();
            escape(&plain, &mut escaped);
            escaped
        };
        (fill(include_str!("../../templates/context.txt")), fill(configuration))
    }

    fn values(&mut self) -> Vec<(&'static str, String)> {
        let mut values = self.machine();
        values.extend(self.compiler());
        values.extend(self.surroundings());
        values
    }

    fn machine(&mut self) -> Vec<(&'static str, String)> {
        let (osname, osversion, prefix) = (self.osname, self.osversion, self.prefix);
        let wide = self.wide();
        let threads = self.architecture.contains("thread");
        let host = format!("smoke{:02}", self.dice.below(40));
        let built = self.compiled().to_lowercase();
        let machine = self.architecture.split('-').next().unwrap_or_default();
        let mut arguments = format!("-des -Dprefix={prefix} -Dusedevel -Dcf_email=smoke@example.org");
        for (wanted, argument) in [(threads, " -Duseithreads"), (self.long_double(), " -Duselongdouble")] {
            if wanted {
                arguments.push_str(argument);
            }
        }
        let extra =
            [" -Dmyhostname=localhost", " -Uversiononly -Uinstallusrbinperl", " -Dcc=ccache gcc", " -DDEBUGGING=both"];
        arguments.push_str(self.dice.word(&extra));
        vec![
            ("minor", self.minor.to_string()),
            ("patch", self.patch.to_string()),
            ("commit", (0..5).map(|_| format!("{:08x}", self.dice.below(1 << 32))).collect()),
            ("osname", osname.into()),
            ("osvers", osversion.into()),
            ("archname", self.architecture.into()),
            ("uname", format!("{osname} {host} {osversion} #{} smp {built} {machine} ", self.dice.below(30))),
            ("config_args", arguments),
            ("threads", defined(threads)),
            ("bits", defined(wide || self.architecture.contains("64int"))),
            ("all_bits", defined(wide)),
            ("long_double", defined(self.long_double())),
            ("malloc", if self.dice.chance(15) { "y" } else { "n" }.into()),
        ]
    }

    fn compiler(&mut self) -> Vec<(&'static str, String)> {
        let wide = self.wide();
        let ld = self.long_double();
        let cc = self.dice.word(&["cc", "gcc", "ccache gcc", "clang", "gcc-4.9"]);
        let flags = "-fwrapv -fno-strict-aliasing -pipe -fstack-protector";
        let strong = if self.minor > 20 { "-strong" } else { "" };
        let local = self.dice.word(&["/usr/local", "/opt/local", "/usr/pkg"]);
        let paths = format!("{flags}{strong} -I{local}/include");
        let libraries = self.dice.word(&[
            "-lpthread -lnsl -ldl -lm -lcrypt -lutil -lc",
            "-lnsl -lgdbm -ldb -ldl -lm -lcrypt -lutil -lc -lgdbm_compat",
            "-lm -lcrypt -lutil -lc -lposix",
        ]);
        let glibc = format!("2.{}", 11 + self.dice.below(30));
        let gcc = format!("{}.{}.{}", 4 + self.dice.below(10), self.dice.below(10), self.dice.below(4));
        vec![
            ("cc", cc.into()),
            ("ccflags", format!("-D_REENTRANT {paths} -D_LARGEFILE_SOURCE -D_FILE_OFFSET_BITS=64")),
            ("cppflags", paths),
            ("optimize", (self.dice.word(&["-O2", "-O2 -g", "-O", "-g -O3"])).into()),
            ("gccversion", format!("{gcc} ({} {gcc}-{})", self.osname, self.dice.below(20))),
            ("longsize", if wide { "8" } else { "4" }.into()),
            ("byteorder", if wide { "12345678" } else { "1234" }.into()),
            ("longdblsize", if wide { "16" } else { "12" }.into()),
            ("ivtype", if wide { "long" } else { "long long" }.into()),
            ("ivsize", if wide { "8" } else { "4" }.into()),
            ("nvtype", if ld { "long double" } else { "double" }.into()),
            ("nvsize", if ld { "16" } else { "8" }.into()),
            ("ldflags", format!("-L{local}/lib -fstack-protector{strong}")),
            ("libpth", format!("{local}/lib /usr/lib/{} /usr/lib /lib", self.architecture)),
            ("libs", libraries.into()),
            ("perllibs", libraries.into()),
            ("libc", format!("/lib/libc-{glibc}.so")),
            ("shared", if self.dice.chance(25) { "true" } else { "false" }.into()),
            ("libperl", "libperl.a".into()),
            ("glibc", glibc),
        ]
    }

    fn surroundings(&mut self) -> Vec<(&'static str, String)> {
        let (home, prefix) = (self.home, self.prefix);
        let version = format!("5.{}.{}", self.minor, self.patch);
        let architecture = self.architecture;
        let uid = 500 + self.dice.below(1000);
        let groups: Vec<String> = (0..self.dice.below(8)).map(|_| (20 + self.dice.below(120)).to_string()).collect();
        let shells = ["/bin/bash", "/usr/bin/zsh", "/bin/sh", "/usr/local/bin/bash"];
        let languages = ["en_US.UTF-8", "C", "de_DE.UTF-8", "C.UTF-8", "en_GB.ISO-8859-1"];
        vec![
            ("lang", (self.dice.word(&languages)).into()),
            ("path", format!("{prefix}/bin:{home}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")),
            ("library", format!("{home}/.cpan/build/{}/blib/lib", self.dice.below(100_000))),
            ("option", if self.dice.chance(20) { "-MDevel::Autoflush" } else { "" }.into()),
            ("shell", (self.dice.word(&shells)).into()),
            ("terminal", (self.dice.word(&["screen", "xterm", "vt220", "xterm-256color"])).into()),
            ("prefix", prefix.into()),
            ("uid", uid.to_string()),
            ("gid", format!("{uid} {uid} {}", groups.join(" "))),
            ("toolchain", self.toolchain()),
            ("options", self.options()),
            ("compiled", self.compiled()),
            ("inc", {
                let folders = ["site_perl/", ""].map(|folder| {
                    format!("    {prefix}/lib/{folder}{version}/{architecture}\n    {prefix}/lib/{folder}{version}")
                });
                folders.join("\n")
            }),
        ]
    }

    fn toolchain(&mut self) -> String {
        let row = |(name, version): &(&str, &str)| match self.dice.below(20) {
            0 => format!("    {name:19} n/a      "),
            1..4 => format!("    {name:19} {:9}", format!("{}.{:02}", self.dice.below(8), self.dice.below(100))),
            _ => format!("    {name:19} {version:9}"),
        };
        TOOLCHAIN.iter().map(row).collect::<Vec<String>>().join("\n")
    }

    fn options(&mut self) -> String {
        let present: Vec<&str> = BUILD_OPTIONS.into_iter().filter(|_| self.dice.chance(75)).collect();
        match self.minor {
            20.. => present.iter().map(|option| format!("    {option}")).collect::<Vec<String>>().join("\n"),
            _ => present.join("\n                        "),
        }
    }

    fn compiled(&mut self) -> String {
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let month = self.dice.word(&months);
        let (day, hour) = (1 + self.dice.below(28), self.dice.below(24));
        let (minute, second, year) = (self.dice.below(60), self.dice.below(60), 2010 + self.dice.below(16));
        format!("{month} {day} {year} {hour:02}:{minute:02}:{second:02}")
    }

    fn wide(&self) -> bool {
        self.architecture.contains("64") && !self.architecture.contains("64int")
    }

    fn long_double(&self) -> bool {
        self.architecture.ends_with("-ld")
    }
}

fn defined(value: bool) -> String {
    if value { "define" } else { "undef" }.into()
}
