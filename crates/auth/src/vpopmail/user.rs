//! A user's record: `crypt:uid:gid:gecos:dir:quota[:clear]`, where "gid" is a mask of flags.

use super::domain::Domain;
use crate::login_name::normalize;
use crate::secret::Secret;
use crate::source::User;

// vpopmail.h.
pub(super) const NO_POP: u32 = 0x02;
pub(super) const NO_WEBMAIL: u32 = 0x04;
pub(super) const NO_IMAP: u32 = 0x08;
pub(super) const NO_SMTP: u32 = 0x800;
/// What the domain forbids does not hold for the user.
const V_OVERRIDE: u32 = 0x2000;

/// Flags, and the service that each takes away. vchkpw goes by the flag for webmail where IMAP
/// comes from a webmail's address; here IMAP is IMAP, wherever it comes from.
const SERVICES: [(u32, &str); 4] =
    [(NO_POP, "pop3"), (NO_WEBMAIL, "webmail"), (NO_IMAP, "imap"), (NO_SMTP, "smtp")];

/// The user of a record, and the stored password, if there is one. `mask` is what the domain
/// forbids. The password in clear, which vpopmail may keep beside the hash, is never taken: that
/// of a user without a hash opens nothing there either. An error has no secret in it.
pub(super) fn read(
    local: &[u8],
    value: &[u8],
    domain: &Domain,
    mask: u32,
) -> Result<(User, Vec<Secret>), String> {
    let name = normalize(local).ok().filter(|name| !name.contains('@'));
    let local = name.ok_or_else(|| format!("{} is no user name", local.escape_ascii()))?;
    let fail = |why: &str| format!("{local}: {why}");
    let value = value.strip_suffix(b"\r").unwrap_or(value);
    // The real name may be in any encoding.
    let fields: Vec<&[u8]> = value.split(|byte| *byte == b':').collect();
    let text = |what: &str, number: usize| {
        let field = fields.get(number).ok_or_else(|| fail(&format!("{what} is missing")))?;
        std::str::from_utf8(field).map_err(|_| fail(&format!("{what} is no UTF-8")))
    };
    let (hash, flags, home) = (text("password", 0)?, text("gid", 2)?, text("directory", 4)?);
    let quota = if fields.len() > 5 { text("quota", 5)? } else { "" };
    if home.is_empty() {
        return Err(fail("directory is missing"));
    }
    let flags: u32 = match flags {
        "" => 0,
        flags => flags.parse().map_err(|_| fail("gid is no number"))?,
    };
    let flags = if flags & V_OVERRIDE == 0 { flags | mask } else { flags };
    let disabled = SERVICES.iter().filter(|(flag, _)| flags & flag != 0);
    let mut user = User {
        name: format!("{local}@{}", domain.name),
        home: Some(home.to_owned()),
        maildir: Some("Maildir".to_owned()),
        uid: Some(domain.uid),
        gid: Some(domain.gid),
        disabled_services: disabled.map(|(_, service)| (*service).to_owned()).collect(),
        ..User::default()
    };
    if !quota.is_empty() {
        user.extra.push(("quota".to_owned(), quota.to_owned()));
    }
    // What crypt(3) made, whatever it begins with.
    let stored = (!hash.is_empty()).then(|| Secret::new(format!("{{CRYPT}}{hash}").into_bytes()));
    Ok((user, stored.into_iter().collect()))
}
