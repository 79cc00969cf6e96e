//! Volumes of a case, held against each other and against the description.
//!
//! May use `text`, `volume`, and `sample`, `dataset`, `preprocess`, `phantom` beside it.

use std::path::{Path, PathBuf};

use ndarray::{Array3, Axis};

use super::dataset::{Case, Description};
use super::phantom::Phantom;
use super::preprocess::{Preprocess, channels};
use super::sample::Sample;
use crate::text::{Code, Diagnostic};
use crate::volume::{Affine, Between, Grid, Header, Orientation, Volume, corner_distance, read, reorient, resample_labels};

/// The axis order in which networks see volumes, whatever that of the files is: D to the head, H to the front, W to the right.
pub const CANONICAL: Orientation = Orientation::RAS;
/// Two grids further apart than this at a corner, in mm, are worth a warning.
const SAME_GRID: f64 = 1e-3;
/// A stored label may miss its integer by this much.
const SAME_LABEL: f32 = 1e-4;

/// A loaded case, turned to [`CANONICAL`] and prepared.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub sample: Sample,
    /// Where the sample's voxels lie.
    pub grid: Grid,
    /// What is odd, but not wrong.
    pub warnings: Vec<Diagnostic>,
}

impl Loaded {
    /// A case prepared.
    ///
    /// # Errors
    /// E0702 when the wanted spacing makes too many voxels.
    pub(super) fn prepared(id: &str, case: &Matched, by: &Preprocess) -> Result<Self, Diagnostic> {
        let whole = channels(case.image.data.view());
        let extent = by.extent(&whole);
        let seen: Vec<_> = whole.into_iter().map(|c| extent.seen(c)).collect();
        let own = extent.grid(&case.image.grid());
        let onto = by.grid(&own)?;
        let label = extent.seen(case.label.view());
        let label = match &onto {
            Some(onto) => resample_labels(label, &own, onto, Between::Linear),
            None => label.to_owned(),
        };
        let grid = onto.unwrap_or(own);
        let image = by.image(&seen, &own, &grid);
        Ok(Self { sample: Sample::new(id, image, label, grid.spacing()), grid, warnings: case.warnings.clone() })
    }
}

/// A label map on its grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// `[D, H, W]`.
    pub data: Array3<u8>,
    pub spacing: [f64; 3],
    pub affine: Affine,
    pub header: Header,
}

/// Reads an image of one or several files; their channels follow each other. Intensities are as in the files, and voxels as in the first of
/// them: a further file that holds the same grid in another axis order is turned.
///
/// # Errors
/// E0702 when a file cannot be read or holds numbers that are not finite; E0703 when the files lie on different grids.
pub fn read_image(paths: &[PathBuf]) -> Result<Volume, Diagnostic> {
    let mut whole: Option<(&PathBuf, Volume)> = None;
    for path in paths {
        let mut volume = read(path)?;
        if let Some((at, v)) = volume.data.indexed_iter().find(|(_, v)| !v.is_finite()) {
            let (c, d, h, w) = at;
            let message = format!("`{}` holds {v} at voxel i={w}, j={h}, k={d} (channel {c})", path.display());
            return Err(Diagnostic::error(Code::E0702, message)
                .help("replace numbers that are not finite, for instance by 0, with your imaging tool"));
        }
        whole = Some(match whole {
            None => (path, volume),
            Some((first, mut all)) => {
                if let Some(to) = other_order(&volume.grid(), &all.grid()) {
                    volume = volume.reoriented(to);
                }
                same_size(first, all.size(), path, volume.size())?;
                let apart = corner_distance(&all.affine, &volume.affine, all.size());
                if apart > half_step(&all.grid()) {
                    return Err(elsewhere(Code::E0703, first, path, apart));
                }
                all.data.append(Axis(0), volume.data.view()).map_err(|e| {
                    Diagnostic::error(Code::E0703, format!("cannot join `{}`: {e}", path.display()))
                        .help("the files of a case have one shape")
                })?;
                (first, all)
            }
        });
    }
    whole.map(|(_, v)| v).ok_or_else(|| Diagnostic::error(Code::E0701, "an image of no files").help("name at least one file"))
}

/// Reads a label map. With `expected` (value and name of each class) the map holds class indices, places in that list; without, the
/// file's own values. Numbers within 1e-4 of an integer count as that integer.
///
/// # Errors
/// E0702 when the file cannot be read; E0703 when it has several channels; E0704 for a value that is no integer of 0 to 255 or is not expected.
pub fn read_labels(path: &Path, expected: Option<&[(u8, String)]>) -> Result<Labels, Diagnostic> {
    let volume = read(path)?;
    let channels = volume.data.dim().0;
    if channels != 1 {
        let message = format!("label `{}` has {channels} channels, and a label map has one", path.display());
        return Err(Diagnostic::error(Code::E0703, message).help("save one class index per voxel"));
    }
    let mut class = [None; 256];
    match expected {
        Some(labels) => labels.iter().enumerate().for_each(|(i, (value, _))| class[usize::from(*value)] = u8::try_from(i).ok()),
        None => (0..=255u8).for_each(|v| class[usize::from(v)] = Some(v)),
    }
    let mut wrong = None;
    let stored = volume.data.index_axis_move(Axis(0), 0);
    let known = |v: f32| {
        // To round takes longer than all the rest, and nearly every number here is a whole one.
        let whole = v as u8;
        if f32::from(whole) == v {
            return class[usize::from(whole)];
        }
        let near = v.round();
        ((v - near).abs() <= SAME_LABEL && (0.0..=255.0).contains(&near)).then(|| class[near as usize]).flatten()
    };
    let data = stored.mapv(|v| {
        known(v).unwrap_or_else(|| {
            wrong.get_or_insert(v);
            0
        })
    });
    if let Some(value) = wrong {
        return Err(unexpected(path, value, &stored, expected));
    }
    Ok(Labels { data, spacing: volume.spacing, affine: volume.affine, header: volume.header })
}

fn unexpected(path: &Path, value: f32, stored: &Array3<f32>, expected: Option<&[(u8, String)]>) -> Diagnostic {
    let count = stored.iter().filter(|v| v.to_bits() == value.to_bits()).count();
    let at = stored.indexed_iter().find(|(_, v)| v.to_bits() == value.to_bits()).map(|(at, _)| at).unwrap_or_default();
    let message = format!("label `{}` holds {value} at voxel i={}, j={}, k={} ({count} such voxels)", path.display(), at.2, at.1, at.0);
    let known = match expected {
        Some(labels) => format!("expected: {}", labels.iter().map(|(v, n)| format!("{v} ({n})")).collect::<Vec<_>>().join(", ")),
        None => "expected: integers from 0 to 255".into(),
    };
    Diagnostic::error(Code::E0704, message).help(known).help("correct the label file, or add the value to the labels of the data set")
}

/// Loads one case from its files.
pub(super) fn load(case: &Case, description: &Description, by: &Preprocess) -> Result<Loaded, Diagnostic> {
    let matched = pair(case, image(case, description)?, label(case, description)?)?;
    Loaded::prepared(&case.id, &matched, by)
}

/// The image and the label of a case on one grid, both turned to [`CANONICAL`].
#[derive(Clone, Debug)]
pub struct Matched {
    /// Intensities as in the files.
    pub image: Volume,
    /// `[D, H, W]`: class indices.
    pub label: Array3<u8>,
    /// What is odd, but not wrong.
    pub warnings: Vec<Diagnostic>,
}

impl Matched {
    /// A generated case.
    pub(super) fn of_phantom(made: Phantom) -> Self {
        let Phantom { image: data, label, spacing } = made;
        let (c, d, h, w) = data.dim();
        let [sd, sh, sw] = spacing;
        let affine = [[sw, 0.0, 0.0, 0.0], [0.0, sh, 0.0, 0.0], [0.0, 0.0, sd, 0.0], [0.0, 0.0, 0.0, 1.0]];
        let image = Volume { data, spacing, affine, header: Header::plain([d, h, w], c, spacing) };
        Self { image, label, warnings: vec![] }
    }
}

/// The image of a case, with as many channels as the data set has modalities.
pub(super) fn image(case: &Case, description: &Description) -> Result<Volume, Diagnostic> {
    let image = read_image(&case.image)?;
    let channels = image.data.dim().0;
    if channels == description.modalities.len() {
        return Ok(image);
    }
    let names = description.modalities.join(", ");
    let shown = case.image.iter().map(|f| format!("`{}`", f.display())).collect::<Vec<_>>().join(", ");
    let message = format!("{shown}: {channels} channels, but the data set has {} modalities ({names})", description.modalities.len());
    Err(Diagnostic::error(Code::E0701, message).help("correct what the data set says of its modalities, or the image"))
}

/// The label map of a case, as class indices.
pub(super) fn label(case: &Case, description: &Description) -> Result<Labels, Diagnostic> {
    let Some(path) = &case.label else {
        return Err(Diagnostic::error(Code::E0701, format!("case `{}` has no label", case.id)).help("add its label, or take the case out"));
    };
    read_labels(path, Some(&description.labels))
}

/// Both on one grid.
pub(super) fn pair(case: &Case, image: Volume, mut label: Labels) -> Result<Matched, Diagnostic> {
    let first = case.image.first().map(PathBuf::as_path).unwrap_or(Path::new(""));
    let path = case.label.as_deref().unwrap_or(Path::new(""));
    let mut own = Grid { size: label.data.dim().into(), affine: label.affine };
    let grid = image.grid();
    let mut warnings = vec![];
    if let Some(to) = other_order(&own, &grid) {
        let message = format!("`{}` runs {} and `{}` {to}: the label is turned", path.display(), own.orientation(), first.display());
        warnings.push(Diagnostic::warning(Code::E0703, message).help("write both in one axis order to have no doubt"));
        label.data = reorient(label.data.view(), own.orientation(), to);
        own = own.reoriented(to);
    }
    same_size(first, grid.size, path, own.size)?;
    let apart = corner_distance(&grid.affine, &own.affine, grid.size);
    // Headers differ by rounding in many a good data set, and voxels still belong together. Half a voxel and more is another grid:
    // a shifted or mirrored label would train without a word.
    if apart > half_step(&grid) {
        return Err(elsewhere(Code::E0703, first, path, apart));
    }
    if apart > SAME_GRID {
        let mut d = elsewhere(Code::E0703, first, path, apart);
        d.severity = crate::text::Severity::Warning;
        warnings.push(d);
    }
    // The label's voxels are the image's: both are turned alike, though their affines may differ by rounding.
    let label = reorient(label.data.view(), grid.orientation(), CANONICAL);
    Ok(Matched { image: image.reoriented(CANONICAL), label, warnings })
}

/// The axis order that lays a grid onto that of the image, where it is the image's grid in another order.
fn other_order(own: &Grid, image: &Grid) -> Option<Orientation> {
    let to = image.orientation();
    let slack = half_step(image);
    (!own.is_near(image, slack) && own.reoriented(to).is_near(image, slack)).then_some(to)
}

fn half_step(grid: &Grid) -> f64 {
    grid.spacing().iter().copied().fold(f64::INFINITY, f64::min) / 2.0
}

fn same_size(first: &Path, a: [usize; 3], second: &Path, b: [usize; 3]) -> Result<(), Diagnostic> {
    if a == b {
        return Ok(());
    }
    let shown = |[d, h, w]: [usize; 3]| format!("{w}x{h}x{d}");
    let message = format!("`{}` has {} voxels, but `{}` has {}", first.display(), shown(a), second.display(), shown(b));
    Err(Diagnostic::error(Code::E0703, message).help("they belong to one case and must have the same grid: is the pairing right?"))
}

fn elsewhere(code: Code, first: &Path, second: &Path, apart: f64) -> Diagnostic {
    let message = format!("`{}` and `{}` lie {apart:.3} mm apart at a corner of their grids", first.display(), second.display());
    Diagnostic::error(code, message).help("resample the label onto the image, or copy the image's header if only the header is wrong")
}

#[cfg(test)]
mod tests;
