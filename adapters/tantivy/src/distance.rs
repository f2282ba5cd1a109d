//! How far two words are apart, in characters that were inserted, left out, replaced or swapped with their neighbour
//! (the optimal string alignment distance).

/// Measures the distance of words from one, and gives up on those that are too far.
pub(crate) struct Measure<'a> {
    word: &'a [char],
    most: usize,
    other: Vec<char>,
    rows: [Vec<usize>; 3],
}

impl<'a> Measure<'a> {
    /// Measures distances up to `most` from `word`.
    pub(crate) fn new(word: &'a [char], most: usize) -> Self {
        Self { word, most, other: Vec::new(), rows: Default::default() }
    }

    /// The distance of `other`, or `None` if it is more than the most.
    pub(crate) fn of(&mut self, other: &str) -> Option<usize> {
        self.other.clear();
        self.other.extend(other.chars());
        let width = self.other.len() + 1;
        let [older, old, row] = &mut self.rows;
        for cells in [&mut *older, &mut *row] {
            cells.clear();
            cells.resize(width, 0);
        }
        old.clear();
        old.extend(0..width);
        for line in 0..self.word.len() {
            fill(self.word, &self.other, line, [&*older, &*old], row);
            // What a row exceeds, no later row falls below: a swap reaches back two rows, and costs one.
            if row.iter().chain(&*old).all(|cell| *cell > self.most) {
                return None;
            }
            std::mem::swap(older, old);
            std::mem::swap(old, row);
        }
        old.last().copied().filter(|distance| *distance <= self.most)
    }
}

/// The distances of the first `line + 1` characters of `a` from every beginning of `b`, by those of the two lines before.
fn fill(a: &[char], b: &[char], line: usize, [older, old]: [&[usize]; 2], row: &mut [usize]) {
    row[0] = line + 1;
    for (j, letter) in b.iter().enumerate() {
        let replaced = old[j] + usize::from(a[line] != *letter);
        let mut best = replaced.min(old[j + 1] + 1).min(row[j] + 1);
        if line > 0 && j > 0 && a[line] == b[j - 1] && a[line - 1] == *letter {
            best = best.min(older[j - 1] + 1);
        }
        row[j + 1] = best;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance(a: &str, b: &str, most: usize) -> Option<usize> {
        Measure::new(&a.chars().collect::<Vec<_>>(), most).of(b)
    }

    #[test]
    fn distances_are_counted_in_characters() {
        for (a, b, expected) in [
            ("maps", "maps", 0),
            ("maps", "map", 1),
            ("maps", "amps", 1),
            ("straße", "strasse", 2),
            ("köln", "koln", 1),
            ("", "abc", 3),
            ("ab", "ba", 1),
        ] {
            for most in 0..4 {
                let expected = (expected <= most).then_some(expected);
                assert_eq!((distance(a, b, most), distance(b, a, most)), (expected, expected), "{a} {b} {most}");
            }
        }
    }

    #[test]
    fn a_measure_forgets_the_word_before() {
        let word: Vec<_> = "constellation".chars().collect();
        let mut measure = Measure::new(&word, 2);
        let found = ["constelation", "x", "konstellatoin", "", "constellations"].map(|other| measure.of(other));
        assert_eq!(found, [Some(1), None, Some(2), None, Some(1)]);
    }
}
