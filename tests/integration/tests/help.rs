//! `--help` of every command, and the manual page beside it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::target::restante::binary;
use std::path::Path;
use std::process::Command;

/// A command as its `--help` describes it.
struct Help {
    /// The words that call it: `restante user add`.
    name: String,
    text: String,
    commands: Vec<Entry>,
    /// Options and arguments.
    arguments: Vec<Entry>,
}

/// A line of a list, with those that go on with it.
struct Entry {
    /// `-c, --config <FILE>`.
    name: String,
    /// Without what clap says of values.
    meaning: String,
    /// `[default: …]`, `[possible values: …]`.
    values: String,
}

impl Help {
    fn of(words: &[&str]) -> Self {
        let text = said(words, "--help");
        assert_eq!(text, said(words, "-h"), "{words:?} has two texts");
        let name = [&["restante"], words].concat().join(" ");
        let mut help = Self { name, commands: Vec::new(), arguments: Vec::new(), text };
        let mut section = "";
        for line in help.text.lines() {
            let indented = line.len() - line.trim_start().len();
            let entries = match section {
                "Commands:" => &mut help.commands,
                "Arguments:" | "Options:" => &mut help.arguments,
                _ => &mut Vec::new(),
            };
            match line.trim() {
                "" => section = "",
                title if indented == 0 => section = title,
                // A long option without a short one stands where it would behind one.
                entry if indented == 2 || indented == 6 && entry.starts_with('-') => {
                    let (name, meaning) = entry.split_once("  ").unwrap_or((entry, ""));
                    let meaning = meaning.trim().to_owned();
                    entries.push(Entry { name: name.to_owned(), meaning, values: String::new() });
                }
                more => {
                    if let Some(entry) = entries.last_mut() {
                        entry.meaning.push_str(&format!(" {more}"));
                    }
                }
            }
        }
        for entry in help.commands.iter_mut().chain(&mut help.arguments) {
            let end = [" [default:", " [possible values:"].iter().filter_map(|mark| entry.meaning.find(mark));
            entry.values = entry.meaning.split_off(end.min().unwrap_or(entry.meaning.len()));
        }
        help.commands.retain(|command| command.name != "help");
        help
    }

    /// This command and those below it.
    fn all(words: &[&str]) -> Vec<Self> {
        let help = Self::of(words);
        let below: Vec<Self> =
            help.commands.iter().flat_map(|command| Self::all(&[words, &[&command.name]].concat())).collect();
        std::iter::once(help).chain(below).collect()
    }
}

fn said(words: &[&str], option: &str) -> String {
    let output = Command::new(binary()).args(words).arg(option).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{words:?} {option}");
    String::from_utf8(output.stdout).unwrap()
}

/// `None` if it is one sentence, begun with a capital letter and without its full stop.
fn fault(meaning: &str) -> Option<&'static str> {
    let first = meaning.chars().next();
    match meaning {
        "" => Some("is missing"),
        // A path may stand first.
        _ if first.is_some_and(|c| c.is_alphabetic() && !c.is_uppercase()) => Some("begins small"),
        _ if meaning.ends_with(['.', ';', ':', ',']) => Some("ends with a stop"),
        _ if meaning.contains(". ") => Some("has two sentences"),
        _ => None,
    }
}

#[test]
fn each_command_and_option_has_one_sentence() {
    let all = Help::all(&[]);
    assert!(all.len() > 20 && all.iter().map(|help| help.arguments.len()).sum::<usize>() > 60);
    for help in &all {
        for entry in help.commands.iter().chain(&help.arguments) {
            let fault = fault(&entry.meaning);
            assert_eq!(fault, None, "{} {}: {:?}", help.name, entry.name, entry.meaning);
            // A flag has no values.
            let takes_value = entry.name.contains('<') || entry.name.contains('[');
            assert!(takes_value || entry.values.is_empty(), "{} {}{}", help.name, entry.name, entry.values);
            assert!(!entry.values.contains("true"), "{} {}{}", help.name, entry.name, entry.values);
        }
        assert!(!help.text.contains("auth-helper"), "{}", help.text);
    }
    for (meaning, expected) in [
        ("All users", None),
        ("", Some("is missing")),
        ("all users", Some("begins small")),
        ("All users.", Some("ends with a stop")),
        ("Delete a user. The mail stays", Some("has two sentences")),
    ] {
        assert_eq!(fault(meaning), expected, "{meaning}");
    }
}

#[test]
fn the_manual_has_the_commands_and_options_of_the_help_texts() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../man/restante.1");
    let page = std::fs::read_to_string(page).unwrap().replace("\\-", "-");
    let (_, commands) = page.split_once(".SH COMMANDS\n").unwrap();
    let (commands, _) = commands.split_once("\n.SH ").unwrap();
    let mut found = commands.split(".SS ").skip(1).map(|section| {
        let mut lines = section.lines();
        let usage = lines.next().unwrap_or_default().to_owned();
        let arguments = lines.filter_map(|line| line.strip_prefix(".B ")).map(str::to_owned).collect();
        (usage, arguments)
    });
    for help in Help::all(&[]).iter().skip(1) {
        let plain = |text: &str| text.replace(['<', '>', '[', ']'], "").replace("...", "");
        let usage = help.text.lines().find_map(|line| line.strip_prefix("Usage: ")).unwrap();
        let arguments = help.arguments.iter().map(|entry| plain(&entry.name));
        let mut arguments: Vec<String> = arguments.filter(|name| name != "-h, --help").collect();
        let (of_page, mut in_page): (String, Vec<String>) = found.next().unwrap_or_default();
        arguments.sort();
        in_page.sort();
        assert_eq!((plain(&of_page), in_page), (plain(usage), arguments), "{}", help.name);
    }
    assert_eq!(found.next(), None, "a command that no help text shows");
}
