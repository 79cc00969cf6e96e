//! Every odd and broken file is read as nibabel reads it, or refused with its name, a reason and a remedy.

use lmsc::volume::{self, Volume};

use crate::given::beside;
use crate::oracle::{Row, rows, type_name};
use crate::walk;

/// Read by nibabel and refused here, each with a word of the reason.
const STRICTER: &[(&str, &str)] = &[
    ("generated/analyze75.hdr", "Analyze 7.5"),
    ("generated/bad_dim0_zero.nii", "0 dimensions"),
    ("generated/bad_dim_zero_axis.nii", "dim[2] is 0"),
    ("generated/bad_sizeof_hdr.nii", "header size is 0"),
    ("generated/dtype_c16_be.nii", "complex128"),
    ("generated/dtype_c16_le.nii", "complex128"),
    ("generated/dtype_c8_be.nii", "complex64"),
    ("generated/pixdim_nan.nii", "pixdim[1] is NaN"),
    ("generated/rgb24.nii", "RGB"),
    ("generated/rgba32.nii", "RGBA"),
    ("generated/scl_slope_inf.nii", "scl_slope is infinite"),
    ("generated/sform_nan.nii", "not finite"),
    ("generated/sform_singular.nii", "singular"),
    ("ivadomed/rgb_test_file.nii.gz", "RGB"),
    ("nibabel/nibabel/tests/data/row_major.dconn.nii", "CIFTI-2"),
    ("nifti-rs/resources/complex/complex32.nii", "complex64"),
    ("nifti-rs/resources/complex/complex64.nii", "complex128"),
    ("nifti-rs/resources/rgb/3D.nii", "RGB"),
    ("nifti-rs/resources/rgb/4D.nii", "RGB"),
    ("nifti-rs/resources/rgba/4D.nii", "RGBA"),
    ("niivue/packages/niivue/tests/images/complex_image.nii.gz", "complex64"),
    ("niivue/packages/niivue/tests/images/ct_perfusion.nii.gz", "RGB"),
];

/// Refused by nibabel and read here, with the sum of their voxels.
const MORE: &[(&str, f64)] = &[
    // Extensions are passed over by vox_offset, whatever they say of their own size.
    ("generated/ext_bad_esize.nii", 1770.0),
    ("generated/ext_esize_0.nii", 1770.0),
    // The header is plain and its voxels are packed.
    ("nifti-rs/resources/minimal2.hdr", 1290240.0),
];

#[test]
fn every_file_is_read_as_nibabel_reads_it_or_refused() {
    let Some(root) = beside("exotic") else { return };
    let rows = rows(&root);
    let (mut equal, mut refused, mut more, mut stricter, mut beside) = (0, 0, 0, 0, 0);
    for path in walk(&root) {
        let name = path.strip_prefix(&root).expect("inside").to_string_lossy().into_owned();
        let row = rows.iter().find(|r| r.file == name);
        match (volume::read(&path), row) {
            (Err(d), row) => {
                let file = path.file_name().expect("a name").to_string_lossy();
                assert!(d.message.contains(&*file) && !d.help.is_empty(), "{name}: {d:?}");
                if row.is_some_and(|r| r.reads) {
                    let why = STRICTER.iter().find(|(f, _)| *f == name);
                    assert!(why.is_some_and(|(_, word)| d.message.contains(word)), "nibabel reads {name}; here: {}", d.message);
                    stricter += 1;
                }
                refused += 1;
            }
            (Ok(v), Some(row)) if row.reads => {
                compare(&v, row);
                equal += 1;
            }
            (Ok(v), Some(_)) => {
                let sum = MORE.iter().find(|(f, _)| *f == name);
                assert!(sum.is_some_and(|(_, s)| *s == total(&v)), "nibabel refuses {name}; here: sum {}", total(&v));
                more += 1;
            }
            (Ok(v), None) => {
                // Voxels of a pair, named in place of their header.
                assert!(name.contains(".img"), "{name} has no row");
                let header = root.join(name.replace(".img.gz", ".hdr").replace(".img", ".hdr"));
                assert_eq!(v, volume::read(&header).expect("the header"), "{name}");
                beside += 1;
            }
        }
    }
    println!(
        "{equal} read as by nibabel, {more} read that it refuses, {beside} read by the name of their voxels, {refused} refused ({stricter} of them read by nibabel)"
    );
    assert_eq!((stricter, more), (STRICTER.len(), MORE.len()));
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
    let finite = || v.data.iter().copied().filter(|x| x.is_finite());
    assert_eq!(Some(v.data.len() - finite().count()), row.non_finite, "{file}");
    let size: f64 = finite().map(|x| f64::from(x.abs())).sum();
    assert!((total(v) - row.sum).abs() <= 1e-6 * size.max(1.0), "{file}: sum {} and {}", total(v), row.sum);
    let ends = finite().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
    for (ours, theirs) in [(f64::from(ends.0), row.min), (f64::from(ends.1), row.max)] {
        assert!((ours - theirs).abs() <= 1e-6 * theirs.abs(), "{file}: {ours} and {theirs}");
    }
}

#[test]
fn a_bomb_is_refused_within_a_budget() {
    let Some(path) = beside("exotic/generated/bomb_1GB_zeros.nii.gz") else { return };
    let d = volume::read_within(&path, 512 << 20).expect_err("a gigabyte");
    assert!(d.message.contains("1000 MiB") && d.message.contains("512 MiB are allowed"), "{}", d.message);
}
