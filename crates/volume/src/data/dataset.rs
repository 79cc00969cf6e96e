//! A data set: what it holds, and its cases one by one.
//!
//! May use `text`, `volume` and the readers beside it.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::cache::Cache;
use super::layout::{self, CaseEntry, Pattern, Want};
use super::load::{self, LoadedCase, MatchedCase};
use super::phantom;
use super::preprocess::Preprocess;
use crate::text::{Code, Diagnostic, Diagnostics};
use crate::volume::other_half;

/// Where a data set is: as it stands in a run config.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum DatasetSpec {
    /// A folder in the layout of the Medical Segmentation Decathlon: `dataset.json`, `imagesTr`, `labelsTr`.
    Msd { root: PathBuf },
    /// A folder in the raw format of nnU-Net v2: `dataset.json`, `imagesTr/CASE_0000.nii.gz`, `labelsTr/CASE.nii.gz`.
    Nnunet { root: PathBuf },
    /// A folder of BraTS (2017 to 2023): a folder for each case, with files that end in `_t1`, `_t1ce`, `_t2`, `_flair`, `_seg`.
    Brats {
        root: PathBuf,
        /// Of t1, t1ce, t2, flair: which, and in which order they are the input channels.
        #[serde(default = "layout::brats_modalities")]
        modalities: Vec<String>,
        /// Without them 1, 2, 4 as up to 2021, or 1, 2, 3 where the files are named as in 2023.
        #[serde(default)]
        labels: Vec<(u32, String)>,
    },
    /// A folder of ACDC: `patient001`, ..., each with its two labelled frames.
    Acdc { root: PathBuf },
    /// Any folder whose files are named by a rule.
    Files {
        root: PathBuf,
        /// Name and pattern of each input channel, in order: `("T1", "{case}/T1*.nii.gz")`.
        modalities: Vec<(String, Pattern)>,
        /// The pattern of the label maps.
        label: Pattern,
        labels: Vec<(u32, String)>,
        /// What of a case's name is the subject, where subjects have several cases: `"{case}_visit*"`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<Pattern>,
    },
    /// Cases listed one by one.
    List {
        /// Where relative paths start; without it, at the config's folder.
        #[serde(default)]
        root: PathBuf,
        modalities: Vec<String>,
        labels: Vec<(u32, String)>,
        cases: Vec<CaseEntry>,
    },
    /// Generated volumes: how many, their D, H, W, the seed, and what a network sees and tells apart.
    Phantom {
        #[serde(default = "phantom::default_cases")]
        cases: usize,
        #[serde(default = "phantom::default_size")]
        size: [usize; 3],
        #[serde(default)]
        seed: u64,
        /// Contrasts of the image, 1 to 4: flair, then t1ce, t2, t1.
        #[serde(default = "phantom::all")]
        channels: usize,
        /// Classes of the label, 2 to 4: the innermost ones belong to what they lie in.
        #[serde(default = "phantom::all")]
        classes: usize,
    },
}

impl DatasetSpec {
    /// The folder of its files, where it has one.
    pub fn root(&self) -> Option<&Path> {
        match self {
            DatasetSpec::Msd { root } | DatasetSpec::Nnunet { root } | DatasetSpec::Acdc { root } => Some(root),
            DatasetSpec::Brats { root, .. } | DatasetSpec::Files { root, .. } | DatasetSpec::List { root, .. } => Some(root),
            DatasetSpec::Phantom { .. } => None,
        }
    }

    /// The same, to be changed.
    pub fn root_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            DatasetSpec::Msd { root } | DatasetSpec::Nnunet { root } | DatasetSpec::Acdc { root } => Some(root),
            DatasetSpec::Brats { root, .. } | DatasetSpec::Files { root, .. } | DatasetSpec::List { root, .. } => Some(root),
            DatasetSpec::Phantom { .. } => None,
        }
    }
}

/// One case.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    pub id: String,
    /// Whose case it is. Cases of one subject stay on one side of a split; mostly each case is a subject of its own.
    pub subject: String,
    /// One file per modality, or one file that holds them all. Empty for a generated case, and where labels alone were looked for.
    pub image: Vec<PathBuf>,
    /// `None` for a case without a label, and for a generated one.
    pub label: Option<PathBuf>,
}

impl Case {
    /// A case that is a subject of its own.
    pub fn new(id: impl Into<String>, image: Vec<PathBuf>, label: Option<PathBuf>) -> Self {
        let id = id.into();
        Self { subject: id.clone(), id, image, label }
    }

    /// Its files, those of the label last; of a volume in two files both.
    pub fn files(&self) -> Vec<PathBuf> {
        let both = |path: &PathBuf| [Some(path.clone()), other_half(path)];
        self.image.iter().chain(&self.label).flat_map(both).flatten().collect()
    }
}

/// What a data set says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Description {
    pub name: String,
    /// Names of the image channels, in order.
    pub modalities: Vec<String>,
    /// Value in the label files and name of each class, ascending; the first is 0, the background. A class index is a place in this list.
    pub labels: Vec<(u32, String)>,
    /// What is told apart in place of the classes where the data set says so: names and label values, and the label that each paints, if that
    /// is said too. A run config states its regions itself; these are for the one that is proposed.
    pub regions: Vec<(String, Vec<u32>)>,
    pub paint: Vec<u32>,
    /// What is odd about the description, but not wrong.
    pub warnings: Vec<Diagnostic>,
    /// Ascending by id.
    pub cases: Vec<Case>,
}

impl Description {
    /// Names of the foreground classes, in order.
    pub fn foreground(&self) -> Vec<String> {
        self.labels.iter().skip(1).map(|(_, n)| n.clone()).collect()
    }

    /// Ids of all cases.
    pub fn ids(&self) -> Vec<String> {
        self.cases.iter().map(|c| c.id.clone()).collect()
    }
}

/// An open data set.
#[derive(Clone, Debug)]
pub struct Dataset {
    pub description: Description,
    spec: DatasetSpec,
    by: Preprocess,
    cache: Option<Cache>,
}

impl Dataset {
    /// Finds the cases and looks that their files are there; volumes are read by [`Dataset::load`]. Prepared cases are kept in the folder
    /// `cache`, if one is given.
    ///
    /// # Errors
    /// E0101 when a folder or `dataset.json` cannot be read, E0701 for each thing that is wrong in it, E0601 for a phantom that cannot be,
    /// E0603 when the cache cannot be made.
    pub fn open(spec: &DatasetSpec, by: Preprocess, cache: Option<&Path>) -> Result<Self, Diagnostics> {
        let description = layout::describe(spec, Want::Pairs)?;
        // A generated case takes no longer to make than to read.
        let cache = cache
            .filter(|_| !matches!(spec, DatasetSpec::Phantom { .. }))
            .map(|folder| Cache::open(folder, by, &description))
            .transpose()?;
        Ok(Self { description, spec: spec.clone(), by, cache })
    }

    /// How its cases are prepared.
    pub fn preprocess(&self) -> &Preprocess {
        &self.by
    }

    /// Whether any of these cases has a label beside the background; as few label files are read as answer it. What cannot be read counts as
    /// labelled: it is told of where it is used.
    pub fn any_labelled(&self, cases: &[usize]) -> bool {
        let labelled = |case: &Case| load::label(case, &self.description).map_or(true, |l| l.data.iter().any(|c| *c > 0));
        matches!(self.spec, DatasetSpec::Phantom { .. }) || cases.iter().filter_map(|at| self.description.cases.get(*at)).any(labelled)
    }

    /// A case by its place in the description, as its files have it.
    ///
    /// # Errors
    /// As [`Dataset::load`]: all that is wrong with its image and its label.
    pub fn raw(&self, at: usize) -> Result<MatchedCase, Diagnostics> {
        let Some(case) = self.description.cases.get(at) else { return Err(Diagnostics::default()) };
        if let DatasetSpec::Phantom { size, seed, channels, classes, .. } = self.spec {
            let made = phantom::generate(size, seed, at as u64).reduced(channels, classes);
            return Ok(MatchedCase::of_phantom(made, self.by.orientation));
        }
        // Both are looked at whatever the other is like: all that is wrong is said at once.
        let mut found = Diagnostics::default();
        let image = found.keep(load::image(case, &self.description, &self.by));
        let label = found.keep(load::label(case, &self.description));
        match (image, label) {
            (Some(image), Some(label)) => Ok(load::pair(case, image, label, self.by.orientation)?),
            _ => Err(found),
        }
    }

    /// Loads, checks and prepares one case.
    ///
    /// # Errors
    /// E0701 for an unknown id or a wrong number of channels, E0702 for a volume that cannot be read, E0703 when image and label
    /// lie on different grids, E0704 for a label value that is not in the description.
    pub fn load(&self, id: &str) -> Result<LoadedCase, Diagnostic> {
        let (at, case) = self.description.cases.iter().enumerate().find(|(_, c)| c.id == id).ok_or_else(|| {
            let known = self.description.cases.iter().map(|c| c.id.as_str());
            Diagnostic::error(Code::E0701, format!("the data set has no case `{}`", crate::text::printable(id)))
                .help(crate::text::suggestion(id, known, "cases"))
        })?;
        match self.spec {
            DatasetSpec::Phantom { size, seed, channels, classes, .. } => {
                let made = phantom::generate(size, seed, at as u64).reduced(channels, classes);
                let made = MatchedCase::of_phantom(made, self.by.orientation);
                LoadedCase::prepared(&case.id, &made, &self.by, &self.description)
            }
            _ => {
                if let Some(kept) = self.cache.as_ref().and_then(|cache| cache.find(case)) {
                    return Ok(kept);
                }
                let loaded = load::load(case, &self.description, &self.by)?;
                if let Some(cache) = &self.cache {
                    cache.keep(case, &loaded)?;
                }
                Ok(loaded)
            }
        }
    }

    /// Loads cases on all cores, in the order of `ids`. `done` is called after each, from any thread.
    ///
    /// # Errors
    /// Those of [`Dataset::load`], of every case that has one.
    pub fn load_all(&self, ids: &[String], done: impl Fn() + Sync) -> Result<Vec<LoadedCase>, Diagnostics> {
        let all: Vec<_> = ids
            .par_iter()
            .map(|id| {
                let loaded = self.load(id);
                done();
                loaded
            })
            .collect();
        let mut found = Diagnostics::default();
        let loaded = all.into_iter().filter_map(|r| found.keep(r)).collect();
        found.or(loaded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Normalise;
    use ndarray::Axis;

    #[test]
    fn specs_read_as_they_stand_in_a_config() {
        let read = |t: &str| ron::from_str::<DatasetSpec>(t);
        assert_eq!(read(r#"Msd(root: "a/b")"#).unwrap(), DatasetSpec::Msd { root: "a/b".into() });
        let phantom = DatasetSpec::Phantom { cases: 4, size: [32, 40, 48], seed: 9, channels: 4, classes: 4 };
        assert_eq!(read("Phantom(cases: 4, size: (32, 40, 48), seed: 9)").unwrap(), phantom);
        assert!(read("Phantom()").is_ok());
        assert!(read("Phantom(cases: 4, sizes: (32, 40, 48))").is_err());
        assert_eq!(read(&ron::to_string(&phantom).unwrap()).unwrap(), phantom);
    }

    #[test]
    fn a_phantom_has_the_channels_and_classes_that_are_asked_for() {
        let open = |channels, classes| {
            let spec = DatasetSpec::Phantom { cases: 1, size: [24; 3], seed: 5, channels, classes };
            Dataset::open(&spec, Preprocess::default(), None)
        };
        let (all, two) = (open(4, 4).unwrap(), open(2, 3).unwrap());
        assert_eq!(two.description.modalities, ["t1ce", "flair"]);
        assert_eq!(two.description.labels.iter().map(|l| l.1.as_str()).collect::<Vec<_>>(), ["background", "edema", "core"]);
        let (all, two) = (all.raw(0).unwrap(), two.raw(0).unwrap());
        assert_eq!(two.image.data.dim().0, 2);
        assert_eq!(two.image.data.index_axis(Axis(0), 1), all.image.data.index_axis(Axis(0), 3), "flair");
        assert!(all.label.iter().any(|c| *c == 3));
        assert_eq!(two.label, all.label.mapv(|c| c.min(2)));
        for (channels, classes) in [(0, 4), (5, 4), (4, 1), (4, 5)] {
            assert_eq!(open(channels, classes).err().unwrap().0[0].code, Code::E0601, "{channels}, {classes}");
        }
    }

    #[test]
    fn a_phantom_set_loads_the_same_in_any_order() {
        let set = Dataset::open(
            &DatasetSpec::Phantom { cases: 3, size: [24, 24, 24], seed: 5, channels: 4, classes: 4 },
            Preprocess { normalise: Normalise::ZScoreNonZero, ..Preprocess::default() },
            None,
        )
        .unwrap();
        let ids = set.description.ids();
        let all = set.load_all(&ids, || ()).unwrap();
        assert_eq!(all.iter().map(|l| &l.sample.id).collect::<Vec<_>>(), ids.iter().collect::<Vec<_>>());
        assert_eq!(set.load(&ids[2]).unwrap().sample, all[2].sample);
        assert_ne!(all[0].sample.label, all[1].sample.label);
        assert_eq!(set.load("phantom_9").unwrap_err().code, Code::E0701);
    }
}
