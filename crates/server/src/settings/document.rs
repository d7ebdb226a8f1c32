//! The sample file and the man page, from the table of settings.

use super::setting::{Section, Setting};
use super::table::SECTIONS;

/// `config/restante.toml`: every setting with its default and why.
pub(crate) fn sample() -> String {
    let mut out = String::from(
        "# Restante's settings. What is commented out is the default, or an example where there is\n\
         # none. See restante.toml(5); check with `restante check`.\n",
    );
    for section in SECTIONS.iter().copied() {
        out.push('\n');
        if !section.name.is_empty() {
            out.push_str(&comment(&about(section)));
            out.push_str(&format!("{}{}\n", if is_in_use(section) { "" } else { "# " }, section.heading()));
        }
        for setting in section.settings {
            out.push_str(&comment(&why(section, setting)));
            let value = setting.default.unwrap_or(setting.example);
            let mark = if (setting.required || setting.in_sample) && is_in_use(section) { "" } else { "# " };
            out.push_str(&format!("{mark}{} = {value}\n", setting.key));
        }
    }
    out
}

/// When the manual pages were last changed, for their title lines.
#[cfg(test)]
pub(crate) const DATE: &str = "2026-11-28";

/// `man/restante.toml.5`.
#[cfg(test)]
pub(crate) fn man_page() -> String {
    let mut out = format!(
        ".TH RESTANTE.TOML 5 {DATE} Restante \"File formats\"\n\
         .SH NAME\nrestante.toml \\- settings of the IMAP server Restante\n\
         .SH DESCRIPTION\n\
         .BR restante (1)\nreads its settings from\n.I /etc/restante/restante.toml\nor the file that\n.B \\-\\-config\n\
         names, in TOML. Unknown settings are errors.\n.B restante check\nsays all that is wrong at once.\n.PP\n\
         Times are written with ms, s, m or h, sizes with K, M or G (of 1024).\n\
         A site of ten users needs no more than this:\n.PP\n.EX\n",
    );
    out.push_str(&roff(MINIMAL));
    out.push_str(".EE\n");
    for section in SECTIONS.iter().copied() {
        let title =
            if section.name.is_empty() { "BEFORE THE FIRST TABLE".to_owned() } else { section.heading() };
        out.push_str(&format!(".SH \"{}\"\n", roff(&title)));
        if !section.about.is_empty() {
            out.push_str(&paragraph(&about(section)));
        }
        for setting in section.settings {
            let default = match (setting.default, setting.required) {
                (Some(default), _) => format!("The default is {default}."),
                (None, true) => format!("Must be given, such as {}.", setting.example),
                (None, false) => format!("Not set by default; an example is {}.", setting.example),
            };
            out.push_str(&format!(
                ".TP\n.B {}\n{}{}{}",
                roff(setting.key),
                paragraph(&why(section, setting)),
                paragraph(&format!("It is {}.", setting.kind.allowed())),
                paragraph(&default)
            ));
        }
    }
    out.push_str(".SH SEE ALSO\n.BR restante (1),\n.BR restante\\-uidlist (5)\n");
    out
}

/// What a site of ten users needs.
#[cfg(test)]
pub(crate) const MINIMAL: &str = "hostname = \"mail.example.com\"

[tls]
certificate = \"/etc/restante/cert.pem\"
key = \"/etc/restante/key.pem\"

[mail]
maildir = \"/srv/mail/%d/%n/Maildir\"
user = \"vmail\"

[[users]]
passwd-file = \"/etc/restante/users\"
";

/// What a reload leaves as it is.
const AT_START: &str = "Read at the start only.";

fn about(section: &Section) -> String {
    if section.is_at_start() { format!("{} {AT_START}", section.about) } else { section.about.to_owned() }
}

/// Where all of the section is read at the start only, its heading says so.
fn why(section: &Section, setting: &Setting) -> String {
    if setting.at_start && !section.is_at_start() {
        format!("{} {AT_START}", setting.why)
    } else {
        setting.why.to_owned()
    }
}

/// Sections that the sample has in use: those without which there is no server.
fn is_in_use(section: &Section) -> bool {
    ["", "tls", "mail", "users"].contains(&section.name)
}

/// A text as comment lines of at most some 90 characters.
fn comment(text: &str) -> String {
    let mut lines = vec![String::from("#")];
    for word in text.split(' ') {
        if lines.last().is_some_and(|line| line.len() + word.len() > 90) {
            lines.push(String::from("#"));
        }
        if let Some(line) = lines.last_mut() {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines.join("\n") + "\n"
}

/// How much of a line a text takes for mandoc, to which a letter that is not ASCII is an escape.
#[cfg(test)]
fn width(text: &str) -> usize {
    text.chars().map(|c| if c.is_ascii() { 1 } else { "\\[u00E1]".len() }).sum()
}

/// Text for roff in lines of at most 78 bytes, as `mandoc -T lint` wants them.
#[cfg(test)]
pub(crate) fn paragraph(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in roff(text).split_whitespace() {
        // A request would begin with one of these; they do not begin a line.
        let may_begin = !word.starts_with(['.', '\'']);
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if width(line) + 1 + width(word) <= 78 || !may_begin => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n") + "\n"
}

/// Text for roff: no line of it is a request, no hyphen a dash.
#[cfg(test)]
fn roff(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-");
    let line =
        |line: &str| if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() };
    let lines: Vec<String> = escaped.split('\n').map(line).collect();
    lines.join("\n")
}
