//! LOGIN (RFC 3501 section 6.2.3).

#![allow(missing_docs, reason = "fields and variants are named as in the grammar")]

use crate::cursor::Cursor;
use crate::error::Parsed;
use zeroize::Zeroizing;

/// LOGIN.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Login {
    pub user: Vec<u8>,
    pub password: Zeroizing<Vec<u8>>,
}

pub(crate) fn login(cursor: &mut Cursor<'_>) -> Parsed<Login> {
    cursor.space("a user name and a password after LOGIN")?;
    let user = cursor.astring("a user name after LOGIN")?;
    cursor.space("a password after the user name")?;
    let password = Zeroizing::new(cursor.astring("a password after the user name")?);
    Ok(Login { user, password })
}
