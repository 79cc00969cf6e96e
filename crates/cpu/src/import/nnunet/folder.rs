//! Where the files of a model are.
//!
//! Part of `import::nnunet`; may use `text`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::refused;
use crate::text::{Code, Diagnostic, Result, list, printable, reason};

/// The most configurations that are named in a line.
const NAMED: usize = 12;
/// No JSON file of a model is larger, in bytes.
const MAX_JSON: u64 = 64 << 20;

/// Which folds are averaged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Folds {
    /// All that are there by number; where there are none, the one that was trained on all cases.
    #[default]
    There,
    /// `fold_all`, trained on all cases.
    All,
    /// These numbers, in their order.
    Numbers(Vec<u32>),
}

impl FromStr for Folds {
    type Err = String;

    /// Reads `all`, `0`, `0,1,4`.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        let numbers: Option<Vec<u32>> = text.split(',').map(|n| n.trim().parse().ok()).collect();
        let numbers = numbers.filter(|all| all.iter().enumerate().all(|(n, fold)| !all[..n].contains(fold)));
        numbers.map(Self::Numbers).ok_or_else(|| "folds are numbers, each once, joined by commas, or `all` for fold_all".into())
    }
}

/// Which checkpoint of each fold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checkpoints {
    #[default]
    Final,
    Best,
}

impl fmt::Display for Checkpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Final => "final",
            Self::Best => "best",
        })
    }
}

/// The folder of one configuration.
#[derive(Clone, Debug)]
pub struct ModelFolder {
    pub path: PathBuf,
    pub plans: PathBuf,
    pub dataset: PathBuf,
}

/// The checkpoint of a fold.
#[derive(Clone, Debug)]
pub struct Fold {
    /// `0`, `all`.
    pub name: String,
    pub file: PathBuf,
    /// Its place in the model's folder, with `/` on every system.
    pub place: String,
}

impl ModelFolder {
    /// The folder itself, or the only configuration within it.
    ///
    /// # Errors
    /// E0804 where there is none, or there are several: it names them.
    pub fn find(path: &Path) -> Result<Self> {
        let at = |path: &Path| Self { path: path.to_owned(), plans: path.join("plans.json"), dataset: path.join("dataset.json") };
        let needs =
            "name the folder with plans.json, dataset.json and fold_0, fold_1, ...: TRAINER__PLANS__CONFIGURATION of nnU-Net's results";
        let about = std::fs::metadata(path);
        if let Err(e) = about {
            return Err(refused(format!("cannot read `{}`: {}", path.display(), reason(&e))).help(needs).into());
        }
        if about.is_ok_and(|about| !about.is_dir()) {
            let message = format!("`{}` is a file, and a model of nnU-Net is a folder", path.display());
            return Err(refused(message).help("unpack it first if it is a zip").help(needs).into());
        }
        if path.join("plans.json").is_file() {
            let found = at(path);
            if found.dataset.is_file() {
                return Ok(found);
            }
            return Err(refused(format!("`{}` has plans.json but no dataset.json", path.display())).help(needs).into());
        }
        // One level down: a data set's results; two levels: several data sets.
        let mut inside = below(path);
        inside.extend(inside.clone().iter().flat_map(|folder| below(folder)));
        inside.retain(|folder| folder.join("plans.json").is_file() && folder.join("dataset.json").is_file());
        inside.sort();
        match inside.as_slice() {
            [] => Err(refused(format!("`{}` is no model of nnU-Net: it has no plans.json", path.display())).help(needs).into()),
            [only] => Ok(at(only)),
            several => {
                let shown = list(several.iter().map(|f| format!("`{}`", f.display())), NAMED);
                let message = format!("`{}` has several configurations beside each other: {shown}", path.display());
                Err(refused(message).help("name one of them; each becomes a model of its own").into())
            }
        }
    }

    /// The checkpoints of the folds that are asked for.
    ///
    /// # Errors
    /// E0804 for each that is not there.
    pub fn checkpoints(&self, folds: &Folds, which: Checkpoints) -> Result<Vec<Fold>> {
        let mut there: Vec<u32> =
            below(&self.path).iter().filter_map(|folder| folder.file_name()?.to_str()?.strip_prefix("fold_")?.parse().ok()).collect();
        there.sort_unstable();
        let all = self.path.join("fold_all").is_dir();
        let names: Vec<String> = match folds {
            Folds::There if there.is_empty() && all => vec!["all".into()],
            Folds::There => there.iter().map(u32::to_string).collect(),
            Folds::All => vec!["all".into()],
            Folds::Numbers(numbers) => numbers.iter().map(u32::to_string).collect(),
        };
        let known: Vec<String> = there.iter().map(u32::to_string).chain(all.then(|| "all".into())).collect();
        let has = if known.is_empty() { "it has no folds".into() } else { format!("it has {}", known.join(", ")) };
        if names.is_empty() {
            return Err(refused(format!("`{}` has no folder fold_0, fold_1, ... or fold_all", self.path.display()))
                .help("name the folder in which nnU-Net's training left its folds")
                .into());
        }
        let file = format!("checkpoint_{which}.pth");
        let fold = |name: String| {
            let path = self.path.join(format!("fold_{name}"));
            let missing = |what: &str, help: String| refused(format!("`{}` has no {what}", self.path.display())).help(help);
            if !path.is_dir() {
                return Err(missing(&format!("fold_{name}"), format!("{has}; choose with --fold")));
            }
            let place = format!("fold_{name}/{file}");
            let path = path.join(&file);
            if path.is_file() {
                return Ok(Fold { name, file: path, place });
            }
            let others = ["final", "best", "latest"].map(|w| format!("checkpoint_{w}.pth"));
            let others: Vec<&String> = others.iter().filter(|o| self.path.join(format!("fold_{name}")).join(o).is_file()).collect();
            let help = match others.first() {
                Some(other) => format!("fold_{name} has {other}; choose with --checkpoint"),
                None => "the checkpoint was not copied, or the fold was not trained to its end".into(),
            };
            Err(missing(&place, help))
        };
        Ok(names.into_iter().map(fold).collect::<std::result::Result<_, Diagnostic>>()?)
    }
}

/// The folders in a folder.
fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|e| e.path()).filter(|p| p.is_dir()).collect()
}

/// Reads a JSON file of a model.
///
/// # Errors
/// E0804 when it cannot be read or is something else.
pub fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let refuse = |why: String| Diagnostic::error(Code::E0804, format!("cannot read `{}`: {why}", path.display()));
    let about = std::fs::metadata(path).map_err(|e| refuse(reason(&e)).help("check the path and its permissions"))?;
    if !about.is_file() || about.len() > MAX_JSON {
        return Err(refuse("it is no file of nnU-Net's".into()).help("take it from the model's source again").into());
    }
    let text = std::fs::read(path).map_err(|e| refuse(reason(&e)).help("check the path and its permissions"))?;
    serde_json::from_slice(&text)
        .map_err(|e| refuse(printable(&e.to_string())).help("it is not as nnU-Net writes it; take it from the model's source again").into())
}
