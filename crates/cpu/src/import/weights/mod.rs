//! Weights that other programs have saved, whatever the form: tensors by name, and how they fit a graph.
//!
//! Part of `import`; may use `store`, `compile`, `ir` and `text`. What a file is, its content says, never its name.

mod fit;
mod rules;
mod suggest;
mod tfjs;

use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::pytorch::{self, Checkpoint};
use crate::ir::Arrays;
use crate::store::{Store, read_store};
use crate::text::{Code, Diagnostic, FileKind, Result, reason};
use lmsc_graph::read::recognise;

pub use fit::{Fitted, fit};
pub use suggest::{Proposal, suggest};

/// The form of a file that has no order of its own.
const SAFETENSORS: &str = "a safetensors file";

/// Tensors by the names of the program that saved them, in PyTorch's layout: kernels `[out, in, D, H, W]`, of transposed convolutions `[in, out, D, H, W]`.
#[derive(Clone, Debug, Default)]
pub struct Foreign {
    pub path: PathBuf,
    pub store: Store,
    /// The names in the file's order.
    pub order: Vec<String>,
    /// `a checkpoint of PyTorch`.
    pub form: &'static str,
    /// The way to the tensors within the file; empty where they are all that there is.
    pub key: String,
    /// Other places in the file that hold tensors, with their number.
    pub others: Vec<(String, usize)>,
    /// Entries among the tensors that are none, and names of which nothing was run.
    pub left_out: Vec<String>,
    /// The files that were read, and the SHA-256 of each in hexadecimal digits.
    pub files: Vec<(PathBuf, String)>,
}

/// Reads the tensors of a file: safetensors, a checkpoint of PyTorch (zip or legacy), a TorchScript archive, a model of TensorFlow.js. `key` is the way to
/// them within a checkpoint, names joined by dots.
///
/// # Errors
/// E0801 for a file that cannot be read or is none of these, E0803 for a number that is not finite.
pub fn read(path: &Path, key: Option<&str>) -> Result<Foreign> {
    if pytorch::is_checkpoint(path) {
        return of_pytorch(path, key);
    }
    match recognise(path) {
        FileKind::Json => tfjs::read(path),
        FileKind::Weights => {
            let store = read_store(path)?;
            let order = store.arrays.keys().cloned().collect();
            let files = vec![(path.to_owned(), sha256(path)?)];
            Ok(Foreign { path: path.to_owned(), store, order, form: SAFETENSORS, files, ..Foreign::default() })
        }
        // A file that cannot be read, and one of another kind, are told as such.
        kind => {
            std::fs::File::open(path).map_err(|e| {
                Diagnostic::error(Code::E0801, format!("cannot read `{}`: {}", path.display(), reason(&e)))
                    .help("check the path and its permissions")
            })?;
            let wanted = "weights (a checkpoint of PyTorch, safetensors, or the model.json of TensorFlow.js)";
            Err(kind.instead_of(wanted, path).into())
        }
    }
}

fn of_pytorch(path: &Path, key: Option<&str>) -> Result<Foreign> {
    let checkpoint = Checkpoint::open(path, key)?;
    let order: Vec<String> = checkpoint.names().map(str::to_owned).collect();
    let mut arrays = Arrays::new();
    for name in &order {
        let dims = checkpoint.shape(name).unwrap_or_default().to_vec();
        arrays.insert(name.clone(), checkpoint.array(name, &dims)?);
    }
    let files = vec![(path.to_owned(), sha256(path)?)];
    let store = Store { arrays, ..Store::default() };
    let Checkpoint { form, key, others, left_out, .. } = checkpoint;
    Ok(Foreign { path: path.to_owned(), store, order, form, key, others, left_out, files })
}

/// The SHA-256 of a file.
fn sha256(path: &Path) -> Result<String> {
    let refuse = |e: std::io::Error| Diagnostic::error(Code::E0801, format!("cannot read `{}`: {}", path.display(), reason(&e)));
    let mut file = std::fs::File::open(path).map_err(refuse)?;
    let mut digest = Sha256::new();
    let mut part = vec![0; 1 << 16];
    loop {
        match file.read(&mut part).map_err(refuse)? {
            0 => break,
            n => digest.update(&part[..n]),
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
