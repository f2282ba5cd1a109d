//! A synthetic network: authors by a Zipf law, a mix of kinds, tags that point back at earlier events.
//! The same seed makes the same keys and events. Signing is spread over the cores before anything is timed.

use fastrand::Rng;
use secp256k1::Keypair;
use sha2::{Digest, Sha256};
use std::{
    ops::Range,
    sync::Arc,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// How many authors write.
pub(crate) const AUTHORS: usize = 2_000;

/// An `EVENT` message, ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    /// The event's id, in hex.
    pub(crate) id: Arc<str>,
    /// `["EVENT",{…}]`.
    pub(crate) frame: Utf8Bytes,
}

impl Prepared {
    /// The event alone.
    pub(crate) fn json(&self) -> &str {
        let frame = self.frame.as_str();
        frame.strip_prefix(r#"["EVENT","#).and_then(|rest| rest.strip_suffix(']')).unwrap_or(frame)
    }
}

/// A number below `end`, small ones far more often: the cube of a fraction.
pub(crate) fn skewed(dice: &mut Rng, end: usize) -> usize {
    ((dice.f64().powi(3) * end as f64) as usize).min(end - 1)
}

/// The author with this number.
pub(crate) fn author(seed: u64, number: usize) -> Keypair {
    let mut secret = Sha256::digest(format!("nexus bench {seed} {number}").as_bytes());
    loop {
        if let Ok(pair) = Keypair::from_secret_bytes(secret.into()) {
            return pair;
        }
        secret = Sha256::digest(secret);
    }
}

/// An author's public key, in hex.
pub(crate) fn pubkey(pair: &Keypair) -> String {
    hex::encode(pair.x_only_public_key().0.to_byte_array())
}

/// `count` signed events of the network that `seed` stands for.
pub(crate) fn network(seed: u64, count: usize) -> Vec<Prepared> {
    part(seed, count, 0..count)
}

/// The events with these numbers, of a network of `count`. Parts are made independently.
pub(crate) fn part(seed: u64, count: usize, numbers: Range<usize>) -> Vec<Prepared> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let authors: Vec<_> = (0..AUTHORS).map(|n| author(seed, n)).collect();
    let begin = unix_seconds() - count as u64 / 50;
    let share = numbers.len().div_ceil(workers);
    thread::scope(|scope| {
        let end = |worker: usize| (numbers.start + worker * share).min(numbers.end);
        let authors = authors.as_slice();
        let running: Vec<_> = (0..workers)
            .map(|worker| (end(worker)..end(worker + 1), seed ^ (worker as u64) << 32 ^ (numbers.start as u64) << 8))
            .map(|(numbers, seed)| (numbers, Rng::with_seed(seed)))
            .map(|(numbers, mut dice)| {
                scope.spawn(move || numbers.map(|n| event(&mut dice, authors, begin + n as u64 / 50, n)).collect())
            })
            .collect();
        let finished = running.into_iter().map(|part: thread::ScopedJoinHandle<'_, Vec<_>>| part.join());
        finished.flat_map(Result::unwrap_or_default).collect()
    })
}

/// A signed event of the given kind, with tags as JSON.
pub(crate) fn signed(pair: &Keypair, created_at: u64, kind: u16, tags: &str, content: &str) -> Prepared {
    let key = pubkey(pair);
    let content = serde_json::Value::from(content).to_string();
    let digest = Sha256::digest(format!("[0,\"{key}\",{created_at},{kind},{tags},{content}]").as_bytes());
    let id = hex::encode(digest);
    let sig = hex::encode(pair.sign_schnorr_no_aux_rand(&digest).to_byte_array());
    let frame = format!(
        r#"["EVENT",{{"id":"{id}","pubkey":"{key}","created_at":{created_at},"kind":{kind},"tags":{tags},"content":{content},"sig":"{sig}"}}]"#
    );
    Prepared { id: id.into(), frame: frame.into() }
}

/// Seconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "a program that stamps its own events")]
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// About 750 bytes: 60 % notes, 25 % reactions, 10 % replies with several tags, 5 % job requests.
fn event(dice: &mut Rng, authors: &[Keypair], created_at: u64, number: usize) -> Prepared {
    let pair = &authors[skewed(dice, authors.len())];
    let about = hex::encode(Sha256::digest(skewed(dice, 100_000).to_le_bytes()));
    let whom = pubkey(&authors[skewed(dice, authors.len())]);
    let text = format!("{number} {}", "some words that a person could have written ".repeat(4 + dice.usize(..8)));
    match dice.usize(..20) {
        0 => signed(pair, created_at, 5_050, &format!(r#"[["i","{about}","event"],["p","{whom}"]]"#), &text),
        1..=2 => {
            let tags = format!(r#"[["e","{about}","","root"],["p","{whom}"],["t","topic{}"]]"#, skewed(dice, 500));
            signed(pair, created_at, 1, &tags, &text)
        }
        3..=7 => signed(pair, created_at, 7, &format!(r#"[["e","{about}"],["p","{whom}"],["n","{number}"]]"#), "+"),
        _ => signed(pair, created_at, 1, "[]", &text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secp256k1::{XOnlyPublicKey, schnorr::Signature};

    #[test]
    fn every_event_is_signed_and_no_two_are_the_same() {
        let events = network(7, 200);
        let ids: std::collections::BTreeSet<_> = events.iter().map(|event| event.id.clone()).collect();
        assert_eq!(ids.len(), 200);
        for event in &events {
            let message: serde_json::Value = serde_json::from_str(event.frame.as_str()).unwrap();
            let field = |name: &str| hex::decode(message[1][name].as_str().unwrap()).unwrap();
            let key = XOnlyPublicKey::from_byte_array(field("pubkey").try_into().unwrap()).unwrap();
            let sig = Signature::from_byte_array(field("sig").try_into().unwrap());
            sig.verify(&field("id"), &key).unwrap();
        }
    }

    #[test]
    fn skewed_dice_stay_in_range_and_favour_the_small() {
        let mut dice = Rng::with_seed(1);
        let rolls: Vec<_> = (0..10_000).map(|_| skewed(&mut dice, 100)).collect();
        assert!(rolls.iter().all(|roll| *roll < 100));
        assert!(rolls.iter().filter(|roll| **roll < 13).count() > 4_000);
    }
}
