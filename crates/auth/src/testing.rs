//! What tests of sources share.

use crate::login_name::LoginName;
use crate::secret::Secret;
use crate::source::Query;
use crate::trace::Trace;

/// A name; there is no default domain.
pub(crate) fn name(text: &str) -> LoginName {
    LoginName::new(text.as_bytes(), None).expect("a name")
}

/// A secret.
pub(crate) fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

/// A question without a password.
pub(crate) fn asked(name: &LoginName) -> Query<'_> {
    Query { name, password: None, service: "imap", peer: None, trace: Trace::OFF }
}

/// A log-in.
pub(crate) fn log_in<'a>(name: &'a LoginName, password: &'a Secret) -> Query<'a> {
    Query { password: Some(password), ..asked(name) }
}

/// The bytes of a constant database.
pub(crate) fn cdb(records: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let number = |number: usize| u32::try_from(number).expect("a small file").to_le_bytes();
    let (mut header, mut body) = (Vec::new(), vec![0; 2048]);
    let mut entries = vec![Vec::new(); 256];
    for (key, value) in records {
        let hash = crate::cdb::hash(key) as usize;
        entries[hash % 256].push((hash, body.len()));
        body.extend([number(key.len()), number(value.len())].concat());
        body.extend([&key[..], value].concat());
    }
    for entries in &entries {
        let mut slots = vec![(0, 0); entries.len() * 2];
        for (hash, offset) in entries {
            let mut slot = (hash >> 8) % slots.len();
            while slots[slot].1 != 0 {
                slot = (slot + 1) % slots.len();
            }
            slots[slot] = (*hash, *offset);
        }
        header.extend([number(body.len()), number(slots.len())].concat());
        body.extend(slots.iter().flat_map(|(hash, offset)| [number(*hash), number(*offset)].concat()));
    }
    body[..2048].copy_from_slice(&header);
    body
}
