//! Loading a case: its volumes are checked against each other and against the description.
//!
//! May use `text`, `volume`, and `sample`, `dataset`, `image`, `labels`, `preprocess`, `phantom`, `taken` beside it.

use std::path::{Path, PathBuf};

use ndarray::Array3;

use super::dataset::{Case, Description};
use super::image::{Image, read_image};
use super::labels::{Labels, read_labels};
use super::phantom::Phantom;
use super::preprocess::{Preprocess, channels};
use super::sample::Sample;
use super::taken::{Frame, Taken};
use crate::text::{Code, Diagnostic, several};
use crate::volume::{Grid, Header, Orientation, Volume, corner_distance, reorient};

/// The axis order in which networks see volumes, whatever that of the files is, unless they are to see other slices: D to the head, H to the
/// front, W to the right.
pub const CANONICAL: Orientation = Orientation::RAS;
/// Two grids further apart than this at a corner, in mm, are worth a warning.
const SAME_GRID: f64 = 1e-3;

/// A loaded case, turned to the network's axis order and prepared.
#[derive(Clone, Debug)]
pub struct LoadedCase {
    pub sample: Sample,
    /// Where the sample's voxels lie.
    pub grid: Grid,
    /// What is odd, but not wrong.
    pub warnings: Vec<Diagnostic>,
}

impl LoadedCase {
    /// A case prepared.
    ///
    /// # Errors
    /// E0702 when the wanted spacing makes too many voxels.
    pub(super) fn prepared(id: &str, case: &MatchedCase, by: &Preprocess, about: &Description) -> Result<Self, Diagnostic> {
        let whole = channels(case.image.data.view());
        let frame = Frame::new(&whole, &case.image.grid(), by)?;
        let seen: Vec<_> = whole.into_iter().map(|c| frame.extent.seen(c)).collect();
        let (label, grid, scales) = (frame.label(case.label.view()), frame.grid(), by.scales(&seen));
        let taken = Taken::of(id, case, (&frame, &label), (&seen, &scales), (by, about));
        let image = by.image(&seen, &scales, &frame.own, &grid);
        let sample = Sample { lost: taken.lost, ..Sample::new(id, image, label, grid.spacing()) };
        Ok(Self { sample, grid, warnings: [case.warnings.clone(), taken.warnings].concat() })
    }
}

/// Loads one case from its files.
pub(super) fn load(case: &Case, description: &Description, by: &Preprocess) -> Result<LoadedCase, Diagnostic> {
    let matched = pair(case, image(case, description, by)?, label(case, description)?, by.orientation)?;
    LoadedCase::prepared(&case.id, &matched, by, description)
}

/// The image and the label of a case on one grid, both turned to the network's axis order.
#[derive(Clone, Debug)]
pub struct MatchedCase {
    /// Intensities as in the files.
    pub image: Volume,
    /// `[D, H, W]`: class indices.
    pub label: Array3<u8>,
    /// What is odd, but not wrong.
    pub warnings: Vec<Diagnostic>,
}

impl MatchedCase {
    /// A generated case in the axis order `to`.
    pub(super) fn of_phantom(made: Phantom, to: Orientation) -> Self {
        let Phantom { image: data, label, spacing } = made;
        let (c, d, h, w) = data.dim();
        let [sd, sh, sw] = spacing;
        let affine = [[sw, 0.0, 0.0, 0.0], [0.0, sh, 0.0, 0.0], [0.0, 0.0, sd, 0.0], [0.0, 0.0, 0.0, 1.0]];
        let image = Volume { data, spacing, affine, header: Header::plain([d, h, w], c, spacing) };
        if to == CANONICAL {
            return Self { image, label, warnings: vec![] };
        }
        Self { label: reorient(label.view(), CANONICAL, to), image: image.reoriented(to), warnings: vec![] }
    }
}

/// The image of a case, with as many channels as the data set has modalities.
pub(super) fn image(case: &Case, description: &Description, by: &Preprocess) -> Result<Image, Diagnostic> {
    let image = read_image(&case.image, by.nan.into())?;
    let channels = image.volume.data.dim().0;
    if channels == description.modalities.len() {
        return Ok(image);
    }
    let names = description.modalities.join(", ");
    let shown = case.image.iter().map(|f| format!("`{}`", f.display())).collect::<Vec<_>>().join(", ");
    let message = format!(
        "{shown}: {}, but the data set has {} ({names})",
        several(channels, "channel"),
        several(description.modalities.len(), "modality")
    );
    Err(Diagnostic::error(Code::E0701, message).help("correct what the data set says of its modalities, or the image"))
}

/// The label map of a case, as class indices.
pub(super) fn label(case: &Case, description: &Description) -> Result<Labels, Diagnostic> {
    let Some(path) = &case.label else {
        return Err(Diagnostic::error(Code::E0701, format!("case `{}` has no label", case.id)).help("add its label, or take the case out"));
    };
    read_labels(path, Some(&description.labels))
}

/// Both on one grid in the axis order `to`.
pub(super) fn pair(case: &Case, image: Image, mut label: Labels, to: Orientation) -> Result<MatchedCase, Diagnostic> {
    let Image { volume: image, mut warnings } = image;
    warnings.append(&mut label.warnings);
    let first = case.image.first().map(PathBuf::as_path).unwrap_or(Path::new(""));
    let path = case.label.as_deref().unwrap_or(Path::new(""));
    let grid = image.grid();
    let was = label.grid().orientation();
    let (label, turned) = label.along(&grid);
    if let Some(order) = turned {
        let message = format!("`{}` runs {was} and `{}` {order}: the label is turned", path.display(), first.display());
        warnings
            .push(Diagnostic::warning(Code::E0703, message).help("write both in one axis order to have no doubt").of(&case.id, "turned"));
    }
    let own = label.grid();
    same_size(first, grid.size, path, own.size)?;
    let apart = corner_distance(&grid.affine, &own.affine, grid.size);
    // Headers differ by rounding in many a good data set, and voxels still belong together. Half a voxel and more is another grid:
    // a shifted or mirrored label would train without a word.
    if apart > half_step(&grid) {
        return Err(elsewhere(Code::E0703, (first, &grid), (path, &own), apart, "the label onto the image"));
    }
    if apart > SAME_GRID {
        let mut d = elsewhere(Code::E0703, (first, &grid), (path, &own), apart, "the label onto the image");
        d.severity = crate::text::Severity::Warning;
        warnings.push(d.of(&case.id, "apart"));
    }
    // The label's voxels are the image's: both are turned alike, though their affines may differ by rounding.
    let label = reorient(label.data.view(), grid.orientation(), to);
    Ok(MatchedCase { image: image.reoriented(to), label, warnings })
}

/// The axis order that lays a grid onto that of the image, where it is the image's grid in another order.
pub(super) fn other_order(own: &Grid, image: &Grid) -> Option<Orientation> {
    let to = image.orientation();
    let slack = half_step(image);
    (!own.is_near(image, slack) && own.reoriented(to).is_near(image, slack)).then_some(to)
}

pub(super) fn half_step(grid: &Grid) -> f64 {
    grid.spacing().iter().copied().fold(f64::INFINITY, f64::min) / 2.0
}

pub(super) fn same_size(first: &Path, a: [usize; 3], second: &Path, b: [usize; 3]) -> Result<(), Diagnostic> {
    if a == b {
        return Ok(());
    }
    let shown = |[d, h, w]: [usize; 3]| format!("{w}x{h}x{d}");
    let message = format!("`{}` has {} voxels, but `{}` has {}", first.display(), shown(a), second.display(), shown(b));
    Err(Diagnostic::error(Code::E0703, message).help("they belong to one case and must have the same grid: is the pairing right?"))
}

/// The error of two files whose grids lie apart. `what` is to be resampled.
pub(super) fn elsewhere(code: Code, (first, a): (&Path, &Grid), (second, b): (&Path, &Grid), apart: f64, what: &str) -> Diagnostic {
    let differ = a.differences(b);
    let differ = if differ.is_empty() { differ } else { format!(": {differ}") };
    let message = format!("`{}` and `{}` lie {apart:.3} mm apart at a corner of their grids{differ}", first.display(), second.display());
    Diagnostic::error(code, message).help(format!("resample {what}, or copy the header of the first if only the second one's is wrong"))
}

#[cfg(test)]
mod tests;
