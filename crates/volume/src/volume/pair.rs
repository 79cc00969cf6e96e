//! Headers and voxels in two files: where the other one is.
//!
//! Depends on nothing of this crate.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The file with the voxels of a header.
pub(super) fn image_of(header: &Path) -> Option<PathBuf> {
    beside(header, ["img", "IMG"])
}

/// The header of a file that has the name of voxels (`.img`, `.img.gz`), if it is there; `None` for other names.
pub(super) fn header_of(image: &Path) -> Option<PathBuf> {
    is_image(image).then(|| beside(image, ["hdr", "HDR"])).flatten()
}

/// The other file of a volume in two: the voxels of a header, the header of voxels. `None` for a volume in one file.
pub fn other_half(path: &Path) -> Option<PathBuf> {
    let is_header = unpacked(path).0.extension().is_some_and(|e| e.eq_ignore_ascii_case("hdr"));
    if is_header { image_of(path) } else { header_of(path) }
}

/// Whether a file has the name of voxels without a header.
pub(super) fn is_image(path: &Path) -> bool {
    unpacked(path).0.extension().is_some_and(|e| e.eq_ignore_ascii_case("img"))
}

/// The file of the same name with one of these extensions, packed as the given one if there are several.
fn beside(path: &Path, extensions: [&str; 2]) -> Option<PathBuf> {
    let (plain, packed) = unpacked(path);
    let named = |extension: &str, packed: bool| {
        let mut name = plain.with_extension(extension).into_os_string();
        if packed {
            name.push(if extension.starts_with(char::is_uppercase) { ".GZ" } else { ".gz" });
        }
        PathBuf::from(name)
    };
    let [lower, upper] = extensions;
    [(lower, packed), (upper, packed), (lower, !packed), (upper, !packed)].into_iter().map(|(e, p)| named(e, p)).find(|p| p.is_file())
}

/// The path without `.gz`, and whether it had that.
fn unpacked(path: &Path) -> (PathBuf, bool) {
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz")) {
        (path.with_file_name(path.file_stem().map(OsString::from).unwrap_or_default()), true)
    } else {
        (path.to_owned(), false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_file_is_found_however_it_is_packed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["a.hdr", "a.img.gz", "b.v1.hdr.gz", "b.v1.img", "b.v1.img.gz", "C.HDR", "C.IMG", "d.hdr"] {
            std::fs::write(at(name), "").unwrap();
        }
        for (header, image) in [("a.hdr", "a.img.gz"), ("b.v1.hdr.gz", "b.v1.img.gz"), ("C.HDR", "C.IMG")] {
            assert_eq!(image_of(&at(header)), Some(at(image)));
            assert_eq!(header_of(&at(image)), Some(at(header)));
        }
        assert_eq!(header_of(&at("b.v1.img")), Some(at("b.v1.hdr.gz")));
        assert_eq!(image_of(&at("d.hdr")), None);
        assert_eq!(header_of(&at("a.hdr")), None);
        assert!(is_image(Path::new("x.IMG.GZ")) && !is_image(Path::new("x.nii.gz")) && !is_image(Path::new("img")));
    }
}
