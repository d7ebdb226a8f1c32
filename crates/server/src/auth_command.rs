//! `restante auth`: why somebody comes in or does not, and what a running server remembers.
//!
//! `test` and `lookup` read the configuration and ask its sources themselves, without delays and
//! bans and without the running server. What they print has no password and no hash in it.

use crate::admin;
use crate::mail_place::MailPlace;
use crate::settings::{self, Configuration, DEFAULT_PATH};
use crate::users::quota_of;
use crate::{control, serve};
use auth::{Client, Refusal, Trace, User};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What `restante auth` understands.
#[derive(Subcommand, Debug)]
pub(crate) enum AuthCommand {
    /// Ask for a user's password and say step by step whether it lets them in.
    Test(One),
    /// Say step by step who a user is, without a password.
    Lookup(One),
    /// Make the running server forget the log-ins that it remembers.
    Flush(Flush),
    /// Print the running server's counts of log-ins.
    Status(Where),
}

/// A user.
#[derive(Args, Debug)]
pub(crate) struct One {
    /// The name as it would be typed into a mail client.
    #[arg(value_name = "USER")]
    user: String,
    /// The service that is asked for.
    #[arg(long, value_name = "SERVICE", default_value = "imap", value_parser = lower_case)]
    service: String,
    #[command(flatten)]
    at: Where,
}

fn lower_case(service: &str) -> Result<String, std::convert::Infallible> {
    Ok(service.to_lowercase())
}

/// What to forget.
#[derive(Args, Debug)]
pub(crate) struct Flush {
    /// Only what is known of this user.
    #[arg(value_name = "USER")]
    user: Option<String>,
    #[command(flatten)]
    at: Where,
}

/// Where the configuration is.
#[derive(Args, Debug)]
pub(crate) struct Where {
    /// The configuration file; see restante.toml(5).
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_PATH)]
    config: PathBuf,
}

impl Where {
    fn configuration(&self) -> Result<Configuration, String> {
        settings::read_for_command(&self.config)
    }

    fn ask(&self, question: &str) -> Result<String, String> {
        let path = self.configuration()?.control_socket;
        control::ask(&path.ok_or("[login] has no control-socket: the server cannot be asked")?, question)
    }
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
            print!("{}", flush.at.ask(&question)?);
            Ok(())
        }
        AuthCommand::Status(at) => {
            print!("{}", at.ask("status")?);
            Ok(())
        }
    }
}

fn test(one: &One) -> Result<(), String> {
    let configuration = one.at.configuration()?;
    let password = admin::password_once()?;
    let trace = Trace::on();
    let client = Client { peer: None, service: &one.service, trace: &trace };
    let outcome = serve::block_on(async {
        let authenticator = serve::authenticator(&configuration);
        authenticator.password(one.user.as_bytes(), &password, None, client).await
    });
    print_steps(&trace);
    match outcome {
        Ok(user) => {
            println!("decision: comes in");
            print_identity(&user, &configuration);
            Ok(())
        }
        Err(refusal) => Err(in_words(&refusal, &one.service)),
    }
}

fn lookup(one: &One) -> Result<(), String> {
    let configuration = one.at.configuration()?;
    let trace = Trace::on();
    let client = Client { peer: None, service: &one.service, trace: &trace };
    let found =
        serve::block_on(async { serve::authenticator(&configuration).lookup(&one.user, client).await });
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
    match MailPlace::of(user, configuration) {
        Ok(place) => println!("Maildir: {}", harmless(&place.root.to_string_lossy())),
        Err(why) => println!("Maildir: none: {}", harmless(&why)),
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
