//! What holds for any bytes as a checkpoint of PyTorch: tensors as large as they say, or an error with a reason and a remedy.

use std::path::Path;

use lmsc::import::pytorch::Checkpoint;

/// No more numbers are read of a tensor here: a storage may be seen through strides of 0 as more than the file holds.
const MOST: usize = 1 << 20;

/// Reads bytes as a checkpoint through a file in `folder`; whether they were one.
pub fn sound(folder: &Path, bytes: &[u8]) -> bool {
    let file = folder.join("lmsc-checkpoint.pth");
    std::fs::write(&file, bytes).expect("written");
    let checkpoint = match Checkpoint::open(&file, None) {
        Ok(checkpoint) => checkpoint,
        Err(e) => {
            assert!(!e.0.is_empty() && e.0.iter().all(|d| !d.message.is_empty() && !d.help.is_empty()), "{e:?}");
            return false;
        }
    };
    let names: Vec<String> = checkpoint.names().map(str::to_owned).collect();
    for name in names {
        let dims = checkpoint.shape(&name).map(<[usize]>::to_vec).unwrap_or_default();
        if dims.iter().try_fold(1usize, |n, d| n.checked_mul(*d)).is_some_and(|n| n <= MOST) {
            match checkpoint.array(&name, &dims) {
                Ok(array) => assert!(array.is_sound() && array.values.iter().all(|v| v.is_finite())),
                Err(e) => assert!(e.0.iter().all(|d| !d.message.is_empty() && !d.help.is_empty()), "{e:?}"),
            }
        }
    }
    true
}
