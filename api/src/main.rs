//! The binary `assay`.

use std::process::ExitCode;

/// Many small buffers live and die on several threads. glibc's allocator spends a tenth of the intake's time on them, and
/// others keep a third more memory than this one, which serves SQLite and zstd too; `.cargo/config.toml` says how it is set.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    api::cli::main(std::env::args_os())
}
