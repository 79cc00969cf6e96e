//! Pairs of files become scores: several cases at a time, in bounded memory.
//!
//! May use `data` (label files), `metric`, `volume` and `text`, and `gate` beside it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::gate::Gate;
use crate::data::{self, Pairs};
use crate::metric::{Evaluation, LabelPair, LabelValue, Numbered, Numbering, PerValue, Region, Scored, Scores, Settings, faces};
use crate::text::{Code, Diagnostic, Diagnostics, Result};
use crate::volume::{corner_distance, read_header};

/// Grids whose corners lie farther apart, in mm, are worth a word: headers round. By half a voxel they are two grids, as for images and labels.
pub const SAME_GRID: f64 = 1e-3;
/// What a case needs at its peak, in bytes a voxel: a file as it is read, two label maps, two surfaces and a distance map of them.
const NEED: u64 = 40;

/// What is to be scored.
#[derive(Clone, Debug)]
pub enum ScoredRegions {
    /// Every label value that any reference has.
    EachLabel,
    Regions(Vec<Region>),
    /// WT, TC and ET of a numbering, and then these.
    Tumours(Numbering, Vec<Region>),
}

impl ScoredRegions {
    /// From label values and regions that were asked for; neither means every label value.
    ///
    /// # Errors
    /// E0601 when two regions have one name.
    pub fn new(labels: Option<&[Region]>, regions: &[Region], numbering: Option<Numbering>) -> Result<Self> {
        if labels.is_none() && regions.is_empty() && numbering.is_none() {
            return Ok(Self::EachLabel);
        }
        let regions: Vec<Region> = labels.unwrap_or_default().iter().chain(regions).cloned().collect();
        let numbered = |name: &str| numbering.is_some() && Numbering::names().contains(&name);
        let taken = |name: &str, before: &[Region]| before.iter().any(|b| b.name == name) || numbered(name);
        match regions.iter().enumerate().find(|(i, r)| taken(&r.name, &regions[..*i])) {
            Some((_, twice)) => Err(Diagnostic::error(Code::E0601, format!("two regions are called `{}`", twice.name))
                .help("give each region a name of its own")
                .into()),
            None => Ok(numbering.map_or(Self::Regions(regions.clone()), |n| Self::Tumours(n, regions))),
        }
    }

    /// The regions, from what all references and each set of predictions have.
    fn numbered(&self, found: &Found) -> Result<Numbered, Diagnostic> {
        let plain = |regions| Numbered { regions, meaning: String::new(), doubts: vec![] };
        match self {
            Self::EachLabel => Ok(plain(found.references.keys().filter(|v| **v > 0).map(|v| Region::label(*v)).collect())),
            Self::Regions(all) => Ok(plain(all.clone())),
            Self::Tumours(numbering, further) => {
                let own = numbering.regions(&found.references, &found.predictions, &found.faces).map_err(|why| {
                    Diagnostic::error(Code::E0704, format!("--region {} does not fit the files: {why}", numbering.name()))
                        .help("brats: 1 core, 2 oedema, 3 or 4 enhancing; brats-msd: 1 oedema, 2 core, 3 enhancing")
                        .help("name the regions by their values: --region WT=1,2,3,4 --region TC=1,3,4 --region ET=4")
                })?;
                Ok(Numbered { regions: own.regions.into_iter().chain(further.iter().cloned()).collect(), ..own })
            }
        }
    }

    /// The regions of a case alone, as a first guess where it takes all cases to know them.
    fn guessed(&self, found: &Found) -> Vec<Region> {
        match self {
            // What is predicted alone is scored, too: another case may have it in its reference.
            Self::EachLabel => found.all().into_iter().map(Region::label).collect(),
            // What does not fit is told of when all is known.
            _ => self.numbered(found).map(|n| n.regions).unwrap_or_default(),
        }
    }
}

/// Voxels of each label value in the references, in each set of predictions, and faces of the references' labels to the background.
#[derive(Clone, Debug, Default)]
struct Found {
    references: PerValue,
    predictions: Vec<PerValue>,
    faces: PerValue,
}

impl Found {
    /// Of all cases of each set, which have the same references.
    fn of(sets: &[&[Case]]) -> Self {
        let mut all = Self { predictions: vec![PerValue::new(); sets.len()], ..Self::default() };
        let add = |to: &mut PerValue, from: &PerValue| from.iter().for_each(|(v, n)| *to.entry(*v).or_default() += n);
        for (at, set) in sets.iter().enumerate() {
            for case in set.iter() {
                case.found.predictions.iter().for_each(|p| add(&mut all.predictions[at], p));
                if at == 0 {
                    add(&mut all.references, &case.found.references);
                    add(&mut all.faces, &case.found.faces);
                }
            }
        }
        all
    }

    /// Every label value above 0 of any map.
    fn all(&self) -> Vec<LabelValue> {
        let mut all: Vec<LabelValue> =
            self.predictions.iter().chain([&self.references]).flat_map(|p| p.keys()).copied().filter(|v| *v > 0).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// One set of predictions, scored.
#[derive(Debug)]
pub struct PredictionSet {
    pub evaluation: Evaluation,
    /// What the cases are of, in the order of [`Evaluation::cases`].
    pub files: Vec<ScoredFiles>,
    /// Label values above 0 that references have and that are in no region.
    pub unscored: Vec<LabelValue>,
    /// Label values that were predicted and that no reference has.
    pub strays: Vec<UnexpectedLabel>,
    /// What the label values of a numbering are taken for; empty without one.
    pub meaning: String,
    /// What speaks against that.
    pub doubts: Vec<String>,
}

/// A label value that was predicted and that no reference has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct UnexpectedLabel {
    pub value: LabelValue,
    /// Cases with it, and their voxels of it.
    pub cases: usize,
    pub voxels: u64,
}

/// The files of a case and their grid.
#[derive(Clone, Debug)]
pub struct ScoredFiles {
    pub prediction: PathBuf,
    pub reference: PathBuf,
    /// D, H, W.
    pub size: [usize; 3],
    pub spacing: [f64; 3],
    /// How far the corners of the two grids lie apart at most, mm.
    pub apart: f64,
    /// Whether the reference's file has another axis order.
    pub turned: bool,
    /// Doubts about where they lie.
    pub warnings: Vec<Diagnostic>,
}

/// One case before all is known.
struct Case {
    id: String,
    files: ScoredFiles,
    found: Found,
    scores: Vec<(Region, Scores)>,
}

/// Scores one or two sets of predictions for the same references; both have the same regions, which follow from the references.
///
/// # Errors
/// What is wrong with any of the files, all of it; E0703 for pairs on different grids, E0704 for label values that do not fit.
pub fn score(
    own: Pairs,
    other: Option<Pairs>,
    scope: &ScoredRegions,
    settings: &Settings,
) -> Result<(PredictionSet, Option<PredictionSet>)> {
    let count = own.len();
    let all: Vec<_> = own.into_iter().chain(other.iter().flatten().map(|(n, f)| (n.clone(), f.clone()))).collect();
    let all: Vec<_> = all.iter().map(|(id, (prediction, reference))| Asked { id, prediction, reference, scope }).collect();
    let mut cases = sound(scored(&all, settings))?;
    let found = {
        let (first, second) = cases.split_at(count);
        Found::of(&[first, second][..if other.is_some() { 2 } else { 1 }])
    };
    let numbered = scope.numbered(&found)?;
    // A case alone may have been taken for one of another numbering.
    let regions = ScoredRegions::Regions(numbered.regions.clone());
    let wrong: Vec<usize> = (0..cases.len()).filter(|i| cases[*i].was_misjudged(&numbered.regions)).collect();
    let again: Vec<_> = wrong.iter().map(|i| Asked { scope: &regions, ..all[*i] }).collect();
    for (at, case) in wrong.into_iter().zip(sound(scored(&again, settings))?) {
        cases[at] = case;
    }
    let second = cases.split_off(count);
    let set = |cases: Vec<Case>| {
        let strays = strays(&cases, &found.references);
        let files = cases.iter().map(|c| c.files.clone()).collect();
        let regions = numbered.regions.clone();
        let in_none = |v: &&LabelValue| **v > 0 && !regions.iter().any(|r| r.values.contains(v));
        let unscored = found.references.keys().filter(in_none).copied().collect();
        let cases = cases.into_iter().map(|c| arranged(c, &regions, settings)).collect();
        let (meaning, doubts) = (numbered.meaning.clone(), numbered.doubts.clone());
        PredictionSet { evaluation: Evaluation { regions, cases }, files, unscored, strays, meaning, doubts }
    };
    Ok((set(cases), other.map(|_| set(second))))
}

/// All of them, or what is wrong with each.
fn sound(all: Vec<Result<Case, Diagnostic>>) -> Result<Vec<Case>> {
    let mut found = Diagnostics::default();
    let cases = all.into_iter().filter_map(|r| found.keep(r)).collect();
    found.dedup();
    found.or(cases)
}

/// Label values of the predictions that no reference has.
fn strays(cases: &[Case], references: &PerValue) -> Vec<UnexpectedLabel> {
    let mut all: BTreeMap<LabelValue, UnexpectedLabel> = BTreeMap::new();
    for (value, n) in cases.iter().flat_map(|c| c.found.predictions.iter().flatten()) {
        if *value > 0 && !references.contains_key(value) {
            let stray = all.entry(*value).or_insert(UnexpectedLabel { value: *value, cases: 0, voxels: 0 });
            (stray.cases, stray.voxels) = (stray.cases + 1, stray.voxels + n);
        }
    }
    all.into_values().collect()
}

impl Case {
    /// Whether it was scored with a region of other values than `regions` have, and has voxels of those that differ.
    fn was_misjudged(&self, regions: &[Region]) -> bool {
        let own = |r: &Region| self.scores.iter().find(|(own, _)| own.name == r.name).map_or(&[][..], |(own, _)| &own.values);
        let differs = |r: &Region, v: &LabelValue| r.values.contains(v) != own(r).contains(v);
        self.found.all().iter().any(|v| regions.iter().any(|r| differs(r, v)))
    }
}

/// A case with the scores of all regions; those that it has not are in neither of its files.
fn arranged(case: Case, regions: &[Region], settings: &Settings) -> Scored {
    let of = |r: &Region| case.scores.iter().find(|(own, _)| own.name == r.name).map(|(_, s)| s.clone());
    let scores = regions.iter().map(|r| of(r).unwrap_or_else(|| Scores::of_nothing(settings))).collect();
    Scored { id: case.id, scores }
}

/// A pair of files, and what is to be scored of it.
#[derive(Clone, Copy)]
struct Asked<'a> {
    id: &'a str,
    prediction: &'a Path,
    reference: &'a Path,
    scope: &'a ScoredRegions,
}

/// Every pair, in order. As many workers as the machine has threads take the next case as they come to it.
fn scored(all: &[Asked<'_>], settings: &Settings) -> Vec<Result<Case, Diagnostic>> {
    let (next, gate) = (AtomicUsize::new(0), Gate::default());
    let workers = rayon::current_num_threads().clamp(1, all.len().max(1));
    let work = || {
        let mut done = vec![];
        while let Some((i, asked)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, all.get(i)?))) {
            // A header that cannot be read is told of when the file is.
            let need = read_header(asked.reference).map_or(0, |h| h.dim.iter().fold(NEED, |n, d| n.saturating_mul(*d as u64)));
            let _held = gate.pass(need);
            done.push((i, one(asked, settings)));
        }
        done
    };
    let mut results: Vec<(usize, Result<Case, Diagnostic>)> = std::thread::scope(|s| {
        let workers: Vec<_> = (0..workers).map(|_| s.spawn(work)).collect();
        workers.into_iter().flat_map(|w| w.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    results.sort_by_key(|(i, _)| *i);
    results.into_iter().map(|(_, r)| r).collect()
}

fn one(asked: &Asked<'_>, settings: &Settings) -> Result<Case, Diagnostic> {
    let Asked { id, prediction, reference, scope } = *asked;
    let (p, r) = rayon::join(|| data::read_labels(prediction, None), || data::read_labels(reference, None));
    // A reference in another axis order is turned onto the prediction.
    let mut p = p?;
    let (mut r, turned) = r?.along(&p.grid());
    let values = data::on_one_list(&mut [&mut p, &mut r])?;
    let differ = |how: String| {
        Diagnostic::error(Code::E0703, format!("`{}` and `{}` are not on one grid: {how}", prediction.display(), reference.display()))
            .help("resample the prediction to the reference's grid")
    };
    let how = |what: String| match p.grid().differences(&r.grid()) {
        differ if differ.is_empty() => what,
        differ => format!("{what}: {differ}"),
    };
    let Some(pair) = LabelPair::new(&p.data, &r.data, r.spacing).map(|pair| pair.of_values(&values)) else {
        let shape = |(d, h, w): (usize, usize, usize)| format!("{w}x{h}x{d}");
        return Err(differ(format!("{} and {} voxels", shape(p.data.dim()), shape(r.data.dim()))));
    };
    let size = r.data.dim().into();
    let far = corner_distance(&p.affine, &r.affine, size);
    if far > r.spacing.iter().copied().fold(f64::INFINITY, f64::min) / 2.0 {
        return Err(differ(how(format!("their corners lie {far:.3} mm apart"))));
    }
    let [predicted, references] = pair.voxels();
    let faces = match scope {
        ScoredRegions::Tumours(..) => values.iter().copied().zip(faces(&r.data)).filter(|(_, n)| *n > 0).collect(),
        _ => PerValue::new(),
    };
    let found = Found { references, predictions: vec![predicted], faces };
    let scores = scope.guessed(&found).into_iter().map(|region| (region.clone(), pair.score(&region, settings))).collect();
    let files = ScoredFiles {
        prediction: prediction.to_owned(),
        reference: reference.to_owned(),
        size,
        spacing: r.spacing,
        apart: far,
        turned: turned.is_some(),
        warnings: [p.warnings.clone(), r.warnings.clone()].concat(),
    };
    Ok(Case { id: id.to_owned(), files, found, scores })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{Empty, Metric, Presence, SurfaceConvention};
    use crate::volume::{Header, write_labels};
    use ndarray::Array3;

    const SETTINGS: Settings = Settings { convention: SurfaceConvention::DeepMind, tolerance: 1.0, lesions: None, empty: Empty::Absent };

    fn label(dir: &Path, name: &str, values: [u8; 8], spacing: f64) -> PathBuf {
        std::fs::create_dir_all(dir).unwrap();
        let labels = Array3::from_shape_vec((2, 2, 2), values.to_vec()).unwrap();
        write_labels(&dir.join(name), &labels, &Header::plain([2, 2, 2], 1, [spacing; 3])).unwrap();
        dir.join(name)
    }

    fn two(dir: &Path, p: [u8; 8], r: [u8; 8]) -> Pairs {
        Pairs::from([("case".to_owned(), (label(dir, "p.nii", p, 1.0), label(dir, "r.nii", r, 1.0)))])
    }

    #[test]
    fn every_label_of_any_reference_is_scored_in_every_case() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name, values| label(dir.path(), name, values, 1.0);
        let pairs = Pairs::from([
            ("a".to_owned(), (file("pa.nii", [0, 1, 1, 0, 0, 0, 0, 0]), file("ra.nii", [0, 1, 0, 0, 0, 0, 0, 0]))),
            ("b".to_owned(), (file("pb.nii.gz", [1, 1, 3, 0, 0, 0, 0, 0]), file("rb.nii", [1, 1, 3, 3, 0, 0, 0, 0]))),
        ]);
        let (set, _) = score(pairs, None, &ScoredRegions::EachLabel, &SETTINGS).unwrap();
        let e = set.evaluation;
        assert_eq!(e.rows(), ["1", "3", "mean"]);
        let dice = |i: usize| e.cases[i].scores.iter().map(|s| s.dice).collect::<Vec<_>>();
        assert_eq!((dice(0), dice(1)), (vec![Some(2.0 / 3.0), None], vec![Some(1.0), Some(2.0 / 3.0)]));
        assert_eq!(e.cases[0].scores[1].presence, Presence::Neither);
        assert_eq!(e.occurrences()[1].in_neither, 1);
    }

    #[test]
    fn other_grids_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b, c) = (label(dir.path(), "a.nii", [0; 8], 1.0), label(dir.path(), "b.nii", [0; 8], 1.7), dir.path().join("c.nii"));
        write_labels(&c, &Array3::<u8>::zeros((2, 2, 3)), &Header::plain([2, 2, 3], 1, [1.0; 3])).unwrap();
        let pairs = Pairs::from([("x".to_owned(), (a.clone(), b)), ("y".to_owned(), (a, c))]);
        let e = score(pairs, None, &ScoredRegions::EachLabel, &SETTINGS).unwrap_err();
        assert!(
            e.0[0].code == Code::E0703
                && e.0[0].message.contains("their corners lie 1.212 mm apart: spacings 1 x 1 x 1 and 1.7 x 1.7 x 1.7 mm"),
            "{e:?}"
        );
        assert!(e.0[1].message.ends_with("2x2x2 and 3x2x2 voxels"), "{e:?}");
    }

    #[test]
    fn grids_that_differ_by_rounding_are_one() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (label(dir.path(), "a.nii", [1; 8], 1.0), label(dir.path(), "b.nii", [1; 8], 1.01));
        let (set, _) = score(Pairs::from([("x".to_owned(), (a, b))]), None, &ScoredRegions::EachLabel, &SETTINGS).unwrap();
        // One voxel farther along each of three axes: 0.01 times the root of 3.
        assert!((set.files[0].apart - 0.01 * 3f64.sqrt()).abs() < 1e-6, "{:?}", set.files);
    }

    #[test]
    fn regions_join_labels() {
        let dir = tempfile::tempdir().unwrap();
        let pairs = two(dir.path(), [1, 2, 4, 0, 0, 0, 0, 0], [2, 1, 4, 4, 0, 0, 0, 0]);
        let scope = ScoredRegions::new(None, &[Region::parse("oedema=2").unwrap()], Some(Numbering::Brats)).unwrap();
        let (set, _) = score(pairs, None, &scope, &SETTINGS).unwrap();
        let dice: Vec<f64> = set.evaluation.cases[0].scores.iter().filter_map(|s| s.dice).collect();
        assert_eq!((set.evaluation.rows(), dice), (vec!["WT", "TC", "ET", "oedema", "mean"], vec![6.0 / 7.0, 0.4, 2.0 / 3.0, 0.0]));
        assert_eq!(set.meaning, "BraTS 2017 to 2022 numbering: 1 core, 2 oedema, 4 enhancing");
        assert!(set.unscored.is_empty());
        let e = score(two(dir.path(), [3; 8], [4; 8]), None, &scope, &SETTINGS).unwrap_err();
        assert_eq!(e.0[0].code, Code::E0704);
        let twice = ScoredRegions::new(Some(&Region::labels("1,1").unwrap()), &[], None).unwrap_err();
        assert_eq!(twice.0[0].code, Code::E0601);
    }

    #[test]
    fn labels_that_no_region_has_are_told_of() {
        let dir = tempfile::tempdir().unwrap();
        let pairs = two(dir.path(), [1, 2, 4, 0, 0, 0, 0, 0], [2, 1, 7, 4, 0, 0, 0, 0]);
        let (set, _) =
            score(pairs, None, &ScoredRegions::new(Some(&Region::labels("1,2").unwrap()), &[], None).unwrap(), &SETTINGS).unwrap();
        assert_eq!(set.unscored, [4, 7]);
    }

    #[test]
    fn what_no_reference_has_is_no_region_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name, values| label(dir.path(), name, values, 1.0);
        let reference = file("r.nii", [1, 1, 2, 0, 0, 0, 0, 0]);
        let pairs =
            |first| Pairs::from([("a".to_owned(), (first, reference.clone())), ("b".to_owned(), (reference.clone(), reference.clone()))]);
        let one = |pairs, scope: &ScoredRegions| score(pairs, None, scope, &SETTINGS).unwrap().0;
        let good = one(pairs(file("p.nii", [1, 1, 2, 0, 0, 0, 0, 0])), &ScoredRegions::EachLabel);
        let stray = one(pairs(file("s.nii", [1, 1, 2, 0, 3, 3, 0, 0])), &ScoredRegions::EachLabel);
        assert_eq!(stray.evaluation.rows(), ["1", "2", "mean"]);
        assert_eq!(stray.strays, [UnexpectedLabel { value: 3, cases: 1, voxels: 2 }]);
        assert!(good.strays.is_empty() && stray.unscored.is_empty());
        let mean = |s: &PredictionSet| s.evaluation.values(Metric::Dice).mean();
        assert_eq!((mean(&good), mean(&stray)), (Some(1.0), Some(1.0)));
        // Asked for by name it is shown, and counts in no mean all the same.
        let asked = ScoredRegions::new(Some(&Region::labels("1,2,3").unwrap()), &[], None).unwrap();
        let named = one(pairs(file("s.nii", [1, 1, 2, 0, 3, 3, 0, 0])), &asked);
        assert_eq!((named.evaluation.cases[0].scores[2].dice, named.evaluation.cases[1].scores[2].dice), (Some(0.0), None));
        assert_eq!((mean(&named), named.evaluation.values(Metric::Dice).region(2)), (Some(1.0), None));
    }

    #[test]
    fn nothing_labelled_is_nothing_to_score() {
        let dir = tempfile::tempdir().unwrap();
        for (p, scope) in [
            ([0; 8], ScoredRegions::EachLabel),
            ([5; 8], ScoredRegions::EachLabel),
            ([0; 8], ScoredRegions::Regions(vec![Region::label(1)])),
        ] {
            let (set, _) = score(two(dir.path(), p, [0; 8]), None, &scope, &SETTINGS).unwrap();
            assert_eq!(set.evaluation.values(Metric::Dice).mean(), None, "{p:?}");
        }
    }

    #[test]
    fn the_numbering_is_that_of_all_references() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name, values| label(dir.path(), name, values, 1.0);
        // The first case alone would be taken for one of 2017: no reference of it has 3, and its prediction a stray 4.
        let pairs = Pairs::from([
            ("a".to_owned(), (file("pa.nii", [1, 2, 4, 0, 0, 0, 0, 0]), file("ra.nii", [1, 2, 2, 0, 0, 0, 0, 0]))),
            ("b".to_owned(), (file("pb.nii", [1, 2, 3, 0, 0, 0, 0, 0]), file("rb.nii", [1, 2, 3, 0, 0, 0, 0, 0]))),
        ]);
        let scope = ScoredRegions::new(None, &[], Some(Numbering::Brats)).unwrap();
        let (set, _) = score(pairs, None, &scope, &SETTINGS).unwrap();
        assert!(set.meaning.starts_with("BraTS 2023") && set.doubts[0].ends_with("does not have: 4"), "{set:?}");
        let first: Vec<Option<f64>> = set.evaluation.cases[0].scores.iter().map(|s| s.dice).collect();
        assert_eq!(first, [Some(2.0 * 2.0 / 5.0), Some(1.0), None]);
    }
}
