//! Writing NIfTI: a label map or an image on the grid of another volume.
//!
//! May use `text` only. Little-endian NIfTI-1 in one file. (The writer of the `nifti` crate drops errors of its last
//! buffer, so a full disk would leave a short file; the tests hold what is written here against that crate's reader.)

use std::io::{self, BufWriter, Write};
use std::path::Path;

use flate2::{Compression, write::GzEncoder};
use ndarray::{Array3, Array4};

use super::header::{Header, SIZE_1, shown};
use crate::text::{Code, Diagnostic, write_whole};

/// Writes labels `[D, H, W]` as uint8 on the grid of `like`: same extents, spacing, affine, codes and unit. Gzip if the name ends in `.gz`.
///
/// # Errors
/// E0603 when the file cannot be written; E0703 when the extents differ.
pub fn write_labels(path: &Path, labels: &Array3<u8>, like: &Header) -> Result<(), Diagnostic> {
    let (d, h, w) = labels.dim();
    fits(path, [w, h, d], like)?;
    let head = lay_out(like, &[w, h, d], 2, 8, b"segmentation by lmsc");
    fill_file(path, |out| {
        out.write_all(&head)?;
        out.write_all(labels.as_standard_layout().as_slice().unwrap_or_default())
    })
}

/// Writes an image `[C, D, H, W]` as float32 on the grid of `like`; three dimensions when C is 1. Gzip if the name ends in `.gz`.
///
/// # Errors
/// E0603 when the file cannot be written; E0703 when the extents differ.
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
    let [i, j, k, _] = like.dim;
    let wrong = if size != [i, j, k] {
        format!("it has {} voxels, but its grid has {}", shown(&size), shown(&[i, j, k]))
    } else if size.iter().any(|n| !(1..=i16::MAX as usize).contains(n)) {
        format!("NIfTI-1 cannot hold {} voxels", shown(&size))
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

/// The header and the four bytes that say "no extensions". `extents`: i, j, k and perhaps channels.
fn lay_out(like: &Header, extents: &[usize], datatype: i16, bits: i16, description: &[u8]) -> [u8; SIZE_1 + 4] {
    let mut b = [0; SIZE_1 + 4];
    let mut put = |at: usize, v: &[u8]| b[at..at + v.len()].copy_from_slice(v);
    put(0, &348i32.to_le_bytes());
    put(40, &(extents.len() as i16).to_le_bytes());
    for axis in 0..7 {
        put(42 + 2 * axis, &(extents.get(axis).map_or(1, |n| *n as i16)).to_le_bytes());
    }
    put(70, &datatype.to_le_bytes());
    put(72, &bits.to_le_bytes());
    for axis in 0..8 {
        put(76 + 4 * axis, &(like.pixdim.get(axis).map_or(1.0, |v| *v as f32)).to_le_bytes());
    }
    put(108, &((SIZE_1 + 4) as f32).to_le_bytes());
    put(112, &1f32.to_le_bytes());
    put(123, &[like.units & 7]);
    put(148, description);
    put(252, &like.qform_code.to_le_bytes());
    put(254, &like.sform_code.to_le_bytes());
    let places = like.quaternion.iter().chain(like.sform.iter().flatten());
    for (n, v) in places.enumerate() {
        put(256 + 4 * n, &(*v as f32).to_le_bytes());
    }
    put(344, b"n+1\0");
    b
}

#[cfg(test)]
mod tests {
    use super::super::read;
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
        let labels = Array3::zeros((3, 4, 4));
        assert_eq!(write_labels(Path::new("x.nii"), &labels, &grid()).unwrap_err().code, Code::E0703);
        let labels = Array3::zeros((3, 4, 5));
        let e = write_labels(Path::new("/no/such/folder/x.nii"), &labels, &grid()).unwrap_err();
        assert_eq!(e.code, Code::E0603);
    }
}
