//! The README's site of ten users, followed word by word on a small Debian with systemd, and the
//! traps of a first hour one after the other.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::page::blocks;
use restante_tests::target::restante::{binary, is_root, make_certificate};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What needs the network or a compiler: the test brings what comes of it.
const NOT_RUN: [&str; 3] = ["apt-get ", "cargo ", "certbot "];

/// What is tried on the site, in the shell. `check CODE TEXT` runs `restante check`.
const TRAPS: &str = r#"
say "a client selects, appends and fetches"
imap imaps://mail.example.com/ -X 'SELECT INBOX' | grep -q 'UIDVALIDITY'
printf 'Subject: hello\r\n\r\nthe first message\r\n' >/message
imap -T /message imaps://mail.example.com/INBOX
imap 'imaps://mail.example.com/INBOX;MAILINDEX=1' | grep -q 'the first message'
test -d /srv/mail/example.com/anna/Maildir/cur
test "$(ls -A /srv/mail)" = example.com

say "the journal finds a user's lines"
journalctl --sync
journalctl --output=cat RESTANTE_USER=anna@example.com | grep -q 'logged in .*session='
journalctl --output=cat --unit=restante | grep -q 'listening'

say "check is content beside the running server"
check 0 'no problems found'
echo secret | restante auth test anna@example.com | grep -q 'decision: comes in'

say "a key and users that are too open"
chmod 644 /etc/restante/key.pem
check 1 'everybody on this host can read the private key'
chmod 640 /etc/restante/key.pem
chown root:root /etc/restante/users
check 1 'nobody of it can log in'
chown root:vmail /etc/restante/users

say "a wrong line and a directory that is down keep nobody else out"
echo 'bad/name:x' >>/etc/restante/users
printf '[[users]]\ndomains = ["example.org"]\n[users.ldap]\nservers = ["ldap://127.0.0.1:1"]\nbase = "dc=example"\nfilter = "(mail=%%u)"\n' >>/etc/restante/restante.toml
check 1 'users:2: user name'
systemctl restart restante
imap 'imaps://mail.example.com/INBOX;MAILINDEX=1' | grep -q 'the first message'
sed -i '/bad/d' /etc/restante/users
cp /restante.toml /etc/restante/restante.toml

say "a reload tells that settings are refused"
sed -i 's/^user = /usr = /' /etc/restante/restante.toml
check 2 'did you mean user?'
if systemctl reload restante; then echo "reload said nothing"; exit 1; fi
systemctl is-active restante
imap 'imaps://mail.example.com/INBOX;MAILINDEX=1' | grep -q 'the first message'
cp /restante.toml /etc/restante/restante.toml
systemctl reload restante

say "a renewed certificate"
/etc/letsencrypt/renewal-hooks/deploy/restante
test "$(stat -c %U:%G:%a /etc/restante/key.pem)" = root:vmail:640

say "a server that is killed is there again"
before=$(systemctl show --value --property MainPID restante)
kill -9 "$before"
for i in $(seq 100); do
    sleep 0.2
    now=$(systemctl show --value --property MainPID restante)
    if [ "$now" != 0 ] && [ "$now" != "$before" ] && systemctl --quiet is-active restante; then break; fi
done
imap 'imaps://mail.example.com/INBOX;MAILINDEX=1' | grep -q 'the first message'
systemctl kill --signal=USR1 restante
systemctl is-active restante

say "mail elsewhere than the unit lets the server write"
install -d -o vmail -g vmail /var/vmail
sed -i 's,/srv/mail,/var/vmail,' /etc/restante/restante.toml
check 1 'does not let the server write in /var/vmail'
"#;

/// Ends all that runs in it, and removes it.
struct Root(PathBuf);

impl Root {
    /// A copy of the small Debian. `None`, said aloud, where it cannot be.
    fn new() -> Option<Self> {
        if !is_root() {
            eprintln!("SKIPPED: a system of its own needs root");
            return None;
        }
        let built = std::env::current_exe().expect("where the tests are");
        let built = built.ancestors().nth(3).expect("the build's directory");
        let (base, root) =
            (built.join("booted-root"), built.join(format!("booted-root.{}", std::process::id())));
        let installed = booted(&["install"], &base, &[]);
        assert!(installed.0, "{}", installed.1);
        let copied = Command::new("cp").args(["--archive", "--reflink=auto"]).arg(&base).arg(&root).status();
        assert!(copied.expect("cp").success(), "a copy of {}", base.display());
        Some(Self(root))
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        std::fs::create_dir_all(path.parent().expect("a directory")).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn take(&self, from: &Path, to: &str) {
        let to = self.0.join(to);
        std::fs::create_dir_all(to.parent().expect("a directory")).unwrap();
        let copied =
            Command::new("cp").args(["--archive", "--no-target-directory"]).arg(from).arg(&to).status();
        assert!(copied.expect("cp").success(), "{}", from.display());
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        for path in [self.0.clone(), PathBuf::from(format!("{}.console", self.0.display()))] {
            let _ = Command::new("rm").arg("-rf").arg(path).status();
        }
    }
}

fn booted(command: &[&str], root: &Path, arguments: &[&str]) -> (bool, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../booted");
    let output = Command::new(script).args(command).arg(root).args(arguments).output().expect("tests/booted");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// The commands of a block that are run, each shown before it.
fn commands(block: &str) -> String {
    let run = block.lines().filter(|line| !NOT_RUN.iter().any(|not| line.starts_with(not)));
    run.fold(String::new(), |mut text, line| {
        // The password is asked for.
        let input = if line.contains("user add") { "echo secret | " } else { "" };
        let _ = writeln!(text, "{input}{line}");
        text
    })
}

/// Packages in a file of the checkout: the words between two texts, at each place where these stand.
fn packages(file: &str, from: &str, to: &str) -> Vec<BTreeSet<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let lists = text.split(from).skip(1).map(|after| after.split(to).next().unwrap_or_default());
    let words =
        |list: &str| list.split([' ', ',']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    lists.map(words).collect()
}

#[test]
fn the_readme_names_the_packages_that_are_needed() {
    let mut to_build = packages(".ci/run", "--no-install-recommends ", "\n");
    // To fetch the source and Rust, which the machine of the tests has.
    to_build[0].extend(["git".to_owned(), "curl".to_owned()]);
    let named = packages("README.md", "apt-get install ", "\n");
    assert_eq!(named.iter().filter(|named| **named == to_build[0]).count(), 2, "{named:?}");
    let to_test = packages("tests/run", "\npackages=\"", "\"");
    assert_eq!(packages("README.md", "from Debian's packages (", "; as root"), to_test);
}

#[test]
fn the_readme_is_followed_word_by_word() {
    let Some(root) = Root::new() else { return };
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for directory in ["config", "man"] {
        root.take(&top.join(directory), &format!("checkout/{directory}"));
    }
    root.take(&binary(), "checkout/target/release/restante");
    let made = tempfile::tempdir().unwrap();
    make_certificate(made.path(), "cert", "ec", "mail.example.com");
    let live = "etc/letsencrypt/live/mail.example.com";
    root.take(&made.path().join("cert.pem"), &format!("{live}/fullchain.pem"));
    root.take(&made.path().join("key.pem"), &format!("{live}/privkey.pem"));

    let heading = "## A site of ten users";
    let shell = blocks("README.md", heading, "sh");
    let [build, install, certificate, start, unit, removal] = &shell[..] else { panic!("{shell:#?}") };
    assert_eq!(commands(build), "", "all of it is left out");
    let [settings] = &blocks("README.md", heading, "toml")[..] else { panic!("one file of settings") };
    root.write("restante.toml", settings);
    let script = format!(
        "set -eux
cd /checkout
say() {{ set +x; echo \"== $1\"; set -x; }}
check() {{
    code=0; said=$(restante check 2>&1) || code=$?
    if [ $code != $1 ] || ! echo \"$said\" | grep -qF \"$2\"; then echo \"check: $code: $said\"; exit 1; fi
}}
imap() {{
    curl --silent --show-error --max-time 20 --cacert /{live}/fullchain.pem \\
        --resolve mail.example.com:993:127.0.0.1 --user anna@example.com:secret \"$@\"
}}
export RENEWED_LINEAGE=/{live}
{}{}cp /restante.toml /etc/restante/restante.toml
{}{TRAPS}{}
say 'now it may be written'
check 0 'no problems found'
imap -T /message imaps://mail.example.com/INBOX
test -d /var/vmail/example.com/anna/Maildir/cur

say 'all of it is removed, and the mail stays'
{}test ! -e /usr/bin/restante
test -d /srv/mail/example.com/anna/Maildir/cur
",
        commands(install),
        commands(certificate),
        commands(start),
        commands(unit),
        commands(removal),
    );
    root.write("follow.sh", &script);
    let (followed, said) = booted(&["run"], &root.0, &["/follow.sh"]);
    println!("{said}");
    assert!(followed, "see above");
}
