//! What a file is, told by its content, with its name as a hint: for the one sentence that says why it is not what was expected.
//!
//! May use `source` beside it. Which of the texts a RON file is (a graph, a run config) is told by `read`.

use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use super::{Code, Diagnostic, MAX_TEXT_BYTES};

/// Bytes that tell what a file is.
pub const HEAD: usize = 4096;

/// A format that nothing here reads: what to call it ("it is ..."), and what to do with a file of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForeignFormat {
    pub name: &'static str,
    pub help: &'static str,
}

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A run folder, as `lmsc train` makes it.
    Run,
    /// A folder that looks like a data set.
    DataSet,
    /// Any other folder.
    Folder,
    Empty,
    /// Safetensors: weights, or a model.
    Weights,
    /// NIfTI, or gzip under the name of a volume.
    Volume,
    Foreign(ForeignFormat),
    Json,
    /// A graph in RON.
    Graph,
    /// A run config in RON, and the graph that it names, as a path that can be opened.
    Config(Option<PathBuf>),
    /// Composites in RON, for `import`.
    Blocks,
    /// What a model says beside its graph and weights, in RON.
    Card,
    /// Any other text.
    Text,
    /// None of these.
    Unknown,
}

const UNPACK: &str = "unpack it first; gzip is the packing that NIfTI knows";
const CONVERT: &str = "convert it to NIfTI with your imaging tool";
const PICTURE: &str = "a NIfTI volume (.nii or .nii.gz) is needed where images are";
const TORCH: &str = "save its state dict with safetensors.torch.save_file; `lmsc forward GRAPH --weights FILE` runs such weights";

/// Formats by place, bytes, name and remedy.
const FORMATS: &[(usize, &[u8], &str, &str)] = &[
    (128, b"DICM", "a DICOM file", "convert the series to NIfTI first, for instance with dcm2niix"),
    (0, b"BZh", "packed with bzip2", UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "packed with zstd", UNPACK),
    (0, b"\xfd7zXZ\0", "packed with xz", UNPACK),
    (0, b"NRRD", "a NRRD file", CONVERT),
    (0, b"ObjectType", "a MetaImage header", CONVERT),
    (0, b"NDims", "a MetaImage header", CONVERT),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file (MINC 2, or weights of Keras?)", CONVERT),
    (0, b"CDF", "a NetCDF file (MINC 1?)", CONVERT),
    (0, b"\0\0\0\x01\0\0", "a FreeSurfer MGH volume", "convert it with mri_convert"),
    (0, b"\x89PNG", "a PNG picture", PICTURE),
    (0, b"\xff\xd8\xff", "a JPEG picture", PICTURE),
    (0, b"%PDF", "a PDF document", PICTURE),
    (0, b"<?xml", "an XML text (GIFTI?)", PICTURE),
    (0, b"<!DOCTYPE html", "a page in HTML", "was it saved in place of the file that it offers?"),
    (0, b"<html", "a page in HTML", "was it saved in place of the file that it offers?"),
    (0, b"\x93NUMPY", "a NumPy array", "write it as NIfTI, for instance with nibabel"),
    (0, b"\x80\x02", "a Python pickle (PyTorch weights?)", TORCH),
    (0, b"\x80\x03", "a Python pickle", TORCH),
    (0, b"\x80\x04", "a Python pickle", TORCH),
    (0, b"\x80\x05", "a Python pickle", TORCH),
    (0, b"version https://git-lfs", "a pointer of Git LFS, not the file itself", "get the file with `git lfs pull`"),
];

/// The format of a file that starts with `head`, if it is a known one that nothing here reads.
pub fn foreign(head: &[u8]) -> Option<ForeignFormat> {
    if head.starts_with(b"PK\x03\x04") {
        // The names of what is inside tell archives of PyTorch and NumPy from others.
        let has = |what: &[u8]| head.windows(what.len()).any(|w| w == what);
        let (name, help) = match (has(b"data.pkl"), has(b".npy")) {
            (true, _) => ("PyTorch weights (a zip archive with a pickle)", TORCH),
            (_, true) => ("NumPy arrays (a zip archive)", "write them as NIfTI, for instance with nibabel"),
            _ => ("a zip archive", UNPACK),
        };
        return Some(ForeignFormat { name, help });
    }
    let found = FORMATS.iter().find(|(at, mark, ..)| head.get(*at..).is_some_and(|b| b.starts_with(mark)));
    found.map(|(.., name, help)| ForeignFormat { name, help })
}

/// Whether a file starts as safetensors does: the length of a JSON object, and the object.
pub fn is_weights(head: &[u8]) -> bool {
    head.first_chunk::<8>().is_some_and(|n| u64::from_le_bytes(*n) < 1 << 32) && head.get(8..10).is_some_and(|b| b == b"{\"" || b == b"{}")
}

/// Whether a file starts as NIfTI does, in either version and byte order.
fn is_nifti(head: &[u8]) -> bool {
    let size = head.first_chunk::<4>().copied().unwrap_or_default();
    [348, 540].iter().any(|n| [i32::from_le_bytes(size), i32::from_be_bytes(size)].contains(n))
}

/// Whether all of it is printable; the last character may be cut.
pub fn is_text(bytes: &[u8]) -> bool {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) if e.error_len().is_none() => bytes.get(..e.valid_up_to()).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or_default(),
        Err(_) => return false,
    };
    text.chars().any(char::is_alphanumeric) && text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'))
}

/// Whether a text is an object or a list in JSON, and no RON with names in it.
pub fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

impl FileKind {
    /// What the file or folder at `path` is; a RON text is [`FileKind::Text`].
    ///
    /// # Errors
    /// When it cannot be opened or read.
    pub fn of(path: &Path) -> io::Result<Self> {
        if std::fs::metadata(path)?.is_dir() {
            let holds = |name: &str| path.join(name).exists();
            return Ok(if holds("config.ron") || holds("best.safetensors") {
                FileKind::Run
            } else if ["dataset.json", "imagesTr", "labelsTr"].into_iter().any(holds) {
                FileKind::DataSet
            } else {
                FileKind::Folder
            });
        }
        let mut file = std::fs::File::open(path)?;
        let mut head = vec![];
        file.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
        let kind = Self::of_bytes(&head, path);
        if kind == FileKind::Text && head.trim_ascii_start().starts_with(b"{") {
            file.take(MAX_TEXT_BYTES).read_to_end(&mut head)?;
            return Ok(if std::str::from_utf8(&head).is_ok_and(is_json) { FileKind::Json } else { FileKind::Text });
        }
        Ok(kind)
    }

    /// What a file is that begins with `head` and is called `name`.
    pub fn of_bytes(head: &[u8], name: &Path) -> Self {
        let name = name.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let called = |ends: &[&str]| ends.iter().any(|e| name.ends_with(e));
        if head.is_empty() {
            FileKind::Empty
        } else if is_weights(head) {
            FileKind::Weights
        } else if is_nifti(head) {
            FileKind::Volume
        } else if let Some(f) = foreign(head) {
            FileKind::Foreign(f)
        } else if head.starts_with(&[0x1f, 0x8b]) {
            match called(&[".nii.gz", ".nii", ".hdr.gz", ".img.gz"]) {
                true => FileKind::Volume,
                false if called(&[".mgz"]) => {
                    FileKind::Foreign(ForeignFormat { name: "a FreeSurfer MGH volume", help: "convert it with mri_convert" })
                }
                false => FileKind::Foreign(ForeignFormat { name: "packed with gzip", help: "unpack it first" }),
            }
        } else if is_text(head) {
            FileKind::Text
        } else if called(&[".onnx"]) {
            FileKind::Foreign(ForeignFormat {
                name: "an ONNX network, by its name",
                help: "a network is a graph here; `lmsc new FILE` starts one",
            })
        } else {
            FileKind::Unknown
        }
    }

    /// What to call it after "it is": `a graph`, `packed with xz`.
    pub fn what(&self) -> &'static str {
        match self {
            FileKind::Run => "a folder: that of a run",
            FileKind::DataSet => "a folder: a data set",
            FileKind::Folder => "a folder",
            FileKind::Empty => "empty",
            FileKind::Weights => "a model or other weights (safetensors)",
            FileKind::Volume => "a volume (NIfTI)",
            FileKind::Foreign(f) => f.name,
            FileKind::Json => "a JSON text",
            FileKind::Graph => "a graph",
            FileKind::Config(_) => "a run config",
            FileKind::Blocks => "a file of blocks for `import`",
            FileKind::Card => "a card of a model",
            FileKind::Text => "a text",
            FileKind::Unknown => "neither a text nor of a known format",
        }
    }

    /// Which verb takes it, or what else to do with it.
    pub fn remedy(&self, path: &Path) -> String {
        let p = path.display();
        match self {
            FileKind::Run => {
                format!("its graph is {p}/graph.ron; `lmsc report {p}` tells of the run, and `lmsc train --resume {p}` goes on with it")
            }
            FileKind::DataSet => format!("`lmsc data check {p}` looks at a data set"),
            FileKind::Folder => "name a file in it".into(),
            FileKind::Empty => "`lmsc new FILE` starts a graph".into(),
            FileKind::Weights => {
                format!("`lmsc info {p}` shows what is in it, and `lmsc predict {p} IMAGE --out DIR` segments with a model")
            }
            FileKind::Volume => {
                format!("`lmsc info {p}` and `lmsc view {p} --out FILE.html` show it, and `lmsc predict MODEL {p} --out DIR` segments it")
            }
            FileKind::Foreign(f) => f.help.into(),
            FileKind::Json => {
                "graphs and run configs are RON; a data set with a dataset.json is named by its folder, as in `lmsc data check DIR`".into()
            }
            FileKind::Graph => format!("`lmsc check {p}` checks it; a run config names it as its `graph`"),
            FileKind::Config(Some(graph)) => format!("to check its graph: lmsc check {}; to train by it: lmsc train {p}", graph.display()),
            FileKind::Config(None) => format!("to train by it: lmsc train {p}"),
            FileKind::Blocks => format!("a graph uses its blocks with `import: [\"{p}\"]`"),
            FileKind::Card => format!("weights become a model with it: lmsc import weights FILE --graph GRAPH --card {p} --out MODEL"),
            FileKind::Text => "`lmsc new FILE` starts a graph; check the path".into(),
            FileKind::Unknown => "check the path".into(),
        }
    }

    /// The error that the file at `path` is this, where something else is `wanted` (`a graph`).
    pub fn instead_of(&self, wanted: &str, path: &Path) -> Diagnostic {
        let d = Diagnostic::error(Code::E0110, format!("`{}` is {}, not {wanted}", path.display(), self.what()));
        d.help(self.remedy(path))
    }
}

/// A path without `..` and `.` where they can be resolved by its text alone: `configs/../graphs/a.ron` is `graphs/a.ron`.
pub fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for c in path.components() {
        match c {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_by_their_content() {
        let of = |bytes: &[u8], name: &str| FileKind::of_bytes(bytes, Path::new(name));
        let weights = [&14u64.to_le_bytes()[..], b"{\"a\":{\"dtype\":"].concat();
        assert_eq!(of(&weights, "a.ron"), FileKind::Weights);
        assert_eq!(of(&[&348i32.to_be_bytes()[..], &[0; 344]].concat(), "a.ron"), FileKind::Volume);
        assert_eq!(of(&[0x1f, 0x8b, 8, 0], "a.nii.gz"), FileKind::Volume);
        for (bytes, name, what) in [
            (&b"PK\x03\x04\0\0archive/data.pklFB"[..], "w.pth", "PyTorch weights"),
            (b"PK\x03\x04\0\0a.npy", "w.npz", "NumPy arrays"),
            (b"PK\x03\x04\0\0a.docx", "a.docx", "a zip archive"),
            (b"NRRD0004\ntype: short\n", "a.nrrd", "a NRRD file"),
            (b"ObjectType = Image\nNDims = 3\n", "c.mha", "a MetaImage header"),
            (b"\x80\x02\x8a\x0a", "old.pth", "a Python pickle"),
            (&[0x1f, 0x8b, 8, 0], "a.ron.gz", "packed with gzip"),
        ] {
            assert!(of(bytes, name).what().starts_with(what), "{name}: {:?}", of(bytes, name));
        }
        assert_eq!(of(b"(nodes: {})", "a.nii"), FileKind::Text);
        assert_eq!(of(b"", "a.ron"), FileKind::Empty);
        assert!(is_json("{\"a\": [1, null]}") && !is_json("{\"a\": Conv3D(x: 1)}") && !is_json("5"));
        assert_eq!(plain(Path::new("configs/../graphs/./a.ron")), Path::new("graphs/a.ron"));
        assert_eq!(plain(Path::new("../a.ron")), Path::new("../a.ron"));
    }
}
