//! Rights that other servers let users grant (RFC 4314): read only to say what is not obeyed.

use super::SIZE_MAX;
use crate::disk::read_small;
use crate::error::Result;
use std::collections::BTreeSet;
use std::path::Path;

/// Files of rights, in each mailbox: a line is an identifier, `-` before it where rights are
/// taken away, a blank and the rights.
const FILES: [&str; 2] = ["courierimapacl", "dovecot-acl"];

/// Whom the files of a mailbox grant or deny something, beside the owner and the administrators,
/// to whom Courier grants all by itself. A sentence for each file.
pub(crate) fn granted(directory: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for name in FILES {
        let text = super::sound(read_small(&directory.join(name), SIZE_MAX), &mut Default::default())?;
        let text = text.unwrap_or_default();
        let whom = others(&String::from_utf8_lossy(&text));
        if !whom.is_empty() {
            let whom: Vec<String> = whom.into_iter().collect();
            found.push(format!("{name} has rights of {}", whom.join(", ")));
        }
    }
    Ok(found)
}

fn others(text: &str) -> BTreeSet<String> {
    let identifiers = text.lines().filter_map(|line| {
        // Dovecot puts an identifier with blanks into quotes.
        let line = line.trim().trim_start_matches('-');
        match line.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next(),
            None => line.split_whitespace().next(),
        }
    });
    let is_other =
        |identifier: &&str| !identifier.is_empty() && !["owner", "administrators"].contains(identifier);
    identifiers.filter(is_other).map(|identifier| identifier.escape_default().to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_than_the_owner_are_named() {
        for (text, expected) in [
            ("owner aceilrstwx\nadministrators aceilrstwx\n", &[][..]),
            ("owner lrs\n-user=mary r\nanyone lr\n", &["anyone", "user=mary"]),
            ("user=bert lrwstipekxa\n\"group=the staff\" lr\n\n", &["group=the staff", "user=bert"]),
            ("", &[]),
        ] {
            assert_eq!(others(text).into_iter().collect::<Vec<_>>(), expected, "{text}");
        }
    }
}
