//! Pairs of files become scores: several cases at a time, in bounded memory.
//!
//! May use `data` (label files), `metric`, `volume` and `text`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use super::Asked;
use super::pairs::Pairs;
use crate::data;
use crate::metric::{Evaluation, Pair, Region, Scored, Scores, Settings};
use crate::text::{Code, Diagnostic, Diagnostics, Result};
use crate::volume::{corner_distance, read_header};

/// Grids whose corners lie farther apart, in mm, are worth a word: headers round. By half a voxel they are two grids, as for images and labels.
pub(super) const SAME_GRID: f64 = 1e-3;
/// Cases are begun while their need, together, is below this. One that needs more is scored alone.
const MEMORY: u64 = 4 << 30;
/// What a case needs at its peak, in bytes a voxel: a file as it is read, two label maps, two surfaces and a distance map of them.
const NEED: u64 = 40;

/// What is to be scored.
#[derive(Clone, Debug)]
pub(super) enum Scope {
    /// Every label value that occurs.
    EachLabel,
    Regions(Vec<Region>),
    /// WT, TC and ET, and then these.
    Brats(Vec<Region>),
}

impl Scope {
    /// From what was asked for.
    ///
    /// # Errors
    /// E0601 when two regions have one name.
    pub(super) fn new(labels: Option<&[Region]>, asked: &[Asked]) -> Result<Self> {
        if labels.is_none() && asked.is_empty() {
            return Ok(Self::EachLabel);
        }
        let named = asked.iter().filter_map(|a| if let Asked::Named(r) = a { Some(r.clone()) } else { None });
        let regions: Vec<Region> = labels.unwrap_or_default().iter().cloned().chain(named).collect();
        let brats = asked.iter().any(|a| matches!(a, Asked::Brats));
        let taken = |name: &str, before: &[Region]| before.iter().any(|b| b.name == name) || brats && ["WT", "TC", "ET"].contains(&name);
        match regions.iter().enumerate().find(|(i, r)| taken(&r.name, &regions[..*i])) {
            Some((_, twice)) => Err(Diagnostic::error(Code::E0601, format!("two regions are called `{}`", twice.name))
                .help("give each region a name of its own")
                .into()),
            None if brats => Ok(Self::Brats(regions)),
            None => Ok(Self::Regions(regions)),
        }
    }

    /// The regions, where `used` says which label values there are.
    fn regions(&self, used: &BTreeSet<u32>) -> Result<Vec<Region>, Diagnostic> {
        match self {
            Self::EachLabel => Ok(used.range(1..).copied().map(Region::label).collect()),
            Self::Regions(all) => Ok(all.clone()),
            Self::Brats(further) => {
                let own = Region::brats(used).map_err(|why| {
                    Diagnostic::error(Code::E0704, format!("--region brats does not fit the files: {why}"))
                        .help("name the regions by their values: --region WT=1,2,3,4 --region TC=1,3,4 --region ET=4")
                })?;
                Ok(own.into_iter().chain(further.iter().cloned()).collect())
            }
        }
    }
}

/// One set of predictions, scored.
#[derive(Debug)]
pub(super) struct Set {
    pub evaluation: Evaluation,
    /// What the cases are of, in the order of [`Evaluation::cases`].
    pub files: Vec<Files>,
    /// Label values above 0 that occur and are in no region.
    pub unscored: Vec<u32>,
}

/// The files of a case and their grid.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub prediction: PathBuf,
    pub reference: PathBuf,
    /// D, H, W.
    pub size: [usize; 3],
    pub spacing: [f64; 3],
    /// How far the corners of the two grids lie apart at most, mm.
    pub apart: f64,
    /// Doubts about where they lie.
    pub warnings: Vec<Diagnostic>,
}

/// One case before all is known.
struct Case {
    id: String,
    files: Files,
    used: BTreeSet<u32>,
    scores: Vec<(Region, Scores)>,
}

/// Scores one or two sets of predictions for the same references; both have the same regions.
///
/// # Errors
/// What is wrong with any of the files, all of it; E0703 for pairs on different grids, E0704 for label values that do not fit.
pub(super) fn score(own: Pairs, other: Option<Pairs>, scope: &Scope, settings: &Settings) -> Result<(Set, Option<Set>)> {
    let count = own.len();
    let all: Vec<_> = own.into_iter().chain(other.iter().flatten().map(|(n, f)| (n.clone(), f.clone()))).collect();
    let mut found = Diagnostics::default();
    let mut cases: Vec<Case> = scored(&all, scope, settings).into_iter().filter_map(|r| found.keep(r)).collect();
    found.dedup();
    found.or(())?;
    let used: BTreeSet<u32> = cases.iter().flat_map(|c| c.used.iter().copied()).collect();
    let mut regions = scope.regions(&used)?;
    if regions.is_empty() {
        // Every file is empty: one region says so.
        regions.push(Region::label(1));
    }
    let unscored = used.range(1..).copied().filter(|v| !regions.iter().any(|r| r.values.contains(v))).collect::<Vec<u32>>();
    let second = cases.split_off(count);
    let set = |cases: Vec<Case>| {
        let files = cases.iter().map(|c| c.files.clone()).collect();
        let cases = cases.into_iter().map(|c| arranged(c, &regions, settings)).collect();
        Set { evaluation: Evaluation { regions: regions.clone(), cases }, files, unscored: unscored.clone() }
    };
    Ok((set(cases), other.map(|_| set(second))))
}

/// A case with the scores of all regions; those that it has not are in neither of its files.
fn arranged(case: Case, regions: &[Region], settings: &Settings) -> Scored {
    let of = |r: &Region| case.scores.iter().find(|(own, _)| own.name == r.name).map(|(_, s)| s.clone());
    let scores = regions.iter().map(|r| of(r).unwrap_or_else(|| Scores::of_nothing(settings))).collect();
    Scored { id: case.id, scores }
}

/// Every pair, in order. As many workers as the machine has threads take the next case as they come to it.
fn scored(all: &[(String, (PathBuf, PathBuf))], scope: &Scope, settings: &Settings) -> Vec<Result<Case, Diagnostic>> {
    let (next, gate) = (AtomicUsize::new(0), Gate::default());
    let workers = rayon::current_num_threads().clamp(1, all.len().max(1));
    let work = || {
        let mut done = vec![];
        while let Some((i, (id, (prediction, reference)))) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, all.get(i)?)))
        {
            // A header that cannot be read is told of when the file is.
            let need = read_header(reference).map_or(0, |h| h.dim.iter().fold(NEED, |n, d| n.saturating_mul(*d as u64)));
            let _held = gate.pass(need);
            done.push((i, one(id, prediction, reference, scope, settings)));
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

fn one(id: &str, prediction: &Path, reference: &Path, scope: &Scope, settings: &Settings) -> Result<Case, Diagnostic> {
    let (p, r) = rayon::join(|| data::read_labels(prediction, None), || data::read_labels(reference, None));
    let (mut p, mut r) = (p?, r?);
    let values = data::on_one_list(&mut [&mut p, &mut r])?;
    let differ = |how: String| {
        Diagnostic::error(Code::E0703, format!("`{}` and `{}` are not on one grid: {how}", prediction.display(), reference.display()))
            .help("resample the prediction to the reference's grid")
    };
    let Some(pair) = Pair::new(&p.data, &r.data, r.spacing).map(|pair| pair.of_values(&values)) else {
        let shape = |(d, h, w): (usize, usize, usize)| format!("{w}x{h}x{d}");
        return Err(differ(format!("{} and {} voxels", shape(p.data.dim()), shape(r.data.dim()))));
    };
    let size = r.data.dim().into();
    let far = corner_distance(&p.affine, &r.affine, size);
    if far > r.spacing.iter().copied().fold(f64::INFINITY, f64::min) / 2.0 {
        return Err(differ(format!("their corners lie {far:.3} mm apart")));
    }
    let used = pair.used();
    let scores = scope.regions(&used)?.into_iter().map(|region| (region.clone(), pair.score(&region, settings))).collect();
    let files = Files {
        prediction: prediction.to_owned(),
        reference: reference.to_owned(),
        size,
        spacing: r.spacing,
        apart: far,
        warnings: [p.warnings.clone(), r.warnings.clone()].concat(),
    };
    Ok(Case { id: id.to_owned(), files, used, scores })
}

/// Lets cases in while there is memory for them.
#[derive(Default)]
struct Gate {
    taken: Mutex<u64>,
    left: Condvar,
}

/// Memory that is given back when it is dropped.
struct Held<'a> {
    gate: &'a Gate,
    need: u64,
}

impl Gate {
    fn pass(&self, need: u64) -> Held<'_> {
        let need = need.min(MEMORY);
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = self.left.wait_while(taken, |t| *t + need > MEMORY).unwrap_or_else(PoisonError::into_inner);
        *taken += need;
        Held { gate: self, need }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        *self.gate.taken.lock().unwrap_or_else(PoisonError::into_inner) -= self.need;
        self.gate.left.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{Convention, Presence};
    use crate::volume::{Header, write_labels};
    use ndarray::Array3;

    const SETTINGS: Settings = Settings { convention: Convention::DeepMind, tolerance: 1.0, lesions: None };

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
    fn every_label_of_any_file_is_scored_in_every_case() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name, values| label(dir.path(), name, values, 1.0);
        let pairs = Pairs::from([
            ("a".to_owned(), (file("pa.nii", [0, 1, 1, 0, 0, 0, 0, 0]), file("ra.nii", [0, 1, 0, 0, 0, 0, 0, 0]))),
            ("b".to_owned(), (file("pb.nii.gz", [1, 1, 3, 0, 0, 0, 0, 0]), file("rb.nii", [1, 1, 3, 3, 0, 0, 0, 0]))),
        ]);
        let (set, _) = score(pairs, None, &Scope::EachLabel, &SETTINGS).unwrap();
        let e = set.evaluation;
        assert_eq!(e.rows(), ["1", "3", "mean"]);
        let dice = |i: usize| e.cases[i].scores.iter().map(|s| s.dice).collect::<Vec<_>>();
        assert_eq!((dice(0), dice(1)), (vec![2.0 / 3.0, 1.0], vec![1.0, 2.0 / 3.0]));
        assert_eq!(e.cases[0].scores[1].presence, Presence::Neither);
        assert_eq!(e.occurrences()[1].in_neither, 1);
    }

    #[test]
    fn other_grids_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b, c) = (label(dir.path(), "a.nii", [0; 8], 1.0), label(dir.path(), "b.nii", [0; 8], 1.7), dir.path().join("c.nii"));
        write_labels(&c, &Array3::<u8>::zeros((2, 2, 3)), &Header::plain([2, 2, 3], 1, [1.0; 3])).unwrap();
        let pairs = Pairs::from([("x".to_owned(), (a.clone(), b)), ("y".to_owned(), (a, c))]);
        let e = score(pairs, None, &Scope::EachLabel, &SETTINGS).unwrap_err();
        assert!(e.0[0].code == Code::E0703 && e.0[0].message.ends_with("their corners lie 1.212 mm apart"), "{e:?}");
        assert!(e.0[1].message.ends_with("2x2x2 and 3x2x2 voxels"), "{e:?}");
    }

    #[test]
    fn grids_that_differ_by_rounding_are_one() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (label(dir.path(), "a.nii", [1; 8], 1.0), label(dir.path(), "b.nii", [1; 8], 1.01));
        let (set, _) = score(Pairs::from([("x".to_owned(), (a, b))]), None, &Scope::EachLabel, &SETTINGS).unwrap();
        // One voxel farther along each of three axes: 0.01 times the root of 3.
        assert!((set.files[0].apart - 0.01 * 3f64.sqrt()).abs() < 1e-6, "{:?}", set.files);
    }

    #[test]
    fn regions_join_labels() {
        let dir = tempfile::tempdir().unwrap();
        let pairs = two(dir.path(), [1, 2, 4, 0, 0, 0, 0, 0], [2, 1, 4, 4, 0, 0, 0, 0]);
        let scope = Scope::new(None, &[Asked::Brats, Asked::Named(Region::parse("oedema=2").unwrap())]).unwrap();
        let (set, _) = score(pairs, None, &scope, &SETTINGS).unwrap();
        let dice: Vec<f64> = set.evaluation.cases[0].scores.iter().map(|s| s.dice).collect();
        assert_eq!((set.evaluation.rows(), dice), (vec!["WT", "TC", "ET", "oedema", "mean"], vec![6.0 / 7.0, 0.4, 2.0 / 3.0, 0.0]));
        assert!(set.unscored.is_empty());
        let e = score(two(dir.path(), [3; 8], [4; 8]), None, &scope, &SETTINGS).unwrap_err();
        assert_eq!(e.0[0].code, Code::E0704);
        let twice = Scope::new(Some(&Region::labels("1,1").unwrap()), &[]).unwrap_err();
        assert_eq!(twice.0[0].code, Code::E0601);
    }

    #[test]
    fn labels_that_no_region_has_are_told_of() {
        let dir = tempfile::tempdir().unwrap();
        let pairs = two(dir.path(), [1, 2, 4, 0, 0, 0, 0, 0], [2, 1, 7, 4, 0, 0, 0, 0]);
        let (set, _) = score(pairs, None, &Scope::new(Some(&Region::labels("1,2").unwrap()), &[]).unwrap(), &SETTINGS).unwrap();
        assert_eq!(set.unscored, [4, 7]);
    }

    #[test]
    fn the_gate_lets_in_what_fits() {
        let gate = Gate::default();
        let big = gate.pass(u64::MAX);
        assert_eq!(*gate.taken.lock().unwrap(), MEMORY);
        drop(big);
        let (_a, _b) = (gate.pass(MEMORY / 2), gate.pass(MEMORY / 2));
        assert_eq!(*gate.taken.lock().unwrap(), MEMORY / 2 * 2);
    }
}
