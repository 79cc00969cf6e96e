//! Stored voxels to what is kept of them, a chunk at a time.
//!
//! May use `text` only (through `refusal`). Memory grows with what the stream really gives, never ahead of it by more than its double.

use std::io::{self, Read};

use super::datatype::Datatype;
use super::header::Header;
use super::refusal::{CONVERT, DAMAGED, Refusal};
use crate::text::reason;

/// Voxels decoded at a time.
const CHUNK: usize = 16 * 1024;

/// What is made of voxels as they are read.
pub(super) trait Sink {
    /// Takes a chunk, in the file's order: numbers as they are stored, to be scaled by slope and intercept. `left` is how many follow at most.
    fn take(&mut self, stored: impl Iterator<Item = f64>, scale: (f64, f64), left: usize) -> Result<(), Refusal>;
}

/// Intensities. Infinities and NaN of the file are kept; a finite number beyond `f32` is refused.
#[derive(Default)]
pub(super) struct Floats(pub Vec<f32>);

impl Sink for Floats {
    fn take(&mut self, stored: impl Iterator<Item = f64>, (slope, inter): (f64, f64), left: usize) -> Result<(), Refusal> {
        make_room(&mut self.0, left)?;
        let mut overflow = false;
        self.0.extend(stored.map(|stored| {
            let v = (stored * slope + inter) as f32;
            overflow |= v.is_infinite() && stored.is_finite();
            v
        }));
        if overflow { Err(Refusal::new("it holds numbers beyond the range of 32-bit floats", CONVERT)) } else { Ok(()) }
    }
}

/// Room for a chunk of `left` voxels that are still to come: memory grows with what the stream has given.
pub(super) fn make_room<T>(all: &mut Vec<T>, left: usize) -> Result<(), Refusal> {
    let take = CHUNK.min(left);
    if all.capacity() - all.len() >= take {
        return Ok(());
    }
    let grow = all.len().max(CHUNK).min(left);
    all.try_reserve_exact(grow).map_err(|_| Refusal::new("there is not enough memory for its voxels", "use a machine with more memory"))
}

/// Reads `count` voxels of the header's type.
pub(super) fn decode(stream: impl Read, header: &Header, count: usize, sink: &mut impl Sink) -> Result<(), Refusal> {
    macro_rules! of {
        ($t:ty) => {
            if header.big_endian {
                gather(stream, count, header.scale, |b| <$t>::from_be_bytes(b) as f64, sink)
            } else {
                gather(stream, count, header.scale, |b| <$t>::from_le_bytes(b) as f64, sink)
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
        _ => header.datatype.real(),
    }
}

fn gather<const N: usize>(
    mut stream: impl Read,
    count: usize,
    scale: Option<(f64, f64)>,
    value: impl Fn([u8; N]) -> f64,
    sink: &mut impl Sink,
) -> Result<(), Refusal> {
    let scale = scale.unwrap_or((1.0, 0.0));
    let mut buffer = vec![0u8; CHUNK * N];
    let mut done = 0;
    while done < count {
        let take = CHUNK.min(count - done);
        let bytes = &mut buffer[..take * N];
        stream.read_exact(bytes).map_err(|e| lacking(&e, (done * N) as u64, (count * N) as u64))?;
        sink.take(bytes.as_chunks::<N>().0.iter().map(|b| value(*b)), scale, count - done)?;
        done += take;
    }
    Ok(())
}

/// The refusal for a stream that fails while voxels are read.
pub(super) fn lacking(e: &io::Error, have: u64, need: u64) -> Refusal {
    if e.kind() == io::ErrorKind::UnexpectedEof {
        Refusal::new(format!("its header promises {need} bytes of voxels, but it ends after about {have}"), DAMAGED)
    } else {
        Refusal::new(format!("its bytes cannot be decoded: {}", reason(e)), DAMAGED)
    }
}
