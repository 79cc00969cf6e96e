//! Several runs as one table: what differs, what it costs, what it gave.
//!
//! May use `group` beside it, and `show`.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::group::{Group, groups};
use super::run::Run;
use crate::show::{Column, Format, csv, fit, table};
use crate::text::{thousands, wrap};
use crate::train::{Standing, span};

/// The table of runs in a format; one for a terminal is at most `width` wide, and says which columns that left out.
pub fn sheet(runs: &[Run], format: Format, width: usize) -> String {
    let (all, names) = groups(runs);
    match format {
        Format::Json => json_text(&all, &names),
        Format::Csv => numbers(&all, &names),
        Format::Table | Format::Markdown => {
            let (mut columns, mut rows) = cells(&all, &names);
            let markdown = format == Format::Markdown;
            let gone = if markdown { vec![] } else { fit(&mut columns, &mut rows, width) };
            let gone = match gone.is_empty() {
                true => String::new(),
                false => wrap(&format!("left out: {} (the terminal is {width} columns wide)", gone.join(", ")), width).join("\n") + "\n",
            };
            let note = if markdown { note(&all) } else { wrap(&note(&all), width).join("\n") };
            format!("{}{gone}\n{note}\n", table(&columns, rows, markdown))
        }
    }
}

/// What is to be said under the table.
pub(super) fn note(all: &[Group]) -> String {
    let mut said = vec!["Dice: validation at the epoch with the highest mean, mean over cases".to_owned()];
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
pub(super) fn classes(all: &[Group]) -> Vec<String> {
    let mut classes: Vec<String> = vec![];
    for class in all.iter().flat_map(|g| &g.runs).flat_map(|r| &r.classes) {
        if !classes.contains(class) {
            classes.push(class.clone());
        }
    }
    classes
}

/// Headings and rows for people.
pub(super) fn cells(all: &[Group], names: &[String]) -> (Vec<Column>, Vec<Vec<String>>) {
    let classes = classes(all);
    let folds = all.iter().any(|g| g.runs.len() > 1);
    let patches = all.iter().filter_map(Group::first).map(|r| r.config.patch);
    let patch = patches.clone().any(|p| Some(p) != patches.clone().next());
    let mut columns = vec![Column::new("run", false, 0)];
    // Where much differs, the first fields say most, and none more than what came of it.
    columns.extend(names.iter().enumerate().map(|(i, n)| Column::new(n.clone(), false, if i < 3 { 9 } else { 1 })));
    if folds {
        columns.push(Column::new("folds", true, 6));
    }
    columns.push(Column::new("params", true, 7));
    columns.push(Column::new(if patch { "GFLOPs of its patch" } else { "GFLOPs" }, true, 5));
    columns.push(Column::new("Dice", true, 0));
    if classes.len() > 1 {
        columns.extend(classes.iter().map(|c| Column::new(c.clone(), true, 8)));
    }
    columns.extend([("best epoch", 2), ("trained", 3), ("time", 4)].map(|(name, worth)| Column::new(name, true, worth)));
    let row = |g: &Group| {
        let mut cells = vec![format!("{}{}", g.name, if g.is_finished() { "" } else { " *" })];
        cells.extend(g.values.iter().map(|v| v.clone().unwrap_or("-".into())));
        if folds {
            cells.push(g.runs.len().to_string());
        }
        let total = g.first().map(|r| &r.stats.total);
        cells.push(total.map_or("-".into(), |t| thousands(t.params)));
        let flops = |n: u64| if n < 100_000_000 { format!("{:.4}", n as f64 / 1e9) } else { format!("{:.2}", n as f64 / 1e9) };
        cells.push(total.map_or("-".into(), |t| flops(t.flops)));
        let shown = |class| g.dice(class).map_or("-".to_owned(), |f| f.text());
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
fn numbers(all: &[Group], names: &[String]) -> String {
    let classes = classes(all);
    let mut headings: Vec<String> = vec!["run".into()];
    headings.extend(names.iter().cloned());
    headings.extend(["runs", "finished", "params", "macs", "flops", "dice_mean", "dice_mean_sd"].map(String::from));
    headings.extend(classes.iter().flat_map(|c| [format!("dice_{c}"), format!("dice_{c}_sd")]));
    headings.extend(["best_epoch", "epochs_trained", "seconds"].map(String::from));
    let row = |g: &Group| {
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

fn json_text(all: &[Group], names: &[String]) -> String {
    let run = |r: &&Run| {
        let best = r.best().map(|b| {
            let dice: Map<String, Value> = r.classes.iter().zip(&b.dice).map(|(c, d)| (c.clone(), json!(d))).collect();
            json!({ "epoch": b.epoch, "dice_mean": b.get("dice_mean"), "dice": dice })
        });
        json!({
            "folder": r.path.display().to_string(), "finished": matches!(r.standing, Standing::Finished(_)), "epochs": r.epochs.len(),
            "seconds": r.seconds(), "best": best, "training_cases": r.split[0], "validation_cases": r.split[1],
        })
    };
    let figure = |g: &Group, class: Option<&str>| g.dice(class).map(|f| json!({ "mean": f.mean, "sd": f.deviation }));
    let group = |g: &Group| {
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
