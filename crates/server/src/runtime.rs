//! The process around the server: its threads, and systemd above it.

use sd_notify::NotifyState;
use std::time::Duration;

/// How long the commands that run when the server stops may go on.
pub(crate) const COMMANDS_END_WITHIN: Duration = Duration::from_secs(2);

/// Runs the server's future on as many threads as there are processors. Work on files that does
/// not end soon after it, such as a wait for a lock of another process, is left as a crash would
/// leave it.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("threads and a poller, without which there is no server");
    let output = runtime.block_on(future);
    runtime.shutdown_timeout(COMMANDS_END_WITHIN);
    output
}

/// Tells systemd.
pub(crate) fn notify(state: &[NotifyState<'_>]) {
    // Not under systemd there is nobody to tell.
    let _ = sd_notify::notify(state);
}
