//! Numbers whose bounds are part of their type, so that start-up needs no list of checks.

use crate::node::Scalar;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, marker::PhantomData, time::Duration};

/// A plain number within bounds.
pub type Bounded<const MIN: u64, const MAX: u64> = Ranged<Count, MIN, MAX>;
/// A length of time in milliseconds within bounds, written `250ms`, `5s`, `10m`, `1h`, `7d`, `1h30m` or `1.5s`.
pub type Span<const MIN: u64, const MAX: u64> = Ranged<Millis, MIN, MAX>;
/// A number of bytes within bounds, written as a number or with `KiB`, `MiB`, `GiB`, `kB`, `MB`, `GB`.
pub type Size<const MIN: u64, const MAX: u64> = Ranged<Bytes, MIN, MAX>;

/// A number from `MIN` to `MAX`, both included, in the unit `U`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ranged<U, const MIN: u64, const MAX: u64>(u64, PhantomData<U>);

/// How a number is written.
pub trait Unit: 'static {
    /// What the number counts.
    const NOUN: &'static str;
    /// The number that a text means.
    fn parse(text: &str) -> Option<u64>;
    /// The shortest text for a number.
    fn show(number: u64) -> String;
}

/// Things.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Count;

/// Milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis;

/// Bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes;

impl<U, const MIN: u64, const MAX: u64> Ranged<U, MIN, MAX> {
    /// The number `value`, known to be within bounds: for defaults.
    ///
    /// # Panics
    /// If it is not, which the test that prints the defaults would show.
    pub const fn of(value: u64) -> Self {
        assert!(MIN <= value && value <= MAX, "a default is within its bounds");
        Self(value, PhantomData)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number as a size in memory; more than fits becomes all that fits.
    pub fn count(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    fn within(value: u64) -> Option<Self> {
        (MIN..=MAX).contains(&value).then_some(Self(value, PhantomData))
    }
}

impl<const MIN: u64, const MAX: u64> Ranged<Millis, MIN, MAX> {
    /// The length of time.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl<U: Unit, const MIN: u64, const MAX: u64> fmt::Debug for Ranged<U, MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&U::show(self.0))
    }
}

impl<U: Unit, const MIN: u64, const MAX: u64> Scalar for Ranged<U, MIN, MAX> {
    fn kind() -> String {
        match MAX {
            u64::MAX => format!("{}, at least {}", U::NOUN, U::show(MIN)),
            _ => format!("{}, {} to {}", U::NOUN, U::show(MIN), U::show(MAX)),
        }
    }

    fn example() -> Self {
        Self(MIN, PhantomData)
    }
}

impl<U: Unit, const MIN: u64, const MAX: u64> Serialize for Ranged<U, MIN, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = U::show(self.0);
        match text.parse::<u64>() {
            Ok(number) => serializer.serialize_u64(number),
            Err(_) => serializer.serialize_str(&text),
        }
    }
}

impl<'de, U: Unit, const MIN: u64, const MAX: u64> Deserialize<'de> for Ranged<U, MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = deserializer.deserialize_any(NumberOrText::<U>(PhantomData))?;
        Self::within(number).ok_or_else(|| de::Error::custom("out of range"))
    }
}

struct NumberOrText<U>(PhantomData<U>);

impl<U: Unit> de::Visitor<'_> for NumberOrText<U> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(U::NOUN)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<u64, E> {
        u64::try_from(number).map_err(|_| E::custom("out of range")).and_then(|number| self.visit_u64(number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        U::parse(text.trim()).ok_or_else(|| E::custom(format!("not a {}", U::NOUN)))
    }
}

impl Unit for Count {
    const NOUN: &'static str = "number";

    fn parse(text: &str) -> Option<u64> {
        text.parse().ok()
    }

    fn show(number: u64) -> String {
        number.to_string()
    }
}

const TIMES: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

impl Unit for Millis {
    const NOUN: &'static str = "time";

    /// A sum of parts, each a number, perhaps with decimals, and a unit. A number without a unit is only understood
    /// if it is 0.
    fn parse(text: &str) -> Option<u64> {
        if text == "0" {
            return Some(0);
        }
        let mut rest = text;
        let mut sum = None;
        while !rest.is_empty() {
            let is_numeric = |c: char| c.is_ascii_digit() || c == '.';
            let (number, after) = rest.split_at(rest.find(|c: char| !is_numeric(c))?);
            let (unit, after) = after.split_at(after.find(is_numeric).unwrap_or(after.len()));
            let (_, millis) = TIMES.iter().find(|(name, _)| *name == unit)?;
            sum = Some(times(number, *millis)?.checked_add(sum.unwrap_or(0))?);
            rest = after;
        }
        sum
    }

    fn show(number: u64) -> String {
        let (name, millis) =
            TIMES.iter().find(|(_, millis)| number != 0 && number.is_multiple_of(*millis)).unwrap_or(&("ms", 1));
        if number == 0 { "0".to_owned() } else { format!("{}{name}", number / millis) }
    }
}

/// A decimal number of units; what is below a millisecond is cut off.
fn times(number: &str, unit: u64) -> Option<u64> {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let scale = 10_u64.checked_pow(u32::try_from(decimals.len()).ok()?)?;
    let part = decimals.parse::<u64>().ok()?.checked_mul(unit)? / scale;
    whole.parse::<u64>().ok()?.checked_mul(unit)?.checked_add(part)
}

const SIZES: [(&str, u64); 6] =
    [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)];

impl Unit for Bytes {
    const NOUN: &'static str = "size in bytes";

    fn parse(text: &str) -> Option<u64> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let factor = match unit.trim() {
            "" | "B" => 1,
            unit => SIZES.iter().find(|(name, _)| *name == unit)?.1,
        };
        number.parse::<u64>().ok()?.checked_mul(factor)
    }

    fn show(number: u64) -> String {
        match SIZES.iter().find(|(_, bytes)| number != 0 && number.is_multiple_of(*bytes)) {
            Some((name, bytes)) => format!("{} {name}", number / bytes),
            None => number.to_string(),
        }
    }
}

/// A share of a whole: more than 0, at most 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Share(f64);

impl Share {
    /// The share `value`, known to be within bounds: for defaults.
    ///
    /// # Panics
    /// If it is not.
    pub const fn of(value: f64) -> Self {
        assert!(value > 0.0 && value <= 1.0, "a default is within its bounds");
        Self(value)
    }

    /// The share.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Share {
    type Error = &'static str;

    fn try_from(value: f64) -> Result<Self, Self::Error> {
        if value > 0.0 && value <= 1.0 { Ok(Self(value)) } else { Err("out of range") }
    }
}

impl From<Share> for f64 {
    fn from(share: Share) -> Self {
        share.0
    }
}

impl Scalar for Share {
    fn kind() -> String {
        "more than 0, at most 1".to_owned()
    }

    fn example() -> Self {
        Self(0.5)
    }
}
