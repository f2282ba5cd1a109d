//! Numbers that rankings are made of. The index and the model must reckon them to the last bit alike.

/// How many of the highest influencers a preview is cut from.
pub(crate) const PREVIEW_POOL: usize = 100;
/// How many influencers a preview shows.
pub(crate) const PREVIEW: usize = 3;
/// How many candidates a recommendation is drawn from: those with most followers.
pub(crate) const CANDIDATES: usize = 30;
/// How many posts a recommended user has at least.
pub(crate) const RECOMMENDED_POSTS: u32 = 5;
/// How many rows a list has at the most that isn't paged (spec d.0).
pub(crate) const UNPAGED: usize = 1000;

/// An influencer's score (spec c.1): tags and posts, times the root of the number of followers.
pub(crate) fn influence(activity: u32, followers: u32) -> f64 {
    f64::from(activity) * f64::from(followers).sqrt()
}

/// A trust score as a whole number, so that sums don't depend on the order of their parts.
pub(crate) fn trust_units(trust: f64) -> u64 {
    // Casting saturates: a score is at most 1, and 10^18 fits.
    (trust.clamp(0.0, 1.0) * 1e18) as u64
}

/// Where a preview of a ranking of `length` entries begins.
pub(crate) fn preview_start(length: usize, seed: u64) -> usize {
    let places = length.min(PREVIEW_POOL).saturating_sub(PREVIEW - 1).max(1);
    usize::try_from(seed % places as u64).unwrap_or_default()
}

/// Puts `items` in an order that depends on `seed` alone (Fisher-Yates over SplitMix64).
pub(crate) fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for last in (1..items.len()).rev() {
        let pick = split_mix(&mut state) % (last as u64 + 1);
        items.swap(last, usize::try_from(pick).unwrap_or_default());
    }
}

/// The next number of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
pub(crate) fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
