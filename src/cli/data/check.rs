//! `lmsc data check`: whether a data set can be trained on.
//!
//! Part of `cli::data`.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Surveyed, findings, short, survey};
use crate::cli::output::Overwrite;
use crate::cli::{complain, output, print, print_lines};
use crate::data::{Survey, finding};
use crate::show::{Column, fit, left_out, table};
use crate::text::{Diagnostics, Form, Outputs, Result, Severity, list, printable, several};
use crate::volume::overlay::{self, Overlay, Slices};
use crate::volume::{Class, colours};

/// Up to as many cases are listed one by one, unless --cases says so.
const LISTED: usize = 20;
/// The most labels and columns that are named in a line.
const NAMED: usize = 20;

/// Say whether a data set can be trained on
///
/// Every volume is read. Of each case: whether image and label are there, can be read and lie on one grid; its channels; voxels that are not finite;
/// label values that the data set does not know; labels outside the image; channels that are one file, or the label; doubts about where it lies;
/// what the spacing, the crop and the normalisation of a run config take away. Of the set: cases with the same voxels (an error where one is for
/// training and the other for validation), odd spacings, labels that no case has. Errors make the exit code 1; warnings do not.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  lmsc data check Task04_Hippocampus
  lmsc data check configs/hippocampus.ron --set data.root=/data/Task04_Hippocampus
      also looks whether the split parts cases that are the same
  lmsc data check BraTS2021 --overlay pictures --json > brats.json")]
pub struct Args {
    /// A folder, or a run config
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    /// Change a field of the config (data.root=/volumes); may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub sets: Vec<String>,
    /// List every case, however many there are
    #[arg(long)]
    pub cases: bool,
    /// Write a picture of every case that can be read, its label over its first channel, into this folder
    #[arg(long, value_name = "DIR")]
    pub overlay: Option<PathBuf>,
    /// Print for programs
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub overwrite: Overwrite,
}

/// Runs the verb.
///
/// # Errors
/// What is wrong with the data set.
pub fn run(args: Args) -> Result<()> {
    let mut outputs = args.overwrite.outputs("data check");
    // Before the volumes are read, which takes a while.
    args.overlay.iter().try_for_each(|folder| outputs.folder(folder))?;
    let all = survey(&args.data, &args.sets)?;
    if let Some(folder) = &args.overlay {
        outputs.inputs(all.files());
        pictures(&all, folder, &mut outputs)?;
    }
    let found = findings(&all);
    if args.json {
        print(&format!("{:#}\n", described(&all, &found)));
    } else {
        print_lines(&page(&all, &found, args.cases));
    }
    if found.has_errors() {
        return Err(found.gathered());
    }
    complain(&found.gathered());
    Ok(())
}

/// The set for programs.
fn described(all: &Surveyed, found: &Diagnostics) -> serde_json::Value {
    let about = &all.set.description;
    let of_set = found.0.iter().skip(all.cases.iter().map(|c| c.findings.len()).sum());
    let labels = about.labels.iter().map(|(value, name)| json!({"value": value, "name": name}));
    json!({
        "name": about.name,
        "modalities": about.modalities,
        "labels": labels.collect::<Vec<_>>(),
        "sound": !found.has_errors(),
        "findings": of_set.map(finding).collect::<Vec<_>>(),
        "validation": all.held,
        "cases": all.cases.iter().map(Survey::json).collect::<Vec<_>>(),
    })
}

/// The set for people: a table of its cases and a line that counts.
fn page(all: &Surveyed, found: &Diagnostics, every: bool) -> String {
    let about = &all.set.description;
    let listed: Vec<&Survey> = all.cases.iter().filter(|c| every || all.cases.len() <= LISTED || !c.findings.is_empty()).collect();
    let mut columns = vec![
        Column::new("case", false, 0),
        Column::new("part", false, 2),
        Column::new("voxels", true, 0),
        Column::new("spacing mm", false, 5),
        Column::new("axes", false, 3),
    ];
    columns.extend(about.labels.iter().skip(1).map(|(_, name)| Column::new(format!("{} ml", printable(name)), true, 4)));
    columns.push(Column::new("findings", false, 0));
    let mut rows: Vec<Vec<String>> = listed.iter().map(|c| row(all, c)).collect();
    if all.held.is_empty() {
        columns.remove(1);
        rows.iter_mut().for_each(|r| drop(r.remove(1)));
    }
    let width = output::width(&std::io::stdout(), output::WIDTH);
    let mut text = String::new();
    if !rows.is_empty() {
        let gone = fit(&mut columns, &mut rows, width);
        text = table(&columns, rows, false) + "\n" + &left_out(&gone, width);
    }
    if listed.len() < all.cases.len() {
        let left = all.cases.len() - listed.len();
        let (without, are) = (several(left, "case"), if left == 1 { "is" } else { "are" });
        text.push_str(&format!("{without} without findings {are} not listed; --cases lists all\n"));
    }
    let sound = all.cases.iter().filter(|c| c.is_sound()).count();
    let count = |severity| found.0.iter().filter(|d| d.severity == severity).count();
    let labels = list(about.labels.iter().map(|(value, name)| format!("{value} {}", printable(name))), NAMED);
    let modalities: Vec<String> = about.modalities.iter().map(|m| printable(m)).collect();
    text + &format!(
        "{}: {sound} of {} can be used; channels: {}; labels: {}; {}, {}\n",
        printable(&about.name),
        several(all.cases.len(), "case"),
        modalities.join(", "),
        labels,
        several(count(Severity::Error), "error"),
        several(count(Severity::Warning), "warning"),
    )
}

fn row(all: &Surveyed, case: &Survey) -> Vec<String> {
    let part = if all.held.contains(&case.id) { "validation" } else { "training" };
    let mut cells = vec![printable(&case.id), part.to_owned()];
    match &case.seen {
        Some(seen) => {
            let spacing = seen.grid.spacing();
            let ml = spacing.iter().product::<f64>() / 1000.0;
            cells.push(seen.grid.size.map(|n| n.to_string()).join(" x "));
            cells.push(spacing.map(short).join(" x "));
            cells.push(seen.orientation.to_string());
            cells.extend(seen.classes.iter().skip(1).map(|n| short(*n as f64 * ml)));
        }
        None => cells.extend(std::iter::repeat_n("-".to_owned(), 3 + all.set.description.labels.len() - 1)),
    }
    let errors = case.findings.iter().filter(|d| d.severity == Severity::Error).count();
    let warnings = case.findings.len() - errors;
    cells.push(match (errors, warnings) {
        (0, 0) => String::new(),
        (0, w) => format!("{w} odd"),
        (e, 0) => format!("{e} wrong"),
        (e, w) => format!("{e} wrong, {w} odd"),
    });
    cells
}

/// A picture of every case that can be read.
fn pictures(all: &Surveyed, folder: &Path, outputs: &mut Outputs) -> Result<()> {
    let drawn = || all.cases.iter().enumerate().filter(|(_, c)| c.seen.is_some());
    let file = |case: &Survey| {
        let name: String = case.id.chars().map(|c| if c == '/' || c == '\\' || c.is_control() { '_' } else { c }).collect();
        folder.join(format!("{name}.png"))
    };
    drawn().try_for_each(|(_, case)| outputs.claim(&file(case), Form::Png))?;
    outputs.make(folder)?;
    let about = &all.set.description;
    let values: Vec<u32> = about.labels.iter().map(|(value, _)| *value).collect();
    let named = (0..=u8::MAX).zip(&about.labels).zip(colours(&values));
    let classes: Vec<Class> =
        named.map(|((place, (value, name)), colour)| Class { value: *value, place, name: name.clone(), colour }).collect();
    for (at, case) in drawn() {
        let Ok(matched) = all.set.raw(at) else { continue };
        overlay::write(
            &file(case),
            &Overlay {
                title: &case.id,
                image: matched.image.data.index_axis(ndarray::Axis(0), 0),
                reference: Some(matched.label.view()),
                prediction: None,
                affine: matched.image.affine,
                classes: &classes,
                slices: Slices::Foreground,
                errors: false,
            },
        )?;
    }
    Ok(())
}
