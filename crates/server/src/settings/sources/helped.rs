//! `[users.checkpassword]` and `[users.pam]`: what the helper process asks.

use super::super::kind::ValueKind;
use super::super::reader::Reader;
use super::super::setting::{Section, at_start, optional, required, setting};
use auth::{checkpassword, pam};
use std::time::Duration;

/// `[users.checkpassword]`.
pub(in super::super) static CHECKPASSWORD: Section = Section {
    name: "users.checkpassword",
    repeats: false,
    about: "Users whom a checkpassword program lets in, such as vpopmail's vchkpw. It is run by a process that stays root when the server gives that up. It cannot tell who is unknown: what comes after it in the chain is not asked.",
    settings: &[
        at_start(required(
            "program",
            ValueKind::TextList,
            "[\"/home/vpopmail/bin/vchkpw\"]",
            "The program with its arguments; what it is to run is added.",
        )),
        at_start(setting(
            "user-name",
            ValueKind::Text,
            "\"%u\"",
            "The name that the program is given: %u is the whole one, %n the part before the @, %d the domain.",
        )),
        at_start(optional(
            "run-as",
            ValueKind::Text,
            "\"vpopmail\"",
            "The system user as whom it is run. Without it: as who started the server, root.",
        )),
        at_start(setting("at-once", AT_ONCE, "10", "How many of it run at once.")),
        at_start(setting("timeout", TIMEOUT, "\"30s\"", "Who takes longer is killed.")),
    ],
};

/// `[users.pam]`.
pub(in super::super) static PAM: Section = Section {
    name: "users.pam",
    repeats: false,
    about: "Users whom PAM lets in; where they are system users, with their home, uid and gid of passwd(5). PAM is asked by a process that stays root when the server gives that up.",
    settings: &[
        at_start(setting(
            "service",
            ValueKind::Text,
            "\"imap\"",
            "The service's name: a file in /etc/pam.d.",
        )),
        at_start(optional(
            "directory",
            ValueKind::Path,
            "\"/etc/restante/pam.d\"",
            "Where such files are, if not in PAM's own places.",
        )),
        at_start(setting(
            "minimum-uid",
            ValueKind::Count { min: 0, max: 4_294_967_295 },
            "1000",
            "System users with smaller uids have no mail: root and daemons.",
        )),
        at_start(setting("at-once", AT_ONCE, "10", "How many checks run at once.")),
        at_start(setting("timeout", TIMEOUT, "\"30s\"", "A check that takes longer is ended.")),
    ],
};

const AT_ONCE: ValueKind = ValueKind::Count { min: 1, max: 1_000 };
const TIMEOUT: ValueKind = ValueKind::Duration { min_ms: 100, max_ms: 300_000 };

/// `[users.checkpassword]`.
pub(super) fn checkpassword(reader: &Reader<'_>) -> checkpassword::CheckPasswordSettings {
    checkpassword::CheckPasswordSettings {
        program: reader.texts("program"),
        user_name: reader.text("user-name"),
        run_as: reader.text_if("run-as"),
        at_once: reader.count("at-once"),
        timeout: Duration::from_millis(reader.number("timeout")),
    }
}

/// `[users.pam]`.
pub(super) fn pam(reader: &Reader<'_>) -> pam::PamSettings {
    pam::PamSettings {
        service: reader.text("service"),
        directory: reader.text_if("directory"),
        minimum_uid: u32::try_from(reader.number("minimum-uid")).unwrap_or(u32::MAX),
        at_once: reader.count("at-once"),
        timeout: Duration::from_millis(reader.number("timeout")),
    }
}

/// What of a program's settings could not work.
pub(super) fn problem(settings: &checkpassword::CheckPasswordSettings) -> Option<&'static str> {
    if !settings.program.first().is_some_and(|program| program.starts_with('/')) {
        return Some("wants an absolute path first in program");
    }
    let mut chars = settings.user_name.chars();
    while let Some(c) = chars.next() {
        if c == '%' && !matches!(chars.next(), Some('u' | 'n' | 'd' | '%')) {
            return Some("knows %u, %n, %d and %% in user-name");
        }
    }
    None
}
