//! The header of a volume, free of the file version, and the guard that stands before every use of a file's numbers.
//!
//! May use `text` only (through `refusal`). The bytes are split into fields by the `nifti` crate; the guard here has checked
//! what that crate takes on trust (size, magic, byte order, dimensions, type and width, offset, scaling).

use ::nifti::NiftiHeader;

use super::refusal::{CONVERT, HEADER, Refusal};

/// Bytes of a NIfTI-1 header.
pub(super) const SIZE_1: usize = 348;

/// How voxels are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Datatype {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

impl Datatype {
    fn of_code(code: i16) -> Result<Self, Refusal> {
        let name = match code {
            2 => return Ok(Self::U8),
            256 => return Ok(Self::I8),
            512 => return Ok(Self::U16),
            4 => return Ok(Self::I16),
            768 => return Ok(Self::U32),
            8 => return Ok(Self::I32),
            1280 => return Ok(Self::U64),
            1024 => return Ok(Self::I64),
            16 => return Ok(Self::F32),
            64 => return Ok(Self::F64),
            1 => "1-bit voxels",
            32 | 1792 | 2048 => "complex voxels",
            128 => "RGB colours",
            2304 => "RGBA colours",
            1536 => "128-bit floats",
            _ => return Err(Refusal::new(format!("its datatype {code} is none that NIfTI defines"), CONVERT)),
        };
        Err(Refusal::new(format!("it holds {name} (datatype {code}), and one real number per voxel is needed"), CONVERT))
    }

    /// Bytes of one voxel.
    pub fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }
}

/// What a header says of the grid and the voxels: enough to read the data and to write another volume on the same grid.
///
/// The numbers are the file's own (its length unit, its codes, its axis order i, j, k); [`super::Volume`] has them in mm.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Extents along i, j, k, then those of the further dimensions multiplied together.
    pub dim: [usize; 4],
    /// qfac, then the step along i, j, k, in the file's unit.
    pub pixdim: [f64; 4],
    /// The `xyzt_units` byte.
    pub units: u8,
    pub qform_code: i16,
    pub sform_code: i16,
    /// Quaternion b, c, d and the offset x, y, z.
    pub quaternion: [f64; 6],
    /// The rows of the sform.
    pub sform: [[f64; 4]; 3],
    pub datatype: Datatype,
    /// Whether the file's numbers are big-endian.
    pub big_endian: bool,
    /// Byte at which the voxels start.
    pub offset: u64,
    /// Slope and intercept that turn stored values into intensities.
    pub scale: Option<(f64, f64)>,
}

impl Header {
    /// A header for a volume made here: `size` is D, H, W, `spacing` in mm along the same axes, axes along x, y, z.
    pub fn plain(size: [usize; 3], channels: usize, spacing: [f64; 3]) -> Self {
        let [d, h, w] = size;
        let [sd, sh, sw] = spacing;
        Self {
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
        }
    }

    /// Reads and checks the first [`SIZE_1`] bytes of a file.
    pub(super) fn parse(bytes: &[u8; SIZE_1]) -> Result<Self, Refusal> {
        let big_endian = byte_order(bytes)?;
        let raw = NiftiHeader::from_reader(&bytes[..]).map_err(|_| Refusal::new("its header is not NIfTI-1", CONVERT))?;
        let datatype = Datatype::of_code(raw.datatype)?;
        if usize::try_from(raw.bitpix).ok() != Some(8 * datatype.bytes()) {
            let reason = format!("bitpix says {} bits per voxel, but datatype {} has {}", raw.bitpix, raw.datatype, 8 * datatype.bytes());
            return Err(Refusal::new(reason, HEADER));
        }
        let f = f64::from;
        let [p0, p1, p2, p3, ..] = raw.pixdim;
        Ok(Self {
            dim: extents(&raw.dim)?,
            pixdim: [p0, p1, p2, p3].map(f),
            units: raw.xyzt_units,
            qform_code: raw.qform_code,
            sform_code: raw.sform_code,
            quaternion: [raw.quatern_b, raw.quatern_c, raw.quatern_d, raw.quatern_x, raw.quatern_y, raw.quatern_z].map(f),
            sform: [raw.srow_x, raw.srow_y, raw.srow_z].map(|r| r.map(f)),
            datatype,
            big_endian,
            offset: offset(raw.vox_offset)?,
            scale: scale(f(raw.scl_slope), f(raw.scl_inter))?,
        })
    }

    /// Voxels of all channels, or `None` beyond 64 bits.
    pub(super) fn voxels(&self) -> Option<u64> {
        self.dim.iter().try_fold(1u64, |n, d| n.checked_mul(*d as u64))
    }
}

/// Checks size and magic in both byte orders and tells which one it is (`true`: big-endian).
fn byte_order(b: &[u8; SIZE_1]) -> Result<bool, Refusal> {
    let size = [b[0], b[1], b[2], b[3]];
    let big_endian = match (i32::from_le_bytes(size), i32::from_be_bytes(size)) {
        (348, _) => false,
        (_, 348) => true,
        (540, _) | (_, 540) => return Err(Refusal::new("it is NIfTI-2, which is not read yet", CONVERT)),
        (n, _) => return Err(Refusal::new(format!("it is not NIfTI (it starts with the header size {n}; NIfTI-1 has 348)"), CONVERT)),
    };
    match &b[344..348] {
        b"n+1\0" => {}
        b"ni1\0" => return Err(Refusal::new("it is the header of a pair of files (.hdr and .img), which is not read yet", CONVERT)),
        _ => return Err(Refusal::new("it has no NIfTI mark (an Analyze 7.5 header?)", CONVERT)),
    }
    let count = [b[40], b[41]];
    let count = if big_endian { i16::from_be_bytes(count) } else { i16::from_le_bytes(count) };
    if !(1..=7).contains(&count) {
        return Err(Refusal::new(format!("dim[0] says {count} dimensions; NIfTI has 1 to 7"), HEADER));
    }
    Ok(big_endian)
}

/// i, j, k and the channels. Channels stand in the fourth dimension, or in the fifth when the fourth is 1.
fn extents(dim: &[u16; 8]) -> Result<[usize; 4], Refusal> {
    let mut size = [1usize; 7];
    let count = usize::from(dim[0]).min(7);
    for (axis, (s, d)) in size.iter_mut().zip(&dim[1..]).enumerate().take(count) {
        // The field is a signed 16-bit number.
        let d = *d as i16;
        *s = usize::try_from(d).ok().filter(|d| *d > 0).ok_or_else(|| Refusal::new(format!("dim[{}] is {d}", axis + 1), HEADER))?;
    }
    let [i, j, k, channels @ ..] = size;
    if channels.iter().filter(|c| **c > 1).count() > 1 {
        let reason = format!("it has {count} dimensions ({}), and at most three and channels are needed", shown(&size[..count]));
        return Err(Refusal::new(reason, "split it into 3-D or 4-D images"));
    }
    Ok([i, j, k, channels.iter().product()])
}

/// `3x4x5`.
pub(super) fn shown(size: &[usize]) -> String {
    size.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

fn offset(stored: f32) -> Result<u64, Refusal> {
    match stored {
        // The C library and ITK take 0 for "right after the header".
        0.0 => Ok(352),
        o if o.is_finite() && o >= 352.0 && o.fract() == 0.0 => Ok(o as u64),
        o => Err(Refusal::new(format!("vox_offset is {o}, and voxels start at byte 352 or later"), HEADER)),
    }
}

/// nibabel's rules: a slope of 0 or one that is not finite means no scaling; an intercept that is not finite is an error.
fn scale(slope: f64, inter: f64) -> Result<Option<(f64, f64)>, Refusal> {
    if slope.is_infinite() {
        return Err(Refusal::new("scl_slope is infinite", HEADER));
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
pub(super) mod tests {
    use super::*;

    /// A little-endian header of float32 voxels, i x j x k.
    pub fn bytes(dim: &[i16]) -> [u8; SIZE_1] {
        let mut b = [0; SIZE_1];
        let mut put = |at: usize, v: &[u8]| b[at..at + v.len()].copy_from_slice(v);
        put(0, &348i32.to_le_bytes());
        put(40, &(dim.len() as i16).to_le_bytes());
        dim.iter().enumerate().for_each(|(i, d)| put(42 + 2 * i, &d.to_le_bytes()));
        put(70, &16i16.to_le_bytes());
        put(72, &32i16.to_le_bytes());
        for (i, p) in [1.0f32, 1.5, 2.0, 2.5, 1.0].iter().enumerate() {
            put(76 + 4 * i, &p.to_le_bytes());
        }
        put(108, &352f32.to_le_bytes());
        put(344, b"n+1\0");
        b
    }

    fn reason(b: [u8; SIZE_1]) -> String {
        format!("{:?}", Header::parse(&b).unwrap_err())
    }

    #[test]
    fn fields_are_read() {
        let h = Header::parse(&bytes(&[5, 4, 3])).unwrap();
        assert_eq!((h.dim, h.pixdim, h.offset, h.scale, h.big_endian), ([5, 4, 3, 1], [1.0, 1.5, 2.0, 2.5], 352, None, false));
        assert_eq!(Header::parse(&bytes(&[5, 4, 3, 1, 7])).unwrap().dim, [5, 4, 3, 7]);
        assert_eq!(Header::parse(&bytes(&[5])).unwrap().dim, [5, 1, 1, 1]);
    }

    #[test]
    fn lies_are_refused() {
        let with = |at: usize, v: &[u8]| {
            let mut b = bytes(&[5, 4, 3]);
            b[at..at + v.len()].copy_from_slice(v);
            b
        };
        assert!(reason(bytes(&[5, -4, 3])).contains("dim[2] is -4"));
        assert!(reason(bytes(&[5, 0, 3])).contains("dim[2] is 0"));
        assert!(reason(bytes(&[2, 2, 2, 3, 3])).contains("2x2x2x3x3"));
        assert!(reason(with(40, &[8, 0])).contains("8 dimensions"));
        assert!(reason(with(72, &64i16.to_le_bytes())).contains("bitpix"));
        assert!(reason(with(70, &128i16.to_le_bytes())).contains("RGB"));
        assert!(reason(with(108, &355.5f32.to_le_bytes())).contains("vox_offset"));
        assert!(reason(with(108, &f32::NAN.to_le_bytes())).contains("vox_offset"));
        assert!(reason(with(112, &f32::INFINITY.to_le_bytes())).contains("scl_slope"));
        assert!(reason(with(0, &540i32.to_le_bytes())).contains("NIfTI-2"));
        assert!(reason(with(344, b"ni1\0")).contains("pair"));
        assert!(reason(with(344, b"xxxx")).contains("mark"));
        assert_eq!(Header::parse(&with(112, &f32::NAN.to_le_bytes())).unwrap().scale, None);
        assert_eq!(Header::parse(&with(112, &2f32.to_le_bytes())).unwrap().scale, Some((2.0, 0.0)));
    }
}
