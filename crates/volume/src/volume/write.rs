//! Writing NIfTI: a label map or an image on the grid of another volume.
//!
//! May use `text` only. Little-endian, in one file: NIfTI-1, or NIfTI-2 where the grid came from one or is too large. (The writer of the `nifti`
//! crate drops errors of its last buffer, so a full disk would leave a short file; the tests hold what is written here against that crate's reader.)

use std::io::{self, BufWriter, Write};
use std::path::Path;

use flate2::{Compression, write::GzEncoder};
use ndarray::{Array3, Array4};

use super::affine::steps;
use super::header::{Header, SIZE_1, SIZE_2, shown};
use crate::text::{Code, Diagnostic, write_whole};

/// The largest extent that NIfTI-1 can say.
const MOST_1: usize = i16::MAX as usize;

/// Writes labels `[D, H, W]` on the grid of `like`: same extents, spacing, affine, codes and unit. In the smallest of uint8, uint16,
/// int32 and uint32 that holds them all.
/// Gzip if the name ends in `.gz`.
///
/// # Errors
/// E0603 when the file cannot be written or has another name; E0703 when the extents differ.
pub fn write_labels<T: Copy + Into<u32>>(path: &Path, labels: &Array3<T>, like: &Header) -> Result<(), Diagnostic> {
    write_values(path, labels.dim(), || labels.iter().map(|l| -> u32 { (*l).into() }), like)
}

/// Writes labels `[D, H, W]` that are places in a list of values, as [`write_labels`] writes the values.
///
/// # Errors
/// As [`write_labels`].
pub fn write_places(path: &Path, places: &Array3<u8>, values: &[u32], like: &Header) -> Result<(), Diagnostic> {
    let value = |place: &u8| values.get(usize::from(*place)).copied().unwrap_or(0);
    write_values(path, places.dim(), || places.iter().map(value), like)
}

fn write_values<I: Iterator<Item = u32>>(
    path: &Path,
    (d, h, w): (usize, usize, usize),
    values: impl Fn() -> I,
    like: &Header,
) -> Result<(), Diagnostic> {
    fits(path, [w, h, d], like)?;
    // int32 before uint32: more programs read it.
    let (datatype, bits) = match values().max().unwrap_or(0) {
        0..=0xff => (2, 8),
        0x100..=0xffff => (512, 16),
        0x1_0000..=0x7fff_ffff => (8, 32),
        _ => (768, 32),
    };
    let head = lay_out(like, &[w, h, d], datatype, bits, b"segmentation by lmsc");
    fill_file(path, |out| {
        out.write_all(&head)?;
        // Little-endian: the low bytes come first, whatever the width.
        values().try_for_each(|v| out.write_all(&v.to_le_bytes()[..bits as usize / 8]))
    })
}

/// Writes an image `[C, D, H, W]`, of intensities or of probabilities, as float32 on the grid of `like`; three dimensions when C is 1.
/// Gzip if the name ends in `.gz`.
///
/// # Errors
/// E0603 when the file cannot be written or has another name; E0703 when the extents differ.
pub fn write_image(path: &Path, image: &Array4<f32>, like: &Header) -> Result<(), Diagnostic> {
    let (c, d, h, w) = image.dim();
    fits(path, [w, h, d], like)?;
    let extents = [w, h, d, c];
    let head = lay_out(like, if c == 1 { &extents[..3] } else { &extents }, 16, 32, b"image by lmsc");
    fill_file(path, |out| {
        out.write_all(&head)?;
        image.iter().try_for_each(|v| out.write_all(&v.to_le_bytes()))
    })
}

fn fits(path: &Path, size: [usize; 3], like: &Header) -> Result<(), Diagnostic> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    if !(name.ends_with(".nii") || name.ends_with(".nii.gz")) {
        let message = format!("cannot write `{}`: a volume's name ends in .nii or in .nii.gz", path.display());
        return Err(Diagnostic::error(Code::E0603, message).help("give it such a name: other programs go by it"));
    }
    let [i, j, k, _] = like.dim;
    let wrong = if size != [i, j, k] {
        format!("it has {} voxels, but its grid has {}", shown(&size), shown(&[i, j, k]))
    } else if size.contains(&0) {
        format!("a volume of {} voxels is empty", shown(&size))
    } else {
        return Ok(());
    };
    Err(Diagnostic::error(Code::E0703, format!("cannot write `{}`: {wrong}", path.display()))
        .help("write it on the grid of the image that it belongs to"))
}

/// Writes a file whole; through gzip if the name ends in `.gz`.
pub(super) fn fill_file(path: &Path, fill: impl Fn(&mut dyn Write) -> io::Result<()>) -> Result<(), Diagnostic> {
    write_whole(path, |out| {
        if !path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz")) {
            return fill(out);
        }
        let mut packed = BufWriter::new(GzEncoder::new(out, Compression::new(6)));
        fill(&mut packed)?;
        packed.into_inner().map_err(|e| e.into_error())?.finish().map(|_| ())
    })
}

/// The header as other programs want it, who look into fields that are not in force: steps are positive lengths, qfac is 1 or -1, a qform
/// that is no rotation is left out, a quaternion that rounding made longer than 1 is brought to 1, and a form without a code has no number that is not finite.
fn tidied(like: &Header) -> Header {
    let mut h = like.clone();
    let known = like.affine().map(|a| steps(&a).map(|s| s / like.unit())).unwrap_or([1.0; 3]);
    h.pixdim[0] = if like.pixdim[0] == -1.0 { -1.0 } else { 1.0 };
    for (said, known) in h.pixdim[1..].iter_mut().zip(known) {
        *said = if said.is_finite() && *said != 0.0 { said.abs() } else { known };
    }
    if like.qform_code != 0 && (Header { sform_code: 0, ..like.clone() }).affine().is_err() {
        h.qform_code = 0;
    }
    let square: f64 = h.quaternion[..3].iter().map(|v| v * v).sum();
    if square > 1.0 {
        h.quaternion[..3].iter_mut().for_each(|v| *v /= square.sqrt());
    }
    if h.qform_code == 0 {
        h.quaternion.iter_mut().filter(|v| !v.is_finite()).for_each(|v| *v = 0.0);
    }
    if h.sform_code == 0 {
        h.sform.iter_mut().flatten().filter(|v| !v.is_finite()).for_each(|v| *v = 0.0);
    }
    h
}

/// The header and the four bytes that say "no extensions". `extents`: i, j, k and perhaps channels.
fn lay_out(like: &Header, extents: &[usize], datatype: i16, bits: i16, description: &[u8]) -> Vec<u8> {
    let like = &tidied(like);
    let second = like.version == 2 || extents.iter().any(|n| *n > MOST_1);
    let mut b = vec![0; 4 + if second { SIZE_2 } else { SIZE_1 }];
    let length = b.len();
    let mut put = |at: usize, v: &[u8]| b[at..at + v.len()].copy_from_slice(v);
    let dim = [extents.len()].into_iter().chain(extents.iter().copied()).chain([1; 7]).take(8);
    let pixdim = like.pixdim.into_iter().chain([1.0; 4]);
    let places = like.quaternion.iter().chain(like.sform.iter().flatten());
    let units = like.units & 7;
    if second {
        put(0, &540i32.to_le_bytes());
        put(4, b"n+2\0\r\n\x1a\n");
        put(12, &datatype.to_le_bytes());
        put(14, &bits.to_le_bytes());
        dim.enumerate().for_each(|(n, d)| put(16 + 8 * n, &(d as i64).to_le_bytes()));
        pixdim.enumerate().for_each(|(n, v)| put(104 + 8 * n, &v.to_le_bytes()));
        put(168, &(length as i64).to_le_bytes());
        put(176, &1f64.to_le_bytes());
        put(240, description);
        put(344, &i32::from(like.qform_code).to_le_bytes());
        put(348, &i32::from(like.sform_code).to_le_bytes());
        places.enumerate().for_each(|(n, v)| put(352 + 8 * n, &v.to_le_bytes()));
        put(500, &i32::from(units).to_le_bytes());
    } else {
        put(0, &348i32.to_le_bytes());
        // Readers of Analyze look for it.
        put(38, b"r");
        dim.enumerate().for_each(|(n, d)| put(40 + 2 * n, &(d as i16).to_le_bytes()));
        put(70, &datatype.to_le_bytes());
        put(72, &bits.to_le_bytes());
        pixdim.enumerate().for_each(|(n, v)| put(76 + 4 * n, &(v as f32).to_le_bytes()));
        put(108, &(length as f32).to_le_bytes());
        put(112, &1f32.to_le_bytes());
        put(123, &[units]);
        put(148, description);
        put(252, &like.qform_code.to_le_bytes());
        put(254, &like.sform_code.to_le_bytes());
        places.enumerate().for_each(|(n, v)| put(256 + 4 * n, &(*v as f32).to_le_bytes()));
        put(344, b"n+1\0");
    }
    b
}

#[cfg(test)]
mod tests {
    use super::super::{Datatype, read};
    use super::*;
    use ::nifti::{IntoNdArray, NiftiObject, ReaderOptions};

    fn grid() -> Header {
        let mut h = Header::plain([3, 4, 5], 1, [2.5, 2.0, 1.5]);
        h.sform = [[1.5, 0.1, 0.0, -7.0], [0.0, 2.0, 0.2, 8.0], [0.0, 0.0, 2.5, 9.5]];
        h.quaternion = [0.1, 0.2, 0.3, -7.0, 8.0, 9.5];
        (h.qform_code, h.sform_code, h.pixdim[0]) = (2, 4, -1.0);
        h
    }

    #[test]
    fn a_label_map_keeps_the_grid() {
        let folder = tempfile::tempdir().unwrap();
        let labels = Array3::from_shape_fn((3, 4, 5), |(d, h, w)| (d * 20 + h * 5 + w) as u8);
        for name in ["a.nii", "a.nii.gz"] {
            let path = folder.path().join(name);
            write_labels(&path, &labels, &grid()).unwrap();
            let v = read(&path).unwrap();
            assert_eq!(v.data.mapv(|x| x as u8).index_axis(ndarray::Axis(0), 0), labels);
            let f32s = |h: &Header| h.sform.map(|r| r.map(|v| v as f32));
            assert_eq!((f32s(&v.header), v.header.qform_code, v.header.sform_code), (f32s(&grid()), 2, 4));
            assert_eq!((v.header.pixdim, v.header.units), ([-1.0, 1.5, 2.0, 2.5], 2));
            // Another reader sees the same.
            let other = ReaderOptions::new().read_file(&path).unwrap();
            assert_eq!(other.header().dim, [3, 5, 4, 3, 1, 1, 1, 1]);
            let other = other.into_volume().into_ndarray::<u8>().unwrap();
            assert_eq!(other[[4, 3, 2]], labels[[2, 3, 4]]);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left over");
    }

    #[test]
    fn an_image_comes_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let image = Array4::from_shape_fn((2, 3, 4, 5), |(c, d, h, w)| (c * 60 + d * 20 + h * 5 + w) as f32 * 0.1);
        let path = folder.path().join("image.nii.gz");
        write_image(&path, &image, &grid()).unwrap();
        assert_eq!(read(&path).unwrap().data, image);
    }

    #[test]
    fn a_wrong_grid_or_folder_is_refused() {
        let labels = Array3::<u8>::zeros((3, 4, 4));
        assert_eq!(write_labels(Path::new("x.nii"), &labels, &grid()).unwrap_err().code, Code::E0703);
        let labels = Array3::<u8>::zeros((3, 4, 5));
        let e = write_labels(Path::new("/no/such/folder/x.nii"), &labels, &grid()).unwrap_err();
        assert_eq!(e.code, Code::E0603);
    }

    #[test]
    fn the_smallest_type_that_holds_the_labels() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.nii");
        for (largest, datatype) in
            [(255u32, Datatype::U8), (256, Datatype::U16), (65_535, Datatype::U16), (65_536, Datatype::I32), (1 << 31, Datatype::U32)]
        {
            let labels = Array3::from_shape_fn((3, 4, 5), |(d, h, w)| if d + h + w == 9 { largest } else { w as u32 });
            write_labels(&path, &labels, &grid()).unwrap();
            let v = read(&path).unwrap();
            assert_eq!(v.header.datatype, datatype);
            assert!(v.data.iter().zip(&labels).all(|(a, b)| *a == *b as f32));
        }
    }

    #[test]
    fn long_axes_and_grids_of_the_second_version_are_written_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long.nii.gz");
        let like = Header { dim: [40_000, 1, 2, 1], ..grid() };
        let labels = Array3::from_shape_fn((2, 1, 40_000), |(d, _, w)| (d + w) as u8);
        write_labels(&path, &labels, &like).unwrap();
        let v = read(&path).unwrap();
        assert_eq!((v.header.version, v.header.dim, v.header.sform), (2, like.dim, like.sform));
        assert!(v.data.iter().zip(&labels).all(|(a, b)| *a == f32::from(*b)));
        // A third of a millimetre stays what it was.
        let mut like = Header { version: 2, ..grid() };
        like.sform[0][0] = 1.0 / 3.0;
        let image = Array4::from_elem((1, 3, 4, 5), 0.25);
        write_image(&path, &image, &like).unwrap();
        let v = read(&path).unwrap();
        assert_eq!((v.data, v.header.sform, v.header.quaternion, v.header.qform_code), (image, like.sform, like.quaternion, 2));
    }
}
