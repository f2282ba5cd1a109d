//! When a job runs: cron with seconds first, in UTC. Knows no job.

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{Timestamp as Moment, tz::TimeZone};
use nexus_model::Timestamp;
use std::str::FromStr;

/// Times at which something happens again and again.
#[derive(Clone, Debug)]
pub(crate) struct Schedule(Cron);

impl FromStr for Schedule {
    type Err = String;

    /// Reads six or seven fields: second, minute, hour, day of month, month, day of week, year.
    fn from_str(text: &str) -> Result<Self, String> {
        let parser = CronParser::builder().seconds(Seconds::Required).year(Year::Optional).build();
        parser.parse(text).map(Self).map_err(|error| error.to_string())
    }
}

impl Schedule {
    /// The first time after `now`, if there is any.
    pub(crate) fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        let now = Moment::from_millisecond(now.millis()).ok()?.to_zoned(TimeZone::UTC);
        let next = self.0.find_next_occurrence(&now, false).ok()?;
        Some(Timestamp::from_millis(next.timestamp().as_millisecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(cron: &str, now: i64) -> Option<i64> {
        let schedule: Schedule = cron.parse().expect("a valid schedule");
        schedule.next_after(Timestamp::from_millis(now)).map(Timestamp::millis)
    }

    #[test]
    fn seconds_come_first() {
        assert_eq!(next("*/10 * * * * *", 1_000), Some(10_000));
        assert_eq!(next("0 0 4 * * *", 0), Some(4 * 3_600_000));
        assert_eq!(next("0 30 3 * * * 1971", 0), Some(365 * 86_400_000 + 12_600_000));
    }

    #[test]
    fn the_next_time_is_after_now() {
        assert_eq!(next("* * * * * *", 5_000), Some(6_000));
        assert_eq!(next("0 0 0 1 1 * 1970", 86_400_000), None);
    }

    #[test]
    fn other_field_counts_are_refused() {
        for text in ["", "* * * * *", "61 * * * * *", "a b c d e f", "* * * * * * * *"] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
    }
}
