//! `lmsc eval`: predictions held against references, file by file.
//!
//! May use `data` (label files), `metric`, `train` (writing a file), `volume` and `text`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::predict::{case_name, images_in};
use super::print;
use crate::data;
use crate::metric::{self, ClassScore, Counts, Summary};
use crate::text::{Code, Diagnostic, Diagnostics, Result};
use crate::train;
use crate::volume::corner_distance;

/// A prediction and its reference may lie this far apart at a corner, in mm.
const SAME_GRID: f64 = 1e-2;
/// Files without a counterpart that are named one by one.
const NAMED: usize = 5;
/// Stated under every table, and in the JSON.
const CONVENTION: &str =
    "a class that is in neither file scores 1, one that is in only one of them scores 0; both are counted in the means";

/// Dice of predictions against references
///
/// Files are matched by name. Every label value above 0 is a class; the mean over the classes is that of their means over the cases.
/// A class that is in neither of the two files of a case scores 1 there, one that is in only one of them scores 0.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  lmsc eval --pred predictions --ref labelsTs
      every file of one folder needs its counterpart in the other

  lmsc eval --pred predictions --ref Task04_Hippocampus/labelsTr --partial --json scores.json
      score the predictions that are there, and write everything, voxel counts among it, to scores.json")]
pub struct Args {
    /// The folder of predictions (.nii, .nii.gz)
    #[arg(long, value_name = "DIR")]
    pub pred: PathBuf,

    /// The folder of references
    #[arg(long = "ref", value_name = "DIR")]
    pub reference: PathBuf,

    /// Also write the scores as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Allow references without a prediction
    #[arg(long)]
    pub partial: bool,
}

/// Runs the verb.
///
/// # Errors
/// E0703 for files without a counterpart and for pairs that lie on different grids; what is wrong with a file.
pub fn run(args: Args) -> Result<()> {
    let pairs = pairs(&args.pred, &args.reference, args.partial)?;
    let summary = score(&pairs)?;
    print(&table(&summary));
    if let Some(path) = &args.json {
        let mut value = serde_json::to_value(&summary).unwrap_or_default();
        if let Some(fields) = value.as_object_mut() {
            fields.insert("convention".into(), CONVENTION.into());
        }
        train::write(path, &format!("{value:#}\n"))?;
    }
    Ok(())
}

/// The table of two folders whose files all have their counterpart.
///
/// # Errors
/// As [`run`].
pub(super) fn compare(predictions: &Path, references: &Path) -> Result<String> {
    Ok(table(&score(&pairs(predictions, references, false)?)?))
}

/// A prediction and its reference, by case.
type Pairs = BTreeMap<String, (PathBuf, PathBuf)>;

fn pairs(predictions: &Path, references: &Path, partial: bool) -> Result<Pairs> {
    let mut found = Diagnostics::default();
    let mut named = |folder: &Path| -> BTreeMap<String, PathBuf> {
        let files = found.keep(images_in(folder)).unwrap_or_default();
        files.into_iter().filter_map(|f| Some((case_name(&f)?, f))).collect()
    };
    let (predicted, mut expected) = (named(predictions), named(references));
    found.or(())?;
    let mut found = Diagnostics::default();
    let mut lonely = |files: &[PathBuf], folder: &Path, what: &str, help: &str| {
        for file in files.iter().take(NAMED) {
            let message = format!("`{}` has no {what} of the same name in `{}`", file.display(), folder.display());
            found.push(Diagnostic::error(Code::E0703, message).help(help));
        }
        if files.len() > NAMED {
            let message = format!("{} more files have no {what} in `{}`", files.len() - NAMED, folder.display());
            found.push(Diagnostic::error(Code::E0703, message).help(help));
        }
    };
    let mut pairs = Pairs::new();
    let mut alone = vec![];
    for (name, file) in predicted {
        match expected.remove(&name) {
            Some(reference) => {
                pairs.insert(name, (file, reference));
            }
            None => alone.push(file),
        }
    }
    lonely(&alone, references, "reference", "rename it, or take it out of the folder");
    if !partial {
        let expected: Vec<PathBuf> = expected.into_values().collect();
        lonely(&expected, predictions, "prediction", "predict it, or give --partial to score only what was predicted");
    }
    found.or(pairs)
}

/// Reads and counts every pair; classes are the label values above 0 that occur anywhere.
fn score(pairs: &Pairs) -> Result<Summary> {
    let mut found = Diagnostics::default();
    let mut cases: Vec<(String, Vec<Counts>)> = vec![];
    for (name, (prediction, reference)) in pairs {
        if let Some(counts) = found.keep(counts(prediction, reference)) {
            cases.push((name.clone(), counts));
        }
    }
    found.or(())?;
    // One past the highest value that is in any file, and at least one class.
    let used = |counts: &Vec<Counts>| counts.iter().rposition(|c| !c.is_empty()).map_or(0, |i| i + 1);
    let classes = cases.iter().map(|(_, c)| used(c)).max().unwrap_or(0).max(2);
    for (_, counts) in &mut cases {
        counts.truncate(classes);
    }
    let names: Vec<String> = (1..classes).map(|value| value.to_string()).collect();
    Ok(metric::summarise(&names, cases))
}

fn counts(prediction: &Path, reference: &Path) -> Result<Vec<Counts>> {
    let p = data::read_labels(prediction, None)?;
    let r = data::read_labels(reference, None)?;
    let differ = |how: String| {
        Diagnostic::error(Code::E0703, format!("`{}` and `{}` are not on one grid: {how}", prediction.display(), reference.display()))
            .help("resample the prediction to the reference's grid")
    };
    if p.data.dim() != r.data.dim() {
        let shape = |(d, h, w): (usize, usize, usize)| format!("{w}x{h}x{d}");
        return Err(differ(format!("{} and {} voxels", shape(p.data.dim()), shape(r.data.dim()))).into());
    }
    let far = corner_distance(&p.affine, &r.affine, r.data.dim().into());
    if far > SAME_GRID {
        return Err(differ(format!("their corners lie {far:.3} mm apart")).into());
    }
    Ok(metric::counts(&p.data, &r.data, 256))
}

/// Cases down, classes across, means below.
fn table(summary: &Summary) -> String {
    let classes = summary.classes.iter().map(|c| format!("class {}", c.name));
    let headings: Vec<String> = std::iter::once("Dice".to_owned()).chain(classes).chain(std::iter::once("mean".to_owned())).collect();
    let row = |name: String, values: Vec<f64>, mean: Option<f64>| -> Vec<String> {
        let values = values.into_iter().map(Some).chain(std::iter::once(mean));
        std::iter::once(name).chain(values.map(|v| v.map_or(String::new(), |v| format!("{v:.4}")))).collect()
    };
    let of = |f: fn(&ClassScore) -> f64| summary.classes.iter().map(f).collect::<Vec<_>>();
    let cases = if summary.cases.len() == 1 { "mean of 1 case".to_owned() } else { format!("mean of {} cases", summary.cases.len()) };
    let mut rows: Vec<Vec<String>> = summary.cases.iter().map(|c| row(c.id.clone(), c.dice.clone(), Some(c.mean))).collect();
    rows.push(row(cases, of(|c| c.mean), Some(summary.mean)));
    rows.push(row("standard deviation".into(), of(|c| c.deviation), None));
    rows.push(row("all voxels pooled".into(), of(|c| c.pooled), None));
    let mut t = Table::new();
    t.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    t.set_header(headings).add_rows(rows);
    for (i, column) in t.column_iter_mut().enumerate() {
        column.set_padding((u16::from(i > 0), 1));
        column.set_cell_alignment(if i > 0 { CellAlignment::Right } else { CellAlignment::Left });
    }
    let table: String = t.lines().map(|l| l.trim_end().to_owned() + "\n").collect();
    let empty: Vec<String> = summary
        .classes
        .iter()
        .filter(|c| c.both_empty + c.one_empty > 0)
        .map(|c| format!("class {}: in neither file in {} cases, in one only in {}\n", c.name, c.both_empty, c.one_empty))
        .collect();
    format!("{table}\n{}{CONVENTION}\n", empty.concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::{Header, write_labels};
    use ndarray::Array3;

    fn label(dir: &Path, name: &str, values: [u8; 8], spacing: f64) {
        std::fs::create_dir_all(dir).unwrap();
        let labels = Array3::from_shape_vec((2, 2, 2), values.to_vec()).unwrap();
        write_labels(&dir.join(name), &labels, &Header::plain([2, 2, 2], 1, [spacing; 3])).unwrap();
    }

    #[test]
    fn pairs_are_scored_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let (p, r) = (dir.path().join("p"), dir.path().join("r"));
        label(&p, "a.nii.gz", [0, 1, 1, 0, 0, 0, 0, 0], 1.0);
        label(&r, "a.nii", [0, 1, 0, 0, 0, 0, 0, 0], 1.0);
        label(&p, "b.nii", [1, 1, 3, 0, 0, 0, 0, 0], 1.0);
        label(&r, "b.nii", [1, 1, 3, 3, 0, 0, 0, 0], 1.0);
        let summary = score(&pairs(&p, &r, false).unwrap()).unwrap();
        assert_eq!(summary.classes.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["1", "2", "3"]);
        assert_eq!(summary.cases[0].dice, [2.0 / 3.0, 1.0, 1.0]);
        assert_eq!(summary.cases[1].dice, [1.0, 1.0, 2.0 / 3.0]);
        let text = table(&summary);
        assert!(text.contains("mean of 2 cases") && text.contains("class 2: in neither file in 2 cases, in one only in 0"), "{text}");
        let header = text.lines().next().unwrap();
        let case = text.lines().find(|l| l.starts_with('a')).unwrap();
        assert!(header.ends_with("mean") && case.ends_with("0.8889"), "{text}");
        assert_eq!(header.len(), case.len(), "aligned:\n{text}");
    }

    #[test]
    fn a_missing_counterpart_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (p, r) = (dir.path().join("p"), dir.path().join("r"));
        label(&p, "only_here.nii.gz", [0; 8], 1.0);
        label(&p, "both.nii.gz", [0; 8], 1.0);
        label(&r, "both.nii.gz", [0; 8], 1.0);
        label(&r, "only_there.nii.gz", [0; 8], 1.0);
        let e = pairs(&p, &r, false).unwrap_err();
        assert_eq!(e.0.len(), 2);
        assert!(e.0[0].message.contains("only_here.nii.gz") && e.0[1].message.contains("only_there.nii.gz"));
        assert_eq!(pairs(&p, &r, true).unwrap_err().0.len(), 1);
        std::fs::remove_file(p.join("only_here.nii.gz")).unwrap();
        assert_eq!(pairs(&p, &r, true).unwrap().len(), 1);
        assert!(pairs(&dir.path().join("none"), &r, true).is_err());
    }

    #[test]
    fn other_grids_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        label(dir.path(), "a.nii", [0; 8], 1.0);
        label(dir.path(), "b.nii", [0; 8], 1.5);
        let e = counts(&dir.path().join("a.nii"), &dir.path().join("b.nii")).unwrap_err();
        assert!(e.0[0].code == Code::E0703 && e.0[0].message.contains("mm apart"), "{e:?}");
    }
}
