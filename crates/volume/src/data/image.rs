//! Images of one or several files.
//!
//! May use `text`, `volume`, and `doubt`, `load` beside it.

use std::path::{Path, PathBuf};

use ndarray::Axis;

use super::doubt;
use super::load::{elsewhere, half_step, other_order, same_size};
use crate::text::{Code, Diagnostic};
use crate::volume::{Volume, VoxelSummary, corner_distance, read};

/// What is done with voxels that hold no finite number: NaN, or infinity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NotFinite {
    /// The image is refused.
    Refused,
    /// They become this number.
    Become(f32),
    /// They stay what they are.
    Kept,
}

impl From<Option<f64>> for NotFinite {
    /// As the field `nan` of a run config says.
    fn from(nan: Option<f64>) -> Self {
        nan.map_or(Self::Refused, |v| Self::Become(v as f32))
    }
}

/// An image as it was read.
#[derive(Clone, Debug)]
pub struct Image {
    pub volume: Volume,
    /// Doubts about where it lies, and voxels that were not finite; what several of its files have is said of the first.
    pub warnings: Vec<Diagnostic>,
}

/// Reads an image of one or several files; their channels follow each other. Intensities are as in the files, and voxels as in the first of
/// them: a further file that holds the same grid in another axis order is turned.
///
/// # Errors
/// E0702 when a file cannot be read or holds numbers that are not finite and are refused; E0703 when the files lie on different grids.
pub fn read_image(paths: &[PathBuf], odd: NotFinite) -> Result<Image, Diagnostic> {
    let mut whole: Option<(&PathBuf, Volume)> = None;
    let mut warnings: Vec<Diagnostic> = vec![];
    for path in paths {
        let mut volume = read(path)?;
        let mut own = doubt::of_volume(path, &volume.header, &volume.grid());
        own.extend(finite(path, &mut volume, odd)?);
        own.retain(|d| !warnings.iter().any(|w| w.kind.as_ref().map(|k| &k.name) == d.kind.as_ref().map(|k| &k.name)));
        warnings.append(&mut own);
        whole = Some(match whole {
            None => (path, volume),
            Some((first, mut all)) => {
                if let Some(to) = other_order(&volume.grid(), &all.grid()) {
                    volume = volume.reoriented(to);
                }
                same_size(first, all.size(), path, volume.size())?;
                let apart = corner_distance(&all.affine, &volume.affine, all.size());
                if apart > half_step(&all.grid()) {
                    return Err(elsewhere(
                        Code::E0703,
                        (first.as_path(), &all.grid()),
                        (path.as_path(), &volume.grid()),
                        apart,
                        "the second onto the first",
                    ));
                }
                all.data.append(Axis(0), volume.data.view()).map_err(|e| {
                    Diagnostic::error(Code::E0703, format!("cannot join `{}`: {e}", path.display()))
                        .help("the files of a case have one shape")
                })?;
                (first, all)
            }
        });
    }
    let volume =
        whole.map(|(_, v)| v).ok_or_else(|| Diagnostic::error(Code::E0701, "an image of no files").help("name at least one file"))?;
    Ok(Image { volume, warnings })
}

/// Sees to voxels that are not finite; a warning where there are some.
fn finite(path: &Path, volume: &mut Volume, odd: NotFinite) -> Result<Option<Diagnostic>, Diagnostic> {
    let first = volume.data.indexed_iter().find(|(_, v)| !v.is_finite()).map(|(at, v)| (at, *v));
    let Some(((c, d, h, w), v)) = first else { return Ok(None) };
    let VoxelSummary { nan, infinite, voxels, .. } = volume.summary();
    let count = match (nan, infinite) {
        (nan, 0) => format!("{nan} of {voxels} voxels are NaN"),
        (0, infinite) => format!("{infinite} of {voxels} voxels are infinite"),
        _ => format!("{nan} of {voxels} voxels are NaN and {infinite} infinite"),
    };
    let path = path.display().to_string();
    let what = match odd {
        NotFinite::Refused => {
            let message = format!("`{path}` holds {v} at voxel i={w}, j={h}, k={d} (channel {c}): {count}");
            return Err(Diagnostic::error(Code::E0702, message)
                .help("replace numbers that are not finite, for instance by 0, with your imaging tool")
                .help("or train with `nan: 0` in the run config: they become 0 then, and so they do in prediction with that model"));
        }
        NotFinite::Become(to) => {
            volume.data.mapv_inplace(|v| if v.is_finite() { v } else { to });
            format!("become {to}, as `nan` says")
        }
        NotFinite::Kept => "are left out".to_owned(),
    };
    let help = "right where the outside of the patient is stored so; else look at the file";
    Ok(Some(Diagnostic::warning(Code::E0702, format!("`{path}`: {count} and {what}")).help(help).of(path, "not finite")))
}
