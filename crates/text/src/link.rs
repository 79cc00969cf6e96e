//! Messages for dangling symbolic links.
//!
//! May use `write` (reasons of the system) beside it.

use std::io::ErrorKind;
use std::path::Path;

use super::reason;

/// What is wrong with a path that is a link and cannot be followed, and a remedy; `None` for what is no link, and for one that leads somewhere.
pub fn broken_link(path: &Path) -> Option<(String, &'static str)> {
    let target = std::fs::read_link(path).ok()?;
    let error = std::fs::metadata(path).err()?;
    let why =
        if error.kind() == ErrorKind::NotFound { "is not there".to_owned() } else { format!("cannot be followed: {}", reason(&error)) };
    let annex = target.components().any(|part| part.as_os_str() == "annex");
    let help = if annex {
        "git-annex and DataLad leave such links: `git annex get` or `datalad get` fetches what they stand for"
    } else {
        "mend the link, or take it out"
    };
    Some((format!("it is a link to `{}`, which {why}", target.display()), help))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_that_leads_nowhere_is_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), "").unwrap();
        for (target, name) in [("file", "good"), ("../.git/annex/objects/x", "unfetched"), ("none", "lost"), ("loop", "loop")] {
            symlink(target, at(name)).unwrap();
        }
        assert_eq!(broken_link(&at("file")), None);
        assert_eq!(broken_link(&at("good")), None);
        assert_eq!(broken_link(&at("absent")), None);
        let (why, help) = broken_link(&at("unfetched")).unwrap();
        assert!(why == "it is a link to `../.git/annex/objects/x`, which is not there" && help.contains("datalad get"), "{why}: {help}");
        let (why, help) = broken_link(&at("lost")).unwrap();
        assert!(why.ends_with("`none`, which is not there") && help.contains("mend the link"), "{why}: {help}");
        assert!(broken_link(&at("loop")).unwrap().0.contains("which cannot be followed: "));
    }
}
