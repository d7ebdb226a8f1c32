//! Plays every script of `tests/scripts`.

use restante_tests::play::{play, prepare};
use restante_tests::script::{Script, all};
use restante_tests::target::dovecot::Dovecot;
use restante_tests::target::memory::Memory;
use restante_tests::target::restante::{Restante, Transport};
use std::path::{Path, PathBuf};

#[test]
fn in_memory() {
    let failures = scripts().into_iter().filter_map(|path| {
        let script = read(&path);
        // A panic is a failure of this script; the others are still of interest.
        let played = std::panic::catch_unwind(|| {
            let mut memory = Memory::new(&script);
            prepare(&script, &mut memory);
            play(&script, &mut memory)
        });
        played.unwrap_or_else(|_| Err(format!("{}: panicked, see above", path.display()))).err()
    });
    report(&failures.collect::<Vec<_>>());
}

#[test]
fn over_the_network() {
    let mut restante = Restante::start("[login]\ncleartext-from = [\"127.0.0.0/8\"]");
    let mut failures = Vec::new();
    for path in scripts() {
        let script = read(&path);
        if !script.over_network || !Restante::suits(&script) {
            continue;
        }
        for transport in [Transport::Implicit, Transport::StartTls, Transport::Clear] {
            restante.transport = transport;
            restante.next_user();
            prepare(&script, &mut restante);
            let played = play(&script, &mut restante);
            failures.extend(played.err().map(|failure| format!("{transport:?}: {failure}")));
        }
    }
    report(&failures);
}

#[test]
fn against_dovecot() {
    let mut dovecot = match Dovecot::start() {
        Ok(dovecot) => dovecot,
        Err(why) => {
            eprintln!("SKIPPED: {why}");
            return;
        }
    };
    let mut failures = Vec::new();
    for path in scripts() {
        let script = read(&path);
        if let Some(why) = &script.not_dovecot {
            eprintln!("{}: not against Dovecot: {why}", path.display());
            continue;
        }
        dovecot.next_user(&script);
        prepare(&script, &mut dovecot);
        failures.extend(play(&script, &mut dovecot).err());
    }
    report(&failures);
}

/// All scripts; with `SCRIPT` set, the one of that name, or those with it in their names.
fn scripts() -> Vec<PathBuf> {
    let paths = all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts"));
    let Ok(wanted) = std::env::var("SCRIPT") else { return paths };
    let stem = |path: &PathBuf| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let exact = paths.iter().any(|path| stem(path) == wanted);
    let chosen = |path: &PathBuf| if exact { stem(path) == wanted } else { stem(path).contains(&wanted) };
    paths.into_iter().filter(chosen).collect()
}

fn read(path: &Path) -> Script {
    Script::read(path).unwrap_or_else(|error| panic!("{error}"))
}

fn report(failures: &[String]) {
    assert!(failures.is_empty(), "{} scripts failed:\n\n{}", failures.len(), failures.join("\n"));
}
