//! Plays every script of `tests/scripts`.

use restante_tests::play::{play, prepare};
use restante_tests::script::{Script, all};
use restante_tests::target::dovecot::Dovecot;
use std::path::{Path, PathBuf};

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
        dovecot.clear();
        prepare(&script, &mut dovecot);
        failures.extend(play(&script, &mut dovecot).err());
    }
    report(&failures);
}

/// All scripts, or those whose name has the value of `SCRIPT` in it.
fn scripts() -> Vec<PathBuf> {
    let mut paths = all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts"));
    if let Ok(wanted) = std::env::var("SCRIPT") {
        paths.retain(|path| path.file_stem().is_some_and(|stem| stem.to_string_lossy().contains(&wanted)));
    }
    paths
}

fn read(path: &Path) -> Script {
    Script::read(path).unwrap_or_else(|error| panic!("{error}"))
}

fn report(failures: &[String]) {
    assert!(failures.is_empty(), "{} scripts failed:\n\n{}", failures.len(), failures.join("\n"));
}
