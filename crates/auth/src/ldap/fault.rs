//! Why a server gave no answer, and what its result codes mean.

use ldap3::{LdapError, LdapResult};

/// No answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fault {
    /// Whose fault it is.
    pub(super) kind: FaultKind,
    /// For the log; never a secret.
    pub(super) reason: String,
}

/// What follows from a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FaultKind {
    /// No connection, or it broke. The next server is asked, and this one is left alone.
    Broken,
    /// No answer in time. Likewise; to ask again would cost as much time.
    TimedOut,
    /// The server can do nothing now, and says so. The next one is asked.
    Busy,
    /// The base of a search is not there.
    NoBase,
    /// It would be so with every server: settings or data are wrong.
    Site,
}

impl Fault {
    pub(super) fn new(kind: FaultKind, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into() }
    }

    /// Of the library: whatever it says, the connection is of no more use.
    pub(super) fn of_library(error: &LdapError) -> Self {
        match error {
            LdapError::Timeout { .. } => Self::new(FaultKind::TimedOut, "no answer in time"),
            LdapError::FilterParsing => Self::new(FaultKind::Site, "the filter is none"),
            LdapError::LdapResult { result } => Self::of_result(result),
            LdapError::EndOfStream | LdapError::ResultRecv { .. } | LdapError::OpSend { .. } => {
                Self::new(FaultKind::Broken, "the connection broke")
            }
            other => Self::new(FaultKind::Broken, other.to_string()),
        }
    }

    /// Of a result that is no success (RFC 4511 section 4.1.9).
    pub(super) fn of_result(result: &LdapResult) -> Self {
        let kind = match result.rc {
            // timeLimitExceeded, adminLimitExceeded, busy, unavailable, other
            3 | 11 | 51 | 52 | 80 => FaultKind::Busy,
            32 => FaultKind::NoBase,
            _ => FaultKind::Site,
        };
        let reason = match result.rc {
            10 => "the server refers to another one, which is not followed".to_owned(),
            _ => said(result),
        };
        Self::new(kind, reason)
    }
}

/// What a bind with a user's password came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Bound {
    /// The password is right.
    Accepted,
    /// It is wrong, or the account is closed: what the server said.
    Refused(String),
}

impl Bound {
    /// From the result of a bind.
    ///
    /// Refused: invalidCredentials (49), with which Active Directory also says that an account
    /// is disabled or locked; noSuchObject (32), inappropriateAuthentication (48), as of an entry
    /// without a password, unwillingToPerform (53), constraintViolation (19), invalidDNSyntax
    /// (34) of a DN made of a name.
    pub(super) fn of_result(result: &LdapResult) -> Result<Self, Fault> {
        match result.rc {
            0 => Ok(Self::Accepted),
            // Active Directory says so too when it cannot ask another of its servers.
            49 if result.text.contains(", data ") && active_directory(&result.text).is_none() => {
                Err(Fault::new(FaultKind::Busy, said(result)))
            }
            19 | 32 | 34 | 48 | 49 | 53 => Ok(Self::Refused(match active_directory(&result.text) {
                Some(why) => format!("{} ({why})", code(result)),
                None => said(result),
            })),
            _ => Err(Fault::of_result(result)),
        }
    }
}

/// What Active Directory means by `data 533` in the text of a failed bind.
fn active_directory(text: &str) -> Option<&'static str> {
    let (_, rest) = text.split_once(", data ")?;
    let number = rest.split([',', ' ', '\0']).next()?;
    Some(match number {
        "525" => "no such user",
        "52e" => "wrong password",
        "530" => "not at this time of the day",
        "531" => "not from this machine",
        "532" => "the password has expired",
        "533" => "the account is disabled",
        "701" => "the account has expired",
        "773" => "the password must be changed first",
        "775" => "the account is locked",
        _ => return None,
    })
}

fn said(result: &LdapResult) -> String {
    match result.text.trim_end_matches('\0').trim() {
        "" => code(result),
        text => format!("{}: {}", code(result), text.chars().take(200).collect::<String>().escape_debug()),
    }
}

fn code(result: &LdapResult) -> String {
    let name = match result.rc {
        1 => "operationsError",
        2 => "protocolError",
        3 => "timeLimitExceeded",
        4 => "sizeLimitExceeded",
        7 => "authMethodNotSupported",
        8 => "strongerAuthRequired",
        11 => "adminLimitExceeded",
        12 => "unavailableCriticalExtension",
        13 => "confidentialityRequired",
        19 => "constraintViolation",
        32 => "noSuchObject",
        34 => "invalidDNSyntax",
        48 => "inappropriateAuthentication",
        49 => "invalidCredentials",
        50 => "insufficientAccessRights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwillingToPerform",
        80 => "other",
        _ => "",
    };
    if name.is_empty() { format!("result {}", result.rc) } else { format!("{name} ({})", result.rc) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(rc: u32, text: &str) -> LdapResult {
        LdapResult { rc, matched: String::new(), text: text.to_owned(), refs: Vec::new(), ctrls: Vec::new() }
    }

    #[test]
    fn only_what_the_server_refuses_is_refused() {
        for rc in [19, 32, 34, 48, 49, 53] {
            assert!(matches!(Bound::of_result(&result(rc, "")), Ok(Bound::Refused(_))), "{rc}");
        }
        assert_eq!(Bound::of_result(&result(0, "")), Ok(Bound::Accepted));
        let no_server = result(
            49,
            "80090311: LdapErr: DSID-0C090436, comment: AcceptSecurityContext error, data 51f, v4563",
        );
        assert_eq!(Bound::of_result(&no_server).map_err(|fault| fault.kind), Err(FaultKind::Busy));
        for (rc, kind) in [
            (1, FaultKind::Site),
            (2, FaultKind::Site),
            (3, FaultKind::Busy),
            (8, FaultKind::Site),
            (10, FaultKind::Site),
            (13, FaultKind::Site),
            (14, FaultKind::Site),
            (50, FaultKind::Site),
            (51, FaultKind::Busy),
            (52, FaultKind::Busy),
            (80, FaultKind::Busy),
            (99, FaultKind::Site),
        ] {
            assert_eq!(Bound::of_result(&result(rc, "")).map_err(|fault| fault.kind), Err(kind), "{rc}");
        }
    }

    #[test]
    fn what_active_directory_means_is_said() {
        let text = |data: &str| {
            format!(
                "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data {data}, v2580\0"
            )
        };
        for (data, expected) in [
            ("52e", "invalidCredentials (49) (wrong password)"),
            ("533", "invalidCredentials (49) (the account is disabled)"),
            ("775", "invalidCredentials (49) (the account is locked)"),
        ] {
            let bound = Bound::of_result(&result(49, &text(data)));
            assert_eq!(bound, Ok(Bound::Refused(expected.to_owned())), "{data}");
        }
        let bound = Bound::of_result(&result(49, "no\nway"));
        assert_eq!(bound, Ok(Bound::Refused("invalidCredentials (49): no\\nway".to_owned())));
    }
}
