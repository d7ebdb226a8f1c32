//! What a server costs: CPU time and memory of all its processes, from /proc.

use crate::Result;
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Which processes are a server's.
#[derive(Clone, Debug)]
pub(crate) enum Processes {
    /// One and all that descend from it.
    Tree(u32),
    /// All whose root directory is this one.
    Root(PathBuf),
}

/// What an operation took, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// At the client.
    pub(crate) wall: f64,
    /// In the server's processes.
    pub(crate) cpu: f64,
}

impl Processes {
    /// Runs something and takes both times.
    pub(crate) fn measure(&self, work: impl FnOnce() -> Result<()>) -> Result<Times> {
        let cpu = self.cpu_seconds()?;
        let begin = Instant::now();
        work()?;
        let wall = begin.elapsed().as_secs_f64();
        Ok(Times { wall, cpu: (self.cpu_seconds()? - cpu).max(0.0) })
    }

    /// Runs something again and again for some time, and takes the times of one.
    ///
    /// # Errors
    ///
    /// Those of the work.
    pub(crate) fn measure_repeated(
        &self,
        least: Duration,
        mut work: impl FnMut() -> Result<()>,
    ) -> Result<Times> {
        let mut count = 0;
        let begin = Instant::now();
        let times = self.measure(|| {
            while count == 0 || begin.elapsed() < least {
                work()?;
                count += 1;
            }
            Ok(())
        })?;
        Ok(times.divided_by(count))
    }

    /// CPU time so far: of the living with the clock's precision, of their children that have
    /// ended in the system's ticks.
    fn cpu_seconds(&self) -> Result<f64> {
        let mut seconds = 0.0;
        for pid in self.pids()? {
            // One may end between the list and the look.
            let Ok(clock) = clock_getcpuclockid(Pid::from_raw(pid as i32)) else { continue };
            seconds += process_seconds(clock).unwrap_or(0.0);
            seconds += children_seconds(pid).unwrap_or(0.0);
        }
        Ok(seconds)
    }

    /// The memory of all, in KiB; what several share is counted once (PSS).
    pub(crate) fn memory_kib(&self) -> Result<u64> {
        let pids = self.pids()?;
        Ok(pids.into_iter().filter_map(pss_kib).sum())
    }

    fn pids(&self) -> Result<Vec<u32>> {
        match self {
            Self::Tree(top) => tree(*top),
            Self::Root(root) => Ok(all_pids()?
                .into_iter()
                .filter(|pid| std::fs::read_link(format!("/proc/{pid}/root")).is_ok_and(|at| at == *root))
                .collect()),
        }
    }
}

impl Times {
    /// Those of one of so many.
    pub(crate) fn divided_by(self, count: usize) -> Self {
        Self { wall: self.wall / count as f64, cpu: self.cpu / count as f64 }
    }
}

/// Memory that the kernel has taken for itself, in KiB: for sockets, watches, files. All that runs
/// on the machine takes part in it.
pub(crate) fn kernel_kib() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let of = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    Ok(["SUnreclaim", "PageTables", "KernelStack"].into_iter().filter_map(of).sum())
}

fn process_seconds(clock: ClockId) -> Option<f64> {
    let time = clock_gettime(clock).ok()?;
    Some(time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9)
}

/// Fields 16 and 17 of /proc/PID/stat: see proc(5). The tick is 10 ms on all that Linux runs on
/// (USER_HZ).
fn children_seconds(pid: u32) -> Option<f64> {
    let fields = stat_fields(pid)?;
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some((ticks(13)? + ticks(14)?) as f64 / 100.0)
}

/// The fields behind the name, which may hold spaces: the first is the state.
fn stat_fields(pid: u32) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    Some(fields.split(' ').map(str::to_owned).collect())
}

fn pss_kib(pid: u32) -> Option<u64> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn tree(top: u32) -> Result<Vec<u32>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for pid in all_pids()? {
        let parent = stat_fields(pid).and_then(|fields| fields.get(1)?.parse().ok());
        if let Some(parent) = parent {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = vec![top];
    let mut at = 0;
    while at < found.len() {
        found.extend(children.remove(&found[at]).unwrap_or_default());
        at += 1;
    }
    Ok(found)
}

fn all_pids() -> Result<Vec<u32>> {
    let entries = std::fs::read_dir("/proc")?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}
