//! Files that are often given in place of NIfTI, told by their first bytes.
//!
//! May use `text`.

use crate::text::file::{self, ForeignFormat};

/// What a file that starts with `head` is, if that is known and not NIfTI.
pub(super) fn foreign(head: &[u8]) -> Option<ForeignFormat> {
    let needed = "a NIfTI volume (.nii or .nii.gz) is needed";
    let weights = || file::is_weights(head).then_some(ForeignFormat { name: "a model or other weights (safetensors)", help: needed });
    let text = || file::is_text(head).then_some(ForeignFormat { name: "a text file", help: needed });
    file::foreign(head).or_else(weights).or_else(text)
}
