//! What files of volumes are called: the one rule by which every verb tells a volume by its name, and a case by its volume.
//!
//! Depends on nothing of this crate.

use std::path::Path;

/// Endings of volumes, in any capitals; longer ones first.
const ENDINGS: [&str; 6] = [".nii.gz", ".nii", ".hdr.gz", ".hdr", ".img.gz", ".img"];

/// What a volume is called and its ending as it is written: `case1` and `.nii.gz`. `None` for a file that has no name of a volume, and for a
/// hidden one, as a Mac adds them (`._case1.nii.gz`). Spaces at the end are no part of either.
pub fn split_name(name: &str) -> Option<(&str, &str)> {
    let name = name.trim_end();
    let at = ENDINGS.iter().find_map(|ending| {
        let at = name.len().checked_sub(ending.len()).filter(|at| *at > 0)?;
        name.get(at..)?.eq_ignore_ascii_case(ending).then_some(at)
    })?;
    (!name.starts_with('.')).then(|| name.split_at(at))
}

/// `case1` of `imagesTr/case1.nii.gz`.
pub fn case_name(file: &Path) -> Option<String> {
    Some(split_name(file.file_name()?.to_str()?)?.0.to_owned())
}

/// Whether an ending says voxels without a header, the second file of a pair (`.img`, `.img.gz`).
pub fn is_second(ending: &str) -> bool {
    ending.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(".img"))
}

/// Whether both endings say the same, in whatever capitals; those of the two files of a pair do.
pub fn same_ending(a: &str, b: &str) -> bool {
    let plain = |ending: &str| ending.to_ascii_lowercase().replace(".img", ".hdr");
    plain(a) == plain(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_told_by_its_name() {
        for (name, want) in [
            ("a.nii.gz", Some(("a", ".nii.gz"))),
            ("A.NII.GZ", Some(("A", ".NII.GZ"))),
            ("a.Nii", Some(("a", ".Nii"))),
            ("subject-1-T1.hdr", Some(("subject-1-T1", ".hdr"))),
            ("a.v1.IMG.gz", Some(("a.v1", ".IMG.gz"))),
            ("a.nii.gz  ", Some(("a", ".nii.gz"))),
            ("é.nii", Some(("é", ".nii"))),
            ("._a.nii.gz", None),
            (".nii.gz", None),
            ("a.gz", None),
            ("nii", None),
            ("a.nii.png", None),
        ] {
            assert_eq!(split_name(name), want, "{name}");
        }
        assert_eq!(case_name(Path::new("x/hippocampus_001.nii.gz")).as_deref(), Some("hippocampus_001"));
        assert!(is_second(".IMG.gz") && !is_second(".hdr") && same_ending(".NII", ".nii") && same_ending(".img", ".hdr"));
        assert!(!same_ending(".nii", ".nii.gz"));
    }
}
