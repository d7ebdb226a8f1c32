//! The form of `doveconf -n`: settings, and blocks in braces.

use super::input::{Problem, text};

/// Longest line, in bytes.
const LINE_MAX: usize = 64 << 10;

/// Blocks within blocks.
const DEPTH_MAX: usize = 16;

/// Blocks in all: a large site has some hundred.
const BLOCKS_MAX: usize = 10_000;

/// A block, or the whole.
#[derive(Clone, Default, Debug)]
pub(crate) struct Block {
    /// Such as `namespace`; empty for the whole.
    pub(crate) kind: String,
    /// What follows it; often nothing.
    pub(crate) name: String,
    /// Its settings, in order.
    pub(crate) settings: Vec<Setting>,
    /// Blocks in it, in order.
    pub(crate) blocks: Vec<Block>,
}

/// A setting.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// Its name.
    pub(crate) key: String,
    /// Its value; `None` where doveconf hides it.
    pub(crate) value: Option<String>,
}

impl Block {
    /// The value of a setting; the last one counts.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.settings.iter().rfind(|setting| setting.key == key)?.value.as_deref()
    }

    /// Blocks of one kind.
    pub(crate) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Self> {
        self.blocks.iter().filter(move |block| block.kind == kind)
    }

    /// A list of words: `key = a b`, or since Dovecot 2.4 a block of `a = yes`.
    pub(crate) fn words(&self, key: &str) -> Option<Vec<String>> {
        if let Some(value) = self.get(key) {
            return Some(value.split_whitespace().map(str::to_owned).collect());
        }
        let block = self.of_kind(key).last()?;
        let on = block.settings.iter().filter(|setting| setting.value.as_deref() == Some("yes"));
        Some(on.map(|setting| setting.key.clone()).collect())
    }
}

/// What `doveconf -n` says.
#[derive(Clone, Default, Debug)]
pub(crate) struct Output {
    /// All settings.
    pub(crate) root: Block,
    /// The host's name, from the comment at its beginning.
    pub(crate) hostname: Option<String>,
    /// The file that Dovecot read, likewise: `# 2.3.19.1 (9b53102964): /etc/dovecot/dovecot.conf`.
    pub(crate) path: Option<String>,
}

/// Reads the output.
pub(crate) fn parse(file: &str, bytes: &[u8]) -> Result<Output, Problem> {
    let text = text(file, bytes, LINE_MAX)?;
    let mut output = Output::default();
    // Blocks that are open, with the line of their brace.
    let mut open: Vec<(Block, usize)> = vec![(Block::default(), 0)];
    let (mut in_pem, mut blocks) = (false, 0);
    for (at, line) in text.lines().enumerate() {
        let problem =
            |text: &str| Problem { file: file.to_owned(), line: Some(at + 1), text: text.to_owned() };
        let line = line.trim();
        if in_pem {
            in_pem = !line.contains("-----END");
        } else if let Some(comment) = line.strip_prefix('#') {
            let name = comment.trim().strip_prefix("Hostname:").map(str::trim);
            output.hostname = name.map(str::to_owned).or(output.hostname);
            let path = comment.split_once("): ").map(|(_, path)| path.trim()).filter(|_| at == 0);
            output.path = path.map(str::to_owned).or(output.path);
        } else if line == "}" {
            let (block, _) =
                open.pop().filter(|_| !open.is_empty()).ok_or_else(|| problem("a } without its {"))?;
            if let Some((parent, _)) = open.last_mut() {
                parent.blocks.push(block);
            }
        } else if let Some(head) = line.strip_suffix('{').filter(|head| !head.contains('=')) {
            if open.len() > DEPTH_MAX {
                return Err(problem(&format!("more than {DEPTH_MAX} blocks within blocks")));
            }
            blocks += 1;
            if blocks > BLOCKS_MAX {
                return Err(problem(&format!("more than {BLOCKS_MAX} blocks")));
            }
            let (kind, name) = head.trim().split_once([' ', '\t']).unwrap_or((head.trim(), ""));
            let block = Block { kind: kind.to_owned(), name: unquoted(name.trim()), ..Block::default() };
            open.push((block, at + 1));
        } else if line.starts_with("!include") {
            return Err(problem(
                "the file includes others: give the output of `doveconf -n`, which has them in it",
            ));
        } else if !line.is_empty() {
            let (key, value) = line
                .split_once('=')
                .filter(|(key, _)| !key.trim().is_empty())
                .ok_or_else(|| problem("neither a setting, nor a block, nor the end of one"))?;
            in_pem = value.contains("-----BEGIN") && !value.contains("-----END");
            if let Some((block, _)) = open.last_mut() {
                block.settings.push(Setting { key: key.trim().to_owned(), value: read_value(value.trim()) });
            }
        }
    }
    match open.pop() {
        Some((root, 0)) => {
            output.root = root;
            Ok(output)
        }
        Some((block, line)) => Err(Problem {
            file: file.to_owned(),
            line: Some(line),
            text: format!("the block {} is never closed", super::draft::harmless(&block.kind)),
        }),
        None => Ok(output),
    }
}

/// A value without its quotes and the comment behind it; `None` when it is hidden.
fn read_value(value: &str) -> Option<String> {
    if value.starts_with('#') {
        return if value.contains("hidden") { None } else { Some(String::new()) };
    }
    if value.starts_with(['"', '\'']) {
        return Some(unquoted(value));
    }
    let end = value.find(" #").unwrap_or(value.len());
    Some(value[..end].trim_end().to_owned())
}

/// The text between quotes, escapes taken off; as it is where there are none.
fn unquoted(text: &str) -> String {
    let mut chars = text.chars();
    let Some(quote @ ('"' | '\'')) = chars.next() else { return text.to_owned() };
    let mut out = String::new();
    while let Some(c) = chars.next() {
        match c {
            c if c == quote => return out,
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_and_blocks_are_read() {
        let text = "# 2.3.19.1 (9b53102964): /etc/dovecot/dovecot.conf\n# Hostname: mail.example.com\n\
            protocols = \" imap lmtp\"\nssl_key = # hidden, use -P to show it\nssl_cert = </a # b\n\
            namespace inbox {\n  mailbox \"Sent \\\"x\\\" Messages\" {\n    special_use = \\Sent\n  }\n  prefix = \n}\n\
            auth_mechanisms {\n  plain = yes\n  login = no\n}\nssl_ca = -----BEGIN X\nabc\n-----END X\na = 1\na = 2\n";
        let output = parse("f", text.as_bytes()).expect("it is right");
        assert_eq!(output.hostname.as_deref(), Some("mail.example.com"));
        assert_eq!(output.path.as_deref(), Some("/etc/dovecot/dovecot.conf"));
        assert_eq!(output.root.words("protocols"), Some(vec!["imap".to_owned(), "lmtp".to_owned()]));
        assert_eq!(output.root.words("auth_mechanisms"), Some(vec!["plain".to_owned()]));
        assert_eq!(output.root.get("ssl_key"), None);
        assert_eq!(output.root.get("ssl_cert"), Some("</a"));
        assert_eq!(output.root.get("a"), Some("2"));
        let namespace = output.root.of_kind("namespace").next().expect("it is there");
        assert_eq!((namespace.name.as_str(), namespace.get("prefix")), ("inbox", Some("")));
        assert_eq!(namespace.blocks[0].name, "Sent \"x\" Messages");
        assert_eq!(namespace.blocks[0].get("special_use"), Some("\\Sent"));
    }

    #[test]
    fn what_cannot_be_read_is_said_with_its_place() {
        let deep = "a {\n".repeat(DEPTH_MAX + 1);
        let many = "a {\n}\n".repeat(BLOCKS_MAX + 1);
        for (text, expected) in [
            ("a = 1\nb {\nc {\n}\n", "f:2: the block b is never closed"),
            ("a {\n}\n}\n", "f:3: a } without its {"),
            ("x\n", "f:1: neither a setting, nor a block, nor the end of one"),
            ("= x\n", "f:1: neither a setting, nor a block, nor the end of one"),
            (&*many, "f:20001: more than 10000 blocks"),
            (&*deep, "f:17: more than 16 blocks within blocks"),
            ("a = \0\n", "f:1: a NUL"),
            (
                "a = 1\n!include x\n",
                "f:2: the file includes others: give the output of `doveconf -n`, which has them in it",
            ),
            (&*format!("a = {}\n", "x".repeat(LINE_MAX)), "f:1: a line longer than 65536 bytes"),
        ] {
            let problem = parse("f", text.as_bytes()).expect_err(expected);
            assert_eq!(problem.to_string(), expected);
        }
    }
}
