//! A Courier-IMAP in a root directory of its own: see `tests/courier`.

use super::PASSWORD;
use super::dovecot::free_port;
use super::restante::is_root;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A Courier that runs, with one user, ended when dropped. The user's files go with it.
pub struct Courier {
    root: PathBuf,
    home: String,
    port: u16,
}

impl Courier {
    /// Installs it where that has not been done, and starts it. `Err` says why that cannot be.
    pub fn start(user: &str) -> Result<Self, String> {
        if !is_root() {
            return Err("Courier lives in a root directory of its own, which needs root".to_owned());
        }
        let root = root();
        script(&["install"], &root, &[])?;
        let home = format!("/srv/mail/{user}-{}", std::process::id());
        let courier = Self { root, home, port: free_port() };
        script(&["user"], &courier.root, &[user, PASSWORD, &courier.home])?;
        courier.serve()?;
        Ok(courier)
    }

    /// Starts it again after [`Courier::stop`].
    pub fn serve(&self) -> Result<(), String> {
        script(&["start"], &self.root, &[&self.port.to_string()])
    }

    /// Ends all that runs of it; files stay.
    pub fn stop(&self) {
        script(&["stop"], &self.root, &[]).expect("Courier is ended");
    }

    /// Its port, in clear.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The user's Maildir.
    pub fn maildir(&self) -> PathBuf {
        self.root.join(&self.home[1..]).join("Maildir")
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        let _ = script(&["stop"], &self.root, &[]);
        let _ = std::fs::remove_dir_all(self.root.join(&self.home[1..]));
    }
}

/// `RESTANTE_COURIER_ROOT`, else beside what is built.
fn root() -> PathBuf {
    let built = || std::env::current_exe().ok()?.ancestors().nth(3).map(|target| target.join("courier-root"));
    let named = std::env::var_os("RESTANTE_COURIER_ROOT").map(PathBuf::from);
    named.or_else(built).expect("where the tests are")
}

fn script(command: &[&str], root: &Path, arguments: &[&str]) -> Result<(), String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../courier");
    let output: Output = Command::new(&script)
        .args(command)
        .arg(root)
        .args(arguments)
        .env("OWNER", std::process::id().to_string())
        .output()
        .map_err(|error| format!("{}: {error}", script.display()))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(format!("tests/courier {command:?}: {text}")) }
}
