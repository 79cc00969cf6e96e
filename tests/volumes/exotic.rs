//! Every odd and broken file is read as nibabel reads it, or refused with its name, a reason and a remedy.

use lmsc::volume;

use crate::agree::{Tally, told};
use crate::given::beside;
use crate::oracle::rows;
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
    let mut rows = rows(&root.join("oracle.csv"));
    for row in &mut rows {
        row.refused = STRICTER.iter().find(|(f, _)| *f == row.file).map_or("", |(_, word)| word).to_owned();
        row.more = MORE.iter().find(|(f, _)| *f == row.file).map_or(String::new(), |(_, sum)| sum.to_string());
    }
    let mut tally = Tally::default();
    let mut beside = 0;
    for path in walk(&root) {
        let name = path.strip_prefix(&root).expect("inside").to_string_lossy().into_owned();
        match rows.iter().find(|r| r.file == name) {
            Some(row) => tally.hold(&path, row),
            None => match volume::read(&path) {
                Err(d) => told(&path, &d),
                // Voxels of a pair, named in place of their header.
                Ok(v) => {
                    assert!(name.contains(".img"), "{name} has no row");
                    let header = root.join(name.replace(".img.gz", ".hdr").replace(".img", ".hdr"));
                    assert_eq!(v, volume::read(&header).expect("the header"), "{name}");
                    beside += 1;
                }
            },
        }
    }
    println!("{tally:?}, {beside} read by the name of their voxels");
    assert_eq!((tally.refused_alone, tally.read_alone), (STRICTER.len(), MORE.len()));
    assert_eq!(tally.all(), rows.len(), "every row has its file");
}

#[test]
fn a_bomb_is_refused_within_a_budget() {
    let Some(path) = beside("exotic/generated/bomb_1GB_zeros.nii.gz") else { return };
    let d = volume::read_within(&path, 512 << 20).expect_err("a gigabyte");
    assert!(d.message.contains("1000 MiB") && d.message.contains("512 MiB are allowed"), "{}", d.message);
}
