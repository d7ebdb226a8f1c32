//! `restante quota`: how much mail users have, and how much they may have.

use crate::config_file::ConfigFile;
use crate::progress::Progress;
use crate::settings::Configuration;
use crate::users::{ResolvedUser, Users, as_mail_user};
use clap::Args;
use store::{Quota, QuotaStatus};

/// What `restante quota` understands.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The users, such as anna@example.com.
    #[arg(value_name = "USER", required_unless_present = "all")]
    users: Vec<String>,
    /// All users of all sources.
    #[arg(long, conflicts_with = "users")]
    all: bool,
    /// Count everything anew, and do not believe what programs have noted in maildirsize.
    #[arg(long)]
    recalculate: bool,
    #[command(flatten)]
    config: ConfigFile,
}

/// Prints the quotas. What is wrong with one user is said, and the others follow.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let configuration = options.config.read()?;
    as_mail_user(&configuration, || {
        let users = Users::open(&configuration);
        if options.all {
            return each(users.all()?.into_iter().map(Ok), &configuration, options.recalculate);
        }
        let found = options.users.iter().map(|name| match users.find(name) {
            Ok(user) => user.ok_or_else(|| format!("{name}: no such user")),
            Err(error) => Err(error),
        });
        each(found, &configuration, options.recalculate)
    })
}

fn each(
    users: impl Iterator<Item = Result<ResolvedUser, String>>,
    configuration: &Configuration,
    recalculate: bool,
) -> Result<(), String> {
    let mut failed = 0_usize;
    for user in users {
        match user.and_then(|user| report(&user, configuration, recalculate)) {
            Ok(text) => print!("{text}"),
            Err(error) => {
                failed += 1;
                eprintln!("restante: {error}");
            }
        }
    }
    if failed == 0 { Ok(()) } else { Err(format!("{failed} of the users could not be reported on")) }
}

fn report(user: &ResolvedUser, configuration: &Configuration, recalculate: bool) -> Result<String, String> {
    let settings = &configuration.store;
    let owner = user.owner(configuration)?;
    let entered = owner.as_ref().map(|owner| owner.enter()).transpose();
    let _entered = entered.map_err(|error| format!("{}: cannot work as their uid: {error}", user.name))?;
    let root = &user.place.root;
    if !root.join("cur").is_dir() {
        return Err(format!("{}: there is no Maildir at {}", user.name, root.display()));
    }
    let quota = Quota::new(root, &settings.hostname, settings.quota_counts_trash).owned_by(owner.clone());
    quota.set_limits(user.quota);
    let status = if recalculate {
        let progress = Progress::new(None, "messages");
        quota.recalculate(&mut |n| progress.advance(n)).map(Some)
    } else {
        quota.status()
    };
    let status = status.map_err(|error| format!("{}: {error}", user.name))?;
    Ok(text(&user.name, status))
}

fn text(name: &str, status: Option<QuotaStatus>) -> String {
    let Some(QuotaStatus { limits, usage }) = status else {
        return format!("{name}\n  no limits; --recalculate counts all the same\n");
    };
    let of = |limit: Option<u64>, write: &dyn Fn(u64) -> String| match limit {
        Some(limit) => format!(" of {}", write(limit)),
        None => String::new(),
    };
    let part = |usage: u64, limit: Option<u64>| match limit {
        Some(limit) => format!(", {}%", u128::from(usage) * 100 / u128::from(limit.max(1))),
        None => ", no limit".to_owned(),
    };
    let exact = |bytes: u64| format!("{bytes}");
    format!(
        "{name}\n  storage:  {}{}{} ({}{} bytes)\n  messages: {}{}{}\n",
        readable(usage.bytes),
        of(limits.bytes, &readable),
        part(usage.bytes, limits.bytes),
        exact(usage.bytes),
        of(limits.bytes, &exact),
        usage.messages,
        of(limits.messages, &exact),
        part(usage.messages, limits.messages),
    )
}

/// A size with one decimal, cut and not rounded, in units of 1,024.
fn readable(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut shift = 0;
    while shift < 10 * UNITS.len() && bytes >> shift >= 1024 {
        shift += 10;
    }
    if shift == 0 {
        return format!("{bytes} bytes");
    }
    let tenths = (u128::from(bytes) * 10) >> shift;
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[shift / 10 - 1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::{QuotaLimits, QuotaUsage};

    #[test]
    fn sizes_can_be_read() {
        for (bytes, expected) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            (1_048_575, "1023.9 KiB"),
            (12_898_304, "12.3 MiB"),
            (5 << 40, "5.0 TiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(readable(bytes), expected);
        }
    }

    #[test]
    fn a_report_has_both_forms() {
        for (limits, expected) in [
            (
                Some("50M,100C"),
                "anna\n  storage:  12.3 MiB of 50.0 MiB, 24% (12898304 of 52428800 bytes)\n  messages: 7 of 100, 7%\n",
            ),
            (Some("5C"), "anna\n  storage:  12.3 MiB, no limit (12898304 bytes)\n  messages: 7 of 5, 140%\n"),
            (None, "anna\n  no limits; --recalculate counts all the same\n"),
        ] {
            let usage = QuotaUsage { bytes: 12_898_304, messages: 7 };
            let limits = limits.map(|text| QuotaLimits::parse(text).expect("limits"));
            assert_eq!(text("anna", limits.map(|limits| QuotaStatus { limits, usage })), expected);
        }
    }
}
