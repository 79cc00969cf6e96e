//! The bytes of a safetensors file: read when its header and its length agree, written in one order.
//!
//! May use `seal` beside it, `read` and `text`. The format: eight bytes with the header's length, the header (a JSON object), then the tensors' numbers.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use safetensors::tensor::{Metadata, SafeTensorError, SafeTensors};
use serde_json::json;

use super::file::Store;
use super::seal;
use crate::text::{Code, Diagnostic, FileKind, printable, reason, several};
use lmsc_graph::read::recognise;

/// The largest weights file that is read, in bytes.
const MAX_BYTES: u64 = 16 << 30;
/// The longest header that the format allows, in bytes.
const MAX_HEADER: u64 = 100_000_000;
/// Bytes of the header's length.
const LENGTH: usize = 8;

const PATH: &str = "check the path and its permissions";
const OTHER: &str = "name a safetensors file; a model is one that `lmsc train` wrote";
const CUT: &str = "it may have been cut off when it was copied; take it from its source again";

/// A file's bytes and what its header says.
pub(super) struct Contents {
    pub bytes: Vec<u8>,
    /// Where the header ends and the numbers begin.
    pub end: usize,
    pub header: Metadata,
}

/// Reads a whole file. Nothing is read before it is known that the file has it, and its numbers not before the header makes sense.
///
/// # Errors
/// E0801 when the file cannot be read or is not a whole safetensors file.
pub(super) fn read(path: &Path) -> Result<Contents, Diagnostic> {
    let refuse =
        |(why, help): (String, &str)| Diagnostic::error(Code::E0801, format!("cannot read `{}`: {why}", path.display())).help(help);
    let io = |e: std::io::Error| refuse((reason(&e), PATH));
    let size = std::fs::metadata(path).map_err(io)?;
    let kind = recognise(path);
    if !matches!(kind, FileKind::Weights | FileKind::Empty | FileKind::Text | FileKind::Unknown) {
        return Err(refuse((format!("it is {}, not a safetensors file", kind.what()), &kind.remedy(path))));
    }
    if size.len() > MAX_BYTES {
        return Err(refuse(("it is larger than 16 GiB".into(), OTHER)));
    }
    let mut file = File::open(path).map_err(io)?.take(MAX_BYTES);
    let mut bytes = vec![];
    file.by_ref().take(LENGTH as u64).read_to_end(&mut bytes).map_err(io)?;
    let header = header_length(&bytes, size.len()).map_err(refuse)?;
    file.by_ref().take(header).read_to_end(&mut bytes).map_err(io)?;
    // The header alone says how many bytes of numbers follow.
    let promised = serde_json::from_slice::<Metadata>(&bytes[LENGTH.min(bytes.len())..]).map(|m| m.data_len() as u64).ok();
    if let Some(promised) = promised.filter(|p| LENGTH as u64 + header + p != size.len()) {
        return Err(refuse(lengths(promised, size.len().saturating_sub(LENGTH as u64 + header))));
    }
    if promised.is_some() {
        file.read_to_end(&mut bytes).map_err(io)?;
    }
    let (header, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| refuse(told(&e)))?;
    Ok(Contents { bytes, end: LENGTH + header, header: metadata })
}

/// The header's length from the first bytes of a file of `size` bytes.
fn header_length(first: &[u8], size: u64) -> Result<u64, (String, &'static str)> {
    let Some(bytes) = first.first_chunk::<LENGTH>() else {
        return Err((format!("it has {}, too few for a safetensors file", several(first.len(), "byte")), CUT));
    };
    let header = u64::from_le_bytes(*bytes);
    if header > MAX_HEADER {
        return Err((format!("it is not a safetensors file (its first 8 bytes would announce a header of {header} bytes)"), OTHER));
    }
    if header > size.saturating_sub(LENGTH as u64) {
        return Err((format!("its header has {header} bytes, but the file ends after {}", size.saturating_sub(LENGTH as u64)), CUT));
    }
    Ok(header)
}

fn lengths(promised: u64, found: u64) -> (String, &'static str) {
    (format!("its header promises {promised} bytes of numbers, but {found} follow"), CUT)
}

/// What is wrong with a header, in words.
fn told(e: &SafeTensorError) -> (String, &'static str) {
    use SafeTensorError as E;
    const MAKER: &str = "the program that wrote it did so wrongly, or the file was damaged; take it from its source again";
    match e {
        E::InvalidHeader(_) | E::InvalidHeaderDeserialization(_) | E::JsonError(_) => {
            (format!("its header is not what the safetensors format prescribes ({e})"), OTHER)
        }
        E::InvalidOffset(name) => {
            (format!("the numbers of `{}` overlap another tensor's, leave a gap or end before they begin", printable(name)), MAKER)
        }
        E::TensorInvalidInfo => ("a tensor has more or fewer bytes than its shape and type need".into(), MAKER),
        E::ValidationOverflow => ("a tensor's shape is beyond 64 bits".into(), MAKER),
        E::MetadataIncompleteBuffer => ("its header and its length do not agree".into(), CUT),
        other => (format!("it is not a whole safetensors file ({other})"), CUT),
    }
}

/// The bytes of a file: tensors by name, metadata by name, sealed. Equal tensors and metadata give equal bytes.
pub(super) fn bytes(store: &Store) -> Vec<u8> {
    let mut metadata: BTreeMap<&str, &str> = store.metadata.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let format = seal::FORMAT.to_string();
    metadata.extend([(seal::VERSION, format.as_str()), (seal::SEAL, seal::BLANK)]);
    let mut header = serde_json::Map::from_iter([("__metadata__".to_owned(), json!(metadata))]);
    let mut start = 0;
    for (name, array) in &store.arrays {
        let end = start + array.values.len() * size_of::<f32>();
        header.insert(name.clone(), json!({"dtype": "F32", "shape": array.dims, "data_offsets": [start, end]}));
        start = end;
    }
    let mut header = serde_json::Value::Object(header).to_string().into_bytes();
    // Numbers begin at a multiple of eight.
    header.resize(header.len().next_multiple_of(LENGTH), b' ');
    let end = LENGTH + header.len();
    let mut file = Vec::with_capacity(end + start);
    file.extend((header.len() as u64).to_le_bytes());
    file.extend(header);
    store.arrays.values().for_each(|array| file.extend(array.values.iter().flat_map(|v| v.to_le_bytes())));
    seal::seal(&mut file, end);
    file
}
