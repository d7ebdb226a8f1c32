//! `[oauth]`: what access tokens are checked by.

use super::kind::ValueKind;
use super::reader::Reader;
use super::setting::{Section, optional, setting};
use auth::oauth::claims::Rules;
use auth::oauth::introspection::{ClientSecret, IntrospectionSettings};
use std::path::PathBuf;
use std::time::Duration;

pub(super) static OAUTH: Section = Section {
    name: "oauth",
    repeats: false,
    about: "Access tokens (OAuth 2.0), for the mechanisms OAUTHBEARER and XOAUTH2: signed ones (JWT) are checked by keys here, others by asking the authorization server (introspection). Whose the token is must be a user of [[users]]. Files are read again when they change.",
    settings: &[
        optional(
            "keys",
            ValueKind::TextList,
            "[\"/etc/restante/oauth.d\"]",
            "Public keys in PEM form: files, or directories of files KEY-ID.pem.",
        ),
        optional("jwks", ValueKind::Path, "\"/etc/restante/jwks.json\"", "A file with a JWK set (RFC 7517)."),
        optional(
            "hmac-secret",
            ValueKind::Path,
            "\"/etc/restante/oauth.secret\"",
            "A file with a secret of 32 bytes or more, for tokens signed by HMAC; name HS256 among the algorithms too.",
        ),
        setting(
            "algorithms",
            ValueKind::TextList,
            "[\"RS256\", \"RS384\", \"RS512\", \"PS256\", \"PS384\", \"PS512\", \"ES256\", \"ES384\", \"EdDSA\"]",
            "Algorithms of signatures that are accepted.",
        ),
        optional(
            "issuers",
            ValueKind::TextList,
            "[\"https://id.example.com\"]",
            "Who may have issued a token (iss). Without it, anybody whose key is here.",
        ),
        optional(
            "audiences",
            ValueKind::TextList,
            "[\"restante\"]",
            "For whom a token must be (aud): one of these. Without it, signed tokens that are for somebody are refused.",
        ),
        optional("scopes", ValueKind::TextList, "[\"mail\"]", "Scopes that a token must have, all of them."),
        setting("user-claim", ValueKind::Text, "\"email\"", "What a token calls the user's name."),
        setting(
            "leeway",
            ValueKind::Duration { min_ms: 0, max_ms: 600_000 },
            "\"1m\"",
            "How far the issuer's clock may be off.",
        ),
        optional(
            "introspection-url",
            ValueKind::Text,
            "\"https://id.example.com/introspect\"",
            "Where to ask about tokens (RFC 7662): https, or http to this machine.",
        ),
        optional("client-id", ValueKind::Text, "\"restante\"", "Who asks there."),
        optional(
            "client-secret",
            ValueKind::Path,
            "\"/etc/restante/oauth.client\"",
            "A file with the secret of client-id.",
        ),
        optional(
            "introspection-ca",
            ValueKind::Path,
            "\"/etc/ssl/certs/ca.pem\"",
            "PEM file of authorities for that server, instead of the system's.",
        ),
        setting(
            "introspection-timeout",
            ValueKind::Duration { min_ms: 100, max_ms: 60_000 },
            "\"5s\"",
            "Longest wait for an answer. After it the log-in is unavailable, and no token wrong.",
        ),
        setting(
            "introspection-at-once",
            ValueKind::Count { min: 1, max: 1_000 },
            "10",
            "Questions under way at once.",
        ),
        setting(
            "introspection-remember",
            ValueKind::Duration { min_ms: 0, max_ms: 86_400_000 },
            "\"5m\"",
            "How long a good token is not asked about again, never beyond its end. One that is revoked works that long.",
        ),
        optional(
            "openid-configuration",
            ValueKind::Text,
            "\"https://id.example.com/.well-known/openid-configuration\"",
            "Where refused clients learn how to get a token.",
        ),
    ],
};

/// `[oauth]` as the checks of tokens go by it.
pub(super) fn build(reader: &Reader<'_>) -> auth::oauth::OAuthSettings {
    let file = |key: &str| reader.text_if(key).map(PathBuf::from);
    // One without the other is refused by what asks.
    let client = match (reader.text_if("client-id"), file("client-secret")) {
        (None, None) => None,
        (id, secret) => Some((id.unwrap_or_default(), ClientSecret::File(secret.unwrap_or_default()))),
    };
    auth::oauth::OAuthSettings {
        keys: reader.texts("keys").into_iter().map(PathBuf::from).collect(),
        jwks: file("jwks"),
        hmac_secret: file("hmac-secret"),
        algorithms: reader.texts("algorithms"),
        rules: Rules {
            issuers: reader.texts("issuers"),
            audiences: reader.texts("audiences"),
            scopes: reader.texts("scopes"),
            user_claim: reader.text("user-claim"),
            leeway_s: reader.number("leeway") / 1000,
        },
        introspection: reader.text_if("introspection-url").map(|url| IntrospectionSettings {
            url,
            client,
            ca: file("introspection-ca"),
            timeout: Duration::from_millis(reader.number("introspection-timeout")),
            at_once: reader.count("introspection-at-once"),
            remember: Duration::from_millis(reader.number("introspection-remember")),
        }),
        openid_configuration: reader.text_if("openid-configuration"),
    }
}
