//! Several runs as one table: settings that differ, costs, results.
//!
//! May use `group` beside it, and `show`.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::group::{RunGroup, groups};
use super::run::Run;
use crate::show::{Column, Format, csv, panels, table};
use crate::text::{thousands, wrap};
use crate::train::{RunStatus, span};

/// The table of runs in a format; one for a terminal is at most `width` wide, in several parts where its columns do not fit beside each other.
pub fn sheet(runs: &[Run], format: Format, width: usize) -> String {
    let (all, names) = groups(runs);
    match format {
        Format::Json => json_text(&all, &names),
        Format::Csv => numbers(&all, &names),
        Format::Table | Format::Markdown => {
            let (columns, rows) = cells(&all, &names);
            match format == Format::Markdown {
                true => format!("{}\n{}\n", table(&columns, rows, true), note(&all)),
                false => format!("{}\n{}\n", panels(columns, rows, 1, width), wrap(&note(&all), width).join("\n")),
            }
        }
    }
}

/// What is to be said under the table.
pub(super) fn note(all: &[RunGroup]) -> String {
    let mut said = vec!["Dice: validation at the epoch with the highest mean, mean over the cases that have the class".to_owned()];
    let is_absent = |run: &Run| run.best().is_some_and(|b| b.dice.iter().any(|d| d.is_nan()));
    if all.iter().flat_map(|g| &g.runs).any(|run| is_absent(run)) {
        said.push("-: no validation case has the class; it is in no mean".into());
    }
    if all.iter().any(|g| g.runs.len() > 1) {
        said.push("mean ± SD (n − 1) over folds, time of all of them".into());
    }
    said.push("FLOPs: 2 × MACs of a patch".into());
    if all.iter().any(|g| !g.is_finished()) {
        said.push("* not finished".into());
    }
    said.join("; ")
}

/// The foreground classes of all runs, in the order in which they come up.
pub(super) fn classes(all: &[RunGroup]) -> Vec<String> {
    let mut classes: Vec<String> = vec![];
    for class in all.iter().flat_map(|g| &g.runs).flat_map(|r| &r.classes) {
        if !classes.contains(class) {
            classes.push(class.clone());
        }
    }
    classes
}

/// Headings and rows for people.
pub(super) fn cells(all: &[RunGroup], names: &[String]) -> (Vec<Column>, Vec<Vec<String>>) {
    let classes = classes(all);
    let folds = all.iter().any(|g| g.runs.len() > 1);
    let patches = all.iter().filter_map(RunGroup::first).map(|r| r.config.patch);
    let patch = patches.clone().any(|p| Some(p) != patches.clone().next());
    let mut columns = vec![Column::new("run", false, 0)];
    columns.extend(names.iter().map(|n| Column::new(n.clone(), false, 0)));
    if folds {
        columns.push(Column::new("folds", true, 0));
    }
    columns.push(Column::new("params", true, 0));
    columns.push(Column::new(if patch { "GFLOPs of its patch" } else { "GFLOPs" }, true, 0));
    columns.push(Column::new("Dice", true, 0));
    if classes.len() > 1 {
        columns.extend(classes.iter().map(|c| Column::new(c.clone(), true, 0)));
    }
    columns.extend(["best epoch", "trained", "time"].map(|name| Column::new(name, true, 0)));
    let row = |g: &RunGroup| {
        let mut cells = vec![format!("{}{}", g.name, if g.is_finished() { "" } else { " *" })];
        cells.extend(g.values.iter().map(|v| v.clone().unwrap_or("-".into())));
        if folds {
            cells.push(g.runs.len().to_string());
        }
        let total = g.first().map(|r| &r.stats.total);
        cells.push(total.map_or("-".into(), |t| thousands(t.params)));
        let flops = |n: u64| if n < 100_000_000 { format!("{:.4}", n as f64 / 1e9) } else { format!("{:.2}", n as f64 / 1e9) };
        cells.push(total.map_or("-".into(), |t| flops(t.flops)));
        let shown = |class| g.dice(class).map_or("-".to_owned(), |f| f.text(g.runs.len()));
        cells.push(shown(None));
        if classes.len() > 1 {
            cells.extend(classes.iter().map(|c| shown(Some(c))));
        }
        cells.extend([g.best(), g.epochs(), span(Duration::from_secs_f64(g.seconds()))]);
        cells
    };
    let rows = all.iter().map(row).collect();
    (columns, rows)
}

/// Comma-separated values with every digit.
fn numbers(all: &[RunGroup], names: &[String]) -> String {
    let classes = classes(all);
    let mut headings: Vec<String> = vec!["run".into()];
    headings.extend(names.iter().cloned());
    headings.extend(["runs", "finished", "params", "macs", "flops", "dice_mean", "dice_mean_sd"].map(String::from));
    headings.extend(classes.iter().flat_map(|c| [format!("dice_{c}"), format!("dice_{c}_sd")]));
    headings.extend(["best_epoch", "epochs_trained", "seconds"].map(String::from));
    let row = |g: &RunGroup| {
        let mut cells = vec![g.name.clone()];
        cells.extend(g.values.iter().map(|v| v.clone().unwrap_or_default()));
        cells.extend([g.runs.len().to_string(), g.is_finished().to_string()]);
        let total = g.first().map(|r| &r.stats.total);
        cells.extend(total.map_or([0; 3], |t| [t.params, t.macs, t.flops]).map(|n| n.to_string()));
        for class in std::iter::once(None).chain(classes.iter().map(|c| Some(c.as_str()))) {
            let figure = g.dice(class);
            cells.push(figure.map_or(String::new(), |f| f.mean.to_string()));
            cells.push(figure.and_then(|f| f.deviation).map_or(String::new(), |d| d.to_string()));
        }
        cells.extend([g.best(), g.epochs(), format!("{:.2}", g.seconds())]);
        cells
    };
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    csv(&headings, &all.iter().map(row).collect::<Vec<_>>())
}

fn json_text(all: &[RunGroup], names: &[String]) -> String {
    let run = |r: &&Run| {
        let best = r.best().map(|b| {
            let dice: Map<String, Value> = r.classes.iter().zip(&b.dice).map(|(c, d)| (c.clone(), json!(d))).collect();
            json!({ "epoch": b.epoch, "dice_mean": b.mean(), "dice": dice })
        });
        json!({
            "folder": r.path.display().to_string(), "finished": matches!(r.standing, RunStatus::Finished(_)), "epochs": r.epochs.len(),
            "seconds": r.seconds(), "best": best, "training_cases": r.split[0], "validation_cases": r.split[1],
        })
    };
    let figure = |g: &RunGroup, class: Option<&str>| g.dice(class).map(|f| json!({ "mean": f.mean, "sd": f.deviation, "runs": f.n }));
    let group = |g: &RunGroup| {
        let differs: Map<String, Value> = names.iter().zip(&g.values).map(|(n, v)| (n.clone(), json!(v))).collect();
        let total = g.first().map(|r| &r.stats.total);
        let classes: Map<String, Value> =
            g.first().map_or(vec![], |r| r.classes.clone()).iter().map(|c| (c.clone(), json!(figure(g, Some(c))))).collect();
        json!({
            "name": g.name, "differs": differs, "params": total.map(|t| t.params), "macs": total.map(|t| t.macs),
            "flops": total.map(|t| t.flops), "dice_mean": figure(g, None), "dice": classes, "runs": g.runs.iter().map(run).collect::<Vec<_>>(),
        })
    };
    format!("{:#}\n", json!(all.iter().map(group).collect::<Vec<_>>()))
}
