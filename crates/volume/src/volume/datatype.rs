//! How voxels are stored.
//!
//! May use `text` only (through `refusal`).

use super::refusal::{CONVERT, Refusal};

/// The types of NIfTI. One real number per voxel can be read as a volume; the others are known by name.
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
    F128,
    Complex64,
    Complex128,
    Complex256,
    Rgb,
    Rgba,
}

impl Datatype {
    /// The type of a code of the header.
    pub(super) fn of_code(code: i16) -> Result<Self, Refusal> {
        Ok(match code {
            2 => Self::U8,
            256 => Self::I8,
            512 => Self::U16,
            4 => Self::I16,
            768 => Self::U32,
            8 => Self::I32,
            1280 => Self::U64,
            1024 => Self::I64,
            16 => Self::F32,
            64 => Self::F64,
            1536 => Self::F128,
            32 => Self::Complex64,
            1792 => Self::Complex128,
            2048 => Self::Complex256,
            128 => Self::Rgb,
            2304 => Self::Rgba,
            1 => return Err(Refusal::new("it holds 1-bit voxels (datatype 1), and at least a byte per voxel is needed", CONVERT)),
            _ => return Err(Refusal::new(format!("its datatype {code} is none that NIfTI defines"), CONVERT)),
        })
    }

    /// Bytes of one voxel.
    pub fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::Rgb => 3,
            Self::U32 | Self::I32 | Self::F32 | Self::Rgba => 4,
            Self::U64 | Self::I64 | Self::F64 | Self::Complex64 => 8,
            Self::F128 | Self::Complex128 => 16,
            Self::Complex256 => 32,
        }
    }

    /// Its name, as nibabel and numpy have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::U8 => "uint8",
            Self::I8 => "int8",
            Self::U16 => "uint16",
            Self::I16 => "int16",
            Self::U32 => "uint32",
            Self::I32 => "int32",
            Self::U64 => "uint64",
            Self::I64 => "int64",
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::F128 => "float128",
            Self::Complex64 => "complex64",
            Self::Complex128 => "complex128",
            Self::Complex256 => "complex256",
            Self::Rgb => "RGB",
            Self::Rgba => "RGBA",
        }
    }

    /// Whether a voxel is one real number that is read here.
    pub fn is_real(self) -> bool {
        !matches!(self, Self::F128 | Self::Complex64 | Self::Complex128 | Self::Complex256 | Self::Rgb | Self::Rgba)
    }

    /// An error for a type that cannot be read as intensities.
    pub(super) fn real(self) -> Result<(), Refusal> {
        if self.is_real() {
            return Ok(());
        }
        let (name, help) = match self {
            Self::Rgb | Self::Rgba => ("colours", "save one channel of it, or its luminance, as a volume of numbers"),
            Self::F128 => ("128-bit floats", "save it as float32 or float64"),
            _ => ("complex numbers", "save its magnitude as a volume of real numbers"),
        };
        Err(Refusal::new(format!("it holds {name} ({}), and one real number per voxel is needed", self.name()), help))
    }
}
