//! The cases of a data set that is named on a command line: by its folder, or by the run config that trains on it.
//!
//! Part of `train`; may use `data`, `text`, and `config`, `job` beside it.

use std::path::Path;

use super::{RunConfig, split_cases};
use crate::data::{Description, Want, describe, guess};
use crate::text::{Code, Diagnostic, Result, Source};

/// Which cases of a run config.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CaseSelection {
    #[default]
    All,
    Training,
    /// Those that the config's split keeps for validation.
    Validation,
}

/// Whether a path is a run config, by its name.
pub fn is_config(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("ron")) && !path.is_dir()
}

/// The cases of a folder in a layout that is read, or of a run config.
///
/// # Errors
/// What is wrong with the config or the data set; E0601 for a part of a folder, which has no split.
pub fn named(target: &Path, part: CaseSelection, want: Want) -> Result<Description> {
    if !is_config(target) {
        if part != CaseSelection::All {
            let message = format!("`{}` is no run config, and has no training and validation cases", target.display());
            return Err(Diagnostic::error(Code::E0601, message).help("name the run config (.ron), or leave --part out").into());
        }
        return describe(&guess(target)?, want);
    }
    let source = Source::read(target)?;
    let config = RunConfig::read(&source, &[])?;
    config.finds_data(&source)?;
    // A split is of the cases that a run has.
    let mut about = describe(&config.data, if part == CaseSelection::All { want } else { Want::Pairs })?;
    about.warnings.splice(0..0, config.told.warnings);
    if part != CaseSelection::All {
        let (training, validation) = split_cases(&about, &config.split, target)?;
        let kept = if part == CaseSelection::Training { training } else { validation };
        about.cases = kept.into_iter().filter_map(|i| about.cases.get(i).cloned()).collect();
    }
    Ok(about)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::phantom;

    #[test]
    fn a_config_names_its_cases_and_their_parts() {
        let dir = tempfile::tempdir().unwrap();
        phantom::write(dir.path(), 5, [16; 3], 1).unwrap();
        let config = dir.path().join("run.ron");
        let text =
            format!("(graph: \"x.ron\", data: Msd(root: {:?}), split: (folds: 5, fold: 1), patch: (16, 16, 16), epochs: 1)", dir.path());
        std::fs::write(&config, text).unwrap();
        let ids = |target: &Path, part: CaseSelection| named(target, part, Want::Labels).unwrap().ids();
        let (all, training, validation) =
            (ids(&config, CaseSelection::All), ids(&config, CaseSelection::Training), ids(&config, CaseSelection::Validation));
        assert_eq!((all.len(), training.len(), validation.len()), (5, 4, 1));
        assert!(!training.contains(&validation[0]));
        assert_eq!(ids(dir.path(), CaseSelection::All), all);
        // A list leaves out who is not named.
        std::fs::write(dir.path().join("list.json"), format!(r#"{{"train": ["{}"], "val": ["{}"]}}"#, all[0], all[3])).unwrap();
        let text = std::fs::read_to_string(&config).unwrap().replace("folds: 5, fold: 1", "file: \"list.json\"");
        std::fs::write(&config, text).unwrap();
        assert_eq!(
            (ids(&config, CaseSelection::Training), ids(&config, CaseSelection::Validation)),
            (all[..1].to_vec(), all[3..4].to_vec())
        );
        let e = named(dir.path(), CaseSelection::Validation, Want::Images).unwrap_err();
        assert!(e.0[0].message.contains("is no run config"), "{e:?}");
    }
}
