//! Reading a NIfTI file as a [`Volume`].
//!
//! May use `text` only. Single-file NIfTI-1, plain or gzip, either byte order. NIfTI-2 and .hdr/.img pairs are refused by name in
//! `header.rs`, where they will be added.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use ndarray::Array4;

use super::affine::{Affine, steps};
use super::gzip::{MAX_RATIO, Stream};
use super::header::{Header, SIZE_1, shown};
use super::refusal::{CONVERT, DAMAGED, Refusal};
use super::voxels::{decode, lacking};
use crate::text::{Diagnostic, reason};

/// The most memory that one volume's voxels may take unless [`read_within`] says otherwise, in bytes.
pub const BUDGET: u64 = 2 << 30;

/// Bytes that may follow the voxels in a gzip stream; they are read for the checksum and dropped.
const MAX_TRAILING: u64 = 64 << 20;

/// An image on a grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume {
    /// Intensities `[C, D, H, W]`; D, H, W are the file's k, j, i, so memory order is the file's order. Label maps have C = 1.
    pub data: Array4<f32>,
    /// Distance between voxels in mm, along D, H, W.
    pub spacing: [f64; 3],
    /// Voxel (i, j, k) to mm.
    pub affine: Affine,
    /// The file's own words on the grid, to write a segmentation on it.
    pub header: Header,
}

impl Volume {
    /// D, H, W.
    pub fn size(&self) -> [usize; 3] {
        let (_, d, h, w) = self.data.dim();
        [d, h, w]
    }
}

/// Reads a NIfTI file within [`BUDGET`].
///
/// # Errors
/// E0702 when the file is missing, is not a NIfTI that is read here, is damaged (checksums of gzip included) or is too large.
pub fn read(path: &Path) -> Result<Volume, Diagnostic> {
    read_within(path, BUDGET)
}

/// Reads a NIfTI file whose voxels take at most `budget` bytes as `f32`.
///
/// # Errors
/// As [`read`].
pub fn read_within(path: &Path, budget: u64) -> Result<Volume, Diagnostic> {
    open(path).and_then(|(file, bytes)| from_stream(file, bytes, budget)).map_err(|r| r.of(path))
}

fn open(path: &Path) -> Result<(BufReader<File>, u64), Refusal> {
    let missing = |e: io::Error| Refusal::new(reason(&e), "check the path and its permissions");
    let file = File::open(path).map_err(missing)?;
    let about = file.metadata().map_err(missing)?;
    if about.is_dir() {
        return Err(Refusal::new("it is a folder", "name a .nii or .nii.gz file"));
    }
    if !about.is_file() {
        return Err(Refusal::new("it is not a regular file", "name a .nii or .nii.gz file"));
    }
    Ok((BufReader::with_capacity(64 * 1024, file), about.len()))
}

/// `held`: the bytes of the file as it lies on disk.
fn from_stream(file: impl io::BufRead, held: u64, budget: u64) -> Result<Volume, Refusal> {
    if held == 0 {
        return Err(Refusal::new("it is empty", DAMAGED));
    }
    let mut stream = Stream::new(file).map_err(|e| Refusal::new(reason(&e), DAMAGED))?;
    let mut head = [0; SIZE_1];
    stream.read_exact(&mut head).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => Refusal::new(format!("it ends within the header ({SIZE_1} bytes)"), DAMAGED),
        _ => lacking(&e, 0, SIZE_1 as u64),
    })?;
    let header = Header::parse(&head)?;
    let affine = header.affine()?;
    let count = affordable(&header, if stream.is_gzip() { held.saturating_mul(MAX_RATIO) } else { held }, budget)?;

    // Extensions stand between the header and the voxels.
    let gap = header.offset - SIZE_1 as u64;
    let skipped = io::copy(&mut (&mut stream).take(gap), &mut io::sink()).map_err(|e| lacking(&e, 0, gap))?;
    if skipped < gap {
        return Err(Refusal::new(format!("vox_offset is {}, beyond the end of the file", header.offset), DAMAGED));
    }
    let voxels = decode(&mut stream, &header, count)?;
    if stream.is_gzip() {
        // The checksum stands at the end: an unread end is an unchecked file.
        let rest = io::copy(&mut (&mut stream).take(MAX_TRAILING), &mut io::sink())
            .map_err(|e| Refusal::new(format!("its gzip stream is damaged: {}", reason(&e)), DAMAGED))?;
        if rest == MAX_TRAILING {
            return Err(Refusal::new(format!("more than {} MiB follow its voxels", MAX_TRAILING >> 20), DAMAGED));
        }
    }
    let [i, j, k, c] = header.dim;
    let data = Array4::from_shape_vec((c, k, j, i), voxels).map_err(|e| Refusal::new(e.to_string(), DAMAGED))?;
    let [si, sj, sk] = steps(&affine);
    Ok(Volume { data, spacing: [sk, sj, si], affine, header })
}

/// The number of voxels, if `available` bytes can hold them and the budget allows them.
fn affordable(header: &Header, available: u64, budget: u64) -> Result<usize, Refusal> {
    let shape = shown(if header.dim[3] == 1 { &header.dim[..3] } else { &header.dim });
    let too_large = |what: String| Refusal::new(format!("its header says {shape} voxels, {what}"), CONVERT);
    let count = header.voxels().ok_or_else(|| too_large("more than can be counted".into()))?;
    let need = count.checked_mul(header.datatype.bytes() as u64).and_then(|n| n.checked_add(header.offset));
    match need {
        Some(need) if need <= available => {}
        Some(need) => {
            let reason = format!("its header promises {need} bytes ({shape} voxels), but the file can hold at most {available}");
            return Err(Refusal::new(reason, DAMAGED));
        }
        None => return Err(too_large("more than can be counted".into())),
    }
    let memory = count.saturating_mul(4);
    if memory > budget {
        let reason = format!("its {shape} voxels need {} MiB, and {} MiB are allowed", memory >> 20, budget >> 20);
        return Err(Refusal::new(reason, "crop or resample it"));
    }
    usize::try_from(count).map_err(|_| too_large("more than this machine can address".into()))
}

#[cfg(test)]
mod tests;
