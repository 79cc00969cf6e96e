//! The header of a volume, free of the file version, and the guard that stands before every use of a file's numbers.
//!
//! May use `text` only (through `refusal`). `fields` splits the bytes; here they are held against NIfTI's rules and nibabel's.

mod fields;

pub(super) use fields::{HeaderKind, SIZE_1, SIZE_2};

use super::datatype::Datatype;
use super::refusal::{CONVERT, HEADER, Refusal};
use fields::HeaderFields;

/// The intents of CIFTI-2, whose dimensions are no space.
const CIFTI: std::ops::RangeInclusive<i32> = 3000..=3099;

/// What a header says of the grid and the voxels: enough to read the data and to write another volume on the same grid.
///
/// The numbers are the file's own (its length unit, its codes, its axis order i, j, k); [`super::Volume`] has them in mm.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// 1 or 2, for NIfTI-1 and NIfTI-2.
    pub version: u8,
    /// Whether header and voxels are two files (.hdr and .img).
    pub pair: bool,
    /// Extents along i, j, k, then those of the further dimensions multiplied together.
    pub dim: [usize; 4],
    /// qfac, then the step along i, j, k, in the file's unit.
    pub pixdim: [f64; 4],
    /// The `xyzt_units` byte.
    pub units: u8,
    /// 0 to 5; codes that NIfTI does not define count as 0, as in nibabel.
    pub qform_code: i16,
    pub sform_code: i16,
    /// Quaternion b, c, d and the offset x, y, z.
    pub quaternion: [f64; 6],
    /// The rows of the sform.
    pub sform: [[f64; 4]; 3],
    pub datatype: Datatype,
    /// Whether the file's numbers are big-endian.
    pub big_endian: bool,
    /// Byte at which the voxels start in their file.
    pub offset: u64,
    /// Slope and intercept that turn stored values into intensities.
    pub scale: Option<(f64, f64)>,
    /// The `descrip` field, printable.
    pub description: String,
}

impl Header {
    /// A header for a volume made here: `size` is D, H, W, `spacing` in mm along the same axes, axes along x, y, z.
    pub fn plain(size: [usize; 3], channels: usize, spacing: [f64; 3]) -> Self {
        let [d, h, w] = size;
        let [sd, sh, sw] = spacing;
        Self {
            version: 1,
            pair: false,
            dim: [w, h, d, channels],
            pixdim: [1.0, sw, sh, sd],
            units: 2,
            qform_code: 1,
            sform_code: 1,
            quaternion: [0.0; 6],
            sform: [[sw, 0.0, 0.0, 0.0], [0.0, sh, 0.0, 0.0], [0.0, 0.0, sd, 0.0]],
            datatype: Datatype::F32,
            big_endian: false,
            offset: 352,
            scale: None,
            description: String::new(),
        }
    }

    /// Reads and checks the first [`HeaderKind::size`] bytes of a file.
    pub(super) fn parse(kind: HeaderKind, bytes: &[u8]) -> Result<Self, Refusal> {
        let raw = HeaderFields::split(kind, bytes)?;
        let datatype = Datatype::of_code(raw.datatype)?;
        // Some writers leave bitpix out. Any other number means that one of the two fields is damaged.
        if raw.bitpix != 0 && usize::try_from(raw.bitpix).ok() != Some(8 * datatype.bytes()) {
            let reason = format!("bitpix says {} bits per voxel, but datatype {} has {}", raw.bitpix, raw.datatype, 8 * datatype.bytes());
            return Err(Refusal::new(reason, HEADER));
        }
        if CIFTI.contains(&raw.intent) {
            let reason = format!("it is CIFTI-2 (intent {}): rows and columns of a table, not a volume", raw.intent);
            return Err(Refusal::new(reason, "a volume of voxels is needed"));
        }
        let mut pixdim = raw.pixdim;
        if raw.qform_code <= 0 && raw.sform_code <= 0 {
            // An axis that the image has not got has no step either, unless a form says where it runs.
            pixdim.iter_mut().zip(0..).skip(1).filter(|(_, axis)| raw.dim[0] < *axis).for_each(|(step, _)| *step = 1.0);
        }
        let known = |code: i32| i16::try_from(code).ok().filter(|c| (0..=5).contains(c)).unwrap_or(0);
        Ok(Self {
            version: kind.version,
            pair: kind.pair,
            dim: extents(&raw.dim)?,
            pixdim,
            units: raw.units,
            qform_code: known(raw.qform_code),
            sform_code: known(raw.sform_code),
            quaternion: raw.quaternion,
            sform: raw.sform,
            datatype,
            big_endian: kind.big_endian,
            offset: offset(raw.offset, kind)?,
            scale: scale(raw.slope, raw.inter)?,
            description: raw.description,
        })
    }

    /// Voxels of all channels, or `None` beyond 64 bits.
    pub(super) fn voxels(&self) -> Option<u64> {
        self.dim.iter().try_fold(1u64, |n, d| n.checked_mul(*d as u64))
    }

    /// mm in one of the file's units of length. Where the file names none, they are taken for mm.
    pub fn unit(&self) -> f64 {
        match self.units & 7 {
            1 => 1000.0,
            3 => 0.001,
            _ => 1.0,
        }
    }
}

/// i, j, k and the channels. Channels stand in the fourth dimension, or in a further one when those before it are 1.
fn extents(dim: &[i64; 8]) -> Result<[usize; 4], Refusal> {
    let mut size = [1usize; 7];
    let count = usize::try_from(dim[0]).unwrap_or(0).min(7);
    for (axis, (s, d)) in size.iter_mut().zip(&dim[1..]).enumerate().take(count) {
        *s = usize::try_from(*d).ok().filter(|d| *d > 0).ok_or_else(|| Refusal::new(format!("dim[{}] is {d}", axis + 1), HEADER))?;
    }
    let [i, j, k, channels @ ..] = size;
    if channels.iter().filter(|c| **c > 1).count() > 1 {
        let reason = format!("it has {count} dimensions ({}), and at most three and channels are needed", shown(&size[..count]));
        return Err(Refusal::new(reason, "split it into 3-D or 4-D images"));
    }
    // All but one are 1: nothing can overflow.
    Ok([i, j, k, channels.iter().product()])
}

/// `3x4x5`.
pub(super) fn shown(size: &[usize]) -> String {
    size.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

fn offset(stored: f64, kind: HeaderKind) -> Result<u64, Refusal> {
    // Four bytes after the header say whether extensions follow.
    let first = if kind.pair { 0 } else { kind.size() as u64 + 4 };
    match stored {
        // The C library and ITK take 0 for "right after the header".
        0.0 => Ok(first),
        o if o.is_finite() && o >= first as f64 && o.fract() == 0.0 => Ok(o as u64),
        o => Err(Refusal::new(format!("vox_offset is {o}, and voxels start at a whole byte, {first} or later"), HEADER)),
    }
}

/// nibabel's rules: a slope of 0 or NaN means no scaling; an intercept that is not finite is an error. An infinite slope is one too.
fn scale(slope: f64, inter: f64) -> Result<Option<(f64, f64)>, Refusal> {
    if slope.is_infinite() {
        return Err(Refusal::new("scl_slope is infinite", CONVERT));
    }
    if slope == 0.0 || slope.is_nan() {
        return Ok(None);
    }
    if !inter.is_finite() {
        return Err(Refusal::new(format!("scl_inter is {inter} beside the slope {slope}"), HEADER));
    }
    Ok((slope != 1.0 || inter != 0.0).then_some((slope, inter)))
}

#[cfg(test)]
pub(super) mod tests;
