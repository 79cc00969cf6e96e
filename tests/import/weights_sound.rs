//! What holds for any bytes as weights of some program, and for any text as a card: numbers, or an error with a reason and a remedy.

use std::path::Path;

use lmsc::import::weights::read;
use lmsc::infer::read_card;
use lmsc::text::Diagnostics;

fn told(e: &Diagnostics) {
    assert!(!e.0.is_empty() && e.0.iter().all(|d| !d.message.is_empty() && !d.help.is_empty()), "{e:?}");
}

/// Reads bytes as weights through a file in `folder`; whether they were some. A manifest of TensorFlow.js may name `w.bin`, which has eight bytes.
pub fn weights(folder: &Path, bytes: &[u8]) -> bool {
    let file = folder.join("lmsc-weights.bin");
    std::fs::write(folder.join("w.bin"), [0, 0, 128, 63, 0, 0, 0, 64]).expect("written");
    std::fs::write(&file, bytes).expect("written");
    match read(&file, None) {
        Ok(foreign) => {
            assert!(foreign.store.arrays.values().all(lmsc::ir::Array::is_sound));
            assert!(foreign.order.iter().all(|name| foreign.store.arrays.contains_key(name)));
            true
        }
        Err(e) => {
            told(&e);
            false
        }
    }
}

/// Reads bytes as a card; whether they were one.
pub fn card(folder: &Path, bytes: &[u8]) -> bool {
    let file = folder.join("lmsc-card.ron");
    std::fs::write(&file, bytes).expect("written");
    read_card(&file).map_err(|e| told(&e)).is_ok()
}
