//! Reading a NIfTI file as a label map: whole numbers, whatever they are stored as.
//!
//! May use `text` only. A voxel takes a byte: label maps have few values, and those may be any whole numbers up to 32 bits
//! (FreeSurfer's 2035, the 820 of whole-heart segmentations).

use std::collections::HashMap;
use std::path::Path;

use ndarray::Array4;

use super::affine::{Affine, steps};
use super::header::Header;
use super::nifti::{BUDGET, load};
use super::refusal::{DAMAGED, Refusal};
use super::voxels::{Sink, make_room};
use crate::text::Diagnostic;

/// The most values of a label map: as many as a byte tells apart, the background among them.
pub const MOST_VALUES: usize = 256;
/// A stored label may miss its integer by this much.
const SAME_LABEL: f64 = 1e-4;

/// Label values on a grid.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelMap {
    /// `[C, D, H, W]`: places in `values`; 0 for what is no label.
    pub data: Array4<u8>,
    /// The value of each place, the first 0. 0 to 255 in order where no value of the file is above 255; else those of the file, ascending.
    pub values: Vec<u32>,
    /// Distance between voxels in mm, along D, H, W.
    pub spacing: [f64; 3],
    /// Voxel (i, j, k) to mm.
    pub affine: Affine,
    pub header: Header,
    pub odd: InvalidVoxels,
}

/// Voxels that hold no label value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InvalidVoxels {
    pub nan: u64,
    pub infinite: u64,
    pub negative: u64,
    /// Numbers that are no whole ones.
    pub fractional: u64,
    /// Whole numbers beyond 32 bits.
    pub beyond: u64,
    /// The first of them: its place in the file's order, and its number.
    pub first: Option<(usize, f64)>,
    /// Whether there are more different values than [`MOST_VALUES`].
    pub many: bool,
}

impl InvalidVoxels {
    /// All of them.
    pub fn count(&self) -> u64 {
        self.nan + self.infinite + self.negative + self.fractional + self.beyond
    }
}

/// Reads a NIfTI file as a label map. Numbers within 1e-4 of a whole one count as that; what holds no label value is counted, not refused.
///
/// # Errors
/// E0702 as [`super::read`].
pub fn read_label_map(path: &Path) -> Result<LabelMap, Diagnostic> {
    let mut places = Places::new();
    load(path, BUDGET, &mut places).and_then(|(header, affine)| places.map(header, affine)).map_err(|r| r.of(path))
}

/// Label values as they are read: each by its place in the order in which they came up.
struct Places {
    data: Vec<u8>,
    values: Vec<u32>,
    known: HashMap<u32, u8>,
    /// The number that came last and its place: labels come in runs.
    last: (u64, u8),
    odd: InvalidVoxels,
}

impl Places {
    fn new() -> Self {
        Self { data: vec![], values: vec![0], known: HashMap::from([(0, 0)]), last: (0f64.to_bits(), 0), odd: InvalidVoxels::default() }
    }

    /// The place of a number; that of the background where it is no label value.
    fn place(&mut self, v: f64) -> u8 {
        let near = v.round();
        let whole = (v - near).abs() <= SAME_LABEL;
        if whole && (0.0..=f64::from(u32::MAX)).contains(&near) {
            let value = near as u32;
            if let Some(place) = self.known.get(&value) {
                return *place;
            }
            let Some(place) = u8::try_from(self.values.len()).ok() else {
                self.odd.many = true;
                return 0;
            };
            self.values.push(value);
            self.known.insert(value, place);
            return place;
        }
        0
    }

    /// Whether a number is no label value; then it is counted.
    fn count(&mut self, v: f64, at: usize) -> bool {
        let near = v.round();
        let kind = match v {
            v if v.is_nan() => &mut self.odd.nan,
            v if v.is_infinite() => &mut self.odd.infinite,
            _ if near < 0.0 => &mut self.odd.negative,
            v if (v - near).abs() > SAME_LABEL => &mut self.odd.fractional,
            _ if near > f64::from(u32::MAX) => &mut self.odd.beyond,
            _ => return false,
        };
        *kind += 1;
        self.odd.first.get_or_insert((at, v));
        true
    }

    fn map(mut self, header: Header, affine: Affine) -> Result<LabelMap, Refusal> {
        let mut order: Vec<usize> = (0..self.values.len()).collect();
        order.sort_by_key(|p| self.values[*p]);
        let plain = self.values.iter().all(|v| *v <= 255);
        let mut to = [0u8; MOST_VALUES];
        for (at, place) in order.iter().enumerate() {
            to[*place] = (if plain { self.values[*place] as usize } else { at }) as u8;
        }
        self.data.iter_mut().for_each(|p| *p = to[usize::from(*p)]);
        let values = if plain { (0..=255).collect() } else { order.iter().map(|p| self.values[*p]).collect() };
        let [i, j, k, c] = header.dim;
        let data = Array4::from_shape_vec((c, k, j, i), self.data).map_err(|e| Refusal::new(e.to_string(), DAMAGED))?;
        let [si, sj, sk] = steps(&affine);
        Ok(LabelMap { data, values, spacing: [sk, sj, si], affine, header, odd: self.odd })
    }
}

impl Sink for Places {
    fn take(&mut self, stored: impl Iterator<Item = f64>, (slope, inter): (f64, f64), left: usize) -> Result<(), Refusal> {
        make_room(&mut self.data, left)?;
        for stored in stored {
            let v = stored * slope + inter;
            if v.to_bits() != self.last.0 {
                // What is no label is looked at each time, so that all are counted.
                if self.count(v, self.data.len()) {
                    self.data.push(0);
                    continue;
                }
                self.last = (v.to_bits(), self.place(v));
            }
            self.data.push(self.last.1);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::write_labels;
    use super::*;
    use ndarray::{Array3, Array4};

    fn written(values: &[f32]) -> LabelMap {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.nii");
        let data = Array4::from_shape_vec((1, 1, 1, values.len()), values.to_vec()).unwrap();
        super::super::write_image(&path, &data, &Header::plain([1, 1, values.len()], 1, [1.0; 3])).unwrap();
        read_label_map(&path).unwrap()
    }

    #[test]
    fn bytes_stay_what_they_are_and_larger_values_have_places() {
        let map = written(&[0.0, 7.0, 255.0, 7.00005]);
        assert_eq!((map.data.iter().copied().collect::<Vec<_>>(), map.values[255]), (vec![0, 7, 255, 7], 255));
        let map = written(&[500.0, 0.0, 205.0, 420.0, 500.0]);
        assert_eq!(map.values, [0, 205, 420, 500]);
        assert_eq!(map.data.iter().copied().collect::<Vec<_>>(), [3, 0, 1, 2, 3]);
        // The background has a place though no voxel has it.
        assert_eq!(written(&[300.0, 301.0]).values, [0, 300, 301]);
    }

    #[test]
    fn integers_beyond_single_precision_are_exact() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.nii.gz");
        let labels = Array3::from_shape_vec((1, 1, 4), vec![16_777_217u32, 16_777_216, 0, u32::MAX]).unwrap();
        write_labels(&path, &labels, &Header::plain([1, 1, 4], 1, [1.0; 3])).unwrap();
        let map = read_label_map(&path).unwrap();
        assert_eq!(map.values, [0, 16_777_216, 16_777_217, u32::MAX]);
        assert_eq!(map.data.iter().copied().collect::<Vec<_>>(), [2, 1, 0, 3]);
    }

    #[test]
    fn what_is_no_label_is_counted_by_kind() {
        let map = written(&[1.0, f32::NAN, f32::NAN, -2.0, 0.5, f32::INFINITY, 1e20, -0.00005, -0.5]);
        let InvalidVoxels { nan, infinite, negative, fractional, beyond, first, many } = map.odd.clone();
        // -0.5 rounds to -1: below 0 all the same.
        assert_eq!((nan, infinite, negative, fractional, beyond, many), (2, 1, 2, 1, 1, false));
        assert!(first.is_some_and(|(at, v)| at == 1 && v.is_nan()));
        assert_eq!(map.odd.count(), 7);
        let many: Vec<f32> = (0..300).map(|v| v as f32).collect();
        assert!(written(&many).odd.many);
        assert!(!written(&many[..256]).odd.many);
    }
}
