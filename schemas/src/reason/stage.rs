//! The step an installation had come to, by what its client says of it.

use crate::text::lines::Line;

use super::Phase;

/// The step last announced.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stage(pub Option<Phase>);

impl Stage {
    pub fn see(&mut self, line: &Line<'_>) {
        let text = line.text;
        let announced = match line.first() {
            // CPAN-Reporter names the command; cpanm-reporter has none to name.
            b'O' => text.strip_prefix("Output from '").and_then(|command| phase_of(command.trim_end_matches("':"))),
            b'B' => match text.strip_prefix("Below is the error stack from stage '") {
                Some(command) => phase_of(command.trim_end_matches("':")),
                None => text.starts_with("Building and testing ").then_some(Phase::Build),
            },
            b'R' if text.starts_with("Running Makefile.PL") => Some(Phase::Configure),
            b'R' if text.starts_with("Running Build.PL") => Some(Phase::Configure),
            b'C' if text.starts_with("Configuring ") => Some(Phase::Configure),
            b'P' if text.starts_with("PERL_DL_NONLAZY=") => Some(Phase::Test),
            b'-' if text.starts_with("-> FAIL Configure failed") => Some(Phase::Configure),
            _ => None,
        };
        self.0 = announced.or(self.0);
    }
}

/// The phase a command runs: `/usr/bin/make test`, `./Build`, `perl Makefile.PL`.
fn phase_of(command: &str) -> Option<Phase> {
    if command.contains("Makefile.PL") || command.contains("Build.PL") {
        return Some(Phase::Configure);
    }
    let mut words = command.split_ascii_whitespace();
    words.next()?;
    let phase = words.find_map(|word| match word {
        "test" => Some(Phase::Test),
        "install" => Some(Phase::Install),
        _ => None,
    });
    Some(phase.unwrap_or(Phase::Build))
}
