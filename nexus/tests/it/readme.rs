//! README's first session, typed again: what it prints must be what README says.

use crate::program::{Program, printed, run};

const README: &str = include_str!("../../../README.md");

/// The commands of the session, each with the lines that it prints.
fn session() -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    for line in README.lines().filter_map(|line| line.strip_prefix("    ")) {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), String::new())),
            (None, Some((_, answer))) => answer.push_str(&format!("{line}\n")),
            (None, None) => {}
        }
    }
    commands
}

/// The words of a command without their quotes.
fn words(command: &str) -> Vec<&str> {
    command.split(' ').map(|word| word.trim_matches('\'')).collect()
}

#[tokio::test]
async fn the_first_session_is_as_it_says() {
    let directory = tempfile::tempdir().unwrap();
    let session = session();
    let (mock, answer) = &session[0];
    let made = run(directory.path(), &words(mock)[1..]);
    assert_eq!(printed(&made).trim(), answer.trim());
    assert!(session[1].0.starts_with("nexus --homeserver"), "{}", session[1].0);
    let program = Program::start(directory.path(), &words(&session[1].0)[1..]);
    let asked = session.iter().filter(|(command, _)| command.starts_with("curl "));
    let mut count = 0;
    for (command, answer) in asked {
        let path = words(command)[1].strip_prefix("http://127.0.0.1:8080").unwrap();
        let (status, text) = program.get(path).await;
        assert_eq!((status, text.trim()), (200, answer.lines().next().unwrap()), "{command}");
        count += 1;
    }
    assert_eq!(count, 5);
}
