//! What stands under the tables: what the numbers rest on, and what was left out of them.
//!
//! May use `metric`, `text`, and `cases` beside it.

use std::collections::BTreeMap;

use super::cases::{PredictionSet, SAME_GRID, UnexpectedLabel};
use crate::metric::{Compared, Metric, Occurrence, RESAMPLES, Region, SIGNIFICANT, Settings, conventions};
use crate::text::{list, several};

/// Cases that are named in a note.
const NAMED: usize = 3;

/// Which label values the regions are made of, and what those are taken for; none where regions are label values under their own number.
pub(super) fn values(set: &PredictionSet) -> Option<String> {
    let regions = &set.evaluation.regions;
    if regions.iter().all(Region::is_plain) {
        return None;
    }
    let all: Vec<String> = regions.iter().map(|r| format!("{} = {}", r.name, r.listed())).collect();
    let meaning = if set.meaning.is_empty() { String::new() } else { format!(" ({})", set.meaning) };
    Some(format!("{}{meaning}", all.join("; ")))
}

/// What is to be said of one set of predictions.
pub(super) fn of_set(set: &PredictionSet) -> Vec<String> {
    let cases = set.files.len();
    let occurrences = set.evaluation.occurrences();
    let mut notes = vec![];
    if !occurrences.iter().any(Occurrence::is_referenced) {
        notes.push(nothing_scored(set));
    }
    notes.extend(set.doubts.iter().map(|d| format!("warning: {d}")));
    notes.extend(occurrences.iter().filter_map(|o| missing(o, cases)));
    // A label of its own that was asked for has said so itself.
    let said = |s: &&UnexpectedLabel| occurrences.iter().any(|o| o.values == [s.value] && !o.is_referenced());
    let in_region = |s: &UnexpectedLabel| occurrences.iter().find(|o| o.values.contains(&s.value)).map(|o| o.region.clone());
    for s in set.strays.iter().filter(|s| !said(s)) {
        let counts = in_region(s).map_or("in no mean".to_owned(), |region| format!("wrong in {region}"));
        let voxels = several(usize::try_from(s.voxels).unwrap_or(usize::MAX), "voxel");
        notes.push(format!(
            "{}: predicted only, in {}, {voxels}: no reference has it, so it counts {counts}",
            s.value,
            several(s.cases, "case")
        ));
    }
    if !set.unscored.is_empty() {
        let values: Vec<String> = set.unscored.iter().map(ToString::to_string).collect();
        notes.push(format!("label values in no region, not scored: {}", list(values, 20)));
    }
    notes.extend(turned(set));
    notes.extend(apart(set));
    notes
}

/// Where no reference has anything of what is scored.
pub fn nothing_scored(set: &PredictionSet) -> String {
    let names: Vec<&str> = set.evaluation.regions.iter().map(|r| r.name.as_str()).collect();
    let what = if names.is_empty() { "a label above 0".to_owned() } else { format!("any of {}", names.join(", ")) };
    format!("nothing to score: no reference has {what}")
}

/// In how many cases a region was missing; none if in none.
fn missing(o: &Occurrence, cases: usize) -> Option<String> {
    let alone = |o: &Occurrence| {
        format!(
            "predicted only in {} ({}), {} voxels",
            o.in_prediction_only,
            named(&o.cases_in_prediction_only),
            o.voxels_in_prediction_only
        )
    };
    if !o.is_referenced() {
        let predicted = if o.in_prediction_only > 0 { format!("; {} of {cases} cases", alone(o)) } else { String::new() };
        return Some(format!("{}: in no reference, so in no mean{predicted}", o.region));
    }
    let mut said = vec![];
    if o.in_neither > 0 {
        said.push(format!("in neither file in {}", o.in_neither));
    }
    if o.in_prediction_only > 0 {
        said.push(alone(o));
    }
    if o.in_reference_only > 0 {
        said.push(format!("in the reference only in {}", o.in_reference_only));
    }
    (!said.is_empty()).then(|| format!("{}, of {cases} cases: {}", o.region, said.join("; ")))
}

/// The first names of a list.
fn named(all: &[String]) -> String {
    let shown = all.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if all.len() > NAMED { format!("{shown} and {} more", all.len() - NAMED) } else { shown }
}

/// A word on references whose files run otherwise than the predictions'.
fn turned(set: &PredictionSet) -> Option<String> {
    let count = set.files.iter().filter(|f| f.turned).count();
    (count > 0)
        .then(|| format!("references in another axis order than their predictions, turned onto them: {count} of {} cases", set.files.len()))
}

/// In how many cases the two files have not quite one grid; none if in none.
fn apart(set: &PredictionSet) -> Option<String> {
    let cases = set.evaluation.cases.iter().zip(&set.files).filter(|(_, f)| f.apart > SAME_GRID);
    let (worst, files) = cases.clone().max_by(|(_, a), (_, b)| a.apart.total_cmp(&b.apart))?;
    Some(format!(
        "the two files have not quite one grid in {} of {} cases, their corners lie up to {:.3} mm apart ({}): less than half a voxel, so \
         voxels are compared one to one",
        cases.count(),
        set.files.len(),
        files.apart,
        worst.id
    ))
}

/// Where there are too few pairs for any difference to be shown.
pub(super) fn undecidable(compared: &[Compared]) -> Vec<String> {
    let mut by_pairs: BTreeMap<(usize, usize), Vec<String>> = BTreeMap::new();
    for c in compared.iter().filter(|c| c.cannot_decide() && c.difference.n > 0) {
        by_pairs.entry((c.pairs(), c.pairs_needed)).or_default().push(format!("{} {}", c.region, c.of.heading()));
    }
    let alike = by_pairs.len() == 1 && by_pairs.values().all(|rows| rows.len() == compared.len());
    let one = |((pairs, needed), rows): (&(usize, usize), &Vec<String>)| {
        let whose = if alike { String::new() } else { format!("{}: ", rows.join(", ")) };
        let plain = crate::metric::pairs_needed(SIGNIFICANT);
        let what = if *pairs == 0 {
            "no pair differs, and pairs without a difference do not count".to_owned()
        } else {
            format!("{} cannot give p below {}", several(*pairs, "pair"), crate::metric::least_p(*pairs))
        };
        let corrected =
            if *needed > plain { format!(", {needed} or more once p is corrected for the number of regions") } else { String::new() };
        format!("{whose}{what}; {plain} or more are needed for {SIGNIFICANT}{corrected}: undecided says nothing of which is better")
    };
    by_pairs.iter().rev().map(one).collect()
}

/// What the figures mean; `compared`: of two sets.
pub(super) fn conventions_of(settings: &Settings, figures: &[Metric], seed: u64, compared: bool) -> Vec<String> {
    let mut all = conventions(settings, figures);
    all.push(format!("95%: percentile bootstrap of the mean, {RESAMPLES} resamples of the cases, seed {seed}"));
    if compared {
        all.push(
            "pairs: cases in which either set has the region, or the reference; where one set alone has predicted what the reference has \
             not, the other counts as right (1, 0 mm); mean: of each case's mean over the regions"
                .to_owned(),
        );
        all.push(format!(
            "p: Wilcoxon's signed-rank test, two-sided, zeros left out; exact up to 50 differences, else the normal approximation; \
             p Holm is corrected for the number of regions; better or worse where that is below {SIGNIFICANT}, else undecided"
        ));
    }
    all
}
