//! Incidents that are not scheduled: one in each cell of time of each entity, drawn from the seed.

use super::incidents::{Incident, Parts, Strength, incident};
use crate::fleet::{Entity, Fleet};
use crate::kinds::{self, Envelope, Kind};
use crate::label::Origin;
use crate::math::{Key, ln, pow};
use crate::scenario::{BackgroundText, Diagnostic, Quantiles, Severity};
use crate::schema::{EntityType, Schema};
use crate::time::{Clock, SimTime, Span};

/// Which incidents are drawn, and how often.
#[derive(Clone, Debug)]
pub(super) struct Background {
    /// By entity type: the kinds that can act on such an entity, and the length of its cells of time.
    types: Vec<Option<Type>>,
    /// Weights of low, medium and high.
    severities: [f64; 3],
    /// How long incidents last. `None` means the default of each kind.
    lengths: Option<Quantiles>,
    gap: Span,
    /// No incident begins earlier than this after the run's start.
    clean: Span,
}

#[derive(Clone, Debug)]
struct Type {
    /// Kinds with their weights.
    kinds: Vec<(&'static dyn Kind, f64)>,
    cell: Span,
}

/// Returns the winner of a race. Each item arrives after −ln u ÷ weight, with its own `u` (0–1), and the first to
/// arrive wins. Items win in proportion to their weights, and an item changes only the races that it wins.
fn first<T: Copy>(items: &[(T, f64)], u: impl Fn(T) -> f64) -> T {
    let items = items.iter().filter(|(_, weight)| *weight > 0.0);
    let arrivals = items.map(|(item, weight)| (-ln(u(*item)) / weight, *item));
    arrivals.min_by(|(a, _), (b, _)| a.total_cmp(b)).expect("some weight is positive").1
}

/// Reads `background`. Returns `None` if there is nothing to draw, or after a mistake.
pub(super) fn background(
    text: &BackgroundText,
    schema: &Schema,
    clean: Span,
    mistakes: &mut Vec<Diagnostic>,
) -> Option<Background> {
    let share = text.share.as_ref().map_or(0.0, |share| share.value);
    let rate = text.rate.as_ref().map_or(0.0, |rate| rate.value);
    let named = |name: &&str| (kinds::named(name).expect("every default kind exists"), 1.0);
    let listed = match &text.kinds {
        None => kinds::BACKGROUND.iter().map(named).collect(),
        Some(list) => {
            let known = mistakes.len();
            let find = |(name, weight): &(crate::scenario::At<String>, f64)| {
                super::schedule::find_kind(name, mistakes).map(|kind| (kind, *weight))
            };
            let found: Vec<(&'static dyn Kind, f64)> = list.value.weights.iter().filter_map(find).collect();
            if mistakes.len() > known {
                return None;
            }
            found
        }
    };
    if share <= 0.0 && rate <= 0.0 {
        return None;
    }
    if let Some(place) = text.kinds.as_ref().filter(|kinds| kinds.value.is_all).map(|kinds| kinds.place) {
        let warning = Diagnostic::warning(
            place,
            "`kinds: all` means all kinds of this version, so the rows may change with a later version",
        );
        mistakes.push(warning.help("list the kinds, or remove `kinds` to use the default list"));
    }
    let lengths = text.lengths.as_ref().map(|lengths| lengths.value);
    let gap = text.gap.as_ref().map_or(Span::ZERO, |gap| gap.value);
    let mut largest = f64::MAX;
    let mut longest_of_all: f64 = 1.0;
    let mut fits = true;
    let mut of_type = |entity_type: &EntityType| {
        let kinds: Vec<(&'static dyn Kind, f64)> = listed
            .iter()
            .copied()
            .filter(|(kind, weight)| kind.carrier().entity_type == entity_type.name() && *weight > 0.0)
            .collect();
        let weights: f64 = kinds.iter().map(|(_, weight)| weight).sum();
        let (mean, longest) = match &lengths {
            Some(quantiles) if !kinds.is_empty() => (quantiles.mean(), quantiles.at(1.0)),
            Some(_) => return None,
            None => {
                let middle = |kind: &dyn Kind| (kind.lasts().0.0 + kind.lasts().1.0) as f64 / 2.0;
                let sum = kinds.iter().map(|(kind, weight)| middle(*kind) * weight).sum::<f64>();
                (sum / weights, kinds.iter().map(|(kind, _)| kind.lasts().1).max()?)
            }
        };
        let longest = (longest + gap).0 as f64;
        let cell = if share > 0.0 { mean / share } else { 1e3 / rate };
        largest = largest.min(mean / longest);
        longest_of_all = longest_of_all.max(longest);
        fits &= cell >= longest;
        Some(Type { kinds, cell: Span(cell as i64) })
    };
    let types = schema.types().iter().map(&mut of_type).collect();
    if !fits {
        let place = text.share.as_ref().or(text.rate.as_ref())?.place;
        // Rounded down, so that the value in the message fits.
        let most = match text.share {
            Some(_) => format!("at most a share of {}%", rounded_down(largest * 100.0)),
            None => format!("at most a rate of {}/day", rounded_down(86_400e3 / longest_of_all)),
        };
        let error = Diagnostic::error(
            place,
            "the background is too dense: it leaves no room for the longest incidents",
        )
        .label(format!("{most} fits"))
        .help("lower it, list kinds with shorter incidents, or use a smaller `gap`");
        mistakes.push(match &text.gap {
            Some(gap) => error.related(gap.place, "the gap"),
            None => error,
        });
        return None;
    }
    let severities = text.severity.as_ref().map_or([1.0; 3], |weights| weights.value);
    Some(Background { types, severities, lengths, gap, clean })
}

impl Background {
    /// Returns the incidents of all entities that act somewhere in `from … to` and begin within the run.
    pub(super) fn draws<'a>(
        &'a self,
        key: Key,
        fleet: &'a Fleet,
        clock: Clock,
        from: SimTime,
        to: SimTime,
    ) -> impl Iterator<Item = Draw<'a>> {
        let key = key.with("background");
        // Incidents begin within the run, and no incident leaves its cell of time.
        let (first, last) = (from.max(clock.start()), to.min(clock.end()));
        let of_entity = move |entity: Entity| {
            let kinds = self.types[entity.type_id().index()].as_ref()?;
            let name = fleet.name(entity);
            let key = key.with(name);
            let cells = first.0.div_euclid(kinds.cell.0)..=last.0.div_euclid(kinds.cell.0);
            Some(cells.map(move |cell| self.draw(key, entity, name, kinds, cell)))
        };
        let acts = move |draw: &Draw<'_>| {
            let is_ours = (clock.start() + self.clean..clock.end()).contains(&draw.onset);
            is_ours && draw.onset < to && draw.onset + draw.length > from
        };
        fleet.all().filter_map(of_entity).flatten().filter(acts)
    }

    /// Returns, by entity type, how many incidents begin between two moments of the run.
    pub(super) fn number(
        &self,
        key: Key,
        fleet: &Fleet,
        clock: Clock,
        from: SimTime,
        to: SimTime,
    ) -> Vec<u64> {
        let key = key.with("background");
        let begins = from.max(clock.start() + self.clean)..to.min(clock.end());
        let of_entity = |entity: Entity| {
            let Some(kinds) = self.types[entity.type_id().index()].as_ref() else { return 0 };
            let name = fleet.name(entity);
            let cell = |moment: SimTime| moment.0.div_euclid(kinds.cell.0);
            let (first, last) = (cell(begins.start), cell(SimTime(begins.end.0 - 1)));
            // Each cell has one incident. Only those of the first and the last cell can begin outside.
            let is_ours =
                |cell: &i64| begins.contains(&self.draw(key.with(name), entity, name, kinds, *cell).onset);
            let ends = [first, last];
            let at_the_ends = ends[usize::from(first == last)..].iter().filter(|cell| is_ours(cell));
            at_the_ends.count() as u64 + (last - first - 1).max(0) as u64
        };
        let mut numbers = vec![0; self.types.len()];
        if begins.start < begins.end {
            fleet.all().for_each(|entity| numbers[entity.type_id().index()] += of_entity(entity));
        }
        numbers
    }

    fn draw<'a>(&self, key: Key, entity: Entity, name: &'a str, kinds: &Type, cell: i64) -> Draw<'a> {
        let u = |what: &str| key.with(what).uniform(cell);
        let kinds_key = key.with("kind");
        let kind = first(&kinds.kinds, |kind| kinds_key.with(kind.name()).uniform(cell));
        let length = match &self.lengths {
            Some(quantiles) => quantiles.at(u("length")),
            None => {
                let (short, long) = kind.lasts();
                Span(short.0 + (u("length") * (long.0 - short.0) as f64) as i64)
            }
        };
        let room = kinds.cell.0 - length.0 - self.gap.0;
        let onset = SimTime(cell * kinds.cell.0 + (u("onset") * room as f64) as i64);
        let [low, medium, high] = self.severities;
        let levels = [(("low", 0.5), low), (("medium", 1.0), medium), (("high", 2.0), high)];
        let severities_key = key.with("severity");
        let severity = first(&levels, |(name, _)| severities_key.with(name).uniform(cell));
        Draw { entity, name, kind, onset, length, severity }
    }
}

/// Rounds a value down to two significant digits.
fn rounded_down(value: f64) -> f64 {
    let mut unit = 1e6;
    while unit > 1e-9 && value < 10.0 * unit {
        unit /= 10.0;
    }
    // Through text, so that 0.07 is printed as 0.07.
    format!("{:.9}", (value / unit).trunc() * unit).parse().unwrap_or(value)
}

impl Quantiles {
    /// Returns the length that a share `u` (0–1) of incidents does not reach. The logarithm of the length is
    /// linear between two quantiles, and both lines continue outside them.
    fn at(&self, u: f64) -> Span {
        let [p10, p50, p90] = [self.p10, self.p50, self.p90].map(|span| span.0 as f64);
        let (ratio, from) = if u < 0.5 { (p50 / p10, p10) } else { (p90 / p50, p50) };
        let part = (u - if u < 0.5 { 0.1 } else { 0.5 }) / 0.4;
        Span((from * pow(ratio, part)).clamp(1.0, Quantiles::LONGEST.0 as f64) as i64)
    }

    /// Returns the mean length, in ms.
    fn mean(&self) -> f64 {
        const POINTS: u32 = 1_000;
        let middle = |i: u32| self.at((f64::from(i) + 0.5) / f64::from(POINTS)).0 as f64;
        (0..POINTS).map(middle).sum::<f64>() / f64::from(POINTS)
    }
}

/// A background incident as drawn.
#[derive(Clone, Debug)]
pub(super) struct Draw<'a> {
    pub entity: Entity,
    name: &'a str,
    kind: &'static dyn Kind,
    pub onset: SimTime,
    pub length: Span,
    severity: (&'static str, f64),
}

impl Draw<'_> {
    /// Returns its id, which consists of the name of its entity, its kind and its onset.
    pub fn id(&self) -> String {
        format!("bg.{}.{}.{}", self.name, self.kind.name(), self.onset.0)
    }

    pub fn incident(&self, fleet: &Fleet, clock: Clock) -> Incident {
        let envelope = Envelope::smooth(self.onset, self.length);
        let parts = Parts { id: self.id(), kind: self.kind, origin: Origin::Background, envelope };
        let (text, value) = self.severity;
        let strength = Strength::Severity(Severity { text: text.into(), value });
        incident(fleet, clock, parts, &strength, &[self.entity])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the winners of 3,000 races.
    fn winners(items: &[(&'static str, f64)]) -> Vec<&'static str> {
        let race = |cell| first(items, |name| Key::new(1).with(name).uniform(cell));
        (0..3_000).map(race).collect()
    }

    #[test]
    fn items_win_in_proportion_to_their_weights() {
        let winners = winners(&[("a", 3.0), ("b", 1.0), ("c", 0.0)]);
        let of = |name| winners.iter().filter(|winner| **winner == name).count();
        // Four standard deviations of 3,000 draws with p = 3/4 are 95.
        assert!((2_155..=2_345).contains(&of("a")) && of("c") == 0, "{} {}", of("a"), of("c"));
    }

    #[test]
    fn an_item_that_is_added_changes_only_the_races_that_it_wins() {
        let (before, after) =
            (winners(&[("a", 3.0), ("b", 1.0)]), winners(&[("new", 2.0), ("b", 1.0), ("a", 3.0)]));
        assert!(before.iter().zip(&after).all(|(a, b)| a == b || *b == "new"));
        assert!(after.contains(&"new"));
    }
}
