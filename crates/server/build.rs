//! Tells the program which commit it was built of, and keeps line tables out of a release build.

use std::path::Path;
use std::process::Command;

fn main() {
    name_the_commit();
    split_debug();
}

/// ` (COMMIT)`, or nothing outside of a checkout.
fn name_the_commit() {
    let git = |arguments: &[&str]| {
        let output =
            Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
    };
    // The reflog grows with every commit and checkout.
    if let Some(directory) = git(&["rev-parse", "--absolute-git-dir"]) {
        println!("cargo::rerun-if-changed={directory}/logs/HEAD");
    }
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).map(|commit| format!(" ({commit})"));
    println!("cargo::rustc-env=RESTANTE_COMMIT={}", commit.unwrap_or_default());
}

/// Puts the line tables of a release build into `restante.debug` beside it. The `strip` of a profile
/// would remove them, and its `split-debuginfo` leaves them in the program. A linker driver other
/// than gcc builds a program that is not stripped.
fn split_debug() {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    println!("cargo::rerun-if-changed=split-debug");
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    if variable("PROFILE") != "release" || variable("TARGET") != variable("HOST") {
        return;
    }
    let driver = std::env::var("RUSTC_LINKER").unwrap_or_else(|_| "cc".to_owned());
    let answers = |program: &str, expected: &str| {
        let output = Command::new(program).arg("--version").output();
        output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(expected))
    };
    if !answers(&driver, "Free Software Foundation") || !answers("objcopy", "") {
        return;
    }
    // OUT_DIR is build/restante-HASH/out, beside the program.
    let out = variable("OUT_DIR");
    let beside = Path::new(&out).ancestors().nth(3).unwrap_or(Path::new("."));
    let (script, debug) =
        (Path::new(&variable("CARGO_MANIFEST_DIR")).join("split-debug"), beside.join("restante.debug"));
    println!("cargo::rustc-link-arg-bins=-wrapper");
    println!("cargo::rustc-link-arg-bins={},{}", script.display(), debug.display());
}
