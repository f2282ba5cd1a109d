//! Numbers that rankings are made of. They are here, and visible, because the index and the model that it is
//! compared with must reckon them to the last bit alike. What is ranked, and how ties fall, is not here.

/// How many of the highest influencers a preview is cut from.
pub(crate) const PREVIEW_POOL: usize = 100;
/// How many influencers a preview shows.
pub const PREVIEW: usize = 3;
/// How many candidates a recommendation is drawn from: those with most followers.
pub const CANDIDATES: usize = 30;
/// How many posts a recommended user has at least.
pub const RECOMMENDED_POSTS: u32 = 5;
/// How many rows a list has at the most that isn't paged (spec d.0).
pub const UNPAGED: usize = 1000;

/// An influencer's score (spec c.1): tags and posts, times the root of the number of followers.
pub fn influence(activity: u32, followers: u32) -> f64 {
    f64::from(activity) * f64::from(followers).sqrt()
}

/// A score that isn't negative as a whole number of the same order.
pub const fn ordered(score: f64) -> i64 {
    // The bits of such numbers are ordered as they are, and the sign's is never set.
    score.to_bits().cast_signed()
}

/// A trust score as a whole number, so that sums don't depend on the order of their parts. Scores add up to 1;
/// even if they were 1 each, the sum over 18,000 users would fit.
pub fn trust_units(trust: f64) -> u64 {
    (trust.clamp(0.0, 1.0) * 1e15) as u64
}

/// Where a preview of a ranking of `length` entries begins.
pub fn preview_start(length: usize, seed: u64) -> usize {
    let places = length.min(PREVIEW_POOL).saturating_sub(PREVIEW - 1).max(1);
    usize::try_from(seed % places as u64).unwrap_or_default()
}
