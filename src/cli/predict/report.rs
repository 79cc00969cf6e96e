//! What is kept of a case beside its segmentation: from what it came, and what it holds. A later run reads it to leave out what is done.
//!
//! Part of `cli::predict`; may use `infer` and `text`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::infer::Postprocess;
use crate::text::{Code, Diagnostic, Form, Outputs, Result, broken_link, list, reason};

/// The most classes that are named in a line.
const NAMED: usize = 12;

/// A file and the BLAKE3 hash of its bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hashed {
    pub file: PathBuf,
    pub blake3: String,
}

impl Hashed {
    /// Hashes a file.
    ///
    /// # Errors
    /// `code` when it cannot be read.
    pub fn of(file: &Path, code: Code) -> Result<Self> {
        let refuse = |e: std::io::Error| {
            let (why, help) = broken_link(file).unwrap_or_else(|| (reason(&e), "check the path and its permissions"));
            Diagnostic::error(code, format!("cannot read `{}`: {why}", file.display())).help(help)
        };
        let about = std::fs::metadata(file).map_err(refuse)?;
        if !about.is_file() {
            return Err(refuse(std::io::Error::other("it is not a regular file")).into());
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(file).map_err(refuse)?).map_err(refuse)?;
        Ok(Self { file: file.to_owned(), blake3: hasher.finalize().to_hex().to_string() })
    }

    /// Whether the file still has these bytes.
    fn holds(&self) -> bool {
        Self::of(&self.file, Code::E0702).is_ok_and(|now| now.blake3 == self.blake3)
    }
}

/// From what a segmentation follows: with the same of each it would come out the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentationOrigin {
    /// The version of the program.
    pub lmsc: String,
    pub models: Vec<Hashed>,
    pub images: Vec<Hashed>,
    /// Axes of the mirror images.
    pub flips: String,
    /// Whether sums were rounded as nnU-Net rounds them.
    #[serde(default, skip_serializing_if = "is_false")]
    pub exact: bool,
    pub postprocess: Postprocess,
}

fn is_false(v: &bool) -> bool {
    !*v
}

impl SegmentationOrigin {
    /// Whether both are the same, wherever the files lie.
    fn same(&self, other: &Self) -> bool {
        let hashes = |all: &[Hashed]| all.iter().map(|h| h.blake3.clone()).collect::<Vec<_>>();
        let of = |o: &Self| (o.lmsc.clone(), hashes(&o.models), hashes(&o.images), o.flips.clone(), o.exact, o.postprocess.clone());
        of(self) == of(other)
    }
}

/// How much of a volume a class takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassVolume {
    /// The class's value in the label file.
    pub value: u32,
    pub name: String,
    pub ml: f64,
}

/// A case that was segmented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseReport {
    pub case: String,
    pub origin: SegmentationOrigin,
    /// What was written: `labels`, and `probabilities` and `overlay` if they were asked for.
    pub outputs: BTreeMap<String, Hashed>,
    /// Hashes of what earlier runs had written for the case and was there when the report was written: the report comes before what takes its place.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub earlier: BTreeSet<String>,
    /// Voxels along i, j, k.
    pub size: [usize; 3],
    /// Along i, j, k.
    pub spacing_mm: [f64; 3],
    /// The sides that i, j, k run towards.
    pub orientation: String,
    pub volumes: Vec<ClassVolume>,
    /// Voxels that postprocessing set to the background.
    pub cleared_voxels: u64,
    pub windows: usize,
    /// How often a network ran for each window: models times mirror images.
    pub passes: usize,
    pub seconds: f64,
    /// The memory that was foreseen.
    pub needed_bytes: u64,
    /// The most that the process held, where the system says.
    pub peak_bytes: Option<u64>,
    /// Doubts about the image: where it lies, voxels that were not finite.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// Reports are far smaller; what is larger is none.
const LARGEST: u64 = 4 << 20;

impl CaseReport {
    /// Where the report of a case is kept.
    pub fn path(out: &Path, case: &str) -> PathBuf {
        out.join(format!("{case}.json"))
    }

    /// Reads the report of a case, if there is one that may be written over.
    ///
    /// # Errors
    /// E0603 when a file of its name is there that is none.
    pub fn read(out: &Path, case: &str, outputs: &Outputs) -> Result<Option<Self>> {
        let path = Self::path(out, case);
        if !path.exists() {
            return Ok(None);
        }
        let mut text = String::new();
        let read = File::open(&path).and_then(|file| file.take(LARGEST).read_to_string(&mut text));
        let report = read.ok().and_then(|_| serde_json::from_str(&text).ok());
        outputs.replace(&path, Form::Plain, report.is_some())?;
        Ok(report)
    }

    /// The hashes of the files that earlier runs have written for a case, by its report.
    pub fn known(old: Option<&Self>) -> BTreeSet<String> {
        old.iter().flat_map(|old| old.outputs.values().map(|h| h.blake3.clone()).chain(old.earlier.iter().cloned())).collect()
    }

    /// Whether it tells of just this, and all of `wanted` was written and is as it was.
    pub fn still_holds(&self, origin: &SegmentationOrigin, wanted: &[(&str, PathBuf)]) -> bool {
        let here = |(kind, path): &(&str, PathBuf)| {
            self.outputs.get(*kind).is_some_and(|h| Hashed { file: path.clone(), blake3: h.blake3.clone() }.holds())
        };
        self.origin.same(origin) && wanted.iter().all(here)
    }

    /// Writes it into `out`.
    ///
    /// # Errors
    /// E0603 when it cannot be written.
    pub fn write(&self, out: &Path, outputs: &Outputs) -> Result<()> {
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        Ok(outputs.write(&Self::path(out, &self.case), Form::Plain, &(text + "\n"))?)
    }

    /// `liver 1203.4 ml, tumour 3.1 ml`.
    pub fn volumes_text(&self) -> String {
        list(self.volumes.iter().filter(|v| v.value != 0).map(|v| format!("{} {:.1} ml", v.name, v.ml)), NAMED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(dir: &Path) -> CaseReport {
        let labels = dir.join("a.nii.gz");
        std::fs::write(&labels, "labels").unwrap();
        let hashed = |text: &str| Hashed { file: text.into(), blake3: text.into() };
        CaseReport {
            case: "a".into(),
            origin: SegmentationOrigin {
                lmsc: "1".into(),
                models: vec![hashed("m")],
                images: vec![hashed("i")],
                flips: "dhw".into(),
                exact: false,
                postprocess: Postprocess { min_mm3: 0.1, ..Postprocess::default() },
            },
            outputs: [("labels".to_owned(), Hashed::of(&labels, Code::E0702).unwrap())].into(),
            earlier: BTreeSet::new(),
            size: [1, 2, 3],
            spacing_mm: [0.1, 0.75, 3.0],
            orientation: "RAS".into(),
            volumes: vec![
                ClassVolume { value: 0, name: "background".into(), ml: 2.0 },
                ClassVolume { value: 7, name: "liver".into(), ml: 1.25 },
            ],
            cleared_voxels: 0,
            windows: 4,
            passes: 8,
            seconds: 1.5,
            needed_bytes: 9,
            peak_bytes: None,
            warnings: vec![],
        }
    }

    #[test]
    fn it_holds_until_something_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let r = report(dir.path());
        assert_eq!(r.volumes_text(), "liver 1.2 ml");
        let outputs = Outputs::new("predict", Some(false));
        r.write(dir.path(), &outputs).unwrap();
        let read = CaseReport::read(dir.path(), "a", &outputs).unwrap().unwrap();
        assert_eq!(read, r);
        let wanted = [("labels", dir.path().join("a.nii.gz"))];
        assert!(read.still_holds(&r.origin, &wanted));
        let mut moved = r.origin.clone();
        moved.models[0].file = "elsewhere".into();
        assert!(read.still_holds(&moved, &wanted), "where the files lie does not matter");
        let changes: [fn(&mut SegmentationOrigin); 6] = [
            |o| o.exact = true,
            |o| o.lmsc = "2".into(),
            |o| o.models[0].blake3 = "n".into(),
            |o| o.images.push(o.images[0].clone()),
            |o| o.flips.clear(),
            |o| o.postprocess.largest.push(7),
        ];
        for change in changes {
            let mut other = r.origin.clone();
            change(&mut other);
            assert!(!read.still_holds(&other, &wanted), "{other:?}");
        }
        assert!(!read.still_holds(&r.origin, &[wanted[0].clone(), ("overlay", dir.path().join("a.png"))]), "it was not asked for then");
        std::fs::write(&wanted[0].1, "labelz").unwrap();
        assert!(!read.still_holds(&r.origin, &wanted));
        std::fs::remove_file(&wanted[0].1).unwrap();
        assert!(!read.still_holds(&r.origin, &wanted));
    }

    #[test]
    fn a_file_of_another_kind_is_not_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let read = |overwrite| CaseReport::read(dir.path(), "a", &Outputs::new("predict", Some(overwrite)));
        assert_eq!(read(false).unwrap(), None);
        std::fs::write(dir.path().join("a.json"), "{\"RepetitionTime\": 2}").unwrap();
        assert_eq!(read(false).unwrap_err().0[0].code, Code::E0603);
        assert_eq!(read(true).unwrap(), None);
    }
}
