//! The control socket: `restante reload`, `restante auth flush` and `restante auth status` of a
//! running server.
//!
//! One line is asked, and answered until the end: `reload`, `flush`, `flush USER` or `status`.
//! Only root may connect, and the user who started the server, by the socket's mode.

use crate::reload;
use crate::server::Server;
use crate::settings::{self, Configuration};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// Longest question, in bytes: a command and a name.
const QUESTION_MAX: u64 = 1024;
/// Longest time for a question and its answer.
const WITHIN: Duration = Duration::from_secs(5);

/// Opens the socket. Without it the server does all but answer commands, so that a failure is only
/// logged; where the directory of the default is missing, nothing asked for it.
pub(crate) fn open(configuration: &Configuration) -> Option<StdListener> {
    let path = &configuration.control_socket;
    if !configuration.control_socket_is_given && !path.parent().is_some_and(Path::is_dir) {
        return None;
    }
    bind(path).map_err(|error| tracing::warn!("restante reload and auth flush will not work: {error}")).ok()
}

/// In the place of a socket that a server before left.
fn bind(path: &Path) -> Result<StdListener, String> {
    let failed = |error: io::Error| format!("control-socket {}: {error}", path.display());
    if StdStream::connect(path).is_ok() {
        return Err(format!("control-socket {}: another server has it", path.display()));
    }
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path).map_err(failed)?,
        Ok(_) => return Err(format!("control-socket {}: something else is there", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let listener = StdListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// Answers until the server stops.
pub(crate) async fn serve(server: Arc<Server>, listener: StdListener, settings: PathBuf) {
    let listener = match UnixListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "no control socket"),
    };
    let mut shut_down = server.shut_down_signal();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = shut_down.wait_for(|on| *on) => return,
        };
        if let Ok((stream, _)) = accepted {
            // One at a time: it is for administrators.
            let _ = tokio::time::timeout(WITHIN, answer(&server, &settings, stream)).await;
        } else {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn answer(server: &Server, settings: &Path, mut stream: UnixStream) -> io::Result<()> {
    let mut question = Vec::new();
    (&mut stream).take(QUESTION_MAX).read_to_end(&mut question).await?;
    let question = String::from_utf8_lossy(&question);
    let answer = match question.trim().split_once(' ') {
        None if question.trim() == "status" => status(server),
        None if question.trim() == "flush" => flush(server, None),
        None if question.trim() == "reload" => match reload::reload(server, settings) {
            Ok(()) => "reloaded\n".to_owned(),
            Err(problems) => format!("error: {}\n", problems.join("\nrestante: ")),
        },
        Some(("flush", user)) => flush(server, Some(user)),
        _ => "error: no such command\n".to_owned(),
    };
    stream.write_all(answer.as_bytes()).await
}

fn flush(server: &Server, user: Option<&str>) -> String {
    let authenticator = server.authenticator();
    match user.map(|user| authenticator.flush_user(user)) {
        None => authenticator.flush(),
        Some(Ok(())) => {}
        Some(Err(error)) => return format!("error: that is no user's name: {error}\n"),
    }
    // Whose they are is not known before they are asked about.
    server.tokens().iter().for_each(|tokens| tokens.reload());
    tracing::info!(user = user.map(tracing::field::debug), "flushed the cache of log-ins");
    "flushed\n".to_owned()
}

/// Counts since the start, in the text form of Prometheus.
fn status(server: &Server) -> String {
    let authenticator = server.authenticator();
    let counters = authenticator.counters();
    let (hits, misses) = authenticator.cache_hits_and_misses();
    let lines = [
        ("log_ins_accepted_total", counters.accepted.get()),
        ("log_ins_failed_total", counters.failed.get()),
        ("log_ins_refused_total", counters.refused.get()),
        ("log_ins_unavailable_total", counters.unavailable.get()),
        ("log_ins_banned_total", counters.banned.get()),
        ("log_ins_weak_scheme_total", counters.weak.get()),
        ("log_ins_by_master_total", counters.by_master.get()),
        ("passwords_rehashed_total", counters.rehashed.get()),
        ("log_in_cache_hits", hits),
        ("log_in_cache_misses", misses),
        ("panics_total", server.panics()),
    ];
    lines.iter().map(|(name, value)| format!("restante_{name} {value}\n")).collect()
}

/// `restante reload`. Settings that are wrong are for the running server to refuse, so that its log
/// has it; of them only the socket is wanted here.
pub(crate) fn reload(path: &Path) -> Result<(), String> {
    let (configuration, _) = settings::read_what_is_right(path);
    let socket =
        configuration.map_or_else(|| settings::DEFAULT_CONTROL_SOCKET.into(), |all| all.control_socket);
    print!("{}", ask(&socket, "reload")?);
    Ok(())
}

/// Asks a running server.
pub(crate) fn ask(path: &Path, question: &str) -> Result<String, String> {
    let failed = |error: io::Error| format!("control-socket {}: {error}", path.display());
    let mut stream = StdStream::connect(path).map_err(failed)?;
    stream.set_read_timeout(Some(WITHIN)).map_err(failed)?;
    stream.write_all(question.as_bytes()).map_err(failed)?;
    stream.shutdown(std::net::Shutdown::Write).map_err(failed)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(failed)?;
    match answer.strip_prefix("error: ") {
        Some(error) => Err(error.trim().to_owned()),
        None => Ok(answer),
    }
}
