//! The binary `assay`.

use std::process::ExitCode;

/// Many small buffers live and die on several threads: glibc's allocator spends a tenth of the intake's time on them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    api::cli::main(std::env::args_os())
}
