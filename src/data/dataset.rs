//! A data set: what it holds, and its cases one by one.
//!
//! May use `text`, `volume` and the readers beside it.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::load::{Loaded, load};
use super::{msd, phantom};
use crate::text::{Code, Diagnostic, Diagnostics};
use crate::volume::Normalise;

/// Where a data set is: as it stands in a run config.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Spec {
    /// A folder in the layout of the Medical Segmentation Decathlon: `dataset.json`, `imagesTr`, `labelsTr`.
    Msd { root: PathBuf },
    /// Generated volumes: how many, their D, H, W, and the seed.
    Phantom {
        #[serde(default = "phantom::default_cases")]
        cases: usize,
        #[serde(default = "phantom::default_size")]
        size: [usize; 3],
        #[serde(default)]
        seed: u64,
    },
}

/// One case.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    pub id: String,
    /// One file per modality, or one file that holds them all. Empty for a generated case.
    pub image: Vec<PathBuf>,
    /// `None` for a case without a label, and for a generated one.
    pub label: Option<PathBuf>,
}

/// What a data set says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    pub name: String,
    /// Names of the image channels, in order.
    pub modalities: Vec<String>,
    /// Value in the label files and name of each class, ascending; the first is 0, the background. A class index is a place in this list.
    pub labels: Vec<(u8, String)>,
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
    spec: Spec,
    normalise: Normalise,
}

impl Dataset {
    /// Reads what the data set says of itself and looks that its files are there; volumes are read by [`Dataset::load`].
    ///
    /// # Errors
    /// E0101 when `dataset.json` cannot be read, E0701 for each thing that is wrong in it, E0601 for a phantom that cannot be.
    pub fn open(spec: &Spec, normalise: Normalise) -> Result<Self, Diagnostics> {
        let description = match spec {
            Spec::Msd { root } => msd::describe(root)?,
            Spec::Phantom { cases, size, .. } => phantom::describe(*cases, *size)?,
        };
        Ok(Self { description, spec: spec.clone(), normalise })
    }

    /// Loads, checks and normalises one case.
    ///
    /// # Errors
    /// E0701 for an unknown id or a wrong number of channels, E0702 for a volume that cannot be read, E0703 when image and label
    /// lie on different grids, E0704 for a label value that is not in the description.
    pub fn load(&self, id: &str) -> Result<Loaded, Diagnostic> {
        let (at, case) = self.description.cases.iter().enumerate().find(|(_, c)| c.id == id).ok_or_else(|| {
            let known = self.description.cases.iter().map(|c| c.id.as_str());
            Diagnostic::error(Code::E0701, format!("the data set has no case `{}`", crate::text::printable(id)))
                .help(crate::text::suggestion(id, known, "cases"))
        })?;
        match self.spec {
            Spec::Msd { .. } => load(case, &self.description, self.normalise),
            Spec::Phantom { size, seed, .. } => {
                let made = phantom::generate(size, seed, at as u64);
                Ok(Loaded::of_phantom(&case.id, made, self.normalise))
            }
        }
    }

    /// Loads cases on all cores, in the order of `ids`. `done` is called after each, from any thread.
    ///
    /// # Errors
    /// Those of [`Dataset::load`], of every case that has one.
    pub fn load_all(&self, ids: &[String], done: impl Fn() + Sync) -> Result<Vec<Loaded>, Diagnostics> {
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

/// A case's id: its file's name without `.nii` or `.nii.gz`.
pub(super) fn id_of(path: &Path) -> String {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.strip_suffix(".nii").unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_read_as_they_stand_in_a_config() {
        let read = |t: &str| ron::from_str::<Spec>(t);
        assert_eq!(read(r#"Msd(root: "a/b")"#).unwrap(), Spec::Msd { root: "a/b".into() });
        let phantom = Spec::Phantom { cases: 4, size: [32, 40, 48], seed: 9 };
        assert_eq!(read("Phantom(cases: 4, size: (32, 40, 48), seed: 9)").unwrap(), phantom);
        assert!(read("Phantom()").is_ok());
        assert!(read("Phantom(cases: 4, sizes: (32, 40, 48))").is_err());
        assert_eq!(read(&ron::to_string(&phantom).unwrap()).unwrap(), phantom);
    }

    #[test]
    fn ids_are_names_without_endings() {
        assert_eq!(id_of(Path::new("imagesTr/case 1.x.nii.gz")), "case 1.x");
        assert_eq!(id_of(Path::new("b.nii")), "b");
    }

    #[test]
    fn a_phantom_set_loads_the_same_in_any_order() {
        let set = Dataset::open(&Spec::Phantom { cases: 3, size: [24, 24, 24], seed: 5 }, Normalise::ZScoreNonZero).unwrap();
        let ids = set.description.ids();
        let all = set.load_all(&ids, || ()).unwrap();
        assert_eq!(all.iter().map(|l| &l.sample.id).collect::<Vec<_>>(), ids.iter().collect::<Vec<_>>());
        assert_eq!(set.load(&ids[2]).unwrap().sample, all[2].sample);
        assert_ne!(all[0].sample.label, all[1].sample.label);
        assert_eq!(set.load("phantom_9").unwrap_err().code, Code::E0701);
    }
}
