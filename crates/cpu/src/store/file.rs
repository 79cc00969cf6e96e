//! Named float32 tensors in safetensors files, checked before use and written whole or not at all.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::Dtype;

use super::container::{self, Contents};
use super::seal;
use super::semantics;
use crate::ir::{Array, Arrays};
use crate::text::{Code, Diagnostic, Result, printable};

/// What a safetensors file holds: arrays by name, and metadata.
#[derive(Clone, Debug, Default)]
pub struct Store {
    pub arrays: Arrays,
    pub metadata: BTreeMap<String, String>,
}

/// Reads a file; float64, float16, bfloat16 and whole numbers of 32 and 64 bits are brought to float32. A file of this program must be as it was written; a model of older
/// semantics is brought to the present ones.
///
/// # Errors
/// E0801 when it cannot be read, is not safetensors, is of a newer format or newer semantics, or holds another type of number; E0803 when it
/// was damaged.
pub fn read_store(path: &Path) -> Result<Store> {
    let Contents { bytes, end, header } = container::read(path)?;
    let metadata = header.metadata().clone().unwrap_or_default();
    seal::check(path, &bytes, end, &metadata)?;
    let mut out = Store { metadata: metadata.into_iter().collect(), ..Store::default() };
    for (name, t) in header.tensors() {
        let (from, to) = t.data_offsets;
        let values = bytes.get(end + from..end + to).and_then(|b| floats(t.dtype, b)).ok_or_else(|| {
            let message = format!("cannot read `{}`: `{}` holds {:?} numbers", path.display(), printable(&name), t.dtype);
            Diagnostic::error(Code::E0801, message).help("convert it to float32")
        })?;
        out.arrays.insert(name, Array::new(t.shape.clone(), values));
    }
    semantics::update(&path.display().to_string(), &mut out)?;
    Ok(out)
}

fn floats(of: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    Some(match of {
        Dtype::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        Dtype::F64 => bytes.chunks_exact(8).map(|b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32).collect(),
        // Counters and tables of indices beside the weights of other programs.
        Dtype::I64 => bytes.chunks_exact(8).map(|b| i64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32).collect(),
        Dtype::I32 => bytes.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]) as f32).collect(),
        Dtype::BF16 => bytes.chunks_exact(2).map(|b| f32::from_bits(u32::from(u16::from_le_bytes([b[0], b[1]])) << 16)).collect(),
        Dtype::F16 => bytes.chunks_exact(2).map(|b| half(u16::from_le_bytes([b[0], b[1]]))).collect(),
        _ => return None,
    })
}

/// IEEE half precision to single.
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        e => (1.0 + fraction / 1024.0) * 2f32.powi(e - 15),
    }
}

/// Writes a sealed file beside its place and moves it there when it is whole. Equal arrays and metadata give equal files.
///
/// # Errors
/// E0603 when it cannot be written.
pub fn write_store(path: &Path, store: &Store) -> Result<()> {
    let bytes = container::bytes(store);
    Ok(crate::text::write_whole(path, |out| out.write_all(&bytes))?)
}

#[cfg(test)]
mod tests {
    use super::half;

    #[test]
    fn half_precision() {
        for (bits, value) in
            [(0x3c00, 1.0), (0xc000, -2.0), (0x7bff, 65504.0), (0x0001, 5.960_464_5e-8), (0x3555, 0.333_251_95), (0x7c00, f32::INFINITY)]
        {
            assert_eq!(half(bits), value, "{bits:#x}");
        }
        assert!(half(0x7e00).is_nan());
    }
}
