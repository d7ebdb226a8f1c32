//! Debian's authdaemond with users of its own.
//!
//! Where its settings and its socket are is compiled in, below `/etc` and `/run`: it runs in a
//! mount namespace, in which these are directories of the test. The system sees nothing of it.

use crate::target::restante::is_root;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = "/usr/lib/courier/courier-authlib/authdaemond";
/// How long a start may take: only one that hangs takes it.
const WAIT: Duration = Duration::from_secs(30);
const START: &str = "mount --bind \"$0/etc\" /etc && mount --bind \"$0/run\" /run && exec \"$1\"";
const SETTINGS: &str = "authmodulelist=\"authuserdb\"\nauthmodulelistorig=\"authuserdb\"\ndaemons=2\n\
    authdaemonvar=/run/courier/authdaemon\nDEBUG_LOGIN=0\nDEFAULTOPTIONS=\"\"\nLOGGEROPTS=\"\"\n";

/// A running authdaemond, ended when dropped.
pub struct Authdaemond {
    directory: tempfile::TempDir,
    process: Child,
}

impl Authdaemond {
    /// Starts one with the lines of a userdb. `None`, which is said, where an ordinary user may
    /// have no mount namespace.
    pub fn start(userdb: &str) -> Option<Self> {
        assert!(Path::new(PROGRAM).is_file(), "{PROGRAM}: install courier-authlib (tests/run does)");
        if !may_mount() {
            eprintln!("SKIPPED: authdaemond needs a mount namespace, which this user may not have");
            return None;
        }
        let directory = tempfile::Builder::new().prefix("authdaemond").tempdir().expect("a directory");
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).expect("its mode");
        let courier = directory.path().join("etc/courier");
        std::fs::create_dir_all(&courier).expect("its settings");
        std::fs::create_dir_all(directory.path().join("run/courier/authdaemon")).expect("its socket's place");
        for name in ["passwd", "group", "nsswitch.conf"] {
            std::fs::copy(Path::new("/etc").join(name), directory.path().join("etc").join(name))
                .expect("what the system knows");
        }
        std::fs::write(courier.join("authdaemonrc"), SETTINGS).expect("its settings");
        make_userdb(&courier.join("userdb"), userdb);
        let process = run(directory.path());
        let daemon = Self { directory, process };
        daemon.wait_until_it_listens();
        Some(daemon)
    }

    /// Its socket, as it is seen from outside.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("run/courier/authdaemon/socket")
    }

    /// Ends all its processes at once. The socket's name stays.
    pub fn kill(&mut self) {
        self.signal("KILL");
        self.process.wait().expect("its end");
    }

    /// Starts it anew, after [`Self::kill`].
    pub fn start_again(&mut self) {
        self.process = run(self.directory.path());
        self.wait_until_it_listens();
    }

    /// Sends all its processes a signal by name.
    pub fn signal(&self, name: &str) {
        let group = format!("-{}", self.process.id());
        let status = Command::new("kill").args(["-s", name, "--", &group]).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -s {name}");
    }

    fn wait_until_it_listens(&self) {
        let until = Instant::now() + WAIT;
        while UnixStream::connect(self.socket()).is_err() {
            assert!(Instant::now() < until, "authdaemond does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Authdaemond {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            let group = format!("-{}", self.process.id());
            let _ = Command::new("kill").args(["-s", "KILL", "--", &group]).status();
            let _ = self.process.wait();
        }
    }
}

/// In a process group of its own, which its workers belong to.
fn run(directory: &Path) -> Child {
    unshare()
        .args(["sh", "-c", START])
        .args([directory.as_os_str(), PROGRAM.as_ref()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("unshare, of the package util-linux")
}

/// A mount namespace; who is not root becomes root of nothing but that.
fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(if is_root() { &["--mount"][..] } else { &["--map-root-user", "--mount"] });
    command
}

fn may_mount() -> bool {
    let status = unshare().arg("true").stderr(Stdio::null()).status();
    status.expect("unshare, of the package util-linux").success()
}

fn make_userdb(path: &Path, text: &str) {
    std::fs::write(path, text).expect("the userdb");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("its mode");
    let output = Command::new("makeuserdb").arg("-f").arg(path).output();
    let output = output.expect("makeuserdb: install courier-authlib-userdb (tests/run does)");
    assert!(output.status.success(), "{output:?}");
}
