//! What holds for every file that is taken for a model, however broken: it is refused with a reason and a remedy, or it is a model whose weights
//! are numbers, and written again it is the same. The fuzz target and the tests share it.

use std::path::Path;

use lmsc::store::{SETS, load, read_store, save, save_sets};
use lmsc::text::{Diagnostics, render};

/// Tries a file as it is, and with a seal that fits, so that what lies behind the seal is reached. Whether it was a model.
///
/// # Panics
/// When the promise is broken.
pub fn sound(folder: &Path, bytes: &[u8]) -> bool {
    let path = folder.join("model.safetensors");
    [Some(bytes.to_vec()), sealed(bytes)].into_iter().flatten().any(|file| {
        std::fs::write(&path, &file).expect("a place to write");
        one(&path)
    })
}

fn one(path: &Path) -> bool {
    if let Err(found) = read_store(path) {
        told(&found);
    }
    match load(path) {
        Err(found) => {
            told(&found);
            false
        }
        Ok(model) => {
            let first = read_store(path).expect("it was just read");
            assert!(first.arrays.values().flat_map(|a| &a.values).all(|v| v.is_finite()), "weights that are no numbers");
            match model.metadata.get(SETS).map(|names| serde_json::from_str::<Vec<String>>(names).expect("names")) {
                Some(names) => {
                    let sets = names.into_iter().zip(std::iter::once(model.weights).chain(model.more)).collect();
                    save_sets(path, &model.program, sets, &model.metadata).expect("written");
                }
                None => save(path, &model.program, model.weights, &model.metadata).expect("written"),
            }
            let again = read_store(path).expect("what was written is read");
            assert!(again.arrays == first.arrays, "written again, the weights differ");
            load(path).expect("what was written is a model");
            true
        }
    }
}

fn told(found: &Diagnostics) {
    assert!(found.has_errors(), "refused without an error");
    for d in found.0.iter().take(3) {
        assert!(!d.message.is_empty() && !d.help.is_empty() || d.labels.iter().any(|l| l.primary), "{d:?}");
        let shown = [render::concise(d), render::full(d, false, 100)].concat();
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{}", shown.escape_debug());
    }
}

/// The file with a seal that fits its bytes, if it has a place for one.
fn sealed(bytes: &[u8]) -> Option<Vec<u8>> {
    let entry = br#""lmsc.seal":""#;
    let at = bytes.windows(entry.len()).position(|w| w == entry)? + entry.len();
    let mut file = bytes.to_vec();
    file.get_mut(at..at + 64)?.fill(b'0');
    let hash = blake3::hash(&file).to_hex();
    file[at..at + 64].copy_from_slice(hash.as_bytes());
    Some(file)
}
