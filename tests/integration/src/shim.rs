//! Programs under faults: `shim/faults.c` lets chosen calls to the file system fail,
//! `shim/clock.c` puts the clock forward and back.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

/// Numbers of errno that file systems give, with their names.
pub const ERRORS: [(&str, i32); 7] = [
    ("ENOSPC", 28),
    ("EIO", 5),
    ("EROFS", 30),
    ("EDQUOT", 122),
    ("EMFILE", 24),
    ("ENOMEM", 12),
    ("EACCES", 13),
];

/// Which calls fail, and how.
#[derive(Clone, Debug)]
pub struct Rule<'a> {
    /// Names of calls as the shim has them, with commas between, or `all`.
    pub calls: &'a str,
    /// A number of errno, `kill` or `short`.
    pub what: String,
    /// The first that fails, counted from 1.
    pub from: usize,
    /// How many fail; 0 for all that follow.
    pub count: usize,
    /// How the paths begin.
    pub prefix: &'a Path,
    /// What the paths contain.
    pub part: &'a str,
}

/// What came of a rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hits {
    /// Calls that the rule is about.
    pub seen: usize,
    /// Those that failed.
    pub hit: usize,
    /// The last of them.
    pub last: String,
}

/// The control of a program that runs under `shim/faults.c`.
#[derive(Debug)]
pub struct Faults {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Faults {
    /// Over the pipes of the process.
    pub fn new((input, output): (ChildStdin, ChildStdout)) -> Self {
        Self { input, output: BufReader::new(output) }
    }

    /// From here on, calls fail as the rule says.
    pub fn set(&mut self, rule: &Rule<'_>) {
        let Rule { calls, what, from, count, prefix, part } = rule;
        let answer = self.ask(&format!("set {calls} {what} {from} 1 {count} {} {part}", prefix.display()));
        assert_eq!(answer, "ok");
    }

    /// From here on, none fails; what came of the rule.
    pub fn off(&mut self) -> Hits {
        let answer = self.ask("off");
        let words: Vec<&str> = answer.splitn(6, ' ').collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse().ok()).expect("a number");
        Hits { seen: number(1), hit: number(3), last: words.get(5).unwrap_or(&"").to_string() }
    }

    fn ask(&mut self, line: &str) -> String {
        self.input.write_all(format!("{line}\n").as_bytes()).expect("the shim listens");
        let mut answer = String::new();
        self.output.read_line(&mut answer).expect("the shim answers");
        answer.trim_end().to_owned()
    }
}

impl fmt::Display for Hits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} failed, the last {}", self.hit, self.seen, self.last)
    }
}

/// The shim that makes calls fail, compiled into `directory`. `Err` says why it cannot work
/// here.
pub fn faults(directory: &Path) -> Result<PathBuf, String> {
    let program = compile("faults.c", &["-O1"], &directory.join("faults"))?;
    let mut tried = Command::new(&program);
    tried.arg("/bin/true").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut tried = tried.spawn().map_err(|error| error.to_string())?;
    // The shim ends the program when nobody holds its input any more.
    let input = tried.stdin.take();
    let output = tried.wait_with_output().map_err(|error| error.to_string())?;
    drop(input);
    if !output.status.success() {
        return Err(format!("no user notification of seccomp: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(program)
}

/// The clock of a program that is started with this library before all others.
#[derive(Debug)]
pub struct Clock {
    library: PathBuf,
    offset: PathBuf,
}

impl Clock {
    /// Compiled into `directory`.
    pub fn new(directory: &Path) -> Result<Self, String> {
        let library = compile("clock.c", &["-O1", "-shared", "-fPIC"], &directory.join("clock.so"))?;
        let offset = directory.join("offset");
        std::fs::write(&offset, 0_i64.to_ne_bytes()).map_err(|error| error.to_string())?;
        Ok(Self { library, offset })
    }

    /// Lets a program run by this clock.
    pub fn rule(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env("RESTANTE_TEST_CLOCK", &self.offset);
    }

    /// How many seconds the clock is ahead of the machine's, from here on.
    pub fn set(&self, seconds: i64) {
        let file = File::options().write(true).open(&self.offset).expect("the offset");
        file.write_all_at(&seconds.to_ne_bytes(), 0).expect("the offset");
    }
}

fn compile(source: &str, options: &[&str], to: &Path) -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("shim").join(source);
    let output = Command::new("cc").args(options).arg("-o").arg(to).arg(&source).output();
    let output = output.map_err(|error| format!("no C compiler (cc): {error}"))?;
    if !output.status.success() {
        panic!("{}: {}", source.display(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(to.to_owned())
}
