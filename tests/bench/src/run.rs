//! One run: the servers, the rounds, the report.

use crate::options::Options;
use crate::report::{Report, Row};
use crate::servers::{Place, Server, Users};
use crate::workload::{Mails, Rounds, Stage, Workload};
use crate::{Result, peers, workloads};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

pub(crate) fn run(options: &Options) -> Result<()> {
    if options.list {
        for workload in workloads::all() {
            println!("{:<32} {}", workload.name, workload.what);
        }
        return Ok(());
    }
    let chosen = chosen(options)?;
    raise_descriptors();
    let kinds = peers::available(options);
    if kinds.is_empty() {
        return Err("no server is left to run".into());
    }
    let state = State::new(options)?;
    let chosen = peers::that_can_run(chosen, options);
    run_in(&state.directory, options, &kinds, &chosen)
}

/// The directory of the mail and of servers' files, emptied when dropped.
struct State {
    directory: PathBuf,
    keep: bool,
    /// Removes the directory itself.
    _temporary: Option<tempfile::TempDir>,
}

/// What is made in the directory.
const MADE: &[&str] = &[
    "corpus",
    "restante",
    "restante-sha512",
    "restante-ldap",
    "restante-ldap-cached",
    "dovecot",
    "dovecot-sha512",
    "dovecot-ldap",
    "dovecot-ldap-cached",
    "dovecot24",
    "dovecot24-sha512",
    "dovecot24-ldap",
    "dovecot24-ldap-cached",
    "cert.pem",
    "key.pem",
    "both.pem",
];

impl State {
    fn new(options: &Options) -> Result<Self> {
        let (directory, temporary) = match &options.directory {
            Some(directory) => {
                std::fs::create_dir_all(directory)?;
                (directory.canonicalize()?, None)
            }
            None => {
                let mut made = tempfile::Builder::new().prefix("restante-bench").tempdir()?;
                made.disable_cleanup(options.keep);
                (made.path().to_owned(), Some(made))
            }
        };
        // Servers become other users.
        std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o755))?;
        if options.keep {
            eprintln!("mail and logs are kept in {}", directory.display());
        }
        Ok(Self { directory, keep: options.keep, _temporary: temporary })
    }
}

impl Drop for State {
    fn drop(&mut self) {
        for name in MADE.iter().filter(|_| !self.keep) {
            let path = self.directory.join(name);
            let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
        }
    }
}

fn run_in(
    directory: &Path,
    options: &Options,
    kinds: &[crate::servers::Kind],
    chosen: &[&'static Workload],
) -> Result<()> {
    let place = Place::new(directory)?;
    let mail = Mails::new(&directory.join("corpus"), options);
    let mut stages = Vec::new();
    for kind in kinds {
        stages.push(Stage::new(Server::start(*kind, Users::Plain, &place, options)?, options, &place, &mail));
    }
    let mut report = Report::new(options, kinds);
    for workload in chosen {
        eprintln!("{}", workload.name);
        report.add(measure(workload, &mut stages, options)?);
        // What is there so far, should a later one fail.
        report.write_files(options)?;
    }
    println!("{}", report.markdown());
    Ok(())
}

/// All rounds of one workload: the servers in turn, so that what disturbs the machine disturbs
/// all.
fn measure(workload: &'static Workload, stages: &mut [Stage], options: &Options) -> Result<Row> {
    let mut row = Row::new(workload);
    let on = |stage: &Stage| {
        (workload.run)(stage).map_err(|error| {
            crate::Error::from(format!("{}, {}: {error}", workload.name, stage.server.kind.name()))
        })
    };
    let rounds = match workload.rounds {
        Rounds::Warm => options.rounds(),
        Rounds::FirstTime => options.first_time_rounds(),
        Rounds::Once | Rounds::JustStarted => 1,
    };
    let suits = |stage: &&Stage| workload.users.are_known_to(stage.server.kind);
    // What is found in a cache was put there.
    if workload.rounds == Rounds::Warm && (!options.tiny || workload.users == Users::LdapCached) {
        for stage in stages.iter().filter(suits) {
            on(stage)?;
        }
    }
    if workload.rounds == Rounds::JustStarted {
        for stage in stages.iter_mut() {
            stage.restart()?;
        }
    }
    for _ in 0..rounds {
        for stage in stages.iter().filter(suits) {
            let sample = on(stage)?;
            eprintln!("  {:<9} {sample}", stage.server.kind.name());
            row.add(stage.server.kind, sample);
        }
        if let (Some(limit), Some(stage)) = (workload.limit, stages.first()) {
            row.add_limit(limit(stage)?);
        }
    }
    Ok(row)
}

fn chosen(options: &Options) -> Result<Vec<&'static Workload>> {
    for name in &options.only {
        if !workloads::all().any(|workload| workload.name == name) {
            return Err(format!("there is no workload {name}; `--list` lists them").into());
        }
    }
    let wanted = |workload: &&Workload| {
        options.only.is_empty() || options.only.iter().any(|name| name == workload.name)
    };
    Ok(workloads::all().filter(wanted).collect())
}

/// Thousands of connections have two ends here; servers inherit the limit. Only root can raise
/// what the system allows at first.
fn raise_descriptors() {
    const WANTED: u64 = 1 << 20;
    let raised = setrlimit(Resource::RLIMIT_NOFILE, WANTED, WANTED);
    if let (Err(_), Ok((_, hard))) = (raised, getrlimit(Resource::RLIMIT_NOFILE)) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
