//! Stored voxels to `f32`, a chunk at a time.
//!
//! May use `text` only (through `refusal`). Memory grows with what the stream really gives, never ahead of it by more than its double.

use std::io::{self, Read};

use super::datatype::Datatype;
use super::header::Header;
use super::refusal::{CONVERT, DAMAGED, Refusal};
use crate::text::reason;

/// Voxels decoded at a time.
const CHUNK: usize = 16 * 1024;

/// Reads `count` voxels of the header's type and scales them. Infinities and NaN of the file are kept; a finite number beyond `f32` is refused.
pub(super) fn decode(stream: impl Read, header: &Header, count: usize) -> Result<Vec<f32>, Refusal> {
    macro_rules! of {
        ($t:ty) => {
            if header.big_endian {
                gather(stream, count, header.scale, |b| <$t>::from_be_bytes(b) as f64)
            } else {
                gather(stream, count, header.scale, |b| <$t>::from_le_bytes(b) as f64)
            }
        };
    }
    match header.datatype {
        Datatype::U8 => of!(u8),
        Datatype::I8 => of!(i8),
        Datatype::U16 => of!(u16),
        Datatype::I16 => of!(i16),
        Datatype::U32 => of!(u32),
        Datatype::I32 => of!(i32),
        Datatype::U64 => of!(u64),
        Datatype::I64 => of!(i64),
        Datatype::F32 => of!(f32),
        Datatype::F64 => of!(f64),
        // Refused before their voxels are reached.
        _ => header.datatype.real().map(|()| vec![]),
    }
}

fn gather<const N: usize>(
    mut stream: impl Read,
    count: usize,
    scale: Option<(f64, f64)>,
    value: impl Fn([u8; N]) -> f64,
) -> Result<Vec<f32>, Refusal> {
    let (slope, inter) = scale.unwrap_or((1.0, 0.0));
    let mut voxels: Vec<f32> = Vec::new();
    let mut buffer = vec![0u8; CHUNK * N];
    while voxels.len() < count {
        let take = CHUNK.min(count - voxels.len());
        let bytes = &mut buffer[..take * N];
        stream.read_exact(bytes).map_err(|e| lacking(&e, (voxels.len() * N) as u64, (count * N) as u64))?;
        if voxels.capacity() < voxels.len() + take {
            let grow = voxels.len().max(CHUNK).min(count - voxels.len());
            voxels
                .try_reserve_exact(grow)
                .map_err(|_| Refusal::new("there is not enough memory for its voxels", "use a machine with more memory"))?;
        }
        let mut overflow = false;
        voxels.extend(bytes.as_chunks::<N>().0.iter().map(|b| {
            let stored = value(*b);
            let v = (stored * slope + inter) as f32;
            overflow |= v.is_infinite() && stored.is_finite();
            v
        }));
        if overflow {
            return Err(Refusal::new("it holds numbers beyond the range of 32-bit floats", CONVERT));
        }
    }
    Ok(voxels)
}

/// The refusal for a stream that fails while voxels are read.
pub(super) fn lacking(e: &io::Error, have: u64, need: u64) -> Refusal {
    if e.kind() == io::ErrorKind::UnexpectedEof {
        Refusal::new(format!("its header promises {need} bytes of voxels, but it ends after about {have}"), DAMAGED)
    } else {
        Refusal::new(format!("its bytes cannot be decoded: {}", reason(e)), DAMAGED)
    }
}
