//! The phantom as files, in the layout of the Medical Segmentation Decathlon.
//!
//! May use `text`, `volume` and `make`.

use std::path::Path;

use serde_json::json;

use super::{LABELS, MODALITIES, describe, generate};
use crate::text::{Diagnostic, unwritable, write_text};
use crate::volume::{Header, write_image, write_labels};

/// Writes a phantom to `root`: `dataset.json`, `imagesTr`, `labelsTr`.
///
/// # Errors
/// E0601 for a phantom that cannot be; E0603 when a file cannot be written.
pub fn write(root: &Path, cases: usize, size: [usize; 3], seed: u64) -> Result<(), Diagnostic> {
    let description = describe(cases, size, MODALITIES.len(), LABELS.len())?;
    for folder in ["imagesTr", "labelsTr"] {
        let folder = root.join(folder);
        std::fs::create_dir_all(&folder).map_err(|e| unwritable(&folder, &e))?;
    }
    let mut training = vec![];
    for (n, case) in description.cases.iter().enumerate() {
        let made = generate(size, seed, n as u64);
        let header = Header::plain(size, MODALITIES.len(), made.spacing);
        let name = format!("{}.nii.gz", case.id);
        write_image(&root.join("imagesTr").join(&name), &made.image, &header)?;
        write_labels(&root.join("labelsTr").join(&name), &made.label, &header)?;
        training.push(json!({"image": format!("./imagesTr/{name}"), "label": format!("./labelsTr/{name}")}));
    }
    let numbered = |names: &[&str]| names.iter().enumerate().map(|(i, n)| (i.to_string(), json!(n))).collect::<serde_json::Map<_, _>>();
    let about = json!({
        "name": "phantom", "description": "generated volumes", "tensorImageSize": "4D",
        "modality": numbered(&MODALITIES), "labels": numbered(&LABELS), "numTraining": cases, "training": training,
    });
    let path = root.join("dataset.json");
    write_text(&path, &format!("{about:#}\n"))
}

#[cfg(test)]
mod tests {
    use super::super::super::{Dataset, DatasetSpec, Preprocess};
    use crate::volume::Normalise;

    #[test]
    fn written_and_read_back_it_is_the_same_set() {
        let root = tempfile::tempdir().unwrap();
        super::write(root.path(), 2, [16, 18, 20], 4).unwrap();
        let by = Preprocess { normalise: Normalise::ZScoreNonZero, ..Preprocess::default() };
        let files = Dataset::open(&DatasetSpec::Msd { root: root.path().into() }, by, None).unwrap();
        let made =
            Dataset::open(&DatasetSpec::Phantom { cases: 2, size: [16, 18, 20], seed: 4, channels: 4, classes: 4 }, by, None).unwrap();
        assert_eq!((&files.description.labels, files.description.ids()), (&made.description.labels, made.description.ids()));
        for id in made.description.ids() {
            let (a, b) = (files.load(&id).unwrap(), made.load(&id).unwrap());
            assert_eq!((a.sample, a.grid), (b.sample, b.grid));
            assert!(a.warnings.is_empty());
        }
    }
}
