//! The system's libpam: not safe Rust.
//!
//! One check a process: modules keep what they like, and some do not survive.

#![allow(unsafe_code, reason = "libpam has a C interface")]

use super::{PamSettings, Verdict};
use crate::helper::wire::Login;
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::ptr;
use zeroize::Zeroizing;

// security/_pam_types.h of Linux-PAM, part of its ABI.
const PAM_SUCCESS: c_int = 0;
const PAM_PERM_DENIED: c_int = 6;
const PAM_AUTH_ERR: c_int = 7;
const PAM_CRED_INSUFFICIENT: c_int = 8;
const PAM_USER_UNKNOWN: c_int = 10;
const PAM_MAXTRIES: c_int = 11;
const PAM_NEW_AUTHTOK_REQD: c_int = 12;
const PAM_ACCT_EXPIRED: c_int = 13;
const PAM_CRED_EXPIRED: c_int = 16;
const PAM_CONV_ERR: c_int = 19;
const PAM_AUTHTOK_EXPIRED: c_int = 27;
const PAM_SILENT: c_int = 0x8000;
const PAM_DISALLOW_NULL_AUTHTOK: c_int = 1;
const PAM_USER: c_int = 2;
const PAM_TTY: c_int = 3;
const PAM_RHOST: c_int = 4;
const PAM_FAIL_DELAY: c_int = 10;
const PAM_PROMPT_ECHO_OFF: c_int = 1;
const PAM_PROMPT_ECHO_ON: c_int = 2;

/// Most messages at once (`PAM_MAX_NUM_MSG`).
const MESSAGES_MAX: usize = 32;

#[repr(C)]
struct Message {
    style: c_int,
    text: *const c_char,
}

#[repr(C)]
struct Response {
    text: *mut c_char,
    code: c_int,
}

type Converse = unsafe extern "C" fn(c_int, *mut *const Message, *mut *mut Response, *mut c_void) -> c_int;

#[repr(C)]
struct Conversation {
    converse: Converse,
    data: *mut c_void,
}

/// `pam_handle_t`, which nobody looks into.
#[repr(C)]
struct Handle {
    _private: [u8; 0],
}

#[link(name = "pam")]
unsafe extern "C" {
    fn pam_start(
        service: *const c_char,
        user: *const c_char,
        conversation: *const Conversation,
        handle: *mut *mut Handle,
    ) -> c_int;
    fn pam_start_confdir(
        service: *const c_char,
        user: *const c_char,
        conversation: *const Conversation,
        directory: *const c_char,
        handle: *mut *mut Handle,
    ) -> c_int;
    fn pam_set_item(handle: *mut Handle, item: c_int, value: *const c_void) -> c_int;
    fn pam_get_item(handle: *const Handle, item: c_int, value: *mut *const c_void) -> c_int;
    fn pam_authenticate(handle: *mut Handle, flags: c_int) -> c_int;
    fn pam_acct_mgmt(handle: *mut Handle, flags: c_int) -> c_int;
    fn pam_end(handle: *mut Handle, status: c_int) -> c_int;
}

unsafe extern "C" {
    fn calloc(count: usize, size: usize) -> *mut c_void;
    fn strdup(text: *const c_char) -> *mut c_char;
}

/// What prompts are answered with.
struct Given {
    user: CString,
    /// With a NUL at its end.
    password: Zeroizing<Vec<u8>>,
}

/// Checks password and account.
pub(super) fn check(settings: &PamSettings, login: &Login) -> Verdict {
    let wrong = |why: &str| Verdict::Wrong(why.to_owned());
    let Ok(user) = CString::new(login.name.as_str()) else { return wrong("the name has a NUL") };
    if login.password.contains(&0) {
        return wrong("the password has a NUL");
    }
    let mut password = Zeroizing::new(Vec::with_capacity(login.password.len() + 1));
    password.extend_from_slice(&login.password);
    password.push(0);
    let given = Given { user, password };
    let conversation = Conversation { converse, data: ptr::from_ref(&given).cast_mut().cast() };
    let mut session = match Session::start(settings, &given.user, &conversation) {
        Ok(session) => session,
        Err(why) => return Verdict::Unavailable(why),
    };
    let peer = login.peer.map(|peer| peer.to_string());
    session.set_text(PAM_TTY, "restante");
    peer.into_iter().for_each(|peer| session.set_text(PAM_RHOST, &peer));
    session.no_delay();
    match session.run(pam_authenticate) {
        PAM_SUCCESS => {}
        code => return of_authentication(code),
    }
    match session.run(pam_acct_mgmt) {
        PAM_SUCCESS => session.user().map_or_else(|| wrong("its user's name is no text"), Verdict::Right),
        code => of_account(code),
    }
}

fn of_authentication(code: c_int) -> Verdict {
    match code {
        PAM_USER_UNKNOWN => Verdict::Unknown,
        PAM_AUTH_ERR | PAM_PERM_DENIED | PAM_MAXTRIES => Verdict::Wrong(format!("pam_authenticate: {code}")),
        PAM_ACCT_EXPIRED | PAM_NEW_AUTHTOK_REQD | PAM_CRED_EXPIRED | PAM_AUTHTOK_EXPIRED => of_account(code),
        _ => Verdict::Unavailable(format!("pam_authenticate: {code}")),
    }
}

fn of_account(code: c_int) -> Verdict {
    let why = match code {
        PAM_USER_UNKNOWN => return Verdict::Unknown,
        PAM_ACCT_EXPIRED => "the account expired or is locked",
        PAM_NEW_AUTHTOK_REQD | PAM_AUTHTOK_EXPIRED | PAM_CRED_EXPIRED => {
            "the password expired: it must be changed first"
        }
        PAM_AUTH_ERR | PAM_PERM_DENIED | PAM_CRED_INSUFFICIENT => "the account may not be used now",
        _ => return Verdict::Unavailable(format!("pam_acct_mgmt: {code}")),
    };
    Verdict::Wrong(why.to_owned())
}

/// A handle, ended when dropped.
struct Session<'a> {
    handle: *mut Handle,
    status: c_int,
    _conversation: &'a Conversation,
}

impl<'a> Session<'a> {
    fn start(settings: &PamSettings, user: &CStr, conversation: &'a Conversation) -> Result<Self, String> {
        let text = |text: &str| CString::new(text).map_err(|_| "a setting has a NUL".to_owned());
        let service = text(&settings.service)?;
        let directory = settings.directory.as_deref().map(text).transpose()?;
        let mut handle = ptr::null_mut();
        // SAFETY: the texts end with NUL and are copied by the library; `conversation`, which it
        // copies too, points to what outlives the handle: the borrow sees to that.
        let status = unsafe {
            match &directory {
                None => pam_start(service.as_ptr(), user.as_ptr(), conversation, &raw mut handle),
                Some(directory) => pam_start_confdir(
                    service.as_ptr(),
                    user.as_ptr(),
                    conversation,
                    directory.as_ptr(),
                    &raw mut handle,
                ),
            }
        };
        if status == PAM_SUCCESS && !handle.is_null() {
            Ok(Self { handle, status, _conversation: conversation })
        } else {
            Err(format!("pam_start: {status}"))
        }
    }

    fn set_text(&mut self, item: c_int, text: &str) {
        let Ok(text) = CString::new(text) else { return };
        // SAFETY: the handle lives; the item is one of those that are texts, and is copied.
        unsafe { pam_set_item(self.handle, item, text.as_ptr().cast()) };
    }

    /// Who was refused waits, but not with a turn of the helper's: the server sees to that.
    fn no_delay(&mut self) {
        let function: unsafe extern "C" fn(c_int, c_uint, *mut c_void) = do_not_wait;
        // SAFETY: the handle lives; the item is a function of this type.
        unsafe { pam_set_item(self.handle, PAM_FAIL_DELAY, function as *const c_void) };
    }

    fn run(&mut self, function: unsafe extern "C" fn(*mut Handle, c_int) -> c_int) -> c_int {
        // SAFETY: the handle lives, as does what the conversation points to.
        self.status = unsafe { function(self.handle, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK) };
        self.status
    }

    /// The user's name; modules may have changed it.
    fn user(&self) -> Option<String> {
        let mut name = ptr::null();
        // SAFETY: the handle lives; the item is a text that the library owns, copied at once.
        unsafe {
            if pam_get_item(self.handle, PAM_USER, &raw mut name) != PAM_SUCCESS || name.is_null() {
                return None;
            }
            CStr::from_ptr(name.cast()).to_str().ok().map(str::to_owned)
        }
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle lives, and is not used again.
        unsafe { pam_end(self.handle, self.status) };
    }
}

unsafe extern "C" fn do_not_wait(_status: c_int, _microseconds: c_uint, _data: *mut c_void) {}

/// Answers a module's prompts: a hidden one with the password, a visible one with the name.
unsafe extern "C" fn converse(
    count: c_int,
    messages: *mut *const Message,
    responses: *mut *mut Response,
    data: *mut c_void,
) -> c_int {
    let Some(count) = usize::try_from(count).ok().filter(|count| (1..=MESSAGES_MAX).contains(count)) else {
        return PAM_CONV_ERR;
    };
    if messages.is_null() || responses.is_null() || data.is_null() {
        return PAM_CONV_ERR;
    }
    // SAFETY: `data` is what `check` passed, which lives as long as its session. Linux-PAM passes
    // an array of `count` pointers to messages. The responses are from malloc, as the module
    // frees them; what is allocated before a failure is left to the end of the process.
    unsafe {
        let given = &*data.cast::<Given>();
        let answers: *mut Response = calloc(count, size_of::<Response>()).cast();
        if answers.is_null() {
            return PAM_CONV_ERR;
        }
        for place in 0..count {
            let text = match (**messages.add(place)).style {
                PAM_PROMPT_ECHO_OFF => given.password.as_ptr().cast(),
                PAM_PROMPT_ECHO_ON => given.user.as_ptr(),
                _ => continue,
            };
            let copy = strdup(text);
            if copy.is_null() {
                return PAM_CONV_ERR;
            }
            (*answers.add(place)).text = copy;
        }
        *responses = answers;
    }
    PAM_SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// What PAM says with these lines as its service.
    fn said_by(lines: &str, password: &[u8]) -> Verdict {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("test"), lines).unwrap();
        let settings = PamSettings {
            service: "test".to_owned(),
            directory: Some(directory.path().to_str().unwrap().to_owned()),
            minimum_uid: 1000,
            at_once: 1,
            timeout: Duration::from_secs(10),
        };
        let login = Login {
            name: "anna".to_owned(),
            password: Zeroizing::new(password.to_vec()),
            service: "imap".to_owned(),
            peer: Some([192, 0, 2, 1].into()),
        };
        check(&settings, &login)
    }

    #[test]
    fn modules_decide() {
        let right = Verdict::Right("anna".to_owned());
        let wrong = |verdict: Verdict| matches!(verdict, Verdict::Wrong(_));
        assert_eq!(said_by("auth required pam_permit.so\naccount required pam_permit.so\n", b"x"), right);
        assert!(wrong(said_by("auth required pam_deny.so\naccount required pam_permit.so\n", b"x")));
        assert!(wrong(said_by("auth required pam_permit.so\naccount required pam_deny.so\n", b"x")));
        assert!(wrong(said_by("auth required pam_permit.so\naccount required pam_permit.so\n", b"x\0")));
        let missing = said_by("auth required no_such_module.so\n", b"x");
        assert!(matches!(missing, Verdict::Unavailable(_)), "{missing:?}");
    }

    #[test]
    fn codes_mean_something() {
        let kind = |verdict: Verdict| match verdict {
            Verdict::Right(_) => "right",
            Verdict::Wrong(_) => "wrong",
            Verdict::Unknown => "unknown",
            Verdict::Unavailable(_) => "unavailable",
        };
        for (code, authentication, account) in [
            (4, "unavailable", "unavailable"),
            (6, "wrong", "wrong"),
            (7, "wrong", "wrong"),
            (9, "unavailable", "unavailable"),
            (10, "unknown", "unknown"),
            (12, "wrong", "wrong"),
            (13, "wrong", "wrong"),
            (28, "unavailable", "unavailable"),
        ] {
            assert_eq!(kind(of_authentication(code)), authentication, "{code}");
            assert_eq!(kind(of_account(code)), account, "{code}");
        }
    }
}
