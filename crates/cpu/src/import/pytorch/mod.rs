//! What `torch.save` wrote: tensors by name and plain values, without PyTorch.
//!
//! Part of `import`; may use `text`, `read` and `ir`. A checkpoint is an archive (`zip`) with a pickle (`pickle`), of which nothing
//! is run, and the numbers of each tensor; before release 1.6 it was a row of pickles (`legacy`). Where in it the weights are, `tree` finds.
//! Numbers are read one by one when they are asked for, after the shape was compared.

mod legacy;
mod tree;

use std::collections::HashMap;
use std::path::Path;

use lmsc_graph::read::recognise;

use super::pickle::{self, Id, Kind, Pickle, Tensor, Value};
use super::zip::Archive;
use crate::ir::Array;
use crate::text::{Code, Diagnostic, FileKind, Result, printable, reason};
use legacy::Storages;

/// The largest checkpoint that is read, in bytes.
const MAX_BYTES: u64 = 16 << 30;
/// The largest pickle in one, and the largest storage.
const MAX_PICKLE: u64 = 64 << 20;
const MAX_STORAGE: u64 = 4 << 30;
/// Words of its own that stand before every name where a network was wrapped before it was saved.
const WRAPPERS: [&str; 2] = ["module.", "_orig_mod."];
const CUT: &str = "it may have been cut off when it was copied; take it from its source again";
const OTHER: &str = "name a checkpoint (.pth, .pt, .ckpt) as its trainer wrote it with `torch.save`";

/// A checkpoint whose numbers are not read yet.
#[derive(Debug)]
pub struct Checkpoint {
    file: String,
    records: Records,
    pickle: Pickle,
    /// Names in the file's order.
    order: Vec<String>,
    tensors: HashMap<String, Tensor>,
    /// Where the tensors are in it, and other places that hold some.
    pub key: String,
    pub others: Vec<(String, usize)>,
    /// What was left out: entries that are no tensors, classes of which nothing is run.
    pub left_out: Vec<String>,
    /// How the file is made, in words.
    pub form: &'static str,
}

/// Where the numbers of storages are.
#[derive(Debug)]
enum Records {
    /// Entries `FOLDER/data/KEY` of an archive.
    Archive(Archive, String),
    Legacy(Storages),
}

impl Records {
    fn read(&self, key: &str) -> std::result::Result<Vec<u8>, String> {
        match self {
            Self::Archive(archive, folder) => archive.read(&format!("{folder}data/{key}"), MAX_STORAGE),
            Self::Legacy(storages) => storages.read(key, MAX_STORAGE),
        }
    }
}

/// Whether a file is one that `torch.save` or `torch.jit.save` wrote, by how it begins.
pub fn is_checkpoint(path: &Path) -> bool {
    let mut first = [0; 15];
    let read = std::fs::File::open(path).and_then(|mut file| std::io::Read::read(&mut file, &mut first)).unwrap_or(0);
    first[..read].starts_with(b"PK") || first[..read].starts_with(legacy::MAGIC)
}

impl Checkpoint {
    /// Opens a checkpoint whose tensors stand under `key` (names joined by dots), or where they usually do.
    ///
    /// # Errors
    /// E0801 for a file that cannot be read, is not what `torch.save` writes, or has no tensors there.
    pub fn open(path: &Path, key: Option<&str>) -> Result<Self> {
        let file = path.display().to_string();
        let refuse = |why: String, help: &str| Diagnostic::error(Code::E0801, format!("cannot read `{file}`: {why}")).help(help.to_owned());
        let about = std::fs::metadata(path).map_err(|e| refuse(reason(&e), "check the path and its permissions"))?;
        if !about.is_file() {
            return Err(refuse("it is not a regular file".into(), OTHER).into());
        }
        if about.len() > MAX_BYTES {
            return Err(refuse("it is larger than 16 GiB".into(), OTHER).into());
        }
        let mut opened = std::fs::File::open(path).map_err(|e| refuse(reason(&e), "check the path and its permissions"))?;
        let mut first = vec![];
        std::io::Read::read_to_end(&mut std::io::Read::take(&mut opened, legacy::MAGIC.len() as u64), &mut first)
            .map_err(|e| refuse(reason(&e), "check the path and its permissions"))?;
        let (pickle, records, form) = if first == legacy::MAGIC {
            let (pickle, storages) = legacy::open(opened, MAX_PICKLE).map_err(|why| refuse(why, CUT))?;
            (pickle, Records::Legacy(storages), "a checkpoint of PyTorch before 1.6")
        } else {
            let archive = Archive::open(opened).map_err(|why| match recognise(path) {
                FileKind::Empty | FileKind::Text | FileKind::Weights => {
                    refuse(format!("it is {}, not a checkpoint of PyTorch", recognise(path).what()), OTHER)
                }
                _ => refuse(format!("it is no checkpoint of PyTorch, or not a whole one: {why}"), CUT),
            })?;
            let pickles: Vec<&str> = archive.names().filter(|name| *name == "data.pkl" || name.ends_with("/data.pkl")).collect();
            let [only] = pickles[..] else {
                return Err(refuse("it is no checkpoint of PyTorch: it has no data.pkl".into(), OTHER).into());
            };
            let only = only.to_owned();
            let folder = only.strip_suffix("data.pkl").unwrap_or_default().to_owned();
            let order = archive.size(&format!("{folder}byteorder")).map(|_| archive.read(&format!("{folder}byteorder"), 64));
            if order.is_some_and(|order| order.is_ok_and(|order| order.trim_ascii() != b"little")) {
                return Err(refuse("its numbers are big-endian".into(), "save it anew on a little-endian machine").into());
            }
            let bytes = archive.read(&only, MAX_PICKLE).map_err(|why| refuse(why, CUT))?;
            let script = archive.size(&format!("{folder}constants.pkl")).is_some();
            let form = if script { "a TorchScript archive" } else { "a checkpoint of PyTorch" };
            (pickle::read(&bytes).map_err(|why| refuse(why, OTHER))?, Records::Archive(archive, folder), form)
        };
        let tree = tree::find(&pickle, key).map_err(|(why, help)| refuse(why, &help))?;
        let (mut order, mut tensors) = (vec![], HashMap::new());
        for (name, tensor) in tree.tensors {
            let mut own = name.as_str();
            while let Some(rest) = WRAPPERS.iter().find_map(|w| own.strip_prefix(w)) {
                own = rest;
            }
            order.push(own.to_owned());
            if tensors.insert(own.to_owned(), tensor).is_some() {
                return Err(refuse(format!("it holds `{}` twice", printable(own)), OTHER).into());
            }
        }
        let mut left_out = tree.left_out;
        left_out.extend(pickle.unknown.iter().filter(|class| !class.starts_with("__torch__")).cloned());
        Ok(Self { file, records, pickle, order, tensors, key: tree.key, others: tree.others, left_out, form })
    }

    /// An entry by the way to it, from dictionary to dictionary.
    fn value(&self, way: &[&str]) -> Option<&Value> {
        let id = way.iter().try_fold(self.pickle.root, |id: Id, key| self.pickle.entry(id, key))?;
        Some(self.pickle.get(id))
    }

    /// A text by the way to it.
    pub fn text(&self, way: &[&str]) -> Option<&str> {
        match self.value(way)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A list of whole numbers by the way to it, empty where there is none or it is `None`; nothing where it is something else.
    pub fn integers(&self, way: &[&str]) -> Option<Vec<i64>> {
        match self.value(way) {
            None | Some(Value::None) => Some(vec![]),
            Some(Value::List(items)) => {
                items.iter().map(|id| if let Value::Int(v) = self.pickle.get(*id) { Some(*v) } else { None }).collect()
            }
            Some(_) => None,
        }
    }

    /// The names of the tensors, in the file's order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.order.iter().map(String::as_str)
    }

    /// The shape of a tensor.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|t| t.shape.as_slice())
    }

    /// The numbers of a tensor, which must be as many as `dims` say.
    ///
    /// # Errors
    /// E0801 when they cannot be read, E0802 when they are not as many, E0803 for a number that is not finite.
    pub fn array(&self, name: &str, dims: &[usize]) -> Result<Array> {
        let shown = printable(name);
        let Some(tensor) = self.tensors.get(name) else {
            return Err(Diagnostic::error(Code::E0802, format!("`{}` has no `{shown}`", self.file))
                .help("it is of another network")
                .into());
        };
        let count = tensor.shape.iter().product();
        if dims.iter().try_fold(1usize, |n, d| n.checked_mul(*d)) != Some(count) {
            let message = format!("`{shown}` of `{}` is {:?}, not {dims:?}", self.file, tensor.shape);
            return Err(Diagnostic::error(Code::E0802, message).help("it is of another network").into());
        }
        let why = |why: String| Diagnostic::error(Code::E0801, format!("cannot read `{shown}` of `{}`: {why}", self.file)).help(CUT);
        let bytes = self.records.read(&tensor.storage.key).map_err(why)?;
        if (bytes.len() / tensor.storage.kind.bytes()) < tensor.storage.count {
            return Err(why("its storage is shorter than it says".into()).into());
        }
        let values = floats(tensor.storage.kind, &bytes);
        let values = laid_out(tensor, values, count);
        if let Some(odd) = values.iter().find(|v| !v.is_finite()) {
            let message = format!("`{shown}` of `{}` holds {odd}", self.file);
            return Err(Diagnostic::error(Code::E0803, message).help("its training failed; take another checkpoint").into());
        }
        Ok(Array::new(dims, values))
    }
}

/// Numbers as float32.
fn floats(of: Kind, bytes: &[u8]) -> Vec<f32> {
    match of {
        Kind::F32 => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Kind::F64 => bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
        Kind::F16 => bytes.as_chunks().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect(),
        Kind::BF16 => bytes.as_chunks().0.iter().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect(),
        // Counters and tables of indices.
        Kind::I64 => bytes.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b) as f32).collect(),
        Kind::I32 => bytes.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b) as f32).collect(),
        Kind::I16 => bytes.as_chunks().0.iter().map(|b| f32::from(i16::from_le_bytes(*b))).collect(),
        Kind::I8 => bytes.iter().map(|b| f32::from(b.cast_signed())).collect(),
        Kind::U8 | Kind::Bool => bytes.iter().map(|b| f32::from(*b)).collect(),
    }
}

/// The numbers of a tensor in row-major order, out of those of its storage, within which it is known to lie.
fn laid_out(tensor: &Tensor, all: Vec<f32>, count: usize) -> Vec<f32> {
    let mut step = 1;
    let plain = tensor.shape.iter().zip(&tensor.strides).rev().all(|(n, stride)| {
        let expected = step;
        step *= n;
        *n == 1 || *stride == expected
    });
    if plain && tensor.offset == 0 && all.len() == count {
        return all;
    }
    let at = |mut n: usize| {
        let steps = tensor.shape.iter().zip(&tensor.strides).rev().map(|(size, stride)| {
            let here = n % size;
            n /= size;
            here * stride
        });
        tensor.offset + steps.sum::<usize>()
    };
    (0..count).map(|n| all.get(at(n)).copied().unwrap_or(f32::NAN)).collect()
}
