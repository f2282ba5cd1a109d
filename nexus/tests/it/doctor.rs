//! `nexus doctor`.

use crate::program::{Program, printed, run};
use nexus_fake_homeserver::FakeHomeserver;
use std::fs;

#[tokio::test(flavor = "multi_thread")]
async fn a_good_deployment_is_found_good() {
    let (directory, homeserver) = (tempfile::tempdir().unwrap(), FakeHomeserver::start().await.unwrap());
    fs::create_dir(directory.path().join("data")).unwrap();
    let url = homeserver.url();
    let arguments = ["doctor", "--bind", "127.0.0.1:0", "--homeserver", &url];
    let told = run(directory.path(), arguments);
    assert_eq!(told.status.code(), Some(0), "{}", printed(&told));
    assert!(printed(&told).contains(&format!("{url} answers")), "{}", printed(&told));
}

#[tokio::test]
async fn what_is_broken_is_told_with_the_way_to_mend_it() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("data"), "a file where the directory should be").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let told = run(directory.path(), ["doctor", "--bind", &address, "--homeserver", "http://127.0.0.1:9"]);
    assert_eq!(told.status.code(), Some(1));
    let told = printed(&told);
    assert_eq!(told.matches("broken   ").count(), 3, "{told}");
    assert_eq!(told.matches("to fix: ").count(), 3, "{told}");
    assert!(told.contains(&address) && told.contains("http://127.0.0.1:9"), "{told}");
}

#[tokio::test]
async fn missing_certificates_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let tls = ["--set", "tls.cert=missing.pem", "--set", "tls.key=missing.key", "--homeserver", "[]"];
    let told = run(directory.path(), ["doctor", "--bind", "127.0.0.1:0"].iter().chain(&tls));
    assert_eq!(told.status.code(), Some(1));
    assert!(printed(&told).contains("missing.pem"), "{}", printed(&told));
}

#[tokio::test]
async fn a_running_nexus_is_no_trouble() {
    let directory = tempfile::tempdir().unwrap();
    let _program = Program::alone(directory.path(), &[]);
    let told = run(directory.path(), ["doctor", "--homeserver", "[]"]);
    assert_eq!(told.status.code(), Some(0), "{}", printed(&told));
    assert!(printed(&told).contains("Nexus is running"), "{}", printed(&told));
}
