//! Bytes on their way from the client.

use crate::capability;
use crate::settings::SessionSettings;
use crate::step::Connection;
use codec::{DecodeError, Decoder, Event};
use zeroize::Zeroizing;

/// The decoder, and whether it waits for more.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) decoder: Decoder,
    /// There is nothing more until it is fed.
    is_starved: bool,
}

impl Input {
    /// Before log-in. While LOGIN and AUTHENTICATE are closed, what they would send as literals
    /// stays with the client.
    pub(crate) fn before_login(settings: &SessionSettings, connection: Connection) -> Self {
        let mut decoder = Decoder::new(settings.limits_before_login);
        if !capability::may_send_password(connection) {
            decoder.refuse_literals_of(&["LOGIN", "AUTHENTICATE"]);
        }
        Self { decoder, is_starved: true }
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.decoder.feed(bytes);
        self.is_starved = false;
    }

    pub(crate) fn is_starved(&self) -> bool {
        self.is_starved
    }

    /// What comes next; `None` when more bytes are needed.
    pub(crate) fn next(&mut self) -> Option<Result<Event<'_>, DecodeError>> {
        let next = self.decoder.next();
        self.is_starved = next.is_none();
        next
    }

    /// The next line of a dialogue, which may be a password; `None` when more bytes are needed.
    pub(crate) fn next_line(&mut self) -> Option<Result<Zeroizing<Vec<u8>>, DecodeError>> {
        Some(match self.next()? {
            Ok(Event::Line(line)) => Ok(Zeroizing::new(line.to_vec())),
            // Only lines are given while one is expected.
            Ok(_) => Ok(Zeroizing::default()),
            Err(error) => Err(error),
        })
    }
}
