//! Any folder whose files are named by a rule: `{case}/T1*.nii.gz`.
//!
//! May use `text`, `data::dataset`, and `walk` beside it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::walk::{below, closed};
use super::{Want, checked, finish};
use crate::data::dataset::{Case, Description};
use crate::text::{Code, Diagnostic, Diagnostics, a_few, printable};
use crate::volume::{is_second, same_ending, split_name};

/// A path below the root with `{case}` where the case's name stands, and `*` for what does not matter; neither reaches over a `/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(pub String);

/// The name of a case in a pattern.
const CASE: &str = "{case}";

impl Pattern {
    /// What is wrong with it, if anything.
    fn fault(&self) -> Option<String> {
        let text = &self.0;
        if !text.contains(CASE) {
            return Some(format!("`{}` does not say where the name of the case stands", printable(text)));
        }
        let parts = || text.split('/');
        if text.starts_with('/') || parts().any(|p| p == ".." || p.is_empty()) {
            return Some(format!("`{}` is no path below the root", printable(text)));
        }
        parts().any(|p| p.matches(CASE).count() > 1).then(|| format!("`{}` has {CASE} twice in one name", printable(text)))
    }

    /// Whether a file that fits may lie in a folder.
    fn may_lie_in(&self, folder: &str) -> bool {
        let mut wanted = self.0.split('/');
        // The last part is the file's.
        let all = folder.split('/').all(|name| wanted.next().is_some_and(|part| fits(part, name).is_some()));
        all && wanted.next().is_some()
    }

    /// The case's name in a path that fits.
    fn case<'p>(&self, path: &'p str) -> Option<&'p str> {
        let (mut wanted, mut given) = (self.0.split('/'), path.split('/'));
        let mut case = None;
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return case,
                (Some(wanted), Some(given)) => match fits(wanted, given)? {
                    Some(own) if case.is_some_and(|c| c != own) => return None,
                    Some(own) => case = Some(own),
                    None => {}
                },
                _ => return None,
            }
        }
    }
}

/// Whether a name fits a part of a pattern: the case's name in it, if the part has one.
fn fits<'n>(part: &str, name: &'n str) -> Option<Option<&'n str>> {
    match part.split_once(CASE) {
        None => star(part, name).then_some(None),
        Some((before, after)) => {
            // The shortest case that leaves a rest which fits; never empty.
            let starts = || name.char_indices().map(|(i, _)| i).filter(|i| star(before, &name[..*i]));
            let ends = |from: usize| name[from..].char_indices().map(move |(i, c)| from + i + c.len_utf8());
            starts().find_map(|from| ends(from).find(|to| star(after, &name[*to..])).map(|to| Some(&name[from..to])))
        }
    }
}

/// Whether a name fits a pattern of `*` and plain characters.
fn star(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Finds the files of every modality and the labels, and brings them together by the case's name.
pub(super) fn describe(
    root: &Path,
    modalities: &[(String, Pattern)],
    label: &Pattern,
    labels: &[(u32, String)],
    subject: Option<&Pattern>,
    want: Want,
) -> Result<Description, Diagnostics> {
    let mut found = Diagnostics::default();
    let labels = found.keep(checked(labels)).unwrap_or_default();
    let named =
        modalities.iter().map(|(name, p)| (format!("data.modalities ({})", printable(name)), p)).chain([("data.label".to_owned(), label)]);
    for (field, pattern) in named.clone() {
        if let Some(why) = pattern.fault() {
            found.push(Diagnostic::error(Code::E0701, format!("`{field}`: {why}")).help(format!("as in \"{CASE}/T1*.nii.gz\"")));
        }
    }
    if modalities.is_empty() {
        found.push(Diagnostic::error(Code::E0701, "`data.modalities` names none").help(format!("as in [(\"T1\", \"{CASE}/T1.nii.gz\")]")));
    }
    found.or(())?;
    let mut found = Diagnostics::default();
    let depth = named.clone().map(|(_, p)| p.0.matches('/').count()).max().unwrap_or(0);
    let mut paths = vec![];
    let tree = below(root, depth)?;
    let inside = |folder: &Path| folder.strip_prefix(root).unwrap_or(folder).to_string_lossy().into_owned();
    closed(&tree, |folder| named.clone().any(|(_, p)| p.may_lie_in(&inside(folder))), &mut found);
    for (folder, listing) in &tree.folders {
        let inside = inside(folder);
        paths.extend(listing.files.iter().map(|f| if inside.is_empty() { f.clone() } else { format!("{inside}/{f}") }));
    }
    // For each case the file of every pattern, the label's last.
    let mut files: BTreeMap<String, Vec<Option<PathBuf>>> = BTreeMap::new();
    for (at, (field, pattern)) in named.clone().enumerate() {
        for path in &paths {
            let Some(case) = pattern.case(path) else { continue };
            let place = &mut files.entry(case.to_owned()).or_insert_with(|| vec![None; modalities.len() + 1])[at];
            let own = root.join(path);
            // Of a pair of files the header stands for both.
            if place.as_deref().is_some_and(|header| is_pair(header, &own)) {
                continue;
            }
            if let Some(other) = place.replace(own) {
                let message =
                    format!("`{field}`: the case `{case}` has two files, `{}` and `{}`", other.display(), root.join(path).display());
                found.push(Diagnostic::error(Code::E0701, message).help("narrow the pattern"));
            }
        }
    }
    let mut cases = vec![];
    for (id, mut own) in files {
        for (at, ((field, pattern), file)) in named.clone().zip(&own).enumerate() {
            let needed = if at < modalities.len() { want.images() } else { want.labels() };
            if file.is_none() && needed {
                let message = format!("`{field}`: the case `{id}` has no file `{}`", pattern.0.replace(CASE, &id));
                found.push(Diagnostic::error(Code::E0701, message).help("add it, or take the case out, or correct the pattern"));
            }
        }
        let label = own.pop().flatten();
        let subject = subject.and_then(|p| Some(fits(&p.0, &id)??.to_owned())).unwrap_or_else(|| id.clone());
        cases.push(Case { subject, ..Case::new(id, own.into_iter().flatten().collect(), label) });
    }
    if cases.is_empty() && !found.has_errors() {
        let message = format!("no file below `{}` fits `{}`", root.display(), label.0);
        let there = if paths.is_empty() { "it holds no files at that depth".to_owned() } else { format!("it holds {}", a_few(&paths, 3)) };
        found.push(Diagnostic::error(Code::E0701, message).help(there));
    }
    let modalities = modalities.iter().map(|(n, _)| n.clone()).collect();
    finish(found, Description { name: "files".into(), modalities, labels, cases, ..Description::default() })
}

/// Whether the second path holds the voxels of the first one, its header.
fn is_pair(header: &Path, voxels: &Path) -> bool {
    let names = [header, voxels].map(|p| p.file_name().unwrap_or_default().to_string_lossy().into_owned());
    let [Some((a, hdr)), Some((b, img))] = [&names[0], &names[1]].map(|n| split_name(n)) else { return false };
    let unpacked = |ending: &str| ending.get(..4).map(str::to_owned).unwrap_or_default();
    a == b && header.parent() == voxels.parent() && is_second(img) && !is_second(hdr) && same_ending(&unpacked(hdr), &unpacked(img))
}
