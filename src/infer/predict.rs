//! From image files to a segmentation on their grid.
//!
//! Part of `infer`; may use `data`, `volume` and `text`.

use std::path::{Path, PathBuf};

use ndarray::{Array3, ArrayView3, Axis};

use super::Model;
use crate::data;
use crate::text::{Code, Diagnostic, Result};
use crate::volume::{self, Volume, overlay, overlay::Overlay};

/// An image and what the network sees in it.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// The image as read, all modalities, before normalisation.
    pub image: Volume,
    /// `[D, H, W]`, on the image's grid: values as in the label files of the training data.
    pub labels: Array3<u8>,
    /// Value and name of every class.
    pub classes: Vec<(u8, String)>,
}

impl Prediction {
    /// Writes the labels as NIfTI on the image's own grid (extents, spacing, affine, codes). Gzip if the name ends in `.gz`.
    ///
    /// # Errors
    /// E0603 when the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        Ok(volume::write_labels(path, &self.labels, &self.image.header)?)
    }

    /// Writes a PNG: planes of the first modality, alone, with `reference` (if there is one on the same grid) and with the labels.
    ///
    /// # Errors
    /// E0603 when the file cannot be written, E0703 when the reference has another shape.
    pub fn picture(&self, path: &Path, reference: Option<ArrayView3<u8>>) -> Result<()> {
        let image = self.image.data.index_axis(Axis(0), 0);
        let prediction = self.labels.view();
        Ok(overlay::write(path, &Overlay { image, reference, prediction, affine: self.image.affine, classes: &self.classes })?)
    }
}

impl Model {
    /// Segments one case: one file with all modalities (4-D, or 3-D for one modality), or one 3-D file for each, in the order of
    /// the model's modalities.
    ///
    /// # Errors
    /// E0702 for a file that cannot be read or holds numbers that are not finite, E0703 when the files lie on different grids, E0302 when their channels are not the
    /// model's modalities.
    pub fn predict(&self, files: &[PathBuf]) -> Result<Prediction> {
        let image = data::read_image(files)?;
        let channels = image.data.dim().0;
        let wanted = &self.card().modalities;
        if channels != wanted.len() {
            let what = if channels == 1 { "1 channel".into() } else { format!("{channels} channels") };
            let error = format!("{} has {what}, and the model was trained on {}: {}", names(files), wanted.len(), wanted.join(", "));
            return Err(Diagnostic::error(Code::E0302, error)
                .help(if wanted.len() == 1 {
                    "give a 3-D image".into()
                } else {
                    format!("give one 4-D file, or {} 3-D files joined by commas in that order: t1.nii.gz,t2.nii.gz,...", wanted.len())
                })
                .into());
        }
        let mut data = image.data.clone();
        self.card().normalise.apply(&mut data);
        let classes = self.card().labels.clone();
        let values: Vec<u8> = classes.iter().map(|(value, _)| *value).collect();
        let labels = self.segment(data.view())?.mapv(|class| values.get(usize::from(class)).copied().unwrap_or_default());
        Ok(Prediction { image, labels, classes })
    }
}

fn names(files: &[PathBuf]) -> String {
    files.iter().map(|f| format!("`{}`", f.display())).collect::<Vec<_>>().join(", ")
}
