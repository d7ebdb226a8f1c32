//! What server and helper, and helper and worker, write to each other.
//!
//! A frame is its length (4 bytes, big-endian) and that many bytes. In it numbers are 4 bytes,
//! texts a number for their length and the bytes. Neither side believes the other: a frame that
//! is too long, too short, or has something behind its end is none.

use crate::source::User;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use zeroize::Zeroizing;

/// Longest request.
pub(crate) const REQUEST_MAX: usize = 64 * 1024;

/// Longest answer: a list of all system users.
pub(crate) const ANSWER_MAX: usize = 64 * 1024 * 1024;

/// Most users, groups or fields in one list.
const COUNT_MAX: u32 = 1_000_000;

/// Bytes of a frame: overwritten when dropped, as there may be a password in them.
pub(crate) type Frame = Zeroizing<Vec<u8>>;

/// What is asked.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// Which of the checks.
    pub(crate) check: u32,
    /// What about.
    pub(crate) question: Question,
}

/// See [`Request`].
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// May that user come in with that password?
    Password(Login),
    /// Who is that?
    User(String),
    /// Who is there?
    All,
}

/// A log-in.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Login {
    /// The name, as the check wants it.
    pub(crate) name: String,
    /// The password.
    pub(crate) password: Frame,
    /// `imap`.
    pub(crate) service: String,
    /// Where the user comes from.
    pub(crate) peer: Option<IpAddr>,
}

/// What is answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// No such user.
    Unknown,
    /// The password is right.
    Right(User),
    /// It is not. The text says what else is known, for the log.
    Wrong(String),
    /// The user is known; no password was asked about.
    Known(User),
    /// All users.
    All(Vec<User>),
    /// There is no answer, and why.
    Unavailable(String),
}

impl Request {
    /// With a number by which the answer is known.
    pub(crate) fn encode(&self, number: u32) -> Frame {
        let mut out = Writer::default();
        out.number(number);
        out.number(self.check);
        match &self.question {
            Question::Password(login) => {
                out.number(0);
                out.text(&login.name);
                out.bytes(&login.password);
                out.text(&login.service);
                out.text(&login.peer.map(|peer| peer.to_string()).unwrap_or_default());
            }
            Question::User(name) => {
                out.number(1);
                out.text(name);
            }
            Question::All => out.number(2),
        }
        out.0
    }

    /// `None`: it is none.
    pub(crate) fn decode(frame: &[u8]) -> Option<(u32, Self)> {
        let mut reader = Reader(frame);
        let (number, check) = (reader.number()?, reader.number()?);
        let question = match reader.number()? {
            0 => Question::Password(Login {
                name: reader.text()?,
                password: Zeroizing::new(reader.bytes()?.to_vec()),
                service: reader.text()?,
                peer: match reader.text()?.as_str() {
                    "" => None,
                    peer => Some(peer.parse().ok()?),
                },
            }),
            1 => Question::User(reader.text()?),
            2 => Question::All,
            _ => return None,
        };
        reader.0.is_empty().then_some((number, Self { check, question }))
    }
}

impl Answer {
    /// With the number of the request.
    pub(crate) fn encode(&self, number: u32) -> Frame {
        let mut out = Writer::default();
        out.number(number);
        match self {
            Self::Unknown => out.number(0),
            Self::Right(user) => {
                out.number(1);
                out.user(user);
            }
            Self::Wrong(why) => {
                out.number(2);
                out.text(why);
            }
            Self::Known(user) => {
                out.number(3);
                out.user(user);
            }
            Self::All(users) => {
                out.number(4);
                out.number(u32::try_from(users.len()).unwrap_or(u32::MAX));
                users.iter().for_each(|user| out.user(user));
            }
            Self::Unavailable(why) => {
                out.number(5);
                out.text(why);
            }
        }
        out.0
    }

    /// `None`: it is none.
    pub(crate) fn decode(frame: &[u8]) -> Option<(u32, Self)> {
        let mut reader = Reader(frame);
        let number = reader.number()?;
        let answer = match reader.number()? {
            0 => Self::Unknown,
            1 => Self::Right(reader.user()?),
            2 => Self::Wrong(reader.text()?),
            3 => Self::Known(reader.user()?),
            4 => Self::All(reader.list(Reader::user)?),
            5 => Self::Unavailable(reader.text()?),
            _ => return None,
        };
        reader.0.is_empty().then_some((number, answer))
    }
}

/// Writes a frame.
pub(crate) fn write(mut to: impl Write, frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    to.write_all(&length.to_be_bytes())?;
    to.write_all(frame)
}

/// Reads a frame of at most `max` bytes; `None` where the other side closed between two.
pub(crate) fn read(mut from: impl Read, max: usize) -> io::Result<Option<Frame>> {
    let mut length = [0; 4];
    if from.read(&mut length[..1])? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut length[1..])?;
    let length = u32::from_be_bytes(length) as usize;
    if length > max {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut frame = Zeroizing::new(Vec::new());
    // Memory as the bytes come, but passwords are not left behind by growing.
    if length <= REQUEST_MAX {
        frame.reserve_exact(length);
    }
    from.take(length as u64).read_to_end(&mut frame)?;
    if frame.len() == length { Ok(Some(frame)) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Puts a frame together.
pub(crate) struct Writer(pub(crate) Frame);

impl Default for Writer {
    fn default() -> Self {
        // Room for a log-in, so that none is left behind by growing.
        Self(Zeroizing::new(Vec::with_capacity(8 * 1024)))
    }
}

impl Writer {
    pub(crate) fn number(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(crate) fn texts(&mut self, texts: &[String]) {
        self.number(u32::try_from(texts.len()).unwrap_or(u32::MAX));
        texts.iter().for_each(|text| self.text(text));
    }

    fn text_if(&mut self, text: Option<&str>) {
        self.number(text.is_some().into());
        self.text(text.unwrap_or_default());
    }

    fn number_if(&mut self, number: Option<u32>) {
        self.number(number.is_some().into());
        self.number(number.unwrap_or_default());
    }

    fn user(&mut self, user: &User) {
        self.text(&user.name);
        self.text_if(user.home.as_deref());
        self.text_if(user.maildir.as_deref());
        self.number_if(user.uid);
        self.number_if(user.gid);
        self.number(u32::try_from(user.extra.len()).unwrap_or(u32::MAX));
        for (name, value) in &user.extra {
            self.text(name);
            self.text(value);
        }
    }
}

/// Takes a frame apart.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn number(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*bytes))
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.number()? as usize;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(crate) fn text(&mut self) -> Option<String> {
        Some(std::str::from_utf8(self.bytes()?).ok()?.to_owned())
    }

    pub(crate) fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number().filter(|count| *count <= COUNT_MAX)?;
        (0..count).map(|_| one(self)).collect()
    }

    fn text_if(&mut self) -> Option<Option<String>> {
        let is_there = self.number()? == 1;
        let text = self.text()?;
        Some(is_there.then_some(text))
    }

    fn number_if(&mut self) -> Option<Option<u32>> {
        let is_there = self.number()? == 1;
        let number = self.number()?;
        Some(is_there.then_some(number))
    }

    fn user(&mut self) -> Option<User> {
        Some(User {
            name: self.text()?,
            home: self.text_if()?,
            maildir: self.text_if()?,
            uid: self.number_if()?,
            gid: self.number_if()?,
            extra: self.list(|reader| Some((reader.text()?, reader.text()?)))?,
            ..User::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Request {
        Request {
            check: 3,
            question: Question::Password(Login {
                name: "anna".to_owned(),
                password: Zeroizing::new(b"\0secret\xff".to_vec()),
                service: "imap".to_owned(),
                peer: Some([127, 0, 0, 1].into()),
            }),
        }
    }

    fn answers() -> Vec<Answer> {
        let user = User {
            name: "anna".to_owned(),
            home: Some("/home/anna".to_owned()),
            uid: Some(1000),
            extra: vec![("quota".to_owned(), "1G".to_owned())],
            ..User::default()
        };
        vec![
            Answer::Unknown,
            Answer::Right(user.clone()),
            Answer::Wrong("expired".to_owned()),
            Answer::Known(User::default()),
            Answer::All(vec![user.clone(), User::default(), user]),
            Answer::Unavailable("why".to_owned()),
        ]
    }

    #[test]
    fn what_is_written_is_read() {
        let others = [Question::User("anna".to_owned()), Question::All];
        let others = others.map(|question| Request { check: 0, question });
        for request in std::iter::once(login()).chain(others) {
            assert!(Request::decode(&request.encode(7)) == Some((7, request)));
        }
        for answer in answers() {
            assert_eq!(Answer::decode(&answer.encode(9)), Some((9, answer)));
        }
        let mut bytes = Vec::new();
        write(&mut bytes, b"abc").unwrap();
        write(&mut bytes, b"").unwrap();
        let mut from = bytes.as_slice();
        assert_eq!(read(&mut from, 3).unwrap().unwrap().as_slice(), b"abc");
        assert_eq!(read(&mut from, 3).unwrap().unwrap().as_slice(), b"");
        assert!(read(&mut from, 3).unwrap().is_none());
    }

    #[test]
    fn what_is_cut_off_or_too_long_is_no_frame() {
        let whole: Vec<Frame> = answers().iter().map(|answer| answer.encode(1)).collect();
        for frame in &whole {
            assert!((0..frame.len()).all(|length| Answer::decode(&frame[..length]).is_none()));
            assert!(Answer::decode(&[frame, &[0][..]].concat()).is_none());
        }
        let frame = login().encode(1);
        assert!((0..frame.len()).all(|length| Request::decode(&frame[..length]).is_none()));
        assert!(Request::decode(&[&frame, &[0][..]].concat()).is_none());
        assert!(Answer::decode(&[0, 0, 0, 1, 0, 0, 0, 4, 0xFF, 0xFF, 0xFF, 0xFF]).is_none());
        for bytes in [&[0, 0, 0, 4, 1, 2, 3, 4][..], &[0xFF; 9], &[0, 0, 0, 3, 1], &[0, 0]] {
            assert!(read(bytes, 3).is_err(), "{bytes:?}");
        }
    }
}
