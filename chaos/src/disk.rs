//! A small disk of its own for the data directory, and the ballast that fills it.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

/// Bytes a disk has at least, for the logs and caches of the database.
const LEAST: u64 = 256 * 1024 * 1024;
/// Bytes a report takes at most, everywhere it is written to.
const EACH: u64 = 24 * 1024;

/// A tmpfs that is unmounted when this is dropped.
pub struct Disk {
    mount: PathBuf,
}

impl Disk {
    /// Mounts a disk with room for so many reports. An error says why that cannot be done here.
    pub fn mount(mount: &Path, reports: u64) -> anyhow::Result<Disk> {
        std::fs::create_dir_all(mount).context("the place for the disk could not be made")?;
        let size = format!("size={}", LEAST + reports * EACH);
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &size, "assay-chaos"]).arg(mount);
        let ended = command.output().context("`mount` could not be run")?;
        let told = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
        anyhow::ensure!(ended.status.success(), "a tmpfs could not be mounted: {told}");
        Ok(Disk { mount: mount.to_owned() })
    }

    /// Writes until nothing more fits, after what was written before.
    pub fn fill(&self) -> anyhow::Result<()> {
        let ballast = File::options().create(true).append(true).open(self.ballast());
        let mut ballast = ballast.context("the ballast could not be made")?;
        for size in [4 << 20, 64 << 10, 4 << 10] {
            let piece = vec![0u8; size];
            loop {
                match ballast.write_all(&piece) {
                    Ok(()) => {}
                    Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::WriteZero) => break,
                    Err(error) => return Err(error).context("the ballast could not be written"),
                }
            }
        }
        Ok(())
    }

    /// Makes room again.
    pub fn free(&self) -> anyhow::Result<()> {
        std::fs::remove_file(self.ballast()).context("the ballast could not be removed")
    }

    fn ballast(&self) -> PathBuf {
        self.mount.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a process that is only just dying may still hold it. If it fails, there is nobody left to tell.
        Command::new("umount").arg("-l").arg(&self.mount).output().ok();
    }
}
