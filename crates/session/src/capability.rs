//! Which capabilities are shown in which state.

use crate::settings::SessionSettings;
use crate::step::Connection;
use codec::capability::{Shown, TABLE};

/// The capabilities of a session, parted by spaces.
///
/// Before log-in the list is short: what a client needs in order to come in. Without TLS, where
/// no password may come in the clear, it has LOGINDISABLED and no AUTH= (RFC 3501 section
/// 6.2.3).
pub(crate) fn list(settings: &SessionSettings, connection: Connection, logged_in: bool) -> String {
    let mut names: Vec<String> = TABLE
        .iter()
        .filter(|capability| logged_in || capability.shown == Shown::Always)
        .map(|capability| capability.name.to_owned())
        .collect();
    if logged_in {
        names.push(format!("APPENDLIMIT={}", settings.limits.append_max));
    } else {
        if may_start_tls(connection) {
            names.push("STARTTLS".to_owned());
        }
        if may_send_password(connection) {
            let offered = settings.mechanisms.iter().filter(|name| is_offered(name, connection));
            names.extend(offered.map(|mechanism| format!("AUTH={mechanism}")));
        } else {
            names.push("LOGINDISABLED".to_owned());
        }
    }
    names.join(" ")
}

/// Whether a mechanism makes sense on this connection.
pub fn is_offered(mechanism: &str, connection: Connection) -> bool {
    match mechanism {
        "EXTERNAL" => connection.certificate,
        _ if mechanism.ends_with("-PLUS") => connection.channel_binding,
        _ => true,
    }
}

/// Whether STARTTLS is offered.
pub(crate) fn may_start_tls(connection: Connection) -> bool {
    connection.starttls && !connection.tls
}

/// Whether LOGIN and AUTHENTICATE are open.
pub(crate) fn may_send_password(connection: Connection) -> bool {
    connection.tls || connection.cleartext_allowed
}
