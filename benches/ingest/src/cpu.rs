//! What a process has cost, for machines where others work too. Linux only; elsewhere nothing is told.

use std::time::Duration;

/// What Linux counts processor time in (`USER_HZ`): hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// Processor time of a process so far, in and out of the kernel.
pub(crate) fn time_of(process: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name may hold anything but its closing bracket; the 12th and 13th fields after it are the times.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
    ticks.sum::<Result<u32, _>>().ok().map(|ticks| TICK * ticks)
}
