//! What a model's graph, weights and card mean: a version that is raised by hand, as ONNX's operator sets have one.
//!
//! May use `text`, and `file` beside it. A model file is matched to its graph by the names and shapes of its weights. What those cannot
//! tell is a change of meaning: an operation, a block's drawing or a preparation of images that would make other numbers of the same
//! weights. With such a change, and only then, [`SEMANTICS`] is raised and a row is added to [`RULES`]. New operations, blocks and fields
//! whose default is what was before change no meaning.

use super::file::Store;
use crate::text::{Code, Diagnostic, printable};

/// The version that is written, and the newest that is read.
pub const SEMANTICS: u32 = 1;

/// The entry of the metadata.
pub(super) const ENTRY: &str = "lmsc.semantics";

/// What makes files of a version files of the next: a row for each version before [`SEMANTICS`].
const RULES: [fn(&mut Store); SEMANTICS as usize] = [
    // 0: files that name no version. Nothing in them means anything else.
    |_| (),
];

/// Brings a model to the present semantics. Files without a graph are left alone: their numbers mean what their user says.
///
/// # Errors
/// E0801 for a version that is newer than [`SEMANTICS`], or none.
pub(super) fn update(file: &str, t: &mut Store) -> Result<(), Diagnostic> {
    if !t.metadata.contains_key("lmsc.graph") {
        return Ok(());
    }
    let version = match t.metadata.get(ENTRY).map(|text| (text, text.parse::<u32>())) {
        None => 0,
        Some((_, Ok(version))) => version,
        Some((text, Err(_))) => {
            let message = format!("`{file}` names no version of its semantics: `{ENTRY}` is `{}`", printable(text));
            return Err(Diagnostic::error(Code::E0801, message).help("use the file as `lmsc train` wrote it"));
        }
    };
    if version > SEMANTICS {
        let message = format!(
            "`{file}` was made by a newer lmsc: its semantics are of version {version}, and this lmsc knows those up to {SEMANTICS}"
        );
        return Err(
            Diagnostic::error(Code::E0801, message).help("update lmsc; an older one would compute something else with these weights")
        );
    }
    RULES.iter().skip(version as usize).for_each(|convert| convert(t));
    t.metadata.insert(ENTRY.into(), SEMANTICS.to_string());
    Ok(())
}
