//! A process that may take only so long, and leaves nothing running behind.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::collections::BTreeSet;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Process groups of what runs, by their leaders' ids.
static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// A process in a group of its own. Dropped, it and its group are killed and it is awaited.
pub(crate) struct Bounded {
    child: Child,
    until: Instant,
    timeout: Duration,
}

impl Bounded {
    /// Starts it. The command is gone afterwards, and with it our copies of its descriptors.
    pub(crate) fn spawn(mut command: Command, timeout: Duration) -> io::Result<Self> {
        // Locked, so that who ends everything does not miss it.
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        let child = command.process_group(0).spawn()?;
        running.insert(child.id());
        Ok(Self { child, until: Instant::now() + timeout, timeout })
    }

    /// Its standard input, if that is a pipe.
    pub(crate) fn stdin(&mut self) -> Option<std::process::ChildStdin> {
        self.child.stdin.take()
    }

    /// Its standard output, if that is a pipe.
    pub(crate) fn stdout(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    /// Waits until it ends. Once it has, or its time is over, its group is killed.
    pub(crate) fn wait(mut self) -> Result<ExitStatus, String> {
        let failed = |error: io::Error| format!("it cannot be awaited: {error}");
        let ended = self.ends_in_time().map_err(failed)?;
        if !ended {
            return Err(format!("it took longer than {:?} and was killed", self.timeout));
        }
        self.end().map_err(failed)
    }

    fn ends_in_time(&self) -> io::Result<bool> {
        let pidfd = pidfd_open(pid(self.child.id())?, PidfdFlags::empty())?;
        loop {
            let left = self.until.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).map_err(|_| io::ErrorKind::InvalidInput)?;
            match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&left)) {
                Err(rustix::io::Errno::INTR) => {}
                ready => return Ok(ready? > 0),
            }
        }
    }

    /// Kills the group, the leader with it if it still runs. Its id is not given to another
    /// process before it is awaited.
    fn end(&mut self) -> io::Result<ExitStatus> {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if running.remove(&self.child.id()) {
            let _ = pid(self.child.id()).map(|pid| kill_process_group(pid, Signal::KILL));
            let _ = self.child.kill();
        }
        drop(running);
        self.child.wait()
    }
}

impl Drop for Bounded {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// Kills all that runs: this process is about to end.
pub(crate) fn kill_all() {
    for id in RUNNING.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        let _ = pid(*id).map(|pid| kill_process_group(pid, Signal::KILL));
    }
}

fn pid(id: u32) -> io::Result<Pid> {
    i32::try_from(id).ok().and_then(Pid::from_raw).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_too_long_is_killed_with_all_they_started() {
        let directory = tempfile::tempdir().unwrap();
        let noted = directory.path().join("pid");
        let mut command = Command::new("sh");
        command
            .args(["-c", "sleep 1000 & echo $! > \"$1.new\"; mv \"$1.new\" \"$1\"; wait", "sh"])
            .arg(&noted);
        let child = Bounded::spawn(command, Duration::from_secs(2)).unwrap();
        assert!(child.wait().unwrap_err().contains("longer than 2s"));
        let started: u32 = std::fs::read_to_string(noted).unwrap().trim().parse().unwrap();
        let is_gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{started}/stat"));
            stat.is_err() || stat.is_ok_and(|stat| stat.contains(") Z "))
        };
        let until = Instant::now() + Duration::from_secs(10);
        while !is_gone() {
            assert!(Instant::now() < until, "its child goes on");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn who_ends_in_time_has_a_status() {
        let mut command = Command::new("sh");
        command.args(["-c", "exit 3"]);
        let child = Bounded::spawn(command, Duration::from_secs(60)).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(3));
    }
}
