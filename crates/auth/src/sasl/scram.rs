//! SCRAM (RFC 5802, RFC 7677), with and without channel binding.
//!
//! The name comes first, without a proof. Of a user who is not there, or whose password is
//! stored in a form that does not serve, salt and iterations are invented: always the same for
//! a name as long as the process lives. Such an exchange goes on and fails at its end as one
//! with a wrong password does.
//!
//! Cost: of stored keys, a few hashes. Of plain text, 4096 iterations (some milliseconds),
//! when the client's proof is there and never before; one exchange does it at most once for
//! each stored password, and of these no more than [`PASSWORDS_MAX`]. Callers with other
//! connections to serve do that step elsewhere ([`Scram::is_costly`]).

use super::gs2::{self, Flag, Header};
use super::{Binding, Progress, invented, random_text};
use crate::scheme::plain_text;
use crate::scheme::scram::{ITERATIONS, Keys};
use crate::scheme::scram_hash::Hash;
use crate::secret::Secret;
use data_encoding::BASE64;
use std::fmt;
use subtle::ConstantTimeEq;

/// Longest message of a client, in bytes.
const MESSAGE_MAX: usize = 4096;
/// Longest nonce of a client.
const NONCE_MAX: usize = 256;
/// Most plain passwords of one user that are tried.
const PASSWORDS_MAX: usize = 4;

/// One exchange.
pub(super) struct Scram {
    hash: Hash,
    /// Whether the mechanism's name ends with -PLUS.
    plus: bool,
    binding: Binding,
    nonce: String,
    user: Vec<u8>,
    authorize: Option<Vec<u8>>,
    /// What the client must send as `c=`: its header and the connection's data.
    bound: Vec<u8>,
    /// `client-first-bare,server-first`, as far as it is known.
    messages: Vec<u8>,
    proofs: Proofs,
}

/// What a client's proof is checked with.
enum Proofs {
    Keys(Keys),
    Plain {
        salt: Vec<u8>,
        passwords: Vec<Secret>,
    },
    /// Nothing: no proof is good.
    Invented,
}

impl fmt::Debug for Scram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scram({})", self.hash.name())
    }
}

impl Scram {
    /// `None` when the system has no randomness.
    pub(super) fn new(hash: Hash, plus: bool, binding: &Binding) -> Option<Self> {
        Some(Self::with_nonce(hash, plus, binding, random_text()?))
    }

    fn with_nonce(hash: Hash, plus: bool, binding: &Binding, nonce: String) -> Self {
        Self {
            hash,
            plus,
            binding: binding.clone(),
            nonce,
            user: Vec::new(),
            authorize: None,
            bound: Vec::new(),
            messages: Vec::new(),
            proofs: Proofs::Invented,
        }
    }

    /// Takes `client-first-message`.
    pub(super) fn first(&mut self, message: &[u8]) -> Progress {
        self.read_first(message).unwrap_or_else(Progress::Malformed)
    }

    fn read_first(&mut self, message: &[u8]) -> Result<Progress, &'static str> {
        if message.len() > MESSAGE_MAX {
            return Err("The message is too long");
        }
        let (header, bare) = gs2::read(message)?;
        self.bound = self.bound_to(&header)?;
        let mut fields = bare.split(|b| *b == b',');
        let name = match fields.next() {
            Some([b'n', b'=', name @ ..]) => gs2::sasl_name(name)?,
            Some([b'm', b'=', ..]) => return Err("A mandatory extension is not supported"),
            _ => return Err("Expected a user name"),
        };
        let Some([b'r', b'=', nonce @ ..]) = fields.next() else { return Err("Expected a nonce") };
        if !(1..=NONCE_MAX).contains(&nonce.len()) || !nonce.iter().all(u8::is_ascii_graphic) {
            return Err("A nonce is printable and has at most 256 characters");
        }
        let user = stringprep::saslprep(&name).map_err(|_| "A user name has forbidden characters")?;
        if user.is_empty() {
            return Err("The user name is empty");
        }
        self.user = user.into_owned().into_bytes();
        self.authorize = header.authorize.filter(|other| *other != self.user);
        self.nonce.insert_str(0, &String::from_utf8_lossy(nonce));
        self.messages = bare.to_vec();
        Ok(Progress::Stored { user: self.user.clone(), authorize: self.authorize.clone() })
    }

    /// What `c=` must be (RFC 5802 section 6), or why the client is refused.
    fn bound_to(&self, header: &Header) -> Result<Vec<u8>, &'static str> {
        let mut bound = header.bytes.clone();
        match (&header.flag, self.plus) {
            (Flag::None, false) => {}
            (Flag::ServerCannot, false) if self.binding.is_empty() => {}
            // It would have taken -PLUS had it seen it: somebody took it off the list.
            (Flag::ServerCannot, false) => return Err("Channel binding was offered here"),
            (Flag::Bound(name), true) => {
                bound.extend(self.binding.data(name).ok_or("There is no such channel binding here")?);
            }
            _ => return Err("The mechanism and its channel binding do not fit"),
        }
        Ok(bound)
    }

    /// Takes what is stored for the user, and makes `server-first-message`.
    pub(super) fn stored(&mut self, account: &[u8], secrets: Option<&[Secret]>) -> Progress {
        let secrets = secrets.unwrap_or_default();
        // The same for each spelling of the name, as what is stored is.
        let made_up = invented(self.hash.name().as_bytes(), account);
        self.proofs = match secrets.iter().find_map(|stored| Keys::of(stored, self.hash)) {
            Some(keys) => Proofs::Keys(keys),
            None => {
                let passwords: Vec<Secret> =
                    secrets.iter().filter_map(plain_text).take(PASSWORDS_MAX).collect();
                match passwords.is_empty() {
                    true => Proofs::Invented,
                    false => Proofs::Plain { salt: made_up.clone(), passwords },
                }
            }
        };
        let (salt, iterations) = match &self.proofs {
            Proofs::Keys(keys) => (&keys.salt, keys.iterations),
            Proofs::Plain { .. } | Proofs::Invented => (&made_up, ITERATIONS),
        };
        let message = format!("r={},s={},i={iterations}", self.nonce, BASE64.encode(salt));
        self.messages.push(b',');
        self.messages.extend(message.as_bytes());
        Progress::Challenge(message.into_bytes())
    }

    /// Whether [`Scram::last`] makes keys of plain passwords.
    pub(super) fn is_costly(&self) -> bool {
        matches!(self.proofs, Proofs::Plain { .. })
    }

    /// Who wants to come in; empty before [`Scram::first`].
    pub(super) fn user(&self) -> &[u8] {
        &self.user
    }

    /// Takes `client-final-message`: `Ok` is `server-final-message`, `Err` the end.
    pub(super) fn last(&mut self, message: &[u8]) -> Result<Vec<u8>, Progress> {
        let (bound, proof) = self.read_last(message).map_err(Progress::Malformed)?;
        let signature = self.prove(&proof);
        let same_channel: bool = bound.ct_eq(&self.bound).into();
        match signature.filter(|_| same_channel) {
            Some(signature) => Ok(format!("v={}", BASE64.encode(&signature)).into_bytes()),
            None => Err(Progress::Failed { user: self.user.clone() }),
        }
    }

    /// Channel binding and proof; what stands before the proof goes to the messages.
    fn read_last(&mut self, message: &[u8]) -> Result<(Vec<u8>, Vec<u8>), &'static str> {
        if message.len() > MESSAGE_MAX {
            return Err("The message is too long");
        }
        let comma = message.iter().rposition(|b| *b == b',').ok_or("Expected a proof")?;
        let (before, proof) = (&message[..comma], &message[comma + 1..]);
        let proof = proof.strip_prefix(b"p=").and_then(|text| BASE64.decode(text).ok());
        let proof = proof.filter(|proof| proof.len() == self.hash.len()).ok_or("Expected a proof")?;
        let mut fields = before.split(|b| *b == b',');
        let bound = fields.next().and_then(|field| field.strip_prefix(b"c="));
        let bound = bound.and_then(|text| BASE64.decode(text).ok()).ok_or("Expected channel binding")?;
        if fields.next().and_then(|field| field.strip_prefix(b"r=")) != Some(self.nonce.as_bytes()) {
            return Err("The nonce is not the one that was sent");
        }
        if fields.any(|field| field.starts_with(b"m=")) {
            return Err("A mandatory extension is not supported");
        }
        self.messages.push(b',');
        self.messages.extend(before);
        Ok((bound, proof))
    }

    /// The server's signature, if the proof is one.
    fn prove(&self, proof: &[u8]) -> Option<Vec<u8>> {
        match &self.proofs {
            Proofs::Keys(keys) => self.prove_with(&keys.stored_key, &keys.server_key, proof),
            Proofs::Plain { salt, passwords } => passwords.iter().find_map(|password| {
                let (stored_key, server_key) = self.hash.keys(password, salt, ITERATIONS);
                self.prove_with(&stored_key, &server_key, proof)
            }),
            Proofs::Invented => None,
        }
    }

    /// RFC 5802 section 3: H(proof XOR HMAC(StoredKey, messages)) is StoredKey.
    fn prove_with(&self, stored_key: &Secret, server_key: &Secret, proof: &[u8]) -> Option<Vec<u8>> {
        let signature = self.hash.hmac(stored_key.expose(), &self.messages);
        let client_key = Secret::new(proof.iter().zip(&signature).map(|(a, b)| a ^ b).collect());
        let hashed = self.hash.digest(client_key.expose());
        let proven: bool = hashed.ct_eq(stored_key.expose()).into();
        proven.then(|| self.hash.hmac(server_key.expose(), &self.messages))
    }

    /// The client has seen the server's signature and answered with nothing.
    pub(super) fn end(&self, response: &[u8]) -> Progress {
        match response {
            b"" => Progress::Proven { user: self.user.clone(), authorize: self.authorize.clone() },
            _ => Progress::Malformed("Expected an empty response"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(stored: &str) -> Vec<Secret> {
        vec![Secret::new(stored.as_bytes().to_vec())]
    }

    fn bindings() -> Binding {
        Binding {
            tls_exporter: Some(b"exported".to_vec()),
            tls_server_end_point: Some(b"certificate".to_vec()),
        }
    }

    // The keys of "pencil" with the salts of the two examples.
    fn kept(hash: Hash, rfc_5803: bool) -> String {
        let salt = match hash {
            Hash::Sha1 => "QSXCR+Q6sek8bf92",
            Hash::Sha256 => "W22ZaJ0SNY7soEsUEjb6gQ==",
        };
        let salt_bytes = BASE64.decode(salt.as_bytes()).unwrap();
        let (stored, server) = hash.keys(&Secret::new(b"pencil".to_vec()), &salt_bytes, 4096);
        let (stored, server) = (BASE64.encode(stored.expose()), BASE64.encode(server.expose()));
        match rfc_5803 {
            true => format!("{}$4096:{salt}${stored}:{server}", hash.name()),
            false => format!("{{{}}}4096,{salt},{stored},{server}", hash.name()),
        }
    }

    #[test]
    fn the_examples_of_rfc_5802_and_7677() {
        let check = |hash: Hash, nonce: &str, [first, challenge, last, signature]: [&str; 4]| {
            for rfc_5803 in [true, false] {
                let mut scram = Scram::with_nonce(hash, false, &Binding::default(), nonce.to_owned());
                let Progress::Stored { user, authorize: None } = scram.first(first.as_bytes()) else {
                    panic!()
                };
                assert_eq!(user, b"user");
                let sent = scram.stored(b"anna", Some(&secrets(&kept(hash, rfc_5803))));
                assert!(matches!(sent, Progress::Challenge(bytes) if bytes == challenge.as_bytes()));
                assert_eq!(scram.last(last.as_bytes()).unwrap(), signature.as_bytes());
                assert!(matches!(scram.end(b""), Progress::Proven { user, .. } if user == b"user"));
            }
        };
        check(
            Hash::Sha1,
            "3rfcNHYJY1ZVvWVs7j",
            [
                "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
                "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
                "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
                "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
            ],
        );
        check(
            Hash::Sha256,
            "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
            [
                "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
                "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
                "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
                "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
            ],
        );
    }

    /// A client that knows `password`, says `header`, and binds to `data`.
    fn run(plus: bool, binding: &Binding, (header, data): (&str, &[u8]), stored: Option<&str>) -> String {
        let hash = Hash::Sha256;
        let mut scram = Scram::new(hash, plus, binding).unwrap();
        let bare = "n=anna,r=abc";
        match scram.first(format!("{header}{bare}").as_bytes()) {
            Progress::Stored { .. } => {}
            Progress::Malformed(_) => return "refused".to_owned(),
            other => panic!("{other:?}"),
        }
        let secrets = stored.map(secrets);
        let Progress::Challenge(challenge) = scram.stored(b"anna", secrets.as_deref()) else { panic!() };
        let challenge = String::from_utf8(challenge).unwrap();
        let field = |name| challenge.split(',').find_map(|field| field.strip_prefix(name)).unwrap();
        let salt = BASE64.decode(field("s=").as_bytes()).unwrap();
        let mut salted = [0; 32];
        pbkdf2::pbkdf2_hmac::<sha2::Sha256>(b"pencil", &salt, field("i=").parse().unwrap(), &mut salted);
        let client_key = hash.hmac(&salted, b"Client Key");
        let bound = BASE64.encode(&[header.as_bytes(), data].concat());
        let before = format!("c={bound},r={}", field("r="));
        let signature =
            hash.hmac(&hash.digest(&client_key), format!("{bare},{challenge},{before}").as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        match scram.last(format!("{before},p={}", BASE64.encode(&proof)).as_bytes()) {
            Ok(_) => "proven".to_owned(),
            Err(Progress::Failed { .. }) => "failed".to_owned(),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn stored_forms_that_serve() {
        let check = |stored: Option<&str>, expected: &str| {
            assert_eq!(run(false, &Binding::default(), ("n,,", b""), stored), expected, "{stored:?}");
        };
        check(Some(&kept(Hash::Sha256, true)), "proven");
        check(Some(&kept(Hash::Sha256, false)), "proven");
        check(Some("{PLAIN}pencil"), "proven");
        check(Some("{CLEARTEXT}pencil"), "proven");
        check(Some("{PLAIN}pencils"), "failed");
        check(Some(&kept(Hash::Sha1, false)), "failed");
        check(Some("$6$saltsalt$x"), "failed");
        check(Some("{SCRAM-SHA-256}4096,x"), "failed");
        check(None, "failed");
    }

    #[test]
    fn security_03_a_log_in_is_bound_to_its_channel() {
        let stored = kept(Hash::Sha256, false);
        let check = |plus, binding: &Binding, said: (&str, &[u8]), expected: &str| {
            assert_eq!(run(plus, binding, said, Some(&stored)), expected, "{plus} {said:?}");
        };
        let none = Binding::default();
        check(true, &bindings(), ("p=tls-exporter,,", b"exported"), "proven");
        check(true, &bindings(), ("p=tls-server-end-point,,", b"certificate"), "proven");
        check(true, &bindings(), ("p=tls-exporter,,", b"another"), "failed");
        check(true, &bindings(), ("p=tls-exporter,,", b"certificate"), "failed");
        check(true, &bindings(), ("p=tls-exporter,,", b""), "failed");
        check(true, &bindings(), ("p=tls-unique,,", b"exported"), "refused");
        check(true, &none, ("p=tls-exporter,,", b""), "refused");
        check(true, &bindings(), ("n,,", b""), "refused");
        check(true, &bindings(), ("y,,", b""), "refused");
        check(false, &bindings(), ("p=tls-exporter,,", b"exported"), "refused");
        check(false, &bindings(), ("y,,", b""), "refused");
        check(false, &bindings(), ("n,,", b""), "proven");
        check(false, &none, ("y,,", b""), "proven");
    }

    #[test]
    fn security_15_unknown_users_look_like_known_ones() {
        let salt_of = |user: &str, account: &[u8]| {
            let mut scram = Scram::new(Hash::Sha256, false, &Binding::default()).unwrap();
            let _ = scram.first(format!("n,,n={user},r=abc").as_bytes());
            let Progress::Challenge(challenge) = scram.stored(account, None) else { panic!() };
            String::from_utf8(challenge).unwrap().split_once(",s=").unwrap().1.to_owned()
        };
        assert_eq!(salt_of("anna", b"anna@example.com"), salt_of("ANNA", b"anna@example.com"));
        assert_ne!(salt_of("anna", b"anna"), salt_of("bert", b"bert"));
    }

    #[test]
    fn security_09_bad_messages() {
        for message in [
            "",
            "n",
            "n,,",
            "n,,n=anna",
            "n,,r=abc",
            "n,,n=,r=abc",
            "n,,n=anna,r=",
            "n,,m=x,n=anna,r=abc",
            "n,,n=a=na,r=abc",
            "x,,n=anna,r=abc",
            "n,anna,n=anna,r=abc",
            "n,,n=anna,r=a\u{7f}c",
            "n,,n=an\u{7}na,r=abc",
            "p=,,n=anna,r=abc",
        ] {
            let mut scram = Scram::new(Hash::Sha1, false, &Binding::default()).unwrap();
            assert!(matches!(scram.first(message.as_bytes()), Progress::Malformed(_)), "{message}");
        }
        for last in [
            "",
            "c=biws",
            "c=biws,r=abc,p=AAAA",
            "c=!,r=abc,p=x",
            "c=biws,r=other,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        ] {
            let mut scram = Scram::new(Hash::Sha1, false, &Binding::default()).unwrap();
            let _ = scram.first(b"n,,n=anna,r=abc");
            let _ = scram.stored(b"anna", None);
            assert!(matches!(scram.last(last.as_bytes()), Err(Progress::Malformed(_))), "{last}");
        }
    }
}
