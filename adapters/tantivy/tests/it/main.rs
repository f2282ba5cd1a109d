//! The full-text adapter: its answers against a slow model, and its files.

#![expect(clippy::unwrap_used, reason = "a test that meets a failure fails")]

mod answers;
mod files;
mod posts;
