//! Label maps read from files: values become indices into a list of classes, or of the values themselves.
//!
//! May use `text`, `volume`, and `doubt` beside it.

use std::collections::BTreeSet;
use std::path::Path;

use ndarray::{Array3, Axis};

use super::doubt;
use super::load::other_order;
use crate::text::{Code, Diagnostic, list};
use crate::volume::{Affine, Grid, Header, LabelMap, MOST_VALUES, Orientation, read_label_map, reorient};

/// Labels that are listed in a message.
const LISTED: usize = 20;

/// A label map on its grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// `[D, H, W]`: places in `values`.
    pub data: Array3<u8>,
    /// The value in label files of each place; the first is 0, the background.
    pub values: Vec<u32>,
    pub spacing: [f64; 3],
    pub affine: Affine,
    pub header: Header,
    /// Doubts about where it lies.
    pub warnings: Vec<Diagnostic>,
}

impl Labels {
    /// Where its voxels lie.
    pub fn grid(&self) -> Grid {
        Grid { size: self.data.dim().into(), affine: self.affine }
    }

    /// The labels in the axis order of another grid, and that order, where they lie on that grid in another one; else as they are. The header stays
    /// what the file has.
    pub fn along(mut self, grid: &Grid) -> (Self, Option<Orientation>) {
        let own = self.grid();
        let to = other_order(&own, grid);
        if let Some(to) = to {
            self.data = reorient(self.data.view(), own.orientation(), to);
            let own = own.reoriented(to);
            (self.affine, self.spacing) = (own.affine, own.spacing());
        }
        (self, to)
    }

    /// Which of its values occur.
    pub fn used(&self) -> BTreeSet<u32> {
        let mut seen = [false; MOST_VALUES];
        self.data.iter().for_each(|p| seen[usize::from(*p)] = true);
        self.values.iter().zip(seen).filter(|(_, seen)| *seen).map(|(v, _)| *v).collect()
    }

    /// The same with places in another list, which has all values that occur.
    fn onto(&mut self, values: &[u32]) {
        let mut to = [0u8; MOST_VALUES];
        for (to, own) in to.iter_mut().zip(&self.values) {
            *to = values.iter().position(|v| v == own).and_then(|at| u8::try_from(at).ok()).unwrap_or(0);
        }
        self.data.mapv_inplace(|p| to[usize::from(p)]);
        self.values = values.to_vec();
    }
}

/// Brings label maps onto one list of values, which is returned.
///
/// # Errors
/// E0704 when they have more than 256 values together.
pub fn on_one_list(maps: &mut [&mut Labels]) -> Result<Vec<u32>, Diagnostic> {
    let Some(first) = maps.first().map(|m| m.values.clone()) else { return Ok(vec![0]) };
    if maps.iter().all(|m| m.values == first) {
        return Ok(first);
    }
    let mut all = BTreeSet::from([0]);
    maps.iter().for_each(|m| all.extend(m.used()));
    if all.len() > MOST_VALUES {
        let message = format!("the label maps have {} values together, and at most {} are told apart", all.len(), MOST_VALUES);
        return Err(Diagnostic::error(Code::E0704, message).help("are they of one case, and both label maps?"));
    }
    let all: Vec<u32> = all.into_iter().collect();
    maps.iter_mut().for_each(|m| m.onto(&all));
    Ok(all)
}

/// Reads a label map. With `expected` (value and name of each class) the map holds class indices, places in that list; without, places in a
/// list of the file's own values, which are the values themselves where none is above 255. Numbers within 1e-4 of an integer count as that.
///
/// # Errors
/// E0702 when the file cannot be read; E0703 when it has several channels; E0704 for numbers that are no whole ones from 0 on, for a value that
/// is not expected, and for more than 256 values.
pub fn read_labels(path: &Path, expected: Option<&[(u32, String)]>) -> Result<Labels, Diagnostic> {
    let map = read_label_map(path)?;
    let channels = map.data.dim().0;
    if channels != 1 {
        let message = format!("label `{}` has {channels} channels, and a label map has one", path.display());
        return Err(Diagnostic::error(Code::E0703, message).help("save one class index per voxel"));
    }
    if map.odd.count() > 0 {
        return Err(no_labels(path, &map));
    }
    if map.odd.many {
        let message = format!("label `{}` holds more than {MOST_VALUES} different values", path.display());
        return Err(
            Diagnostic::error(Code::E0704, message).help("a label map has at most 255 values beside the background: is this an image?")
        );
    }
    let LabelMap { data, values, spacing, affine, header, .. } = map;
    let data = data.index_axis_move(Axis(0), 0);
    let warnings = doubt::of_volume(path, &header, &Grid { size: data.dim().into(), affine });
    let mut labels = Labels { data, values, spacing, affine, header, warnings };
    if let Some(expected) = expected {
        let known: Vec<u32> = expected.iter().map(|(value, _)| *value).collect();
        let unknown: Vec<u32> = labels.used().into_iter().filter(|v| !known.contains(v)).collect();
        if !unknown.is_empty() {
            return Err(unexpected(path, &labels, &unknown, expected));
        }
        labels.onto(&known);
    }
    Ok(labels)
}

/// The refusal of a file with numbers that are no label values.
fn no_labels(path: &Path, map: &LabelMap) -> Diagnostic {
    let odd = &map.odd;
    let (at, value) = odd.first.unwrap_or_default();
    let [i, j, ..] = map.header.dim.map(|n| n.max(1));
    let kinds = [
        (odd.nan, "NaN", value.is_nan()),
        (odd.infinite, "infinite", value.is_infinite()),
        (odd.negative, "negative", value.round() < 0.0),
        (odd.fractional, "not whole", value.is_finite() && value.fract() != 0.0),
        (odd.beyond, "beyond 32 bits", true),
    ];
    let own = kinds.iter().position(|(_, _, first)| *first).unwrap_or(0);
    let others = kinds.iter().enumerate().filter(|(n, (count, ..))| *n != own && *count > 0);
    let others: String = others.map(|(_, (count, what, _))| format!(", {count} {what}")).collect();
    let such = kinds[own].0;
    let message = format!(
        "label `{}` holds {value} at voxel i={}, j={}, k={} ({such} such {}{others}, of {})",
        path.display(),
        at % i,
        at / i % j,
        at / (i * j),
        if such == 1 { "voxel" } else { "voxels" },
        map.data.len()
    );
    let help = match own {
        0 | 1 => "replace it by 0, the background, where nothing is labelled",
        2 => "label values are whole numbers from 0 on: give what is below 0 a value of its own, or 0 for the background",
        3 => "label values are whole numbers; a label that was resampled by interpolation is resampled anew, with nearest neighbour",
        _ => "label values are whole numbers up to 4294967295: renumber them",
    };
    Diagnostic::error(Code::E0704, message).help(help)
}

/// The refusal of a file with values that the data set does not name.
fn unexpected(path: &Path, labels: &Labels, unknown: &[u32], expected: &[(u32, String)]) -> Diagnostic {
    let place = |value: u32| labels.values.iter().position(|v| *v == value).unwrap_or(0);
    let (value, own) = (unknown[0], place(unknown[0]));
    let is_it = |p: &u8| usize::from(*p) == own;
    let count = labels.data.iter().filter(|p| is_it(p)).count();
    let at = labels.data.indexed_iter().find(|(_, p)| is_it(p)).map(|(at, _)| at).unwrap_or_default();
    let others = match unknown.len() {
        1 => String::new(),
        _ => format!("; nor are these named: {}", list(unknown[1..].iter().map(u32::to_string), LISTED)),
    };
    let message =
        format!("label `{}` holds {value} at voxel i={}, j={}, k={} ({count} such voxels){others}", path.display(), at.2, at.1, at.0);
    Diagnostic::error(Code::E0704, message)
        .help(format!("expected: {}", list(expected.iter().map(|(v, n)| format!("{v} ({n})")), LISTED)))
        .help("correct the label file, or add the value to the labels of the data set")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::{write_image, write_labels};
    use ndarray::Array4;

    fn file(folder: &tempfile::TempDir, name: &str, values: &[u32]) -> std::path::PathBuf {
        let path = folder.path().join(name);
        let labels = Array3::from_shape_vec((1, 2, values.len() / 2), values.to_vec()).unwrap();
        write_labels(&path, &labels, &Header::plain([1, 2, values.len() / 2], 1, [1.0; 3])).unwrap();
        path
    }

    #[test]
    fn values_are_numbers_and_classes_are_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder, "heart.nii", &[0, 205, 420, 500, 420, 0]);
        let own = read_labels(&path, None).unwrap();
        assert_eq!(
            (own.values.as_slice(), own.data.iter().copied().collect::<Vec<_>>()),
            (&[0, 205, 420, 500][..], vec![0, 1, 2, 3, 2, 0])
        );
        let named = |values: &[u32]| values.iter().map(|v| (*v, format!("l{v}"))).collect::<Vec<_>>();
        let classes = read_labels(&path, Some(&named(&[0, 100, 205, 420, 500]))).unwrap();
        assert_eq!(classes.data.iter().copied().collect::<Vec<_>>(), [0, 2, 3, 4, 3, 0]);
        let e = read_labels(&path, Some(&named(&[0, 205]))).unwrap_err();
        assert!(e.message.contains("holds 420 at voxel i=2, j=0, k=0 (2 such voxels); nor are these named: 500"), "{}", e.message);
        // Of a map of bytes the places are its values.
        let plain = read_labels(&file(&folder, "plain.nii", &[0, 9, 9, 0]), None).unwrap();
        assert_eq!((plain.data[[0, 0, 1]], plain.values.len()), (9, 256));
    }

    #[test]
    fn maps_of_other_values_come_onto_one_list() {
        let folder = tempfile::tempdir().unwrap();
        let mut a = read_labels(&file(&folder, "a.nii", &[0, 205, 420, 0]), None).unwrap();
        let mut b = read_labels(&file(&folder, "b.nii", &[0, 7, 0, 205]), None).unwrap();
        let mut c = read_labels(&file(&folder, "c.nii", &[3, 0, 0, 7]), None).unwrap();
        assert_eq!(on_one_list(&mut [&mut a, &mut b, &mut c]).unwrap(), [0, 3, 7, 205, 420]);
        let of = |l: &Labels| l.data.iter().map(|p| l.values[usize::from(*p)]).collect::<Vec<_>>();
        assert_eq!((of(&a), of(&b), of(&c)), (vec![0, 205, 420, 0], vec![0, 7, 0, 205], vec![3, 0, 0, 7]));
        let many: Vec<u32> = (0..200).chain(1000..1060).collect();
        let mut many: Vec<Labels> =
            many.chunks(130).enumerate().map(|(n, v)| read_labels(&file(&folder, &format!("m{n}.nii"), v), None).unwrap()).collect();
        let [x, y] = &mut many[..] else { panic!("two") };
        assert_eq!(on_one_list(&mut [x, y]).unwrap_err().code, Code::E0704);
    }

    #[test]
    fn what_is_no_label_is_counted_and_has_its_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.nii");
        let said = |values: &[f32]| {
            let data = Array4::from_shape_vec((1, 1, 2, values.len() / 2), values.to_vec()).unwrap();
            write_image(&path, &data, &Header::plain([1, 2, values.len() / 2], 1, [1.0; 3])).unwrap();
            let e = read_labels(&path, None).unwrap_err();
            format!("{} | {}", e.message, e.help.join(" | "))
        };
        let text = said(&[0.0, f32::NAN, f32::NAN, 1.0]);
        assert!(text.contains("holds NaN at voxel i=1, j=0, k=0 (2 such voxels, of 4) | replace it by 0"), "{text}");
        let text = said(&[0.0, -1.0, 0.5, f32::INFINITY]);
        assert!(text.contains("holds -1 at") && text.contains("(1 such voxel, 1 infinite, 1 not whole, of 4)"), "{text}");
        assert!(text.contains("from 0 on"), "{text}");
        assert!(said(&[0.0, 0.5]).contains("nearest neighbour"));
        assert!(said(&(0..300).map(|v| v as f32).collect::<Vec<_>>()).contains("more than 256 different values"));
    }
}
