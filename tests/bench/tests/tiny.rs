//! The benchmark at its smallest, so that it keeps working: every answer of every server is
//! checked, no time is.

use std::path::PathBuf;
use std::process::Command;

#[test]
fn every_workload_runs() {
    let directory = tempfile::tempdir().expect("a directory");
    let (json, table) = (directory.path().join("out.json"), directory.path().join("out.md"));
    let output = Command::new(env!("CARGO_BIN_EXE_restante-bench"))
        .args(["--tiny", "--servers", "restante,dovecot", "--server-binary"])
        .arg(server())
        .arg("--json")
        .arg(&json)
        .arg("--markdown")
        .arg(&table)
        .output()
        .expect("the benchmark starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let without = said.lines().filter(|line| line.starts_with("without "));
    without.clone().for_each(|line| eprintln!("SKIPPED: {line}"));
    let left_out = without.filter(|line| line.starts_with("without log-in-")).count();

    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&json).expect("its JSON")).expect("JSON");
    let listed = Command::new(env!("CARGO_BIN_EXE_restante-bench")).arg("--list").output().expect("a list");
    let workloads = json["workloads"].as_array().expect("workloads");
    assert_eq!(workloads.len() + left_out, String::from_utf8_lossy(&listed.stdout).lines().count());
    for workload in workloads {
        assert!(workload["samples"]["restante"][0].is_object(), "{workload}");
    }
    let table = std::fs::read_to_string(&table).expect("its table");
    assert!(table.contains("| SELECT, warm |"), "{table}");
}

#[test]
fn unknown_workloads_are_named() {
    let output = Command::new(env!("CARGO_BIN_EXE_restante-bench"))
        .args(["--tiny", "--servers", "restante", "--only", "select-cold"])
        .output()
        .expect("the benchmark starts");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no workload select-cold"), "{said}");
}

/// The server that was built beside the tests.
fn server() -> PathBuf {
    let tests = std::env::current_exe().expect("where the tests are");
    let binary = tests.ancestors().nth(2).expect("the build's directory").join("restante");
    assert!(binary.is_file(), "{} is not there: build it first (tests/run does)", binary.display());
    binary
}
