//! What holds for every file, however broken: it becomes a volume that can be worked with, or is refused with its name, a reason and a remedy.
//! The fuzz target and the tests share it.

use std::path::Path;

use lmsc::text::render;
use lmsc::volume::{self, Orientation};
use ndarray::Array3;

/// The memory that voxels may take, in bytes.
const BUDGET: u64 = 1 << 20;

/// Reads bytes as a file in `folder`, and as the files of a pair if they are a header of one; whether they became a volume.
///
/// # Panics
/// When the promise is broken.
pub fn sound(folder: &Path, bytes: &[u8]) -> bool {
    let path = folder.join("case.nii");
    std::fs::write(&path, bytes).expect("a file");
    for (at, mark, size) in [(344, b"ni1", 348), (4, b"ni2", 540)] {
        if bytes.get(at..at + 3) == Some(&mark[..]) {
            std::fs::write(folder.join("case.img"), bytes.get(size..).unwrap_or_default()).expect("a file");
        }
    }
    let v = match volume::read_within(&path, BUDGET) {
        Ok(v) => v,
        Err(d) => {
            assert!(d.message.contains("case.nii") && d.message.len() < 1000 && !d.help.is_empty(), "{d:?}");
            let shown = [render::concise(&d), render::full(&d, false, 100)].concat();
            assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{}", shown.escape_debug());
            return false;
        }
    };
    let header = volume::read_header(&path).expect("the header of a volume");
    assert_eq!((header.dim, header.datatype, header.offset), (v.header.dim, v.header.datatype, v.header.offset));
    let [d, h, w] = v.size();
    assert!(d * h * w > 0 && v.data.len() as u64 * 4 <= BUDGET);
    assert!(v.spacing.iter().all(|s| s.is_finite() && *s > 0.0), "{:?}", v.spacing);
    assert!(v.affine.iter().flatten().all(|a| a.is_finite()), "{:?}", v.affine);
    let map = volume::read_label_map(&path).expect("a label map of a volume");
    assert!(map.data.len() == v.data.len() && map.data.iter().all(|p| usize::from(*p) < map.values.len()));
    assert!(v.doubts().iter().all(|d| !d.is_empty()) && v.summary().voxels == v.data.len() as u64);
    let there = v.reoriented(Orientation::RAS);
    assert_eq!(there.grid().orientation(), Orientation::RAS, "{:?}", v.affine);
    let back = there.reoriented(v.grid().orientation());
    let bits = |v: &volume::Volume| v.data.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!((back.size(), bits(&back)), (v.size(), bits(&v)));
    let labels = Array3::from_shape_fn((d, h, w), |(z, y, x)| (z * 3 + y * 2 + x) as u8);
    let out = folder.join("out.nii");
    volume::write_labels(&out, &labels, &v.header).expect("written");
    let written = volume::read(&out).expect("what was written");
    // Version 1 has float32 numbers.
    let reach = v.affine.iter().flatten().fold(0.0, |most: f64, a| most.max(a.abs())) * (d + h + w) as f64;
    assert!(written.grid().is_near(&v.grid(), 1e-5 * reach), "{:?} and {:?}", v.affine, written.affine);
    assert!(written.data.iter().zip(&labels).all(|(a, b)| *a == f32::from(*b)));
    true
}
