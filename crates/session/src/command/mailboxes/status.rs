//! STATUS (RFC 3501 section 6.3.10; SIZE by RFC 8438, HIGHESTMODSEQ by RFC 7162, APPENDLIMIT
//! by RFC 7889, DELETED and DELETED-STORAGE by RFC 9208), and the counting that LIST-STATUS
//! shares.
//!
//! Messages in `new/` are counted and stay there: a STATUS claims nothing.

use crate::accounts::MailboxRef;
use crate::answer::Answer;
use crate::command::shared::pace::Pace;
use crate::context::{Context, User};
use crate::rights::Right;
use crate::stop::Stop;
use crate::task::{AccountTask, Progress};
use codec::command::{StatusItem, WireName};
use codec::response::list;
use mail::SystemFlags;
use std::sync::Arc;
use store::{Glance, Mailbox, Pass, Row, Snapshot};

/// The task of a STATUS.
pub(crate) fn status(mailbox: WireName, items: Vec<StatusItem>) -> Box<dyn AccountTask> {
    Box::new(Status { wire: mailbox, items, count: None })
}

struct Status {
    wire: WireName,
    items: Vec<StatusItem>,
    /// Begun by the first piece of work.
    count: Option<Count>,
}

impl AccountTask for Status {
    fn run(&mut self, context: &mut Context<'_>, user: &mut User<'_>) -> Result<Progress, Stop> {
        let mailbox = user.accounts.resolve(&self.wire)?;
        mailbox.require(Right::Read)?;
        let count = match &mut self.count {
            Some(count) => count,
            None => self.count.insert(Count::begin(&mailbox, &self.items, &mut Pace::new())?),
        };
        if !count.go_on()? {
            return Ok(Progress::More);
        }
        count.write(context, user, &mailbox.wire(), &self.items);
        Ok(Progress::Done(Answer::ok("STATUS completed")))
    }

    fn only_answers(&self) -> bool {
        true
    }
}

/// A mailbox being counted.
pub(crate) enum Count {
    /// It was never opened, and need not be for the items that are asked for.
    Glanced(Glance),
    Opened(Box<Opened>),
}

/// A mailbox that is open. Only SIZE and DELETED-STORAGE take time: sizes that no file name tells
/// are read off the files.
pub(crate) struct Opened {
    mailbox: Arc<Mailbox>,
    snapshot: Arc<Snapshot>,
    pass: Pass,
    /// Messages whose sizes are in the sums: the first ones.
    sized: usize,
    wants_size: bool,
    size: u64,
    wants_deleted: bool,
    /// Octets on disk that expunging frees.
    deleted_storage: u64,
}

impl Count {
    /// Whether some item takes more than the names of files: a mailbox must be opened for it.
    pub(crate) fn opens(items: &[StatusItem]) -> bool {
        let tells = |item: &StatusItem| of_glance(&Glance::default(), *item).is_some();
        !items.iter().all(|item| tells(item) || *item == StatusItem::AppendLimit)
    }

    /// Looks what is there.
    pub(crate) fn begin(mailbox: &MailboxRef, items: &[StatusItem], pace: &mut Pace) -> store::Result<Self> {
        if !Self::opens(items)
            && let Some(glance) = mailbox.account.glance(&mailbox.name)?
        {
            pace.glance(glance.messages);
            return Ok(Self::Glanced(glance));
        }
        pace.mailbox();
        Opened::begin(mailbox, items).map(|opened| Self::Opened(Box::new(opened)))
    }

    /// Does a piece; whether all is counted.
    pub(crate) fn go_on(&mut self) -> store::Result<bool> {
        match self {
            Self::Glanced(_) => Ok(true),
            Self::Opened(opened) => opened.go_on(),
        }
    }

    /// Writes the STATUS response. HIGHESTMODSEQ in it shows that the client knows CONDSTORE
    /// (RFC 7162 section 3.1).
    pub(crate) fn write(&self, context: &mut Context<'_>, user: &User<'_>, wire: &str, items: &[StatusItem]) {
        let values: Vec<(StatusItem, u64)> =
            items.iter().map(|&item| (item, self.value(context, user, item))).collect();
        if items.contains(&StatusItem::HighestModSeq) {
            context.enable_condstore(user.selected.as_ref());
        }
        list::status(context.out.buffer(), wire, &values);
    }

    fn value(&self, context: &Context<'_>, user: &User<'_>, item: StatusItem) -> u64 {
        match self {
            // What it does not tell is no count of this mailbox.
            Self::Glanced(glance) => of_glance(glance, item).unwrap_or(context.settings.limits.append_max),
            Self::Opened(opened) => opened.value(context, user, item),
        }
    }
}

/// What a glance tells; `None` for the items that take more than the names of files.
fn of_glance(glance: &Glance, item: StatusItem) -> Option<u64> {
    Some(match item {
        StatusItem::Messages => glance.messages as u64,
        StatusItem::Unseen => (glance.messages - glance.seen) as u64,
        StatusItem::Deleted => glance.deleted as u64,
        _ => return None,
    })
}

impl Opened {
    /// Sizes asked for in one piece of work (messages): some tens of milliseconds where every
    /// file must be read.
    const SIZES_A_PIECE: usize = 256;

    fn begin(mailbox: &MailboxRef, items: &[StatusItem]) -> store::Result<Self> {
        let mailbox = mailbox.open()?;
        let snapshot = mailbox.refresh(false)?.snapshot;
        let wants = |item| items.contains(&item);
        let (wants_size, wants_deleted) = (wants(StatusItem::Size), wants(StatusItem::DeletedStorage));
        let sized = if wants_size || wants_deleted { 0 } else { snapshot.len() };
        let pass = mailbox.pass();
        Ok(Self { mailbox, snapshot, pass, sized, wants_size, size: 0, wants_deleted, deleted_storage: 0 })
    }

    fn go_on(&mut self) -> store::Result<bool> {
        let end = self.snapshot.len().min(self.sized + Self::SIZES_A_PIECE);
        for row in (self.sized..end).filter_map(|index| self.snapshot.row(index)) {
            // What is gone meanwhile has no size.
            if self.wants_size {
                self.size += self.pass.size(row.uid())?.unwrap_or(0);
            }
            if self.wants_deleted && is_deleted(&row) {
                self.deleted_storage += self.mailbox.disk_size(row.uid())?.unwrap_or(0);
            }
        }
        self.sized = end;
        Ok(end == self.snapshot.len())
    }

    fn value(&self, context: &Context<'_>, user: &User<'_>, item: StatusItem) -> u64 {
        let snapshot = &self.snapshot;
        match item {
            StatusItem::Messages => snapshot.len() as u64,
            StatusItem::Recent => self.recent(user) as u64,
            StatusItem::UidNext => snapshot.uid_next().get().into(),
            StatusItem::UidValidity => snapshot.uid_validity().get().into(),
            StatusItem::Unseen => (snapshot.len() - snapshot.count_with(SystemFlags::SEEN)) as u64,
            StatusItem::Size => self.size,
            StatusItem::HighestModSeq => snapshot.highest_modseq().0,
            StatusItem::AppendLimit => context.settings.limits.append_max,
            StatusItem::Deleted => snapshot.rows().filter(is_deleted).count() as u64,
            StatusItem::DeletedStorage => self.deleted_storage,
        }
    }

    /// Messages that no session has claimed, and those that this one did when it selected the
    /// mailbox.
    fn recent(&self, user: &User<'_>) -> usize {
        let view = user
            .selected
            .as_ref()
            .filter(|selected| Arc::ptr_eq(&selected.mailbox, &self.mailbox))
            .map(|selected| &selected.view);
        let is_recent = |uid| view.is_some_and(|view| view.is_recent(uid));
        self.snapshot.rows().filter(|row| row.is_new() || is_recent(row.uid())).count()
    }
}

fn is_deleted(row: &Row<'_>) -> bool {
    row.system_flags().contains(SystemFlags::DELETED)
}

#[cfg(test)]
mod tests {
    use crate::NamespaceStyle::Plain;
    use crate::command::shared::dialogue::{play, site};
    use std::path::Path;

    /// Puts a message of 15 octets (13 bytes on disk) into a Maildir, as another program does.
    fn put(maildir: &Path, subdirectory: &str, name: &str) {
        std::fs::write(maildir.join(subdirectory).join(name), "Subject: a\n\nb").expect("a message");
    }

    #[test]
    fn counts_and_claims_nothing() {
        let site = site(Plain, &["a"]);
        let maildir = site.site.maildir("user").join(".a");
        put(&maildir, "cur", "1.M1P1.host:2,S");
        put(&maildir, "cur", "2.M1P1.host:2,F");
        site.site.select("a");
        put(&maildir, "new", "3.M1P1.host");
        let mut client = site.site.log_in();
        let status = r#"
STATUS a (MESSAGES RECENT UNSEEN UIDNEXT SIZE)
  * STATUS a (MESSAGES 3 RECENT 1 UNSEEN 2 UIDNEXT 4 SIZE 45)
  OK STATUS completed
STATUS INBOX.a (RECENT MESSAGES)
  * STATUS INBOX.a (RECENT 1 MESSAGES 3)
  OK
STATUS a (APPENDLIMIT)
  * STATUS a (APPENDLIMIT 67108864)
  OK
LIST "" a RETURN (STATUS (SIZE RECENT))
  * LIST () "/" a
  * STATUS a (SIZE 45 RECENT 1)
  OK
"#;
        play(&mut client, status);
        assert!(maildir.join("new/3.M1P1.host").exists(), "nothing is claimed");
        // What this session claims is recent to it still; to another it is not.
        assert!(client.command("SELECT a").contains("* 1 RECENT"));
        play(&mut client, status);
        play(&mut site.site.log_in(), "STATUS a (RECENT)\n  * STATUS a (RECENT 0)\n  OK\n");
    }

    #[test]
    fn what_is_no_mailbox_has_none() {
        let site = site(Plain, &["a/b"]);
        let mut client = site.site.log_in();
        play(
            &mut client,
            r#"
STATUS inbox (MESSAGES UNSEEN)
  * STATUS INBOX (MESSAGES 0 UNSEEN 0)
  OK
STATUS a (MESSAGES)
  NO [NONEXISTENT]
STATUS nothing (MESSAGES)
  NO [NONEXISTENT]
STATUS a//b (MESSAGES)
  NO [CANNOT]
STATUS a/. (MESSAGES)
  NO [CANNOT]
"#,
        );
    }

    /// RFC 9208 section 4.1.4: as they lie on disk, where the name says it or not.
    #[test]
    fn what_an_expunge_would_free() {
        let site = site(Plain, &["a"]);
        let maildir = site.site.maildir("user").join(".a");
        put(&maildir, "cur", "1.M1P1.host:2,ST");
        put(&maildir, "cur", "2.M1P1.host,S=13,W=15:2,T");
        put(&maildir, "cur", "3.M1P1.host:2,S");
        let mut client = site.site.log_in();
        play(
            &mut client,
            r#"
STATUS a (DELETED DELETED-STORAGE)
  * STATUS a (DELETED 2 DELETED-STORAGE 26)
  OK
STATUS a (DELETED SIZE)
  * STATUS a (DELETED 2 SIZE 45)
  OK
LIST "" a RETURN (STATUS (DELETED-STORAGE SIZE))
  * LIST () "/" a
  * STATUS a (DELETED-STORAGE 26 SIZE 45)
  OK
STATUS INBOX (DELETED DELETED-STORAGE)
  * STATUS INBOX (DELETED 0 DELETED-STORAGE 0)
  OK
"#,
        );
    }

    /// Names and flags are enough for these, and a mailbox that nobody has opened stays as it is.
    #[test]
    fn what_names_tell_is_counted_without_opening() {
        let site = site(Plain, &["a", "b"]);
        let maildir = site.site.maildir("user").join(".a");
        put(&maildir, "cur", "1.M1P1.host:2,ST");
        put(&maildir, "cur", "2.M1P1.host:2,F");
        put(&maildir, "new", "3.M1P1.host");
        let counted = "STATUS a (MESSAGES 3 UNSEEN 2 DELETED 1 APPENDLIMIT 67108864)";
        let dialogue = format!(
            "STATUS a (MESSAGES UNSEEN DELETED APPENDLIMIT)\n  * {counted}\n  OK\n\
             LIST \"\" % RETURN (STATUS (UNSEEN))\n  * LIST () \"/\" INBOX\n  * STATUS INBOX (UNSEEN 0)\n  \
             * LIST () \"/\" a\n  * STATUS a (UNSEEN 2)\n  * LIST () \"/\" b\n  * STATUS b (UNSEEN 0)\n  OK\n"
        );
        let mut client = site.site.log_in();
        play(&mut client, &dialogue);
        for name in [".", ".a", ".b"] {
            let ours = std::fs::read_dir(site.site.maildir("user").join(name)).expect("a directory");
            let ours = ours.filter(|entry| {
                let name = entry.as_ref().expect("an entry").file_name();
                name.to_string_lossy().starts_with("restante-")
            });
            assert_eq!(ours.count(), 0, "{name} was opened");
        }
        // The same of one that was.
        site.site.select("a");
        play(&mut client, &dialogue);
        play(&mut client, "STATUS nothing (MESSAGES)\n  NO [NONEXISTENT]\n");
    }

    /// More messages than one piece of work takes.
    #[test]
    fn sizes_are_summed_in_pieces() {
        let site = site(Plain, &["a"]);
        let maildir = site.site.maildir("user").join(".a");
        let count = 2 * super::Opened::SIZES_A_PIECE + 1;
        (0..count).for_each(|n| put(&maildir, "cur", &format!("{n}.M1P1.host:2,")));
        let mut client = site.site.log_in();
        let line = format!("* STATUS a (SIZE {})", 15 * count);
        play(&mut client, &format!("STATUS a (SIZE)\n  {line}\n  OK\n"));
        let listed = format!("  * LIST () \"/\" a\n  {line}\n  OK\n");
        play(&mut client, &format!("LIST \"\" a RETURN (STATUS (SIZE))\n{listed}"));
    }

    #[test]
    fn highestmodseq_is_told_and_enables_condstore() {
        let site = site(Plain, &["a"]);
        let mut client = site.site.select("a");
        let answer = client.command("STATUS a (HIGHESTMODSEQ)");
        assert!(answer.contains("* OK [HIGHESTMODSEQ "), "{answer}");
        assert!(answer.contains("* STATUS a (HIGHESTMODSEQ "), "{answer}");
        let again = client.command("STATUS a (HIGHESTMODSEQ)");
        assert!(!again.contains("[HIGHESTMODSEQ"), "{again}");
    }
}
