//! SASL messages of any kind and in any order, to every mechanism: nobody is let in who has not
//! said what lets them in.
#![no_main]

use auth::{Binding, Exchange, Mechanism, Progress, Secret};
use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};

/// The password `pencil` as plain text, as CRAM-MD5's contexts, as SCRAM's keys of one iteration;
/// and what serves no mechanism.
const STORED: &[&str] = &[
    "{PLAIN}pencil",
    "{CRAM-MD5}7f47ace0e2af8f6cdeb72c03243a8c87834e19104164d6a42de72d243adb4080",
    "{SCRAM-SHA-256}1,c2FsdA==,Otk5kdnAo/6UDUcm0KaO+uESed84FVLF7Qg4N9v1MRA=,Uc4DDcQRN5WJ44eNiyKPEO+MJvVo84Ucr4WI9nixz60=",
    "{SHA}x",
    "{",
];

/// A client that knows the password.
#[derive(Default)]
struct Client {
    /// What it sent.
    sent: Vec<Vec<u8>>,
    /// The last challenge.
    challenge: Vec<u8>,
    /// For which mechanism it proved that it knows the password.
    proved: Option<Mechanism>,
}

impl Client {
    /// A message begins with what kind it is: right ones, or the rest as it stands.
    fn message(&mut self, bytes: &[u8]) -> Vec<u8> {
        let (kind, rest) = bytes.split_first().unwrap_or((&0, b""));
        let (message, proves) = match kind {
            b'1' => (Some(b"n,,n=anna,r=abc".to_vec()), None),
            b'2' => (self.scram(rest), rest.iter().all(|b| *b == 0).then_some(Mechanism::ScramSha256)),
            b'3' => (Some(self.cram_md5()), Some(Mechanism::CramMd5)),
            _ => (None, None),
        };
        self.proved = proves.or(self.proved);
        let message = message.unwrap_or_else(|| bytes.to_vec());
        self.sent.push(message.clone());
        message
    }

    /// `client-final-message` for keys of one iteration; `rest` spoils the proof.
    fn scram(&self, rest: &[u8]) -> Option<Vec<u8>> {
        let challenge = std::str::from_utf8(&self.challenge).ok()?;
        let field = |name: &str| challenge.split(',').find_map(|field| field.strip_prefix(name));
        let (nonce, salt) = (field("r=")?, BASE64.decode(field("s=")?.as_bytes()).ok()?);
        let salted = hmac::<Hmac<Sha256>>(b"pencil", &[&salt[..], &1_u32.to_be_bytes()].concat());
        let key = hmac::<Hmac<Sha256>>(&salted, b"Client Key");
        let before = format!("c=biws,r={nonce}");
        let signed = format!("n=anna,r=abc,{challenge},{before}");
        let signature = hmac::<Hmac<Sha256>>(&Sha256::digest(&key), signed.as_bytes());
        let mut proof: Vec<u8> = key.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        proof.iter_mut().zip(rest).for_each(|(a, b)| *a ^= b);
        Some(format!("{before},p={}", BASE64.encode(&proof)).into_bytes())
    }

    fn cram_md5(&self) -> Vec<u8> {
        format!("anna {}", HEXLOWER.encode(&hmac::<Hmac<md5::Md5>>(b"pencil", &self.challenge))).into_bytes()
    }

    /// Whether it ever sent these bytes.
    fn said(&self, bytes: &[u8]) -> bool {
        bytes.is_empty()
            || self.sent.iter().any(|message| message.windows(bytes.len()).any(|window| window == bytes))
    }
}

fn hmac<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mac = <M as KeyInit>::new_from_slice(key).expect("a key of any length");
    mac.chain_update(data).finalize().into_bytes().to_vec()
}

/// What `progress` says is what the client said.
fn check(progress: &Progress, mechanism: Mechanism, stored: Option<&&str>, client: &Client) {
    match progress {
        Progress::Credentials { user, password, authorize } => {
            assert!(matches!(mechanism, Mechanism::Plain | Mechanism::Login));
            assert!(!user.is_empty() && !password.expose().is_empty());
            assert!(client.said(user) && client.said(password.expose()));
            assert!(authorize.as_deref().is_none_or(|other| client.said(other)));
        }
        Progress::Proven { user, authorize } => {
            assert_eq!((&user[..], authorize), (&b"anna"[..], &None));
            assert_eq!(client.proved, Some(mechanism));
            let serving = if mechanism == Mechanism::CramMd5 { &STORED[..2] } else { &STORED[2..3] };
            assert!(stored.is_some_and(|stored| serving.contains(stored)));
        }
        Progress::Token { token, .. } => {
            assert!(matches!(mechanism, Mechanism::OAuthBearer | Mechanism::XOAuth2));
            assert!(!token.expose().is_empty() && client.said(token.expose()));
        }
        Progress::External { authorize } => {
            assert_eq!(mechanism, Mechanism::External);
            assert!(authorize.as_deref().is_none_or(|other| client.said(other)));
        }
        Progress::TokenRefused => {
            assert!(matches!(mechanism, Mechanism::OAuthBearer | Mechanism::XOAuth2));
        }
        Progress::Challenge(_)
        | Progress::Stored { .. }
        | Progress::Failed { .. }
        | Progress::Malformed(_) => {}
    }
}

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (mechanism, choice, bytes) = input;
    let mechanism = Mechanism::ALL[usize::from(mechanism) % Mechanism::ALL.len()];
    // One more than there are: no such user.
    let stored = STORED.get(usize::from(choice & 0x7f) % (STORED.len() + 1));
    let secrets = stored.map(|text| vec![Secret::new(text.as_bytes().to_vec())]);
    let binding = Binding { tls_exporter: Some(b"exported".to_vec()), tls_server_end_point: None };
    let (mut client, mut messages) = (Client::default(), bytes.split(|b| *b == b'\n').take(12));
    let initial = messages.next().filter(|_| choice > 0x7f).map(|message| client.message(message));
    let (mut exchange, mut progress) = Exchange::begin(mechanism, initial.as_deref(), &binding);
    check(&progress, mechanism, stored, &client);
    for message in messages {
        let in_turn = message.first() != Some(&b'!');
        let (next, ends) = match &progress {
            Progress::Challenge(challenge) if in_turn => {
                client.challenge.clone_from(challenge);
                (exchange.respond(&client.message(message)), false)
            }
            Progress::Stored { .. } if in_turn => (exchange.stored(b"anna", secrets.as_deref()), false),
            Progress::Token { .. } if in_turn => (exchange.refuse_token("{}"), false),
            Progress::Challenge(_) => (exchange.stored(b"anna", secrets.as_deref()), true),
            _ => (exchange.respond(&client.message(message)), true),
        };
        assert!(!ends || matches!(next, Progress::Malformed(_)), "{mechanism:?} {next:?}");
        check(&next, mechanism, stored, &client);
        progress = next;
    }
});
