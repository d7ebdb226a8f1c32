//! The command line.

use crate::servers::Kind;
use clap::Parser;
use std::path::PathBuf;

/// Measures Restante beside Dovecot and Courier on the same mail.
///
/// Dovecot and Courier are Debian's packages, installed where they are missing; both need root.
/// Without it, Restante runs alone.
#[derive(Parser, Debug)]
#[command(version)]
pub(crate) struct Options {
    /// A tenth of the mail and three rounds; leaves out what takes minutes.
    #[arg(long)]
    pub(crate) quick: bool,

    /// A few hundred messages and one round, to see that the benchmark itself works.
    #[arg(long, conflicts_with = "quick")]
    pub(crate) tiny: bool,

    /// Workloads to run, all without it.
    #[arg(long, value_name = "NAME", num_args = 1.., value_delimiter = ',')]
    pub(crate) only: Vec<String>,

    /// List the workloads and end.
    #[arg(long)]
    pub(crate) list: bool,

    /// Servers to run.
    #[arg(long, value_delimiter = ',', default_value = "restante,dovecot,courier")]
    pub(crate) servers: Vec<Kind>,

    /// A further Dovecot, 2.4 or later: the prefix that it is installed under, or a root directory
    /// that has it, such as `debootstrap --include=dovecot-imapd,dovecot-ldap trixie DIR` makes.
    #[arg(long, value_name = "DIR")]
    pub(crate) dovecot: Option<PathBuf>,

    /// Small messages in a mailbox [default: 100000]; realistic ones are a fifth of it.
    #[arg(long, value_name = "N")]
    messages: Option<usize>,

    /// Rounds, of which the median counts [default: 5].
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,

    /// Clients in IDLE at the same time [default: 10000].
    #[arg(long, value_name = "N")]
    clients: Option<usize>,

    /// Clients in IDLE that have an INBOX each [default: 5000].
    #[arg(long, value_name = "N")]
    own_clients: Option<usize>,

    /// Clients in IDLE beside which log-ins and deliveries are timed [default: 100000].
    #[arg(long, value_name = "N")]
    crowd: Option<usize>,

    /// The most of these for Dovecot and Courier, which have a process for each.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    peer_clients: usize,

    /// Messages of the largest mailbox [default: 1000000].
    #[arg(long, value_name = "N")]
    million: Option<usize>,

    /// Where mail and servers' files go; a temporary directory without it.
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,

    /// Leave mail and logs in the directory.
    #[arg(long)]
    pub(crate) keep: bool,

    /// Where Courier's root directory is, made where it is missing (see tests/courier), and
    /// kept: making it takes a minute.
    #[arg(long, value_name = "DIR", default_value = "/tmp/restante-bench-courier")]
    pub(crate) courier_root: PathBuf,

    /// A binary of Restante; without it, `cargo build --release` makes it.
    #[arg(long, value_name = "FILE")]
    pub(crate) server_binary: Option<PathBuf>,

    /// Let Dovecot hand connections in IDLE to its imap-hibernate.
    #[arg(long)]
    pub(crate) hibernate: bool,

    /// Write all samples to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Write the table to this file too.
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
}

impl Options {
    pub(crate) fn messages(&self) -> usize {
        self.messages.unwrap_or_else(|| self.sized(100_000, 10_000, 300))
    }

    pub(crate) fn realistic(&self) -> usize {
        (self.messages() / 5).max(10)
    }

    /// Users in the LDAP directory.
    pub(crate) fn directory_users(&self) -> usize {
        self.sized(20_000, 20_000, 200)
    }

    pub(crate) fn rounds(&self) -> usize {
        self.rounds.unwrap_or_else(|| self.sized(5, 3, 1))
    }

    /// Rounds of what needs a mailbox that no server has seen.
    pub(crate) fn first_time_rounds(&self) -> usize {
        self.rounds().min(3)
    }

    pub(crate) fn clients(&self, kind: Kind) -> usize {
        self.most(self.clients.unwrap_or_else(|| self.sized(10_000, 1000, 20)), kind)
    }

    /// Users that are in IDLE with one client each.
    pub(crate) fn own_clients(&self, kind: Kind) -> usize {
        self.most(self.own_users(), kind)
    }

    pub(crate) fn own_users(&self) -> usize {
        self.own_clients.unwrap_or_else(|| self.sized(5000, 500, 20))
    }

    pub(crate) fn crowd(&self, kind: Kind) -> usize {
        self.most(self.crowd.unwrap_or_else(|| self.sized(100_000, 5000, 20)), kind)
    }

    fn most(&self, clients: usize, kind: Kind) -> usize {
        match kind {
            Kind::Restante => clients,
            Kind::Dovecot | Kind::Dovecot24 | Kind::Courier => clients.min(self.peer_clients),
        }
    }

    pub(crate) fn million(&self) -> usize {
        self.million.unwrap_or_else(|| self.sized(1_000_000, 100_000, 1000))
    }

    /// How often something short is done in a row, for so many at full size.
    pub(crate) fn repeated(&self, full: usize) -> usize {
        self.sized(full, full / 2, full.min(5))
    }

    /// Milliseconds for which something short is repeated.
    pub(crate) fn repeat_ms(&self) -> u64 {
        self.sized(500, 300, 20) as u64
    }

    fn sized(&self, full: usize, quick: usize, tiny: usize) -> usize {
        if self.tiny {
            tiny
        } else if self.quick {
            quick
        } else {
            full
        }
    }
}
