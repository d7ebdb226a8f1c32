//! What both servers' settings of a database become.

/// For a URL (RFC 3986, 2.1).
pub(super) fn escaped(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// Likewise, but for the slashes.
pub(super) fn escaped_path(path: &str) -> String {
    path.split('/').map(escaped).collect::<Vec<_>>().join("/")
}

/// What is wrong with the settings of a database, as far as this build can tell: what is printed
/// must be read by our parser.
#[cfg(feature = "sql")]
pub(super) fn sql_problem(url: &str, user_query: &str, list_query: Option<&str>) -> Option<String> {
    use auth::sql::{SqlSettings, Tls, Url};
    let settings = SqlSettings {
        url: Url(url.to_owned()),
        password_file: None,
        tls: Tls::Verify,
        ca_file: None,
        connections_max: 1,
        timeout: std::time::Duration::from_secs(1),
        user_query: user_query.to_owned(),
        list_query: list_query.map(str::to_owned),
        update_query: None,
    };
    settings.check().err()
}

#[cfg(not(feature = "sql"))]
pub(super) fn sql_problem(_: &str, _: &str, _: Option<&str>) -> Option<String> {
    Some("this build has no SQL".to_owned())
}
