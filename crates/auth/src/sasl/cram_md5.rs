//! CRAM-MD5 (RFC 2195): for old clients of sites that store passwords as plain text, or as the
//! contexts of HMAC-MD5.

use super::{NAME_MAX, Progress, random_text};
use crate::scheme::cram_md5::Contexts;
use crate::scheme::plain_text;
use crate::secret::Secret;
use data_encoding::HEXLOWER;
use std::fmt;
use subtle::ConstantTimeEq;

/// An exchange: the challenge that was sent, and what came back.
pub(super) struct CramMd5 {
    challenge: Vec<u8>,
    user: Vec<u8>,
    digest: Vec<u8>,
}

impl fmt::Debug for CramMd5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CramMd5")
    }
}

impl CramMd5 {
    /// With a challenge that was never sent before. `None` when the system has no randomness.
    pub(super) fn new() -> Option<Self> {
        Some(Self::with_challenge(format!("<{}@restante>", random_text()?).into_bytes()))
    }

    fn with_challenge(challenge: Vec<u8>) -> Self {
        Self { challenge, user: Vec::new(), digest: Vec::new() }
    }

    /// What the client is to hash.
    pub(super) fn challenge(&self) -> Vec<u8> {
        self.challenge.clone()
    }

    /// `user SP digest`, the digest in lower-case hexadecimal; the name may have spaces in it.
    pub(super) fn respond(&mut self, response: &[u8]) -> Progress {
        let Some(space) = response.iter().rposition(|b| *b == b' ') else {
            return Progress::Malformed("Expected a user name and a digest");
        };
        let (user, digest) = (&response[..space], &response[space + 1..]);
        if user.is_empty() || user.len() > NAME_MAX || digest.len() != 32 {
            return Progress::Malformed("Expected a user name and a digest of 32 digits");
        }
        self.user = user.to_vec();
        self.digest = digest.to_vec();
        Progress::Stored { user: self.user.clone(), authorize: None }
    }

    /// Whether one of the stored passwords makes the digest that came.
    pub(super) fn stored(&self, secrets: Option<&[Secret]>) -> Progress {
        let contexts =
            |stored| Contexts::of(stored).or_else(|| Some(Contexts::new(plain_text(stored)?.expose())));
        let mut contexts = secrets.unwrap_or_default().iter().filter_map(contexts);
        let user = self.user.clone();
        match contexts.any(|contexts| self.is_made_with(contexts)) {
            true => Progress::Proven { user, authorize: None },
            false => Progress::Failed { user },
        }
    }

    fn is_made_with(&self, contexts: Contexts) -> bool {
        let digest = HEXLOWER.encode(&contexts.hmac(&self.challenge));
        digest.as_bytes().ct_eq(&self.digest).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(response: &str, stored: Option<&str>, expected: &str) {
        let mut cram = CramMd5::with_challenge(b"<1896.697170952@postoffice.reston.mci.net>".to_vec());
        let progress = match cram.respond(response.as_bytes()) {
            Progress::Stored { .. } => {
                let secrets = stored.map(|text| vec![Secret::new(text.as_bytes().to_vec())]);
                cram.stored(secrets.as_deref())
            }
            other => other,
        };
        let seen = match progress {
            Progress::Proven { user, .. } => format!("proven {}", user.escape_ascii()),
            Progress::Failed { user } => format!("failed {}", user.escape_ascii()),
            _ => "malformed".to_owned(),
        };
        assert_eq!(seen, expected, "{response}");
    }

    #[test]
    fn the_example_of_rfc_2195() {
        let right = "tim b913a602c7eda7a495b4e6e7334d3890";
        check(right, Some("{PLAIN}tanstaaftanstaaf"), "proven tim");
        check(right, Some("{PLAIN}tanstaaf"), "failed tim");
        // The states of MD5 after the pads, as `doveadm pw -s CRAM-MD5` has them.
        check(
            right,
            Some("{CRAM-MD5}d06d4e1b26fccaa4b0b61801132340a354b21152711fb604ca3e035e7015116b"),
            "proven tim",
        );
        check(
            right,
            Some("{hmac-md5}d06d4e1b26fccaa4b0b61801132340a354b21152711fb604ca3e035e7015116b"),
            "proven tim",
        );
        check(
            right,
            Some("{CRAM-MD5}bc85c9a3cb6b88ebf5a19a22a3604ef939585872c1ade1a2bf44087948a852f4"),
            "failed tim",
        );
        check(right, Some("{CRAM-MD5}00"), "failed tim");
        check(
            right,
            Some("{SHA}d06d4e1b26fccaa4b0b61801132340a354b21152711fb604ca3e035e7015116b"),
            "failed tim",
        );
        check(right, Some("{SSHA}tanstaaftanstaaf"), "failed tim");
        check(right, None, "failed tim");
        check("tim b913a602c7eda7a495b4e6e7334d3891", Some("{PLAIN}tanstaaftanstaaf"), "failed tim");
        check("tim", Some("{PLAIN}tanstaaftanstaaf"), "malformed");
        check(" b913a602c7eda7a495b4e6e7334d3890", Some("{PLAIN}x"), "malformed");
    }
}
