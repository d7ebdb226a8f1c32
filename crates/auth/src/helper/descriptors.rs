//! Closing what a process inherited: not safe Rust, as nobody owns such descriptors.

#![allow(unsafe_code, reason = "inherited descriptors belong to nobody yet")]

use std::os::fd::{FromRawFd, OwnedFd};

/// Closes everything but standard input, output and error.
///
/// To be called before the process opened anything that it still wants: by the first line of
/// a process's work, with one thread.
pub(super) fn close_inherited() -> std::io::Result<()> {
    let mut inherited = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        inherited.extend(entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    for descriptor in inherited.into_iter().filter(|descriptor| *descriptor > 2) {
        // The directory's own is closed by now, and another one cannot have its number: there is
        // no other thread.
        if std::fs::symlink_metadata(format!("/proc/self/fd/{descriptor}")).is_ok() {
            // SAFETY: the descriptor is open, and as the caller opened nothing, it was inherited,
            // and no value of this process owns it.
            drop(unsafe { OwnedFd::from_raw_fd(descriptor) });
        }
    }
    Ok(())
}
