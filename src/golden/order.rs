//! Decides which rows moved if two recordings have the same rows in a different order.

use crate::time::SimTime;

/// Finds rows that are at another position on the second side: as few as are needed to explain the order.
#[derive(Default)]
pub(super) struct Order {
    /// The rows of the current unusual stretch that both sides have.
    stretch: Vec<Place>,
}

/// The position of a row on both sides.
struct Place {
    old: u64,
    new: u64,
    moment: SimTime,
    name: String,
}

/// The largest number of rows in a stretch. A longer one is judged in pieces.
const LONGEST: usize = 100_000;

impl Order {
    /// Adds a row of an unusual stretch, with its number on each side.
    pub(super) fn append(&mut self, old: u64, new: u64, moment: SimTime, name: &str) {
        self.stretch.push(Place { old, new, moment, name: name.to_string() });
    }

    pub(super) fn is_long(&self) -> bool {
        self.stretch.len() >= LONGEST
    }

    /// Ends a stretch. Returns the rows that are at another position, in the order of the first side.
    pub(super) fn judge(&mut self) -> Vec<(SimTime, String)> {
        let mut stretch = std::mem::take(&mut self.stretch);
        stretch.sort_by_key(|place| place.old);
        let stays = longest_increasing(&stretch.iter().map(|place| place.new).collect::<Vec<_>>());
        let mut moved: Vec<bool> = stays.iter().map(|stays| !stays).collect();
        // If two neighbouring rows were exchanged, both count as moved.
        for i in 1..stretch.len() {
            let is_pair =
                stretch[i - 1].new == stretch[i].new + 1 && stretch[i].old == stretch[i - 1].old + 1;
            if is_pair && (moved[i - 1] || moved[i]) {
                (moved[i - 1], moved[i]) = (true, true);
            }
        }
        let named = stretch.into_iter().zip(moved).filter(|(_, moved)| *moved);
        named.map(|(place, _)| (place.moment, place.name)).collect()
    }
}

/// Returns which numbers belong to a longest increasing subsequence.
///
/// Schensted, "Longest increasing and decreasing subsequences", Canadian Journal of Mathematics 13 (1961), by patience
/// sorting in O(n log n).
fn longest_increasing(numbers: &[u64]) -> Vec<bool> {
    // For each length, the index of the last element of the subsequence with the smallest last element.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(numbers.len());
    for (index, number) in numbers.iter().enumerate() {
        let length = ends.partition_point(|end| numbers[*end] < *number);
        before.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        match ends.get_mut(length) {
            Some(end) => *end = index,
            None => ends.push(index),
        }
    }
    let mut belongs = vec![false; numbers.len()];
    let mut next = ends.last().copied();
    while let Some(index) = next {
        belongs[index] = true;
        next = before[index];
    }
    belongs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(new: &[u64]) -> Vec<String> {
        let mut order = Order::default();
        for (old, new) in new.iter().enumerate() {
            order.append(old as u64, *new, SimTime(0), &old.to_string());
        }
        order.judge().into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn the_fewest_rows_that_explain_the_order_are_named() {
        for (new, named) in [
            (&[0, 1, 2, 3][..], &[][..]),
            (&[0, 2, 1, 3], &["1", "2"]),
            (&[0, 4, 2, 3, 1, 5], &["1", "4"]),
            (&[3, 0, 1, 2, 4], &["0"]),
            (&[0, 2, 3, 4, 1], &["4"]),
            // One row is missing on the second side after the second row.
            (&[0, 1, 9, 10, 11], &[]),
        ] {
            assert_eq!(moved(new), named, "{new:?}");
        }
    }
}
