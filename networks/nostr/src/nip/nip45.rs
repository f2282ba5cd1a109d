//! Counting with HyperLogLog: 256 registers by which the counts of several relays can be joined.

use crate::{Filter, PublicKey};
use sha2::{Digest, Sha256};

/// How many bytes after the register's own are searched for zeros.
const RUN: usize = 7;

/// An estimate of how many different authors there were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HyperLogLog {
    registers: [u8; 256],
    offset: usize,
}

impl HyperLogLog {
    /// An empty estimate, if NIP-45 defines one for this count: a single filter that asks for a tag.
    pub fn for_count(filters: &[Filter]) -> Option<Self> {
        let [filter] = filters else { return None };
        let value = filter.tags().first()?.first_value()?;
        Some(Self { registers: [0; 256], offset: offset(value) })
    }

    /// An empty estimate whose registers are chosen by the author's byte at `offset`, from 8 to 23.
    pub const fn with_offset(offset: usize) -> Self {
        Self { registers: [0; 256], offset }
    }

    /// Counts the author of an event.
    pub fn add(&mut self, author: &PublicKey) {
        let (register, rank) = Self::place(author, self.offset);
        self.raise(register, rank);
    }

    /// Which register counts `author`, by its byte at `offset`, and to what it is raised.
    pub fn place(author: &PublicKey, offset: usize) -> (u8, u8) {
        let bytes = author.as_bytes();
        let run = &bytes[offset + 1..][..RUN];
        let zero_bytes = run.iter().take_while(|byte| **byte == 0).count();
        let rest = run.get(zero_bytes).map_or(0, |byte| byte.leading_zeros() as usize);
        (bytes[offset], u8::try_from(8 * zero_bytes + rest + 1).unwrap_or(u8::MAX))
    }

    /// Raises a register to `rank`, if it is lower.
    pub fn raise(&mut self, register: u8, rank: u8) {
        let register = &mut self.registers[usize::from(register)];
        *register = rank.max(*register);
    }

    /// Joins two counts, as if all had been counted here.
    pub fn merge(&mut self, other: &[u8; 256]) {
        for (register, other) in self.registers.iter_mut().zip(other) {
            *register = (*register).max(*other);
        }
    }

    /// The registers, as they are sent.
    pub const fn registers(&self) -> &[u8; 256] {
        &self.registers
    }

    /// How many authors there were, about: linear counting while registers are empty, and few were counted.
    pub fn estimate(&self) -> f64 {
        let zeros = self.registers.iter().filter(|register| **register == 0).count();
        let sum: f64 = self.registers.iter().map(|register| (-f64::from(*register)).exp2()).sum();
        let raw = 0.718_27 * 256.0 * 256.0 / sum;
        if zeros == 0 || raw > 640.0 {
            return raw;
        }
        256.0 * (256.0 / f64::from(u32::try_from(zeros).unwrap_or(256))).ln()
    }
}

/// Which byte of an author chooses the register: 8 plus a digit of what is counted.
fn offset(value: &str) -> usize {
    let is_key = |text: &str| text.parse::<PublicKey>().is_ok();
    let address = super::nip09::Address::parse(value).map(|address| address.pubkey.to_string());
    let digits = match address {
        _ if is_key(value) => value.to_owned(),
        Some(pubkey) => pubkey,
        None => crate::hex::text(&Sha256::digest(value.as_bytes())),
    };
    let digit = digits.as_bytes()[32];
    8 + usize::from(if digit.is_ascii_digit() { digit - b'0' } else { digit - b'a' + 10 })
}
