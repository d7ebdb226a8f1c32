//! GETQUOTA, GETQUOTAROOT and SETQUOTA (RFC 9208 section 4.1).
//!
//! An account has one quota root for all mailboxes, or none. The user's own is called as by a
//! Dovecot that was set up by its own example; Courier calls it `ROOT`. To clients it is only a
//! name, which some show.
//!
//! Limits are the site's: QUOTASET is not announced, and SETQUOTA is refused.

use crate::accounts::Accounts;
use crate::answer::Answer;
use crate::command::shared::once::once;
use crate::context::{Context, User};
use crate::rights::Right;
use crate::stop::Stop;
use crate::task::AccountTask;
use codec::command::WireName;
use codec::response::quota::{Resource, quota, quota_root};
use std::sync::Arc;
use store::{Account, QuotaStatus};

/// The name of the user's own quota root.
const ROOT: &str = "User quota";

/// The task of a GETQUOTA.
pub(crate) fn get_quota(root: Vec<u8>) -> Box<dyn AccountTask> {
    once(move |context, user| {
        Ok(match status(account_of(user.accounts, &root)?)? {
            Some(status) => {
                let root = String::from_utf8_lossy(&root);
                quota(context.out.buffer(), &root, &resources(status));
                Answer::ok("GETQUOTA completed")
            }
            None => no_such_root(),
        })
    })
}

/// The task of a GETQUOTAROOT. The mailbox need not be there, but its name must be one.
pub(crate) fn get_quota_root(mailbox: WireName) -> Box<dyn AccountTask> {
    once(move |context, user| root_of(context, user, &mailbox))
}

fn root_of(context: &mut Context<'_>, user: &User<'_>, wire: &WireName) -> Result<Answer, Stop> {
    let mailbox = user.accounts.resolve(wire)?;
    mailbox.require(Right::Read)?;
    let status = status(&mailbox.account)?;
    let root = root(mailbox.owner.as_deref());
    let roots = status.map(|_| root.as_str());
    quota_root(context.out.buffer(), &mailbox.wire(), roots.as_slice());
    if let Some(status) = status {
        quota(context.out.buffer(), &root, &resources(status));
    }
    Ok(Answer::ok("GETQUOTAROOT completed"))
}

/// The task of a SETQUOTA.
pub(crate) fn set_quota(root: Vec<u8>) -> Box<dyn AccountTask> {
    once(move |_, user| {
        Ok(match status(account_of(user.accounts, &root)?)? {
            Some(_) => Answer::no("NOPERM", "Only the administrator can change a quota"),
            None => no_such_root(),
        })
    })
}

/// What the quota root of an account is called; `None` for the user's own.
fn root(owner: Option<&str>) -> String {
    owner.map_or_else(|| ROOT.to_owned(), |owner| format!("{ROOT} of {owner}"))
}

/// The account that has a quota root of this name, if any has.
fn account_of<'a>(accounts: &'a Accounts, named: &[u8]) -> Result<&'a Arc<Account>, Stop> {
    if named == ROOT.as_bytes() {
        return Ok(accounts.own());
    }
    let other = accounts.others().find(|other| root(Some(other.name)).as_bytes() == named);
    accounts.account(other.ok_or_else(no_such_root)?.name)
}

fn no_such_root() -> Answer {
    Answer::no("NONEXISTENT", "There is no such quota root")
}

/// `None` for an account without limits.
fn status(account: &Account) -> store::Result<Option<QuotaStatus>> {
    account.quota().status()
}

/// What is limited. STORAGE is in units of 1,024 octets (RFC 9208 section 5.1), begun ones
/// counted, as Courier and Dovecot do.
fn resources(status: QuotaStatus) -> Vec<Resource> {
    let QuotaStatus { limits, usage } = status;
    let resource = |name, usage, limit: Option<u64>| limit.map(|limit| Resource { name, usage, limit });
    let storage =
        resource("STORAGE", usage.bytes.div_ceil(1024), limits.bytes.map(|bytes| bytes.div_ceil(1024)));
    let message = resource("MESSAGE", usage.messages, limits.messages);
    storage.into_iter().chain(message).collect()
}

#[cfg(test)]
mod tests {
    use crate::NamespaceStyle::{Courier, Plain};
    use crate::command::shared::dialogue::{TestSite, play, site};
    use store::QuotaLimits;

    /// The Maildir has two messages of 13 bytes each.
    fn limited(site: &TestSite, limits: &str) {
        let cur = site.site.maildir("user").join("cur");
        for name in ["1.M1P1.host:2,S", "2.M1P1.host,S=13:2,"] {
            std::fs::write(cur.join(name), "Subject: a\n\nb").expect("a message");
        }
        let limits = QuotaLimits::parse(limits).expect("limits");
        site.site.account("user").quota().set_limits(Some(limits));
    }

    /// RFC 9208 section 4.3.1: refused before the message is asked for, beside what other sessions
    /// of the user have announced.
    #[test]
    fn room_is_kept_for_what_is_announced() {
        let site = site(Plain, &["a"]);
        let account = site.site.account("user");
        account.quota().set_limits(Some(QuotaLimits::parse("100S").expect("limits")));
        let mut clients: Vec<_> = (0..20).map(|_| site.site.log_in()).collect();
        let announce = |client: &mut crate::testing::Client, command: &str| {
            let answer = client.send(format!("a {command}\r\n").as_bytes());
            let answer = String::from_utf8(answer).expect("text");
            assert!(answer.starts_with("+ ") || answer.starts_with("a NO [OVERQUOTA]"), "{answer}");
            answer.starts_with('+')
        };
        let mut announced = Vec::new();
        for (n, client) in clients.iter_mut().enumerate() {
            let mailbox = ["INBOX", "a"][n % 2];
            announced.extend(announce(client, &format!("APPEND {mailbox} {{20}}")).then_some(n));
        }
        assert_eq!(announced, [0, 1, 2, 3, 4]);
        // What is not there is told first, and TRYCREATE stays what it is.
        let answer = clients[9].command("APPEND b {20}");
        assert!(answer.starts_with("a NO [TRYCREATE]"), "{answer}");
        // One goes away, one is broken off, one comes whole: two have room after them.
        drop(clients.remove(4));
        let answer = clients[3].send(b"01234567890123456789 garbage\r\n");
        assert!(answer.starts_with(b"a BAD"), "{}", String::from_utf8_lossy(&answer));
        let answer = clients[2].send(b"01234567890123456789\r\n");
        assert!(answer.starts_with(b"a OK"), "{}", String::from_utf8_lossy(&answer));
        let after: Vec<bool> =
            clients[10..].iter_mut().map(|client| announce(client, "APPEND a {20}")).collect();
        assert_eq!(after.iter().filter(|is_room| **is_room).count(), 2, "{after:?}");
        let usage = account.quota().status().expect("a status").expect("limits").usage;
        assert_eq!((usage.bytes, usage.messages), (20, 1));
    }

    #[test]
    fn what_is_limited_is_told() {
        for (limits, resources) in
            [("10240S,5C", "STORAGE 1 10 MESSAGE 2 5"), ("10241S", "STORAGE 1 11"), ("5C", "MESSAGE 2 5")]
        {
            let site = site(Plain, &["a"]);
            // Kept, so that its limits are those of the session.
            let _account = site.site.account("user");
            limited(&site, limits);
            play(
                &mut site.site.log_in(),
                &format!(
                    r#"
GETQUOTAROOT inbox
  * QUOTAROOT INBOX "User quota"
  * QUOTA "User quota" ({resources})
  OK GETQUOTAROOT completed
GETQUOTAROOT INBOX.a.b
  * QUOTAROOT INBOX.a.b "User quota"
  * QUOTA "User quota" ({resources})
  OK
GETQUOTAROOT a//b
  NO [CANNOT]
GETQUOTA "User quota"
  * QUOTA "User quota" ({resources})
  OK GETQUOTA completed
GETQUOTA "user quota"
  NO [NONEXISTENT]
GETQUOTA ""
  NO [NONEXISTENT]
SETQUOTA "User quota" (STORAGE 512)
  NO [NOPERM]
SETQUOTA "User quota" ()
  NO [NOPERM]
SETQUOTA other (STORAGE 512)
  NO [NONEXISTENT]
"#
                ),
            );
        }
    }

    #[test]
    fn without_limits_there_is_no_root() {
        let site = site(Courier, &[]);
        play(
            &mut site.site.log_in(),
            r#"
GETQUOTAROOT INBOX.no.such
  * QUOTAROOT INBOX.no.such
  OK
GETQUOTA "User quota"
  NO [NONEXISTENT]
SETQUOTA "User quota" (STORAGE 512)
  NO [NONEXISTENT]
"#,
        );
    }

    #[test]
    fn a_full_quota_refuses_before_anything_is_sent_or_stored() {
        let site = site(Plain, &["a"]);
        let account = site.site.account("user");
        limited(&site, "60S");
        let mut client = site.site.select("INBOX");
        play(&mut client, "APPEND a {35}\n  NO [OVERQUOTA]\n");
        // 26 bytes are there, and 52 after this.
        let copied = client.command("COPY 1:2 a");
        assert!(copied.starts_with("a OK [COPYUID"), "{copied}");
        play(
            &mut client,
            "COPY 1 a\n  NO [OVERQUOTA]\nSTATUS a (MESSAGES)\n  * STATUS a (MESSAGES 2)\n  OK\n",
        );
        // Bytes that come without being asked for are read to their end.
        let refused = client.command("APPEND a {13+}\r\nSubject: a\n\nb");
        assert!(refused.starts_with("a NO [OVERQUOTA]"), "{refused}");
        let moved = client.command("MOVE 1 a");
        assert!(moved.contains("a OK Move completed"), "{moved}");
        // What is deleted does not count.
        play(&mut client, "STORE 1 +FLAGS.SILENT (\\Deleted)\n  OK\n");
        assert!(client.command("COPY 1 a").contains("a OK"));
        let usage = account.quota().status().expect("counted").expect("limits").usage;
        assert_eq!((usage.bytes, usage.messages), (39, 3));
    }

    /// RFC 9208 section 4.3.1: an untagged OVERQUOTA, as nothing is refused.
    #[test]
    fn a_change_of_mind_that_passes_the_limit_is_told() {
        let site = site(Plain, &[]);
        let _account = site.site.account("user");
        limited(&site, "30S");
        let mut client = site.site.select("INBOX");
        play(&mut client, "STORE 1 FLAGS.SILENT (\\Deleted)\n  OK\n");
        // As another program would deliver it, and say so.
        let maildir = site.site.maildir("user");
        std::fs::write(maildir.join("new/3.M1P1.host"), "Subject: a\n\nb").expect("a message");
        std::fs::write(maildir.join("maildirsize"), "30S\n26 2\n").expect("its count");
        assert!(client.command("NOOP").contains("3 EXISTS"));
        play(
            &mut client,
            r#"
STORE 3 +FLAGS.SILENT (\Seen)
  OK
STORE 1 -FLAGS.SILENT (\Deleted)
  * NO [OVERQUOTA] Your quota is exceeded now
  OK
STORE 1 -FLAGS.SILENT (\Deleted)
  OK
"#,
        );
    }
}
