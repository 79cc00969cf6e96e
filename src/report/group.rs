//! Runs side by side: the folds of one configuration are one row.
//!
//! May use `run` and `fields` beside it.

use super::fields::{ConfigFields, differing, fields, value};
use super::run::Run;

/// Runs of one configuration, or a single one.
#[derive(Clone, Debug)]
pub struct RunGroup<'a> {
    /// What it is called: the run's folder, without its fold.
    pub name: String,
    pub runs: Vec<&'a Run>,
    /// The values of the fields that differ between groups, in their order; none where a config does not have the field.
    pub values: Vec<Option<String>>,
}

/// A figure over the runs of a group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanSpread {
    /// Over runs.
    pub mean: f64,
    /// Standard deviation over runs (n - 1); none for fewer than two.
    pub deviation: Option<f64>,
    /// Runs that have it.
    pub n: usize,
}

/// The field that says which fold a run leaves out.
const FOLD: &str = "split.fold";

/// Groups of runs in the order of their first ones, and the names of the fields that differ between them.
pub fn groups(runs: &[Run]) -> (Vec<RunGroup<'_>>, Vec<String>) {
    let mut all: Vec<(ConfigFields, Vec<&Run>)> = vec![];
    for run in runs {
        let mut own = fields(run);
        own.retain(|(name, _)| name != FOLD);
        // A run of the same fold again is no further fold.
        let fits = |(other, members): &&mut (ConfigFields, Vec<&Run>)| {
            let hash = |r: &Run| r.program.hash();
            let other_fold = members.iter().all(|m| m.config.split.fold != run.config.split.fold && hash(m) == hash(run));
            *other == own && run.config.split.folds.is_some() && other_fold && members.iter().all(|m| m.classes == run.classes)
        };
        match all.iter_mut().find(fits) {
            Some((_, members)) => members.push(run),
            None => all.push((own, vec![run])),
        }
    }
    // A fold that stands alone says which.
    for (own, members) in &mut all {
        if let [run] = members.as_slice()
            && run.config.split.folds.is_some()
        {
            own.push((FOLD.into(), run.config.split.fold.to_string()));
        }
    }
    // Graphs that differ in what no parameter says are told apart by their hash.
    let hashes: Vec<String> = all.iter().map(|(_, m)| m.first().map_or(String::new(), |r| r.program.hash().to_string())).collect();
    let twins = |i: usize| (0..all.len()).any(|j| all[i].0 == all[j].0 && hashes[i] != hashes[j]);
    let marked: Vec<bool> = (0..all.len()).map(twins).collect();
    for ((own, _), (hash, _)) in all.iter_mut().zip(hashes.iter().zip(marked)).filter(|(_, (_, marked))| *marked) {
        if let Some((_, graph)) = own.iter_mut().find(|(name, _)| name == "graph") {
            graph.push_str(&format!(" {}", hash.get(..8).unwrap_or(hash)));
        }
    }
    let of: Vec<ConfigFields> = all.iter().map(|(own, _)| own.clone()).collect();
    let names = differing(&of);
    let mut groups = vec![];
    for (own, runs) in all {
        groups.push(RunGroup { name: name(&runs), values: names.iter().map(|n| value(&own, n).map(str::to_owned)).collect(), runs });
    }
    (groups, names)
}

/// A run's name, or what the names of folds have in common.
fn name(runs: &[&Run]) -> String {
    let Some(first) = runs.first() else { return String::new() };
    if runs.len() == 1 {
        return first.name.clone();
    }
    let parts: Vec<&str> = first.name.split(',').filter(|part| !part.starts_with("split.fold=")).collect();
    let alike = |r: &&Run| r.name.split(',').filter(|part| !part.starts_with("split.fold=")).eq(parts.iter().copied());
    match runs.iter().all(alike) {
        true if !parts.is_empty() => parts.join(","),
        true => {
            let parent = first.path.canonicalize().ok().and_then(|p| Some(p.parent()?.file_name()?.to_string_lossy().into_owned()));
            parent.unwrap_or_else(|| first.name.clone())
        }
        false => format!("{} and {} more", first.name, runs.len() - 1),
    }
}

impl RunGroup<'_> {
    /// A figure of the best epochs: `Some(class)` or the mean of all classes. None without a finished epoch, or where no validation case has
    /// the class.
    pub fn dice(&self, class: Option<&str>) -> Option<MeanSpread> {
        let of = |run: &&Run| {
            let best = run.best()?;
            match class {
                None => best.mean(),
                Some(name) => best.dice.get(run.classes.iter().position(|c| c == name)?).copied().filter(|d| d.is_finite()),
            }
        };
        MeanSpread::of(&self.runs.iter().filter_map(of).collect::<Vec<_>>())
    }

    /// The first of its runs; the others have the same graph.
    pub fn first(&self) -> Option<&Run> {
        self.runs.first().copied()
    }

    /// Seconds of all its runs.
    pub fn seconds(&self) -> f64 {
        self.runs.iter().map(|r| r.seconds()).sum()
    }

    /// Epochs of its runs, `40`, `12 to 40`.
    pub fn epochs(&self) -> String {
        range(self.runs.iter().map(|r| r.epochs.len()))
    }

    /// The best epochs of its runs.
    pub fn best(&self) -> String {
        range(self.runs.iter().filter_map(|r| r.best()).map(|e| e.epoch))
    }

    /// Whether all its runs are finished.
    pub fn is_finished(&self) -> bool {
        self.runs.iter().all(|r| matches!(r.standing, crate::train::RunStatus::Finished(_)))
    }
}

fn range(all: impl Iterator<Item = usize> + Clone) -> String {
    match (all.clone().min(), all.max()) {
        (Some(least), Some(most)) if least < most => format!("{least} to {most}"),
        (Some(one), _) => one.to_string(),
        _ => "-".into(),
    }
}

impl MeanSpread {
    fn of(values: &[f64]) -> Option<Self> {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        (!values.is_empty()).then(|| Self { mean, deviation: (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt()), n: values.len() })
    }

    /// As a table has it: `0.859`, or `0.859 ± 0.012` over folds, with how many of `all` runs have it where some do not.
    pub fn text(self, all: usize) -> String {
        let spread = self.deviation.map_or(String::new(), |d| format!(" ± {d:.3}"));
        let some = if self.n < all { format!(" ({} of {all})", self.n) } else { String::new() };
        format!("{:.3}{spread}{some}", self.mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_has_a_mean_and_a_deviation() {
        // By hand: 2, 4, 9 have mean 5 and variance (9 + 1 + 16) / 2.
        let f = MeanSpread::of(&[2.0, 4.0, 9.0]).unwrap();
        assert_eq!((f.mean, f.deviation), (5.0, Some(13f64.sqrt())));
        assert_eq!(MeanSpread::of(&[0.5]).unwrap().text(1), "0.500");
        assert_eq!(MeanSpread::of(&[0.5, 0.7]).unwrap().text(2), "0.600 ± 0.141");
        assert_eq!(MeanSpread::of(&[0.5]).unwrap().text(2), "0.500 (1 of 2)");
        assert_eq!(MeanSpread::of(&[]), None);
        assert_eq!([range([3, 1].into_iter()), range([2].into_iter()), range([].into_iter())], ["1 to 3", "2", "-"]);
    }
}
