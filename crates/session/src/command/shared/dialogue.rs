//! Dialogues of tests: commands, and all lines that answer them.

use crate::NamespaceStyle;
use crate::testing::{Client, Site};
use mail::{MailboxName, SpecialUse, SpecialUseNames};

/// A site whose user has these mailboxes, levels joined by `/`, in a directory that is removed
/// with it.
pub(crate) struct TestSite {
    pub(crate) site: Site,
    _directory: tempfile::TempDir,
}

pub(crate) fn site(style: NamespaceStyle, mailboxes: &[&str]) -> TestSite {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path());
    site.settings.namespace = style;
    let names_of = |special_use, names: &[&str]| SpecialUseNames {
        special_use,
        names: names.iter().map(|it| name(it)).collect(),
    };
    site.settings.special_use_names =
        vec![names_of(SpecialUse::Sent, &["Sent", "Sent Items"]), names_of(SpecialUse::Junk, &["Junk"])];
    let account = site.account("user");
    mailboxes.iter().for_each(|it| account.create(&name(it)).expect(it));
    TestSite { site, _directory: directory }
}

fn name(name: &str) -> MailboxName {
    MailboxName::new(name).expect(name)
}

/// Plays a dialogue with a new session of the user.
pub(crate) fn check(style: NamespaceStyle, mailboxes: &[&str], dialogue: &str) {
    let site = site(style, mailboxes);
    play(&mut site.site.log_in(), dialogue);
}

/// Lines at the margin are commands. Indented ones below are the whole answer, in order; the
/// tagged one without its tag and, if one likes, without its text.
pub(crate) fn play(client: &mut Client, dialogue: &str) {
    let mut lines = dialogue.lines().filter(|line| !line.trim().is_empty()).peekable();
    while let Some(command) = lines.next() {
        let mut expected = Vec::new();
        while let Some(line) = lines.next_if(|line| line.starts_with(' ')) {
            expected.push(line.trim());
        }
        let answer = client.command(command);
        let received: Vec<&str> =
            answer.lines().map(|line| line.strip_prefix("a ").unwrap_or(line)).collect();
        let same = received.len() == expected.len()
            && received.iter().zip(&expected).all(|(received, expected)| {
                let tagged = !expected.starts_with('*');
                received == expected || tagged && received.starts_with(&format!("{expected} "))
            });
        assert!(same, "{command}\nexpected:\n{}\nreceived:\n{}", expected.join("\n"), received.join("\n"));
    }
}
