//! What `torch.save` wrote: tensors by name and plain values, without PyTorch.
//!
//! Part of `import`; may use `text`, `read` and `ir`. The pickle inside is read by the crate `pytorch-reader`, whose interpreter builds plain
//! data of the names that it knows; nothing in the file is run. Tensors are read one by one when they are asked for, after their shape was
//! compared.

use std::collections::HashMap;
use std::path::Path;

use lmsc_graph::read::recognise;
use pytorch_reader::{DType, PickleValue, PytorchError, PytorchReader, Tensor};

use crate::ir::Array;
use crate::text::{Code, Diagnostic, FileKind, Result, printable, reason};

/// The largest checkpoint that is read, in bytes.
const MAX_BYTES: u64 = 16 << 30;
/// Words of its own that stand before every name where a network was wrapped before it was saved.
const WRAPPERS: [&str; 2] = ["module.", "_orig_mod."];
const CUT: &str = "it may have been cut off when it was copied; take it from its source again";

/// A checkpoint whose numbers are not read yet.
pub struct Checkpoint {
    file: String,
    /// The entries of the dictionary in it, without tensors.
    values: HashMap<String, PickleValue>,
    tensors: HashMap<String, Tensor>,
}

impl Checkpoint {
    /// Opens a checkpoint whose tensors stand under `key`.
    ///
    /// # Errors
    /// E0801 for a file that cannot be read, is not what `torch.save` writes, or has no such entry.
    pub fn open(path: &Path, key: &str) -> Result<Self> {
        let file = path.display().to_string();
        let refuse = |why: String, help: &str| Diagnostic::error(Code::E0801, format!("cannot read `{file}`: {why}")).help(help.to_owned());
        let about = std::fs::metadata(path).map_err(|e| refuse(reason(&e), "check the path and its permissions"))?;
        if !about.is_file() {
            return Err(refuse("it is not a regular file".into(), "name a checkpoint (.pth) that `torch.save` wrote").into());
        }
        if about.len() > MAX_BYTES {
            return Err(refuse("it is larger than 16 GiB".into(), "name a checkpoint (.pth) that `torch.save` wrote").into());
        }
        let odd = |e: PytorchError| match e {
            PytorchError::Io(e) if e.kind() != std::io::ErrorKind::InvalidData => refuse(reason(&e), CUT),
            PytorchError::KeyNotFound(_) => refuse(format!("it has no `{key}`"), "name a checkpoint as its trainer wrote it"),
            PytorchError::InvalidFormat(_) => {
                let kind = recognise(path);
                let what = match kind {
                    FileKind::Empty | FileKind::Unknown => "it is no checkpoint of PyTorch".into(),
                    kind => format!("it is {}, not a checkpoint of PyTorch", kind.what()),
                };
                refuse(what, "name a checkpoint (.pth) that `torch.save` wrote")
            }
            other => refuse(printable(&other.to_string()), CUT),
        };
        let values = match PytorchReader::read_pickle_data(path, None).map_err(odd)? {
            PickleValue::Dict(values) => values,
            _ => return Err(refuse("it holds no dictionary".into(), "name a checkpoint as its trainer wrote it").into()),
        };
        let named = PytorchReader::with_top_level_key(path, key).map_err(odd)?.into_tensors();
        let mut tensors = HashMap::new();
        for (name, tensor) in named {
            let mut own = name.as_str();
            while let Some(rest) = WRAPPERS.iter().find_map(|w| own.strip_prefix(w)) {
                own = rest;
            }
            if tensors.insert(own.to_owned(), tensor).is_some() {
                let message = format!("it holds `{}` twice", printable(own));
                return Err(refuse(message, "name a checkpoint as its trainer wrote it").into());
            }
        }
        Ok(Self { file, values, tensors })
    }

    /// An entry by the way to it, from dictionary to dictionary.
    pub fn value(&self, way: &[&str]) -> Option<&PickleValue> {
        let (first, rest) = way.split_first()?;
        rest.iter().try_fold(self.values.get(*first)?, |value, key| match value {
            PickleValue::Dict(entries) => entries.get(*key),
            _ => None,
        })
    }

    /// A text by the way to it.
    pub fn text(&self, way: &[&str]) -> Option<&str> {
        match self.value(way)? {
            PickleValue::String(text) => Some(text),
            _ => None,
        }
    }

    /// The names of the tensors, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The shape of a tensor.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(Tensor::shape)
    }

    /// The numbers of a tensor, which must have as many as `dims` say.
    ///
    /// # Errors
    /// E0801 when they cannot be read or are no floating-point numbers, E0802 when they are not as many, E0803 for a number that is not finite.
    pub fn array(&self, name: &str, dims: &[usize]) -> Result<Array> {
        let shown = printable(name);
        let Some(tensor) = self.tensors.get(name) else {
            return Err(Diagnostic::error(Code::E0802, format!("`{}` has no `{shown}`", self.file))
                .help("it is of another network")
                .into());
        };
        if dims.iter().try_fold(1usize, |n, d| n.checked_mul(*d)) != Some(tensor.num_elements()) {
            let message = format!("`{shown}` of `{}` is {:?}, not {dims:?}", self.file, tensor.shape());
            return Err(Diagnostic::error(Code::E0802, message).help("it is of another network").into());
        }
        let why = |why: String| Diagnostic::error(Code::E0801, format!("cannot read `{shown}` of `{}`: {why}", self.file)).help(CUT);
        let bytes = tensor.read().map_err(|e| why(reason(&e)))?;
        let values = floats(tensor.dtype(), &bytes).ok_or_else(|| why(format!("its numbers are of the type {:?}", tensor.dtype())))?;
        if let Some(odd) = values.iter().find(|v| !v.is_finite()) {
            let message = format!("`{shown}` of `{}` holds {odd}", self.file);
            return Err(Diagnostic::error(Code::E0803, message).help("its training failed; take another checkpoint").into());
        }
        Ok(Array::new(dims, values))
    }
}

impl std::fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checkpoint").field("file", &self.file).field("tensors", &self.tensors.len()).finish_non_exhaustive()
    }
}

/// Floating-point numbers as float32; they come in the machine's own byte order.
fn floats(of: DType, bytes: &[u8]) -> Option<Vec<f32>> {
    Some(match of {
        DType::F32 => bytes.as_chunks().0.iter().map(|b| f32::from_ne_bytes(*b)).collect(),
        DType::F64 => bytes.as_chunks().0.iter().map(|b| f64::from_ne_bytes(*b) as f32).collect(),
        DType::F16 => bytes.as_chunks().0.iter().map(|b| half::f16::from_ne_bytes(*b).to_f32()).collect(),
        DType::BF16 => bytes.as_chunks().0.iter().map(|b| half::bf16::from_ne_bytes(*b).to_f32()).collect(),
        _ => return None,
    })
}
