//! Over a thousand headers and files that are odd or broken in one way each, and some in several: types, byte orders, scales, dimensions,
//! forms of the affine, places of the voxels, marks, gzip. `odd.py` makes them and asks nibabel; it wrote `odd.gz` and `odd.csv`.

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use lmsc::volume;
use ndarray::{Array3, Array4};

use crate::agree::Tally;
use crate::oracle::{Row, rows};

/// The files, by name.
pub fn files() -> Vec<(String, Vec<u8>)> {
    let mut text = vec![];
    flate2::read::GzDecoder::new(&include_bytes!("odd.gz")[..]).read_to_end(&mut text).expect("gzip");
    let mut rest = text.as_slice();
    let mut all = vec![];
    while !rest.is_empty() {
        let end = rest.iter().position(|b| *b == b'\n').expect("a line");
        let line = std::str::from_utf8(&rest[..end]).expect("a text");
        let (name, length) = line.split_once(' ').expect("a name and a length");
        let (bytes, after) = rest[end + 1..].split_at(length.parse().expect("a length"));
        all.push((name.to_owned(), bytes.to_owned()));
        rest = after;
    }
    all
}

/// The files in a folder.
fn laid_out() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in files() {
        std::fs::write(folder.path().join(name), bytes).expect("a file");
    }
    folder
}

#[test]
fn each_is_read_as_nibabel_reads_it_or_refused() {
    let folder = laid_out();
    let mut tally = Tally::default();
    let hold = |row: &Row, tally: &mut Tally| tally.hold(&folder.path().join(&row.file), row);
    // All that disagree are told, each by its own panic.
    let rows = rows(Path::new("tests/volumes/odd.csv"));
    let wrong = rows.iter().filter(|row| catch_unwind(AssertUnwindSafe(|| hold(row, &mut tally))).is_err()).count();
    println!("{tally:?}");
    assert_eq!(wrong, 0, "of {} files", rows.len());
    assert!(tally.all() > 1000 && tally.equal > 600, "{tally:?}");
}

#[test]
fn what_is_written_on_any_grid_lies_where_it_lay() {
    let folder = laid_out();
    let mut written = 0;
    for row in rows(Path::new("tests/volumes/odd.csv")) {
        let Ok(v) = volume::read(&folder.path().join(&row.file)) else { continue };
        let [d, h, w] = v.size();
        let labels = Array3::from_shape_fn((d, h, w), |(z, y, x)| (z * 3 + y * 2 + x) as u8);
        let image = Array4::from_shape_fn((2, d, h, w), |(c, z, y, x)| c as f32 - (z * 3 + y * 2 + x) as f32 / 3.0);
        let path = folder.path().join("out.nii");
        volume::write_labels(&path, &labels, &v.header).expect("written");
        let back = volume::read(&path).expect("read back");
        // The header of version 1 has float32 numbers.
        assert!(back.grid().is_near(&v.grid(), 1e-5), "{}: {:?} and {:?}", row.file, back.affine, v.affine);
        assert!(back.data.iter().zip(&labels).all(|(a, b)| *a == f32::from(*b)), "{}", row.file);
        let h = &back.header;
        assert!(h.pixdim[1..].iter().all(|p| p.is_finite() && *p > 0.0) && h.pixdim[0].abs() == 1.0, "{}: {:?}", row.file, h.pixdim);
        assert!(h.sform.iter().flatten().chain(&h.quaternion).all(|v| v.is_finite()), "{}", row.file);
        let (square, noise) =
            (h.quaternion[..3].iter().map(|v| v * v).sum::<f64>(), if h.version == 2 { f64::EPSILON } else { f64::from(f32::EPSILON) });
        assert!(h.qform_code == 0 || square <= 1.0 + 3.0 * noise, "{}: {square}", row.file);
        let path = folder.path().join("out.nii.gz");
        volume::write_image(&path, &image, &v.header).expect("written");
        assert_eq!(volume::read(&path).expect("read back").data, image, "{}", row.file);
        written += 1;
    }
    assert!(written > 600, "{written}");
}
