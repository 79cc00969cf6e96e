//! Named float32 tensors in safetensors files, checked before use and written whole or not at all.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::text::{Code, Diagnostic, Result, reason};

/// Tensors by name, and the file's metadata.
#[derive(Clone, Debug, Default)]
pub struct Tensors {
    pub all: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    pub metadata: BTreeMap<String, String>,
}

/// The largest weights file that is read, in bytes.
const MAX_BYTES: u64 = 16 << 30;

/// Reads a file; float64, float16 and bfloat16 are brought to float32.
///
/// # Errors
/// E0801 when it cannot be read, is not safetensors, or holds another type of number.
pub fn read_tensors(path: &Path) -> Result<Tensors> {
    let shown = path.display().to_string();
    let refuse = |why: String, help: &str| Diagnostic::error(Code::E0801, format!("cannot read `{shown}`: {why}")).help(help);
    let size = std::fs::metadata(path).map_err(|e| refuse(reason(&e), "check the path and its permissions"))?;
    if size.is_dir() || size.len() > MAX_BYTES {
        return Err(refuse(
            if size.is_dir() { "it is a folder".into() } else { "it is larger than 16 GiB".into() },
            "name a safetensors file",
        )
        .into());
    }
    let bytes = std::fs::read(path).map_err(|e| refuse(reason(&e), "check the path and its permissions"))?;
    let bad = |e: safetensors::SafeTensorError| {
        refuse(
            format!("it is not a whole safetensors file ({e})"),
            "it may have been cut off when it was copied; take it from its source again",
        )
    };
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(bad)?;
    let file = SafeTensors::deserialize(&bytes).map_err(bad)?;
    let mut out = Tensors { metadata: header.metadata().clone().unwrap_or_default().into_iter().collect(), ..Tensors::default() };
    for (name, t) in file.iter() {
        let values = floats(&t)
            .ok_or_else(|| refuse(format!("`{}` holds {:?} numbers", crate::text::printable(name), t.dtype()), "convert it to float32"))?;
        out.all.insert(name.to_owned(), (t.shape().to_vec(), values));
    }
    Ok(out)
}

fn floats(t: &TensorView) -> Option<Vec<f32>> {
    let bytes = t.data();
    Some(match t.dtype() {
        Dtype::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        Dtype::F64 => bytes.chunks_exact(8).map(|b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32).collect(),
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

/// Writes a file beside its place and moves it there when it is whole.
///
/// # Errors
/// E0603 when it cannot be written.
pub fn write_tensors(path: &Path, tensors: &Tensors) -> Result<()> {
    let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> =
        tensors.all.iter().map(|(n, (dims, v))| (n, dims, v.iter().flat_map(|f| f.to_le_bytes()).collect())).collect();
    let refuse = |why: String| {
        Diagnostic::error(Code::E0603, format!("cannot write `{}`: {why}", path.display()))
            .help("check the folder, its permissions and the space on the disk")
    };
    let mut views = vec![];
    for (name, dims, b) in &bytes {
        views.push((name.as_str(), TensorView::new(Dtype::F32, (*dims).clone(), b).map_err(|e| refuse(e.to_string()))?));
    }
    let metadata: HashMap<String, String> = tensors.metadata.clone().into_iter().collect();
    let whole = safetensors::serialize(views, Some(metadata)).map_err(|e| refuse(e.to_string()))?;
    Ok(crate::text::write_whole(path, |out| out.write_all(&whole))?)
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
