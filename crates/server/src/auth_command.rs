//! `restante auth`: why somebody comes in or does not, and what a running server remembers.
//!
//! `test` and `lookup` read the configuration and ask its sources themselves, without delays and
//! bans and without the running server. What they print has no password and no hash in it.

use crate::admin;
use crate::config_file::ConfigFile;
use crate::maildirs::{self, FoundMaildir};
use crate::settings::Configuration;
use crate::users::quota_of;
use crate::{control, privileges, runtime, sources};
use auth::{Client, Refusal, Trace, User};
use clap::{Args, Subcommand};

/// What `restante auth` understands.
#[derive(Subcommand, Debug)]
pub(crate) enum AuthCommand {
    /// Ask for a user's password, and say step by step whether it lets them in.
    Test(One),
    /// Say step by step who a user is, without a password.
    Lookup(One),
    /// Make the running server forget the log-ins that it remembers.
    Flush(Flush),
    /// Print the running server's counts of log-ins.
    Status(ConfigFile),
}

/// A user.
#[derive(Args, Debug)]
pub(crate) struct One {
    /// The name as it would be typed into a mail client.
    #[arg(value_name = "USER")]
    user: String,
    /// The service that is asked for, as a source may allow a user only some.
    #[arg(long, value_name = "SERVICE", default_value = "imap", value_parser = lower_case)]
    service: String,
    #[command(flatten)]
    config: ConfigFile,
}

fn lower_case(service: &str) -> Result<String, std::convert::Infallible> {
    Ok(service.to_lowercase())
}

/// What to forget.
#[derive(Args, Debug)]
pub(crate) struct Flush {
    /// Forget only what is known of this user.
    #[arg(value_name = "USER")]
    user: Option<String>,
    #[command(flatten)]
    config: ConfigFile,
}

fn ask(config: &ConfigFile, question: &str) -> Result<String, String> {
    control::ask(&config.read()?.control_socket, question)
}

/// Does what `restante auth` says.
pub(crate) fn run(command: &AuthCommand) -> Result<(), String> {
    match command {
        AuthCommand::Test(one) => test(one),
        AuthCommand::Lookup(one) => lookup(one),
        AuthCommand::Flush(flush) => {
            let question = match flush.user.as_deref().map(str::trim) {
                None => "flush".to_owned(),
                Some("") => return Err("an empty name is no user's".to_owned()),
                Some(user) => format!("flush {user}"),
            };
            print!("{}", ask(&flush.config, &question)?);
            Ok(())
        }
        AuthCommand::Status(config) => {
            print!("{}", ask(config, "status")?);
            Ok(())
        }
    }
}

fn test(one: &One) -> Result<(), String> {
    let configuration = one.config.read()?;
    let password = admin::password_once()?;
    let trace = Trace::on();
    let client = Client { peer: None, service: &one.service, trace: &trace };
    let outcome = runtime::block_on(async {
        let authenticator = sources::authenticator(&configuration);
        authenticator.password(one.user.as_bytes(), &password, None, client).await
    });
    print_steps(&trace);
    match outcome {
        Ok(user) => {
            print_identity(&user, &configuration);
            match maildir(&user, &configuration) {
                Ok(_) => {
                    println!("decision: comes in");
                    Ok(())
                }
                Err(_) => {
                    Err("decision: the password is right, but the Maildir cannot be used; clients are told \
                               that the mailbox cannot be opened"
                        .to_owned())
                }
            }
        }
        Err(refusal) => Err(in_words(&refusal, &one.service)),
    }
}

fn lookup(one: &One) -> Result<(), String> {
    let configuration = one.config.read()?;
    let trace = Trace::on();
    let client = Client { peer: None, service: &one.service, trace: &trace };
    let found =
        runtime::block_on(async { sources::authenticator(&configuration).lookup(&one.user, client).await });
    print_steps(&trace);
    match found {
        Ok(Some(user)) => {
            print_identity(&user, &configuration);
            if !user.may_use(&one.service) {
                println!("may not use {}", one.service);
            }
            Ok(())
        }
        Ok(None) => Err(format!("no user {}", one.user)),
        Err(error) => Err(error.to_string()),
    }
}

/// What comes from names and sources is the text of others: escaped.
fn print_steps(trace: &Trace) {
    for step in trace.take() {
        println!("- {}", harmless(&step));
    }
}

fn harmless(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

fn print_identity(user: &User, configuration: &Configuration) {
    let or_none = |text: &Option<String>| text.as_deref().map_or("none".to_owned(), harmless);
    let id = |id: Option<u32>| id.map_or("that of [mail]".to_owned(), |id| id.to_string());
    println!("user: {}", harmless(&user.name));
    println!("home: {}", or_none(&user.home));
    match maildir(user, configuration) {
        Ok(FoundMaildir::There(path)) => println!("Maildir: {}", harmless(&path.to_string_lossy())),
        Ok(FoundMaildir::WouldBeMade(path)) => {
            println!("Maildir: {} (missing: made at the first log-in)", harmless(&path.to_string_lossy()));
        }
        Err(why) => println!("Maildir: unusable: {}", harmless(&why)),
    }
    println!("uid: {}, gid: {}", id(user.uid), id(user.gid));
    match quota_of(user, configuration.quota) {
        Ok(Some(limits)) => println!("quota: {limits}"),
        Ok(None) => println!("quota: none but what the Maildir has"),
        Err(why) => println!("quota: {}", harmless(&why)),
    }
    if !user.groups.is_empty() {
        println!("groups: {}", harmless(&user.groups.join(", ")));
    }
}

/// The Maildir as the server finds it.
fn maildir(user: &User, configuration: &Configuration) -> Result<FoundMaildir, String> {
    let look = || maildirs::look(user, configuration);
    match configuration.own_uids {
        Some(_) => look(),
        None => {
            let (user, group) = (configuration.user.as_deref(), configuration.group.as_deref());
            privileges::as_user(user, group, look).unwrap_or_else(look)
        }
    }
}

fn in_words(refusal: &Refusal, service: &str) -> String {
    match refusal {
        Refusal::Credentials => "decision: refused: unknown user or wrong password".to_owned(),
        Refusal::Disabled => format!("decision: refused: the user may not use {service}"),
        Refusal::Weak => {
            "decision: refused: the password is right, but weakly stored (weak-schemes)".to_owned()
        }
        Refusal::NotMaster => "decision: refused: no master of that user".to_owned(),
        Refusal::Elsewhere { host, .. } => format!("decision: refused: the mail is on {host}"),
        Refusal::Unavailable => {
            "decision: none: a source did not answer; clients are told UNAVAILABLE".to_owned()
        }
        Refusal::Banned => "decision: refused: banned".to_owned(),
    }
}
