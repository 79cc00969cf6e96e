//! The fields of a header as they stand in the file, the same for both versions of NIfTI.
//!
//! May use `refusal` beside it. NIfTI-1 is split by the `nifti` crate, after size, mark and byte order were checked here (it takes them on trust);
//! NIfTI-2, which it does not know, is split here.

use ::nifti::NiftiHeader;

use super::super::foreign::foreign;
use super::super::refusal::{CONVERT, DAMAGED, HEADER, Refusal};

/// Bytes of a NIfTI-1 and of a NIfTI-2 header.
pub const SIZE_1: usize = 348;
pub const SIZE_2: usize = 540;

/// What a NIfTI-2 file has after `n+2` or `ni2`, so that damage by a text-mode transfer shows; some writers leave it out.
const ENDINGS: [&[u8]; 2] = [b"\0\r\n\x1a\n", &[0; 5]];

/// The version of a header and the order of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderKind {
    pub version: u8,
    pub big_endian: bool,
    /// Whether the voxels are in another file.
    pub pair: bool,
}

impl HeaderKind {
    /// Bytes of the header.
    pub fn size(self) -> usize {
        if self.version == 1 { SIZE_1 } else { SIZE_2 }
    }

    /// What the first [`SIZE_1`] bytes of a file (or all of them, if there are fewer) say.
    pub fn of(b: &[u8]) -> Result<Self, Refusal> {
        let first = b.first_chunk::<4>().copied().unwrap_or_default();
        let (version, big_endian) = match (i32::from_le_bytes(first), i32::from_be_bytes(first)) {
            (348, _) => (1, false),
            (_, 348) => (1, true),
            (540, _) => (2, false),
            (_, 540) => (2, true),
            (n, _) => {
                if let Some(what) = foreign(b) {
                    return Err(Refusal::new(format!("it is {}", what.name), what.help));
                }
                let Some(whole) = b.first_chunk::<SIZE_1>() else {
                    return Err(Refusal::new(format!("it ends within the header ({SIZE_1} bytes)"), DAMAGED));
                };
                if matches!(&whole[344..], b"n+1\0" | b"ni1\0") {
                    let reason = format!("it has the mark of NIfTI-1, but its header size is {n} where 348 must stand");
                    return Err(Refusal::new(reason, HEADER));
                }
                let reason = format!("it is not NIfTI (it starts with the header size {n}; NIfTI-1 has 348, NIfTI-2 has 540)");
                return Err(Refusal::new(reason, CONVERT));
            }
        };
        let Some(b) = b.first_chunk::<SIZE_1>() else {
            return Err(Refusal::new(format!("it ends within the header ({} bytes)", if version == 1 { SIZE_1 } else { SIZE_2 }), DAMAGED));
        };
        let (mark, rest) = if version == 1 { (&b[344..348], &b[..0]) } else { (&b[4..7], &b[7..12]) };
        let pair = match (version, mark) {
            (1, b"n+1\0") | (2, b"n+2") => false,
            (1, b"ni1\0") | (2, b"ni2") => true,
            (1, _) => {
                let reason = "it has no NIfTI mark: an Analyze 7.5 header, which does not say where the patient's left is";
                return Err(Refusal::new(reason, "convert it to NIfTI with a tool that knows how its images lie"));
            }
            _ => return Err(Refusal::new("it has the size of a NIfTI-2 header but not its mark", DAMAGED)),
        };
        if version == 2 && !ENDINGS.contains(&rest) {
            return Err(Refusal::new("its NIfTI-2 mark is spoilt: it was copied as text", "copy the original again as binary"));
        }
        Ok(Self { version, big_endian, pair })
    }
}

/// The numbers that matter here. Lengths are in the file's unit.
#[derive(Clone, Debug, PartialEq)]
pub struct HeaderFields {
    pub kind: HeaderKind,
    pub dim: [i64; 8],
    pub datatype: i16,
    pub bitpix: i16,
    pub pixdim: [f64; 4],
    pub offset: f64,
    pub slope: f64,
    pub inter: f64,
    pub units: u8,
    pub intent: i32,
    pub description: String,
    pub qform_code: i32,
    pub sform_code: i32,
    pub quaternion: [f64; 6],
    pub sform: [[f64; 4]; 3],
}

impl HeaderFields {
    /// Splits a header; `b` has [`HeaderKind::size`] bytes.
    pub fn split(kind: HeaderKind, b: &[u8]) -> Result<Self, Refusal> {
        let cut = || Refusal::new(format!("it ends within the header ({} bytes)", kind.size()), DAMAGED);
        let fields = if kind.version == 1 {
            Self::first(kind, b.first_chunk().ok_or_else(cut)?)?
        } else {
            Self::second(kind, b.first_chunk().ok_or_else(cut)?)
        };
        match fields.dim[0] {
            1..=7 => Ok(fields),
            n => Err(Refusal::new(format!("dim[0] says {n} dimensions; NIfTI has 1 to 7"), HEADER)),
        }
    }

    fn first(kind: HeaderKind, b: &[u8; SIZE_1]) -> Result<Self, Refusal> {
        // The crate takes the byte order from dim[0]: it must be what the header size said.
        let count = [b[40], b[41]];
        let count = if kind.big_endian { i16::from_be_bytes(count) } else { i16::from_le_bytes(count) };
        if !(1..=7).contains(&count) {
            return Err(Refusal::new(format!("dim[0] says {count} dimensions; NIfTI has 1 to 7"), HEADER));
        }
        let raw = NiftiHeader::from_reader(&b[..]).map_err(|_| Refusal::new("its header is not NIfTI-1", CONVERT))?;
        let f = f64::from;
        let [p0, p1, p2, p3, ..] = raw.pixdim;
        Ok(Self {
            kind,
            // The field is a signed 16-bit number; the crate has it without its sign.
            dim: raw.dim.map(|d| i64::from(d.cast_signed())),
            datatype: raw.datatype,
            bitpix: raw.bitpix,
            pixdim: [p0, p1, p2, p3].map(f),
            offset: f(raw.vox_offset),
            slope: f(raw.scl_slope),
            inter: f(raw.scl_inter),
            units: raw.xyzt_units,
            intent: raw.intent_code.into(),
            description: text(&raw.descrip),
            qform_code: raw.qform_code.into(),
            sform_code: raw.sform_code.into(),
            quaternion: [raw.quatern_b, raw.quatern_c, raw.quatern_d, raw.quatern_x, raw.quatern_y, raw.quatern_z].map(f),
            sform: [raw.srow_x, raw.srow_y, raw.srow_z].map(|r| r.map(f)),
        })
    }

    fn second(kind: HeaderKind, b: &[u8; SIZE_2]) -> Self {
        fn at<const N: usize>(b: &[u8; SIZE_2], place: usize) -> [u8; N] {
            std::array::from_fn(|n| b[place + n])
        }
        let big = kind.big_endian;
        let short = |p| if big { i16::from_be_bytes(at(b, p)) } else { i16::from_le_bytes(at(b, p)) };
        let int = |p| if big { i32::from_be_bytes(at(b, p)) } else { i32::from_le_bytes(at(b, p)) };
        let long = |p| if big { i64::from_be_bytes(at(b, p)) } else { i64::from_le_bytes(at(b, p)) };
        let real = |p| if big { f64::from_be_bytes(at(b, p)) } else { f64::from_le_bytes(at(b, p)) };
        Self {
            kind,
            dim: std::array::from_fn(|n| long(16 + 8 * n)),
            datatype: short(12),
            bitpix: short(14),
            pixdim: std::array::from_fn(|n| real(104 + 8 * n)),
            offset: long(168) as f64,
            slope: real(176),
            inter: real(184),
            units: int(500).to_le_bytes()[0],
            intent: int(504),
            description: text(&b[240..320]),
            qform_code: int(344),
            sform_code: int(348),
            quaternion: std::array::from_fn(|n| real(352 + 8 * n)),
            sform: std::array::from_fn(|r| std::array::from_fn(|c| real(400 + 32 * r + 8 * c))),
        }
    }
}

/// A text field: up to its first NUL, without what is not printable.
fn text(b: &[u8]) -> String {
    let end = b.iter().position(|c| *c == 0).unwrap_or(b.len());
    String::from_utf8_lossy(&b[..end]).chars().filter(|c| !c.is_control()).collect::<String>().trim().to_owned()
}
