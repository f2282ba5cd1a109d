//! Against a real Pubky homeserver.
