//! What a domain's users may not do: `.qmailadmin-limits` in its directory, kept by vmoddomlimits.

use super::at;
use super::user::{NO_IMAP, NO_POP, NO_SMTP, NO_WEBMAIL};
use crate::regular_file::{Links, open, read_all};
use std::io;
use std::path::Path;

/// Lines of the file, and the flag that each sets for all users.
const LINES: [(&[u8], u32); 4] = [
    (b"disable_pop", NO_POP),
    (b"disable_webmail", NO_WEBMAIL),
    (b"disable_imap", NO_IMAP),
    (b"disable_smtp", NO_SMTP),
];

/// The flags that a domain sets for its users; none without the file.
pub(super) fn mask(directory: &Path) -> Result<u32, String> {
    let path = directory.join(".qmailadmin-limits");
    let text = match open(&path, Links::Refused).and_then(|file| read_all(&file)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(at(&path, &error.to_string())),
    };
    let names = text
        .split(|byte| b"\r\n".contains(byte))
        .filter_map(|line| line.split(|byte| b" \t:".contains(byte)).find(|word| !word.is_empty()));
    let flag = |name: &[u8]| LINES.iter().find(|(line, _)| *line == name).map_or(0, |(_, flag)| *flag);
    Ok(names.map(flag).fold(0, |mask, flag| mask | flag))
}
