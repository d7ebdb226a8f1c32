//! Tokens that are signed: by right and wrong keys, in and out of time, for us and for others.

use super::*;
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, PublicKeyData};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::LazyLock;

static RSA: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap());
static EC: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap());
const SECRET: &str = "a secret of a good forty bytes, for HMACs";

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

fn sign(header: &Header, claims: &Value) -> String {
    let key = match header.alg.family() {
        jsonwebtoken::AlgorithmFamily::Rsa => EncodingKey::from_rsa_pem(RSA.serialize_pem().as_bytes()),
        jsonwebtoken::AlgorithmFamily::Ec => EncodingKey::from_ec_pem(EC.serialize_pem().as_bytes()),
        _ => Ok(EncodingKey::from_secret(SECRET.as_bytes())),
    };
    jsonwebtoken::encode(header, claims, &key.unwrap()).unwrap()
}

/// The claims of a good token, changed by `change`; null takes one away.
fn claims(change: &Value) -> Value {
    let mut claims = json!({
        "iss": "https://id.example", "aud": "restante", "email": "anna@example.com",
        "scope": "openid mail", "exp": now() + 600,
    });
    for (name, value) in change.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

fn header(algorithm: Algorithm, kid: Option<&str>) -> Header {
    Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) }
}

fn settings(dir: &Path) -> OAuthSettings {
    let keys = dir.join("keys");
    if !keys.exists() {
        std::fs::create_dir(&keys).unwrap();
        std::fs::write(keys.join("rsa-1.pem"), RSA.public_key_pem()).unwrap();
        std::fs::write(keys.join("ec-1.pem"), EC.public_key_pem()).unwrap();
    }
    let texts = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
    OAuthSettings {
        keys: vec![keys],
        algorithms: texts(&["RS256", "ES256"]),
        rules: Rules {
            issuers: texts(&["https://id.example"]),
            audiences: texts(&["restante"]),
            scopes: texts(&["mail"]),
            ..Rules::default()
        },
        ..OAuthSettings::default()
    }
}

/// Who comes in, or why nobody does.
async fn outcome(settings: OAuthSettings, token: &str) -> String {
    match Tokens::new(settings).unwrap().check(&secret(token)).await {
        Ok(user) => user.name,
        Err(refusal) => refusal.to_string(),
    }
}

#[tokio::test]
async fn what_a_token_says_decides() {
    let dir = tempfile::tempdir().unwrap();
    let at = now();
    for (change, expected) in [
        (json!({}), "anna@example.com"),
        (json!({"aud": ["other", "restante"]}), "anna@example.com"),
        (json!({"scope": null, "scp": ["mail"]}), "anna@example.com"),
        (json!({"exp": at - 10}), "anna@example.com"),
        (json!({"exp": (at + 600) as f64 + 0.5}), "anna@example.com"),
        (json!({"nbf": at + 10}), "anna@example.com"),
        (json!({"email_verified": true}), "anna@example.com"),
        (json!({"exp": at - 61}), "the token is not good: it has expired"),
        (json!({"exp": 0}), "the token is not good: it has expired"),
        (json!({"exp": null}), "the token is not good: it never expires"),
        (json!({"exp": "tomorrow"}), "the token is not good: a time in it is none"),
        (json!({"exp": -1}), "the token is not good: a time in it is none"),
        (json!({"nbf": at + 90}), "the token is not good: it is not valid yet"),
        (json!({"nbf": []}), "the token is not good: a time in it is none"),
        (json!({"iss": "https://id.example/"}), "the token is not good: it is from another issuer"),
        (json!({"iss": null}), "the token is not good: it is from another issuer"),
        (json!({"iss": ["https://id.example"]}), "the token is not good: it is from another issuer"),
        (json!({"aud": "rest"}), "the token is not good: it is for another audience"),
        (json!({"aud": null}), "the token is not good: it is for another audience"),
        (json!({"aud": {"restante": 1}}), "the token is not good: it is for another audience"),
        (json!({"scope": "openid mailbox"}), "the token has not the scope that is required"),
        (json!({"scope": null}), "the token has not the scope that is required"),
        (json!({"email": null}), "the token is not good: it has not the claim with the user's name"),
        (json!({"email": 7}), "the token is not good: it has not the claim with the user's name"),
        (json!({"email": ""}), "the token is not good: its user name cannot be one"),
        (json!({"email": "a\0b"}), "the token is not good: its user name cannot be one"),
        (json!({"email": "a\r\nb"}), "the token is not good: its user name cannot be one"),
        (json!({"email": "a".repeat(513)}), "the token is not good: its user name cannot be one"),
        (json!({"email_verified": false}), "the token is not good: its address is not verified"),
        (json!({"email_verified": "false"}), "the token is not good: its address is not verified"),
    ] {
        let token = sign(&header(Algorithm::RS256, Some("rsa-1")), &claims(&change));
        assert_eq!(outcome(settings(dir.path()), &token).await, expected, "{change}");
    }
    let token = sign(&header(Algorithm::RS256, Some("rsa-1")), &claims(&json!({})));
    let mut no_audience = settings(dir.path());
    no_audience.rules.audiences.clear();
    let expected = "the token is not good: it is for an audience, and none is set here";
    assert_eq!(outcome(no_audience, &token).await, expected);
}

#[tokio::test]
async fn signatures_by_each_kind_of_key() {
    let dir = tempfile::tempdir().unwrap();
    let unknown = "the token is not good: it is signed with an unknown key";
    let good = "anna@example.com";
    for (algorithm, kid, expected) in [
        (Algorithm::RS256, Some("rsa-1"), good),
        (Algorithm::ES256, Some("ec-1"), good),
        (Algorithm::RS256, None, good),
        (Algorithm::ES256, None, good),
        (Algorithm::RS256, Some("rsa-2"), unknown),
        (Algorithm::RS256, Some("ec-1"), unknown),
        (Algorithm::RS256, Some("../keys/rsa-1"), unknown),
        (Algorithm::RS256, Some(""), unknown),
        (Algorithm::RS384, Some("rsa-1"), "the token is not good: its algorithm is not allowed"),
        (Algorithm::HS256, None, "the token is not good: its algorithm is not allowed"),
    ] {
        let token = sign(&header(algorithm, kid), &claims(&json!({})));
        assert_eq!(outcome(settings(dir.path()), &token).await, expected, "{algorithm:?} {kid:?}");
    }
}

#[tokio::test]
async fn hmac_only_with_a_secret_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    let mut with_secret = settings(dir.path());
    with_secret.algorithms.push("HS256".to_owned());
    assert!(Tokens::new(with_secret.clone()).is_err());
    with_secret.hmac_secret = Some(file.clone());
    let token = sign(&header(Algorithm::HS256, None), &claims(&json!({})));
    std::fs::write(&file, "short\n").unwrap();
    let refused = outcome(with_secret.clone(), &token).await;
    assert!(refused.starts_with("tokens cannot be checked: "), "{refused}");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    assert_eq!(outcome(with_secret.clone(), &token).await, "anna@example.com");
    // Everybody knows the public key.
    for public in [RSA.public_key_pem().into_bytes(), RSA.subject_public_key_info()] {
        for kid in [None, Some("rsa-1")] {
            let key = EncodingKey::from_secret(&public);
            let header = header(Algorithm::HS256, kid);
            let forged = jsonwebtoken::encode(&header, &claims(&json!({})), &key).unwrap();
            let refused = outcome(with_secret.clone(), &forged).await;
            assert!(refused.starts_with("the token is not good: "), "{refused}");
        }
    }
}

#[tokio::test]
async fn forged_and_broken_tokens_let_nobody_in() {
    let dir = tempfile::tempdir().unwrap();
    let good = sign(&header(Algorithm::RS256, Some("rsa-1")), &claims(&json!({})));
    let parts: Vec<&str> = good.split('.').collect();
    let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let bert = encode(&claims(&json!({"email": "bert@example.com"})));
    let with_header = |value: Value| format!("{}.{}.{}", encode(&value), parts[1], parts[2]);
    let mut flipped = parts[2].as_bytes().to_vec();
    flipped[20] = if flipped[20] == b'A' { b'B' } else { b'A' };
    let critical = Header { crit: Some(vec!["exp".to_owned()]), ..header(Algorithm::RS256, Some("rsa-1")) };
    let other_type = Header { typ: Some("logout+jwt".to_owned()), ..header(Algorithm::RS256, Some("rsa-1")) };
    for bad in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "opaque".to_owned(),
        "a".repeat(TOKEN_MAX + 1),
        ".".repeat(TOKEN_MAX),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}", parts[0], parts[1]),
        format!("{}.{bert}.{}", parts[0], parts[2]),
        format!("{}.{}.{}", parts[0], parts[1], String::from_utf8(flipped).unwrap()),
        format!("{good}.{}", parts[2]),
        format!("{good} "),
        format!("{good}\0"),
        with_header(json!({"alg": "none"})),
        with_header(json!({"alg": "None", "typ": "JWT"})),
        format!("{}.{}.", encode(&json!({"alg": "none"})), parts[1]),
        with_header(json!({"alg": "HS256", "kid": "rsa-1"})),
        with_header(json!({"alg": "ES256", "kid": "rsa-1"})),
        with_header(json!({"alg": ["RS256"]})),
        with_header(json!("RS256")),
        sign(&critical, &claims(&json!({}))),
        sign(&other_type, &claims(&json!({}))),
    ] {
        let refused = outcome(settings(dir.path()), &bad).await;
        assert!(refused.starts_with("the token is not good: "), "{bad:.80}: {refused}");
    }
    // A stranger's key of the same kind.
    let stranger = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let key = EncodingKey::from_ec_pem(stranger.serialize_pem().as_bytes()).unwrap();
    let forged = jsonwebtoken::encode(&header(Algorithm::ES256, Some("ec-1")), &claims(&json!({})), &key);
    let refused = outcome(settings(dir.path()), &forged.unwrap()).await;
    assert_eq!(refused, "the token is not good: its signature is wrong");
}

#[tokio::test]
async fn keys_are_read_again_when_they_change() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = Tokens::new(settings(dir.path())).unwrap();
    let old = secret(&sign(&header(Algorithm::RS256, Some("rsa-1")), &claims(&json!({}))));
    let new = secret(&sign(&header(Algorithm::RS256, Some("rsa-2")), &claims(&json!({}))));
    assert!(tokens.check(&old).await.is_ok());
    assert!(tokens.check(&new).await.is_err());
    let keys = dir.path().join("keys");
    std::fs::rename(keys.join("rsa-1.pem"), keys.join("rsa-2.pem")).unwrap();
    assert!(tokens.check(&old).await.is_err());
    assert!(tokens.check(&new).await.is_ok());
    std::fs::remove_dir_all(&keys).unwrap();
    assert!(matches!(tokens.check(&new).await, Err(TokenRefusal::Unavailable(_))));
    assert_eq!(tokens.problems().len(), 1);
}

#[tokio::test]
async fn keys_of_a_jwk_set() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("jwks.json");
    let key = EncodingKey::from_ec_pem(EC.serialize_pem().as_bytes()).unwrap();
    let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
    let with = |changes: Value| {
        let mut jwk = serde_json::to_value(&jwk).unwrap();
        for (name, value) in changes.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        jwk
    };
    let oct = json!({"kty": "oct", "kid": "e", "k": BASE64URL_NOPAD.encode(SECRET.as_bytes())});
    let good = "anna@example.com";
    let unknown = "the token is not good: it is signed with an unknown key";
    for (key, expected) in [
        (with(json!({"kid": "e", "use": "sig"})), good),
        (with(json!({"kid": "f"})), unknown),
        (with(json!({"kid": "e", "use": "enc"})), unknown),
        (with(json!({"kid": "e", "alg": "ES384"})), unknown),
        (oct, unknown),
    ] {
        let set = json!({"keys": [key]});
        std::fs::write(&file, set.to_string()).unwrap();
        let settings = OAuthSettings { keys: Vec::new(), jwks: Some(file.clone()), ..settings(dir.path()) };
        let token = sign(&header(Algorithm::ES256, Some("e")), &claims(&json!({})));
        assert_eq!(outcome(settings, &token).await, expected, "{set}");
    }
    std::fs::write(&file, "{").unwrap();
    let settings = OAuthSettings { keys: Vec::new(), jwks: Some(file), ..settings(dir.path()) };
    let token = sign(&header(Algorithm::ES256, Some("e")), &claims(&json!({})));
    assert!(outcome(settings, &token).await.starts_with("tokens cannot be checked: "));
}

#[test]
fn what_a_refused_client_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let url = Some("https://id.example/.well-known/openid-configuration".to_owned());
    let tokens = Tokens::new(OAuthSettings { openid_configuration: url, ..settings(dir.path()) }).unwrap();
    let told =
        |refusal| tokens.error_json(&refusal).map(|text| serde_json::from_str::<Value>(&text).unwrap());
    let expected = |status| {
        Some(json!({"status": status, "scope": "mail",
            "openid-configuration": "https://id.example/.well-known/openid-configuration"}))
    };
    assert_eq!(told(TokenRefusal::Invalid("x")), expected("invalid_token"));
    assert_eq!(told(TokenRefusal::InsufficientScope), expected("insufficient_scope"));
    assert_eq!(told(TokenRefusal::Unavailable("x".to_owned())), None);
}

#[test]
fn settings_that_cannot_be_followed() {
    let dir = tempfile::tempdir().unwrap();
    let with = |algorithms: &[&str]| OAuthSettings {
        algorithms: algorithms.iter().map(|one| (*one).to_owned()).collect(),
        ..settings(dir.path())
    };
    for settings in [with(&["none"]), with(&["HS256"]), with(&["RS257"]), with(&[]), OAuthSettings::default()]
    {
        assert!(Tokens::new(settings.clone()).is_err(), "{settings:?}");
    }
}
