//! A file read here held against what nibabel says of it.

use std::path::Path;

use lmsc::text::Diagnostic;
use lmsc::volume::{self, Volume};

use crate::oracle::{Row, type_name};

/// How many files went which way.
#[derive(Debug, Default)]
pub struct Tally {
    pub equal: usize,
    /// Refused here and by nibabel.
    pub refused: usize,
    /// Refused here, as the row says, though nibabel reads them.
    pub refused_alone: usize,
    /// Read here, as the row says, though nibabel refuses them.
    pub read_alone: usize,
}

impl Tally {
    pub fn all(&self) -> usize {
        self.equal + self.refused + self.refused_alone + self.read_alone
    }

    /// Reads a file and holds it against its row.
    pub fn hold(&mut self, path: &Path, row: &Row) {
        let name = &row.file;
        match volume::read(path) {
            Err(d) => {
                told(path, &d);
                if row.reads {
                    let expected = !row.refused.is_empty() && (row.refused == "*" || d.message.contains(&row.refused));
                    assert!(expected, "nibabel reads {name}; here: {}", d.message);
                    self.refused_alone += 1;
                } else {
                    self.refused += 1;
                }
            }
            Ok(v) if row.reads => {
                compare(&v, row);
                self.equal += 1;
            }
            Ok(v) => {
                let expected = row.more == "*" || row.more.parse() == Ok(total(&v));
                assert!(expected, "nibabel refuses {name}; here: sum {}", total(&v));
                self.read_alone += 1;
            }
        }
    }
}

/// An error names the file and has a remedy.
pub fn told(path: &Path, d: &Diagnostic) {
    let file = path.file_name().expect("a name").to_string_lossy();
    assert!(d.message.contains(&*file) && !d.help.is_empty(), "{}: {d:?}", path.display());
}

fn total(v: &Volume) -> f64 {
    v.data.iter().filter(|x| x.is_finite()).map(|x| f64::from(*x)).sum()
}

fn compare(v: &Volume, row: &Row) {
    let file = &row.file;
    let mut shape = row.shape.clone();
    shape.resize(shape.len().max(3), 1);
    let [d, h, w] = v.size();
    assert_eq!(([w, h, d].as_slice(), v.data.dim().0), (&shape[..3], shape[3..].iter().product()), "{file}");
    assert_eq!(v.header.datatype.name(), type_name(&row.dtype), "{file}");
    // nibabel leaves units alone; here millimetres are millimetres.
    let unit = if file.contains("units_meter") {
        1000.0
    } else if file.contains("units_micron") {
        0.001
    } else {
        1.0
    };
    for (ours, theirs) in v.affine.iter().take(3).flatten().zip(&row.affine) {
        let theirs = theirs * unit;
        assert!((ours - theirs).abs() <= 1e-6 * theirs.abs().max(1.0), "{file}: affine {ours} and {theirs}");
    }
    if !row.axes.is_empty() {
        assert_eq!(v.grid().orientation().to_string(), row.axes, "{file}");
    }
    let finite = || v.data.iter().copied().filter(|x| x.is_finite());
    assert_eq!(Some(v.data.len() - finite().count()), row.non_finite, "{file}");
    let size: f64 = finite().map(|x| f64::from(x.abs())).sum();
    assert!((total(v) - row.sum).abs() <= 1e-6 * size.max(1.0), "{file}: sum {} and {}", total(v), row.sum);
    if let Some(theirs) = row.weighted {
        let ours: f64 = v.data.iter().enumerate().filter(|(_, x)| x.is_finite()).map(|(n, x)| f64::from(*x) * (1 + n % 97) as f64).sum();
        assert!((ours - theirs).abs() <= 1e-6 * 97.0 * size, "{file}: weighted sum {ours} and {theirs}");
    }
    let ends = finite().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
    for (ours, theirs) in [(f64::from(ends.0), row.min), (f64::from(ends.1), row.max)] {
        // float32 has nothing between 0 and its least number; where nothing is finite there is no end.
        let near = (ours - theirs).abs() <= 1e-6 * theirs.abs() + f64::from(f32::MIN_POSITIVE);
        assert!(near || row.min.is_nan() && ours.is_infinite(), "{file}: {ours} and {theirs}");
    }
}
