//! Who posts: a keyed hash over the time and the body, so that a receiver can tell that a request comes from here
//! and is not an old one sent again.

use hmac::{Hmac, Mac};
use nexus_model::Timestamp;
use sha2::Sha256;

/// Where it stands.
pub(super) const HEADER: &str = "X-Nexus-Signature";

/// `t=SECONDS,v1=HEX`: the HMAC-SHA256 with `secret` of the seconds since the epoch, a dot, and the body.
pub(super) fn of(secret: &str, now: Timestamp, body: &str) -> String {
    let seconds = now.millis() / 1_000;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length will do");
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body.as_bytes());
    format!("t={seconds},v1={}", hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_hmac_of_time_and_body() {
        // Computed with Python's hmac: hmac.new(b"key", b"1.{}", "sha256").
        let expected = "t=1,v1=1ba6b8171186efc613e8bcc0cbdab2748f24984d7c5a84faa2637afa0e40d224";
        assert_eq!(of("key", Timestamp::from_millis(1_999), "{}"), expected);
        assert_ne!(of("key", Timestamp::from_millis(1_999), "[]"), expected);
    }
}
