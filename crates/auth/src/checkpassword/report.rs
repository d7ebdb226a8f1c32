//! The program that a checkpassword program runs: it tells the helper as whom it was run.
//!
//! Who that is, the kernel says with the message. `HOME` is what the process says: if it runs as
//! a user who may do more than this, that user could have had a hand in it (with a debugger). So
//! where the checkpassword program became another user, directories must be that user's own.

use crate::helper::wire;
use crate::source::User;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, SocketFlags, SocketType,
    recvmsg, send, socketpair, sockopt,
};
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

/// The hidden subcommand, behind the helper's.
pub(crate) const REPORT: &str = "imap-report";

/// Longest report.
const REPORT_MAX: usize = 16 * 1024;

/// The variables that are told. vchkpw has the whole name in `VPOPUSER`.
const VARIABLES: &[&str] = &["USER", "VPOPUSER", "HOME", "MAILDIR", "MAILDIRQUOTA"];

/// The end that becomes the program's standard input, and ours.
pub(super) fn channel() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC;
    let (theirs, ours) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    sockopt::set_socket_passcred(&ours, true)?;
    Ok((theirs, ours))
}

/// In the program: tells the helper. It takes standard input, as a program of the interface may
/// close what it does not know.
pub(crate) fn report() -> io::Result<()> {
    let mut out = wire::Writer::default();
    let given = VARIABLES.iter().map(|name| std::env::var(name).unwrap_or_default());
    out.texts(&given.collect::<Vec<_>>());
    send(io::stdin().as_fd(), &out.0, SendFlags::empty())?;
    Ok(())
}

/// In the helper: what was told, after the program ended.
pub(super) fn receive(socket: &OwnedFd) -> Result<User, String> {
    let mut bytes = [0; REPORT_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::DONTWAIT);
    let length = received.map(|message| message.bytes).unwrap_or_default();
    let who = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmCredentials(who) => Some(who),
        _ => None,
    });
    let (Some(who), true) = (who, length > 0) else {
        return Err("it ended with 0 without running the program that it was given".to_owned());
    };
    let values = bytes.get(..length).and_then(|report| wire::Reader(report).list(wire::Reader::text));
    let values = values.filter(|values| values.len() == VARIABLES.len());
    let values = values.ok_or("what it ran did not report as our program does")?;
    let switched = who.uid != rustix::process::getuid();
    user_of(values, switched.then(|| (who.uid.as_raw(), who.gid.as_raw())))
}

/// `became` is whom the program became, if it was another.
fn user_of(values: Vec<String>, became: Option<(u32, u32)>) -> Result<User, String> {
    let mut values = values.into_iter().map(|value| Some(value).filter(|value| !value.is_empty()));
    let mut next = || values.next().flatten();
    let (user, whole_name, home, maildir, quota) = (next(), next(), next(), next(), next());
    let home = home.filter(|home| home.starts_with('/'));
    if let Some((uid, _)) = became {
        let absolute = maildir.as_deref().filter(|maildir| maildir.starts_with('/'));
        for directory in home.as_deref().into_iter().chain(absolute) {
            let owner = std::fs::symlink_metadata(directory).map(|found| found.uid());
            if owner.map_err(|error| format!("{directory}: {error}"))? != uid {
                return Err(format!("it ran as user {uid}, whose {directory} is not"));
            }
        }
    }
    Ok(User {
        // Nor is another name: one that is empty is the name asked for.
        name: if became.is_some() { String::new() } else { whole_name.or(user).unwrap_or_default() },
        home,
        maildir,
        uid: became.map(|(uid, _)| uid),
        gid: became.map(|(_, gid)| gid),
        extra: quota.map(|quota| ("quota".to_owned(), quota)).into_iter().collect(),
        ..User::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(texts: [&str; 5]) -> Vec<String> {
        texts.map(str::to_owned).to_vec()
    }

    #[test]
    fn variables_make_a_user() {
        let user = user_of(values(["anna", "anna@example.com", "/h", "Maildir", "10S"]), None).unwrap();
        let expected = User {
            name: "anna@example.com".to_owned(),
            home: Some("/h".to_owned()),
            maildir: Some("Maildir".to_owned()),
            extra: vec![("quota".to_owned(), "10S".to_owned())],
            ..User::default()
        };
        assert_eq!(user, expected);
        assert_eq!(user_of(values(["", "", "relative", "", ""]), None), Ok(User::default()));
    }

    #[test]
    fn security_23_a_user_does_not_report_the_home_of_another() {
        let directory = tempfile::tempdir().unwrap();
        let own = std::fs::metadata(directory.path()).unwrap().uid();
        let path = directory.path().to_str().unwrap();
        let user = user_of(values(["anna", "", path, "", ""]), Some((own, 5))).unwrap();
        assert_eq!((user.uid, user.gid), (Some(own), Some(5)));
        assert!(user_of(values(["anna", "", path, "", ""]), Some((own + 1, 5))).is_err());
        assert!(user_of(values(["anna", "", "", path, ""]), Some((own + 1, 5))).is_err());
    }

    #[test]
    fn no_report_is_no_user() {
        let (theirs, ours) = channel().unwrap();
        assert!(receive(&ours).unwrap_err().contains("without running"));
        send(&theirs, b"garbage", SendFlags::empty()).unwrap();
        assert!(receive(&ours).unwrap_err().contains("did not report"));
        drop(theirs);
        assert!(receive(&ours).is_err());
    }
}
