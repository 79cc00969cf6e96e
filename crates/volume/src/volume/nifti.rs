//! Reading a NIfTI file as a [`Volume`].
//!
//! May use `text` only. NIfTI-1 and NIfTI-2, in one file or in two, plain or gzip, either byte order; all told by the bytes, save that
//! the second file of a pair is found by its name.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use ndarray::Array4;

use super::affine::{Affine, steps};
use super::grid::Grid;
use super::gzip::{MAX_RATIO, Stream};
use super::header::{Header, HeaderKind, SIZE_1, shown};
use super::pair;
use super::refusal::{CONVERT, DAMAGED, Refusal};
use super::voxels::{Floats, Sink, decode, lacking};
use crate::text::{Diagnostic, broken_link, reason};

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

/// Reads a NIfTI file within [`BUDGET`]. Of a pair, either file can be named.
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
    let mut voxels = Floats::default();
    load(path, budget, &mut voxels).and_then(|(header, affine)| whole(header, affine, voxels)).map_err(|r| r.of(path))
}

fn whole(header: Header, affine: Affine, voxels: Floats) -> Result<Volume, Refusal> {
    let [i, j, k, c] = header.dim;
    let data = Array4::from_shape_vec((c, k, j, i), voxels.0).map_err(|e| Refusal::new(e.to_string(), DAMAGED))?;
    let [si, sj, sk] = steps(&affine);
    Ok(Volume { data, spacing: [sk, sj, si], affine, header })
}

/// Reads and checks the header of a NIfTI file; its voxels are not looked at, and may be of any type.
///
/// # Errors
/// E0702 as [`read`], for what can be known from the header.
pub fn read_header(path: &Path) -> Result<Header, Diagnostic> {
    find_header(path).map(|(_, header, _)| header).map_err(|r| r.of(path))
}

/// Reads where the voxels of a NIfTI file lie, and how many channels it has; its voxels are not looked at.
///
/// # Errors
/// E0702 as [`read`], for what can be known from the header.
pub fn read_grid(path: &Path) -> Result<(Grid, usize), Diagnostic> {
    let (path, header, _) = find_header(path).map_err(|r| r.of(path))?;
    let affine = header.affine().map_err(|r| r.of(&path))?;
    let [i, j, k, channels] = header.dim;
    Ok((Grid { size: [k, j, i], affine }, channels))
}

/// Reads the voxels of a file into `sink`; gives its header, and where its voxels lie.
pub(super) fn load(path: &Path, budget: u64, sink: &mut impl Sink) -> Result<(Header, Affine), Refusal> {
    let (path, header, source) = find_header(path)?;
    if !header.pair {
        return finish(source, header, budget, sink);
    }
    let Some(image) = pair::image_of(&path) else {
        let reason = "it is the header of a pair of files, and the other one (.img or .img.gz) is not beside it";
        return Err(Refusal::new(reason, "put both files into one folder under one name"));
    };
    open(&image).and_then(|source| finish(source, header, budget, sink)).map_err(|r| r.within(&image))
}

/// The file with the header, the header, and the file's bytes after it.
fn find_header(path: &Path) -> Result<(PathBuf, Header, Source<BufReader<File>>), Refusal> {
    let mut source = open(path)?;
    match (source.header(), pair::header_of(path)) {
        (Ok(header), _) => Ok((path.to_owned(), header, source)),
        (Err(_), Some(beside)) => {
            let mut source = open(&beside).map_err(|r| r.within(&beside))?;
            let header = source.header().map_err(|r| r.within(&beside))?;
            Ok((beside, header, source))
        }
        (Err(_), None) if pair::is_image(path) => {
            let reason = "it has the name of voxels without a header, and the header (.hdr or .hdr.gz) is not beside it";
            Err(Refusal::new(reason, "put both files into one folder under one name"))
        }
        (Err(r), None) => Err(r),
    }
}

fn open(path: &Path) -> Result<Source<BufReader<File>>, Refusal> {
    let missing = |e: io::Error| match broken_link(path) {
        Some((why, help)) => Refusal::new(why, help),
        None => Refusal::new(reason(&e), "check the path and its permissions"),
    };
    // Looked at before it is opened: to open a pipe would wait for its writer.
    let about = std::fs::metadata(path).map_err(missing)?;
    if about.is_dir() {
        return Err(Refusal::new(
            "it is a folder",
            "name a .nii or .nii.gz file; a folder of DICOM slices is converted first, for instance with dcm2niix",
        ));
    }
    if !about.is_file() {
        return Err(Refusal::new("it is not a regular file", "name a .nii or .nii.gz file"));
    }
    let file = File::open(path).map_err(missing)?;
    // Of what was opened, not of what had the name before.
    let held = file.metadata().map_err(missing)?.len();
    Source::new(BufReader::with_capacity(64 * 1024, file), held)
}

/// The bytes of a file.
struct Source<R: BufRead> {
    stream: Stream<R>,
    /// Bytes of the file as it lies on disk.
    held: u64,
    /// Bytes of the content that were read.
    passed: u64,
}

impl<R: BufRead> Source<R> {
    fn new(file: R, held: u64) -> Result<Self, Refusal> {
        if held == 0 {
            return Err(Refusal::new("it is empty", DAMAGED));
        }
        let stream = Stream::new(file).map_err(|e| Refusal::new(reason(&e), DAMAGED))?;
        Ok(Self { stream, held, passed: 0 })
    }

    fn header(&mut self) -> Result<Header, Refusal> {
        let mut head = self.take(SIZE_1)?;
        let kind = HeaderKind::of(&head)?;
        head.extend(self.take(kind.size() - SIZE_1)?);
        Header::parse(kind, &head)
    }

    /// The next `n` bytes, or as many as there are.
    fn take(&mut self, n: usize) -> Result<Vec<u8>, Refusal> {
        let mut bytes = Vec::with_capacity(n);
        (&mut self.stream)
            .take(n as u64)
            .read_to_end(&mut bytes)
            .map_err(|e| Refusal::new(format!("its gzip stream is damaged within the header: {}", reason(&e)), DAMAGED))?;
        self.passed += bytes.len() as u64;
        Ok(bytes)
    }

    /// The bytes that the content can have at most.
    fn most(&self) -> u64 {
        if self.stream.is_gzip() { self.held.saturating_mul(MAX_RATIO) } else { self.held }
    }
}

/// Reads the voxels.
fn finish(mut source: Source<impl BufRead>, header: Header, budget: u64, sink: &mut impl Sink) -> Result<(Header, Affine), Refusal> {
    header.datatype.real()?;
    let affine = header.affine()?;
    let count = affordable(&header, source.most(), budget)?;
    // Extensions stand between the header and the voxels.
    let gap = header.offset - source.passed.min(header.offset);
    let skipped = io::copy(&mut (&mut source.stream).take(gap), &mut io::sink()).map_err(|e| lacking(&e, 0, gap))?;
    if skipped < gap {
        return Err(Refusal::new(format!("vox_offset is {}, beyond the end of the file", header.offset), DAMAGED));
    }
    decode(&mut source.stream, &header, count, sink)?;
    if source.stream.is_gzip() {
        // The checksum stands at the end: an unread end is an unchecked file.
        let rest = io::copy(&mut (&mut source.stream).take(MAX_TRAILING), &mut io::sink())
            .map_err(|e| Refusal::new(format!("its gzip stream is damaged: {}", reason(&e)), DAMAGED))?;
        if rest == MAX_TRAILING {
            return Err(Refusal::new(format!("more than {} MiB follow its voxels", MAX_TRAILING >> 20), DAMAGED));
        }
    }
    Ok((header, affine))
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
