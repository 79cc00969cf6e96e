//! Files that are often given in place of NIfTI, told by their first bytes.
//!
//! Depends on nothing of this crate.

/// What a file is and what to do with it.
pub(super) struct Foreign {
    pub name: &'static str,
    pub help: &'static str,
}

const UNPACK: &str = "unpack it first; gzip is the packing that NIfTI knows";
const CONVERT: &str = "convert it to NIfTI with your imaging tool";

/// Format by place, bytes, name and remedy.
const FORMATS: &[(usize, &[u8], &str, &str)] = &[
    (128, b"DICM", "a DICOM file", "convert the series to NIfTI first, for instance with dcm2niix"),
    (0, b"BZh", "packed with bzip2", UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "packed with zstd", UNPACK),
    (0, b"\xfd7zXZ\0", "packed with xz", UNPACK),
    (0, b"PK\x03\x04", "a zip archive", UNPACK),
    (0, b"NRRD", "a NRRD file", CONVERT),
    (0, b"ObjectType", "a MetaImage header", CONVERT),
    (0, b"NDims", "a MetaImage header", CONVERT),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file (MINC 2?)", CONVERT),
    (0, b"CDF", "a NetCDF file (MINC 1?)", CONVERT),
    (0, b"\0\0\0\x01\0\0", "a FreeSurfer MGH volume", "convert it with mri_convert"),
    (0, b"\x89PNG", "a PNG picture", "a NIfTI volume (.nii or .nii.gz) is needed"),
    (0, b"\xff\xd8\xff", "a JPEG picture", "a NIfTI volume (.nii or .nii.gz) is needed"),
    (0, b"<?xml", "an XML text (GIFTI?)", "a NIfTI volume (.nii or .nii.gz) is needed"),
    (0, b"version https://git-lfs", "a pointer of Git LFS, not the file itself", "get the file with `git lfs pull`"),
];

/// The format of a file that starts with `bytes`, if it is a known one that is not NIfTI.
pub(super) fn foreign(bytes: &[u8]) -> Option<Foreign> {
    let found = FORMATS.iter().find(|(at, mark, ..)| bytes.get(*at..).is_some_and(|b| b.starts_with(mark)));
    let found = found.map(|(.., name, help)| Foreign { name, help });
    found.or_else(|| is_text(bytes).then_some(Foreign { name: "a text file", help: "a NIfTI volume (.nii or .nii.gz) is needed" }))
}

/// Whether all of it is printable; the last character may be cut.
fn is_text(bytes: &[u8]) -> bool {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) if e.error_len().is_none() => bytes.get(..e.valid_up_to()).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or_default(),
        Err(_) => return false,
    };
    text.chars().any(char::is_alphanumeric) && text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'))
}
