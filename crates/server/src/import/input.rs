//! Reading files of settings, and what is wrong where one cannot be read.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Largest file of settings, in bytes.
const FILE_MAX: u64 = 4 << 20;

/// Something that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Problem {
    /// The file, or what stands for it.
    pub(crate) file: String,
    /// The line, from 1, where there is one.
    pub(crate) line: Option<usize>,
    /// What is wrong.
    pub(crate) text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.text),
            None => write!(f, "{}: {}", self.file, self.text),
        }
    }
}

/// A path that holds wherever the server is started. Links in it stay what they are, unless the
/// path climbs with `..`, which goes by where they lead.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, Problem> {
    let climbs = path.components().any(|part| part == std::path::Component::ParentDir);
    let found = if climbs { path.canonicalize() } else { std::path::absolute(path) };
    // Without a slash at its end.
    found
        .map(|path| path.components().collect())
        .map_err(|error| unreadable(&path.display().to_string(), &error))
}

pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, Problem> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| unreadable(&name, &error))?;
    read_limited(&name, file)
}

/// A file that need not be there.
pub(super) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, Problem> {
    match File::open(path) {
        Ok(file) => read_limited(&path.display().to_string(), file).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(&path.display().to_string(), &error)),
    }
}

pub(super) fn read_limited(name: &str, from: impl Read) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let read = from.take(FILE_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| unreadable(name, &error))?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(whole(name, &format!("longer than {FILE_MAX} bytes: these are no settings")));
    }
    Ok(bytes)
}

/// A file's text, where its lines are as long as they may be; comments may hold any bytes.
pub(super) fn text(file: &str, bytes: &[u8], line_max: usize) -> Result<String, Problem> {
    let mut out = String::with_capacity(bytes.len());
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let problem = |text: String| Problem { file: file.to_owned(), line: Some(at + 1), text };
        if at > 0 {
            out.push('\n');
        }
        if line.len() > line_max {
            return Err(problem(format!("a line longer than {line_max} bytes")));
        }
        if line.trim_ascii_start().starts_with(b"#") {
            out.push_str(&String::from_utf8_lossy(line).replace('\0', "?"));
            continue;
        }
        if line.contains(&0) {
            return Err(problem("a NUL".to_owned()));
        }
        out.push_str(std::str::from_utf8(line).map_err(|_| problem("not UTF-8".to_owned()))?);
    }
    Ok(out)
}

pub(super) fn whole(file: &str, text: &str) -> Problem {
    Problem { file: file.to_owned(), line: None, text: text.to_owned() }
}

pub(super) fn unreadable(file: &str, error: &std::io::Error) -> Problem {
    whole(file, &format!("cannot be read: {error}"))
}
