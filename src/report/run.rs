//! Reading a run folder.
//!
//! May use `train`, `metric`, `compile`, `show` and `text`.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::compile::{Program, compile};
use crate::metric::Values;
use crate::show::{self, Stats};
use crate::text::{Code, Diagnostic, Diagnostics, Result, Source, printable, reason, several};
use crate::train::{CASES, METRICS, METRICS_TABLE, RunConfig, RunStart, RunStatus, STARTS, best_of};

/// More than any journal has: what is larger is something else.
const LARGEST: u64 = 256 << 20;

/// A run as its folder tells of it.
#[derive(Clone, Debug)]
pub struct Run {
    pub path: PathBuf,
    /// The folder's name.
    pub name: String,
    pub config: RunConfig,
    /// `config.ron` as it stands there.
    pub config_text: String,
    /// Compiled for the patch.
    pub program: Program,
    /// Of a patch, batch 1; a line for each of the graph's own nodes.
    pub stats: Stats,
    pub standing: RunStatus,
    /// The foreground classes.
    pub classes: Vec<String>,
    pub epochs: Vec<Epoch>,
    /// The scores of the validation cases at the best epoch.
    pub cases: Vec<CaseDice>,
    pub starts: Vec<RunStart>,
    /// Cases for training and for validation.
    pub split: [usize; 2],
}

/// The figures of an epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Epoch {
    /// From 1.
    pub epoch: usize,
    /// All numbers by the names that the journal gives them, as `loss`, `loss_dice`, `lr`, `dice_mean`, `seconds` and `waited`.
    pub figures: Vec<(String, f64)>,
    /// Validation Dice of each class, 0 to 1; NaN where no validation case has it.
    pub dice: Vec<f64>,
}

impl Epoch {
    /// The mean Dice, where there is one.
    pub fn mean(&self) -> Option<f64> {
        Some(self.get("dice_mean")).filter(|d| d.is_finite())
    }

    /// By what epochs are compared: the mean over the cases that every validation looks at, where the journal has it beside that over all.
    fn compared(&self) -> Option<f64> {
        Some(self.get("score")).filter(|s| s.is_finite()).or_else(|| self.mean())
    }

    /// A figure by name; NaN where there is none.
    pub fn get(&self, name: &str) -> f64 {
        self.figures.iter().find(|(n, _)| n == name).map_or(f64::NAN, |(_, v)| *v)
    }
}

/// The Dice of a case.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseDice {
    pub epoch: usize,
    pub id: String,
    /// Over the classes, as it was written.
    pub mean: Option<f64>,
    /// Of each class; none where it is in neither map.
    pub dice: Vec<Option<f64>>,
    /// Whether the reference has the class.
    pub referenced: Vec<bool>,
}

impl Run {
    /// Reads a run folder, of a run that is finished or not.
    ///
    /// # Errors
    /// E0601 when it is none; E0101 when one of its files cannot be read; what is wrong with its config or graph.
    pub fn read(path: &Path) -> Result<Self> {
        let file = path.join("config.ron");
        if !file.is_file() {
            return Err(no_run(path).into());
        }
        let source = Source::read(&file)?;
        let config = RunConfig::read(&source, &[])?;
        let graph = Source::read(&config.graph_path(&file))?;
        let program = compile(&graph, &[], Some(config.patch))?;
        let stats = show::stats(&program, 1, &[])
            .map_err(|f| Diagnostics::from(Diagnostic::error(f.code, f.message).help(f.help.unwrap_or_default())))?;
        let mut classes = vec![];
        let mut epochs = vec![];
        for line in lines(&path.join(METRICS))? {
            epochs.push(epoch(&line, &mut classes).ok_or_else(|| damaged(&path.join(METRICS)))?);
        }
        if epochs.is_empty() && !path.join(METRICS).exists() && path.join(METRICS_TABLE).exists() {
            let message = format!("`{}` has no {METRICS}: another version of lmsc has made the run", path.display());
            return Err(Diagnostic::error(Code::E0601, message).help("make the run again, or read its metrics.csv").into());
        }
        let mut cases = vec![];
        for line in lines(&path.join(CASES))? {
            cases.push(case(&line, &classes).ok_or_else(|| damaged(&path.join(CASES)))?);
        }
        let starts = lines(&path.join(STARTS))?;
        let starts = starts.into_iter().filter_map(|line| serde_json::from_value(line).ok()).collect();
        let split = text(&path.join("split.json"))?.and_then(|t| serde_json::from_str::<Value>(&t).ok()).unwrap_or_default();
        let split = ["training", "validation"].map(|part| split[part].as_array().map_or(0, Vec::len));
        let standing = RunStatus::at(path)?;
        let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let name = whole.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
        let config_text = source.text.clone();
        Ok(Self { path: path.to_owned(), name, config, config_text, program, stats, standing, classes, epochs, cases, starts, split })
    }

    /// The epoch that the run has chosen as the best: that of the highest mean Dice, or moving average of such; where none has one, the last.
    pub fn best(&self) -> Option<&Epoch> {
        self.epochs.get(best_of(self.epochs.iter().map(Epoch::compared), self.config.validate.smooth)?)
    }

    /// The Dice of the cases at the best epoch as it counts in means: what is in neither map of a case does not.
    pub fn values(&self) -> Values {
        let referenced: Vec<bool> = (0..self.classes.len()).map(|i| self.cases.iter().any(|c| c.referenced[i])).collect();
        Values::new((0..self.classes.len()).map(|i| self.cases.iter().map(|c| c.dice[i]).collect()).collect(), &referenced)
    }

    /// Seconds of all epochs.
    pub fn seconds(&self) -> f64 {
        self.epochs.iter().map(|e| e.get("seconds")).filter(|s| s.is_finite()).sum()
    }

    /// How far it has come, in words.
    pub fn state(&self) -> String {
        let (done, all) = (self.epochs.len(), self.config.epochs);
        match self.standing {
            RunStatus::Running => format!("under way, {done} of {}", several(all, "epoch")),
            RunStatus::Finished(_) if done < all => format!("ended by `patience` after {done} of {}", several(all, "epoch")),
            RunStatus::Finished(_) => format!("finished, {}", several(all, "epoch")),
            _ => format!("interrupted, {done} of {}", several(all, "epoch")),
        }
    }
}

/// The run folders that a path means: itself, or those in it, as a sweep leaves them, in the order of the numbers in their names.
///
/// # Errors
/// E0601 when there is none.
pub fn folders(path: &Path) -> Result<Vec<PathBuf>> {
    if path.join("config.ron").is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).map_err(|_| no_run(path))?;
    let mut all: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(|p| p.join("config.ron").is_file()).collect();
    all.sort_by_cached_key(|p| natural(&p.file_name().unwrap_or_default().to_string_lossy()));
    if all.is_empty() { Err(no_run(path).into()) } else { Ok(all) }
}

/// A name with its numbers as numbers: `k=8` stands before `k=16`, `lr=5e-4` before `lr=0.001`. Then the name itself.
fn natural(name: &str) -> (Vec<(String, u64)>, String) {
    let mut all = vec![];
    let mut rest = name;
    while !rest.is_empty() {
        let word = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let digits = |from: usize| rest[from..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |n| from + n);
        let mut end = digits(word);
        for mark in [".", "e-", "e"] {
            let after = end + mark.len();
            if word < end && rest[end..].starts_with(mark) && rest[after..].starts_with(|c: char| c.is_ascii_digit()) {
                end = digits(after);
            }
        }
        // The bits of numbers that are not negative are in the order of the numbers.
        all.push((rest[..word].to_owned(), rest[word..end].parse::<f64>().unwrap_or(0.0).to_bits()));
        rest = &rest[end..];
    }
    (all, name.to_owned())
}

fn no_run(path: &Path) -> Diagnostic {
    Diagnostic::error(Code::E0601, format!("`{}` is no run folder, and holds none: it has no config.ron", path.display()))
        .help("name the folder that `lmsc train` said it made, as in runs/hippocampus, or one that holds such folders")
}

fn damaged(path: &Path) -> Diagnostic {
    Diagnostic::error(Code::E0101, format!("`{}` is not as `lmsc train` writes it", path.display()))
        .help("`lmsc train --resume` with the run's folder writes the files of each epoch anew")
}

/// A small text file; `None` where it is not there.
fn text(path: &Path) -> Result<Option<String>> {
    let refuse = |why: &str| Diagnostic::error(Code::E0101, format!("cannot read `{}`: {why}", path.display())).help("look at the file");
    match std::fs::metadata(path) {
        Ok(m) if m.len() > LARGEST => Err(refuse(&format!("it has {} MiB", m.len() >> 20)).into()),
        Ok(_) => Ok(Some(std::fs::read_to_string(path).map_err(|e| refuse(&reason(&e)))?)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(refuse(&reason(&e)).into()),
    }
}

/// The objects of a file with one a line. A last line without an end is being written, and left out.
fn lines(path: &Path) -> Result<Vec<Value>> {
    let text = text(path)?.unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|l| serde_json::from_str(l).map_err(|_| damaged(path).into())).collect()
}

/// An epoch; `classes` are those of the first.
fn epoch(line: &Value, classes: &mut Vec<String>) -> Option<Epoch> {
    let fields = line.as_object()?;
    let dice = fields.get("dice")?.as_object()?;
    if classes.is_empty() {
        *classes = dice.keys().map(|k| printable(k)).collect();
    }
    // NaN is null in JSON.
    let dice: Vec<f64> = dice.values().map(|v| v.as_f64().unwrap_or(f64::NAN)).collect();
    let figures = fields.iter().filter(|(n, v)| *n != "epoch" && (v.is_number() || v.is_null()));
    let figures = figures.map(|(n, v)| (n.clone(), v.as_f64().unwrap_or(f64::NAN))).collect();
    let epoch = usize::try_from(fields.get("epoch")?.as_u64()?).ok()?;
    (dice.len() == classes.len()).then_some(Epoch { epoch, figures, dice })
}

fn case(line: &Value, classes: &[String]) -> Option<CaseDice> {
    let of = line.get("classes")?.as_object()?;
    let voxels = |c: &Value, name: &str| c[name].as_u64().unwrap_or(1);
    // Older versions wrote 1 for what is in neither map.
    let absent = |c: &Value| voxels(c, "reference_voxels") + voxels(c, "predicted_voxels") == 0;
    let dice: Vec<Option<f64>> = of.values().map(|c| c["dice"].as_f64().filter(|_| !absent(c))).collect();
    let referenced = of.values().map(|c| voxels(c, "reference_voxels") > 0).collect();
    let epoch = usize::try_from(line.get("epoch")?.as_u64()?).ok()?;
    let id = printable(line.get("case")?.as_str()?);
    (dice.len() == classes.len()).then(|| CaseDice { epoch, id, mean: line["dice_mean"].as_f64(), dice, referenced })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_numbers() {
        let mut names = ["k=16,f=0", "k=8,f=10", "k=0.01", "k=8,f=9", "a", "k=1e-2.", "k=99999999999999999999999", "k=0.001", "k=5e-4"];
        names.sort_by_cached_key(|n| natural(n));
        let sorted = ["a", "k=5e-4", "k=0.001", "k=0.01", "k=1e-2.", "k=8,f=9", "k=8,f=10", "k=16,f=0", "k=99999999999999999999999"];
        assert_eq!(names, sorted);
    }

    #[test]
    fn what_is_being_written_is_left_out_and_what_is_damaged_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        assert!(lines(&path).unwrap().is_empty());
        std::fs::write(&path, "{\"a\":1}\n{\"a\":2}\n{\"a\"").unwrap();
        assert_eq!(lines(&path).unwrap().len(), 2);
        std::fs::write(&path, "{\"a\":1}\n{\"a\"\n").unwrap();
        assert_eq!(lines(&path).unwrap_err().0[0].code, Code::E0101);
        for wrong in ["{}", "[]", r#"{"epoch":1,"dice":[]}"#, r#"{"epoch":-1,"dice":{"a":1}}"#, r#"{"epoch":1,"dice":{}}"#] {
            assert!(epoch(&serde_json::from_str(wrong).unwrap(), &mut vec!["a".into()]).is_none(), "{wrong}");
        }
        let known = serde_json::from_str(r#"{"epoch":1,"lr":null,"dice":{"a":0.5},"loss":2}"#).unwrap();
        let old = r#"{"epoch":1,"case":"x","dice_mean":0.75,"classes":{"a":{"dice":0.5,"reference_voxels":3,"predicted_voxels":1},"b":{"dice":1.0,"reference_voxels":0,"predicted_voxels":0}}}"#;
        let c = case(&serde_json::from_str(old).unwrap(), &["a".into(), "b".into()]).unwrap();
        assert_eq!((c.dice, c.referenced, c.mean), (vec![Some(0.5), None], vec![true, false], Some(0.75)));
        let e = epoch(&known, &mut vec![]).unwrap();
        assert!(e.get("lr").is_nan() && e.get("none").is_nan() && e.get("loss") == 2.0 && e.dice == [0.5]);
    }
}
