//! Dovecot's processes, set up alike in all its versions.

/// What 2.4 calls otherwise.
pub(super) struct Words {
    /// After how many requests a process ends.
    pub(super) requests: &'static str,
    pub(super) unlimited: &'static str,
}

pub(super) const OF_23: Words = Words { requests: "service_count", unlimited: "0" };

pub(super) const OF_24: Words = Words { requests: "restart_request_count", unlimited: "unlimited" };

/// What its services are to do; the ports are in clear and under TLS.
pub(super) fn text(port: u16, tls_port: u16, words: &Words) -> String {
    let Words { requests, unlimited } = words;
    format!(
        "service imap-login {{
  chroot =
  {requests} = {unlimited}
  client_limit = 16384
  process_min_avail = 2
  process_limit = 4
  vsz_limit = 2G
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service imap {{
  process_limit = 20000
  process_min_avail = 4
  {requests} = 256
  vsz_limit = 4G
  unix_listener imap-master {{
    user = nobody
  }}
}}
service imap-hibernate {{
  client_limit = 16384
  process_limit = 2
  unix_listener imap-hibernate {{
    mode = 0600
    user = nobody
  }}
}}
service anvil {{
  chroot =
  client_limit = 25000
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service auth {{
  client_limit = 25000
}}
service stats {{
  chroot =
  client_limit = 25000
}}
"
    )
}
