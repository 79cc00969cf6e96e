//! Models of TensorFlow.js: `model.json` with a manifest of weights, and files of numbers beside it.
//!
//! Part of `import::weights`; may use `ir`, `store` and `text`. Kernels lie there as `[D, H, W, in, out]` (of transposed convolutions `[D, H, W, out, in]`), a dense
//! layer's as `[in, out]`; here the last two axes come first, the last before the other, as in PyTorch.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::{Foreign, sha256};
use crate::ir::{Array, Arrays};
use crate::store::Store;
use crate::text::{Code, Diagnostic, Result, printable, reason};

/// The longest `model.json`, and the largest file of numbers, in bytes.
const MAX_JSON: u64 = 64 << 20;
const MAX_BYTES: u64 = 4 << 30;
const SOURCE: &str = "take the model from its source again, model.json with all files beside it";

#[derive(Deserialize)]
struct Model {
    #[serde(rename = "weightsManifest")]
    manifest: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    /// Files whose bytes follow one another.
    paths: Vec<String>,
    weights: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    shape: Vec<usize>,
    dtype: String,
    quantization: Option<Quantised>,
}

/// Numbers kept as smaller ones: `value * scale + min`.
#[derive(Deserialize)]
struct Quantised {
    dtype: String,
    #[serde(default = "one")]
    scale: f64,
    #[serde(default)]
    min: f64,
}

fn one() -> f64 {
    1.0
}

/// Reads `model.json` and what its manifest names.
///
/// # Errors
/// E0801 for a file that cannot be read, has no manifest, or does not hold what the manifest says; E0803 for a number that is not finite.
pub fn read(path: &Path) -> Result<Foreign> {
    let shown = path.display();
    let refuse = |why: String| Diagnostic::error(Code::E0801, format!("cannot read `{shown}`: {why}")).help(SOURCE);
    let text = limited(path, MAX_JSON).map_err(refuse)?;
    let model: Model = serde_json::from_slice(&text).map_err(|e| {
        Diagnostic::error(Code::E0801, format!("`{shown}` is no model of TensorFlow.js: {e}")).help(
            "name the model.json that has a `weightsManifest`; other weights are read from checkpoints of PyTorch and from safetensors",
        )
    })?;
    let mut foreign = Foreign { path: path.to_owned(), form: "a model of TensorFlow.js", ..Foreign::default() };
    foreign.files.push((path.to_owned(), sha256(path)?));
    let mut arrays = Arrays::new();
    for group in &model.manifest {
        let mut bytes = vec![];
        for name in &group.paths {
            let file =
                beside(path, name).ok_or_else(|| refuse(format!("its manifest names `{}`, which is not beside it", printable(name))))?;
            let all = limited(&file, MAX_BYTES).map_err(|why| refuse(format!("`{}`: {why}", file.display())))?;
            bytes.extend(all);
            foreign.files.push((file.clone(), sha256(&file)?));
        }
        let mut rest = bytes.as_slice();
        for entry in &group.weights {
            let name = printable(&entry.name);
            let array = taken(entry, &mut rest).map_err(|why| refuse(format!("`{name}` {why}")))?;
            if let Some(odd) = array.values.iter().find(|v| !v.is_finite()) {
                let message = format!("`{name}` of `{shown}` holds {odd}");
                return Err(Diagnostic::error(Code::E0803, message).help("its training failed; take another model").into());
            }
            foreign.order.push(entry.name.clone());
            if arrays.insert(entry.name.clone(), array).is_some() {
                return Err(refuse(format!("it has two weights `{name}`")).into());
            }
        }
        if !rest.is_empty() {
            return Err(refuse(format!("{} bytes follow the last weight of {}", rest.len(), group.paths.join(", "))).into());
        }
    }
    if arrays.is_empty() {
        return Err(refuse("its manifest has no weights".into()).into());
    }
    foreign.store = Store { arrays, ..Store::default() };
    Ok(foreign)
}

/// A file in the folder of `model.json`, or below it.
fn beside(model: &Path, name: &str) -> Option<PathBuf> {
    let name = Path::new(name);
    let inside = name.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    inside.then(|| model.parent().unwrap_or(Path::new("")).join(name))
}

fn limited(path: &Path, most: u64) -> std::result::Result<Vec<u8>, String> {
    let length = std::fs::metadata(path).map_err(|e| reason(&e))?.len();
    if length > most {
        return Err(format!("it has {length} bytes, and {most} are the most"));
    }
    std::fs::read(path).map_err(|e| reason(&e))
}

/// Takes a weight from the front of some bytes.
fn taken(entry: &Entry, rest: &mut &[u8]) -> std::result::Result<Array, String> {
    let count = entry.shape.iter().try_fold(1usize, |all, n| all.checked_mul(*n)).ok_or("has a shape beyond all bounds")?;
    let kept = entry.quantization.as_ref().map_or(entry.dtype.as_str(), |q| q.dtype.as_str());
    let width = match kept {
        "float32" | "int32" => 4,
        "float16" | "uint16" => 2,
        "uint8" | "bool" => 1,
        other => return Err(format!("holds numbers of the type {}", printable(other))),
    };
    let size = count.checked_mul(width).filter(|size| *size <= rest.len()).ok_or("needs more bytes than its files have")?;
    let (own, after) = rest.split_at(size);
    *rest = after;
    let values: Vec<f32> = match kept {
        "float32" => own.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        "int32" => own.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b) as f32).collect(),
        "float16" => own.as_chunks().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect(),
        "uint16" => own.as_chunks().0.iter().map(|b| f32::from(u16::from_le_bytes(*b))).collect(),
        _ => own.iter().map(|b| f32::from(*b)).collect(),
    };
    let values = match &entry.quantization {
        Some(q) if kept != "float16" => values.into_iter().map(|v| (f64::from(v) * q.scale + q.min) as f32).collect(),
        _ => values,
    };
    Ok(turned(&entry.shape, values))
}

/// An array of two axes or more with the last two first, turned round.
fn turned(shape: &[usize], values: Vec<f32>) -> Array {
    let [outer @ .., a, b] = shape else { return Array::new(shape, values) };
    let (a, b, places) = (*a, *b, outer.iter().product::<usize>());
    let at = |o: usize, i: usize, place: usize| values[(place * a + i) * b + o];
    let turned =
        (0..b).flat_map(|o| (0..a).flat_map(move |i| (0..places).map(move |place| (o, i, place)))).map(|(o, i, p)| at(o, i, p)).collect();
    Array::new([&[b, a], outer].concat(), turned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(folder: &Path, json: &str, bytes: &[u8]) -> PathBuf {
        std::fs::write(folder.join("w.bin"), bytes).expect("written");
        let path = folder.join("model.json");
        std::fs::write(&path, json).expect("written");
        path
    }

    #[test]
    fn kernels_are_turned_and_small_numbers_scaled() {
        let folder = tempfile::tempdir().expect("a folder");
        let json = r#"{"weightsManifest": [{"paths": ["w.bin"], "weights": [
            {"name": "a/kernel", "shape": [2, 1, 3], "dtype": "float32"},
            {"name": "a/bias", "shape": [2], "dtype": "float32", "quantization": {"dtype": "uint8", "scale": 0.5, "min": -1.0}}]}]}"#;
        let mut bytes: Vec<u8> = (0..6u8).flat_map(|v| f32::from(v).to_le_bytes()).collect();
        bytes.extend([0, 4]);
        let read_back = read(&model(folder.path(), json, &bytes)).expect("it is whole");
        assert_eq!(read_back.order, ["a/kernel", "a/bias"]);
        // Two places, one channel in, three out: the place comes last.
        assert_eq!(read_back.store.arrays["a/kernel"], Array::new([3, 1, 2], vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0]));
        assert_eq!(read_back.store.arrays["a/bias"], Array::new([2], vec![-1.0, 1.0]));
    }

    #[test]
    fn what_is_wrong_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let one = |paths: &str, entry: &str| format!(r#"{{"weightsManifest": [{{"paths": [{paths}], "weights": [{entry}]}}]}}"#);
        let plain = r#"{"name": "a", "shape": [2], "dtype": "float32"}"#;
        for (json, words) in [
            (one(r#""../w.bin""#, plain), "not beside it"),
            (one(r#""/etc/passwd""#, plain), "not beside it"),
            (one(r#""none.bin""#, plain), "none.bin"),
            (one(r#""w.bin""#, r#"{"name": "a", "shape": [3], "dtype": "float32"}"#), "more bytes than"),
            (one(r#""w.bin""#, r#"{"name": "a", "shape": [1], "dtype": "float32"}"#), "4 bytes follow"),
            (one(r#""w.bin""#, r#"{"name": "a", "shape": [2], "dtype": "string"}"#), "the type string"),
            (one(r#""w.bin""#, r#"{"name": "a", "shape": [9999999999, 9999999999], "dtype": "float32"}"#), "beyond all bounds"),
            ("{}".into(), "weightsManifest"),
        ] {
            let said = read(&model(folder.path(), &json, &[0; 8])).expect_err(&json);
            assert!(said.to_string().contains(words), "{said}");
        }
    }
}
