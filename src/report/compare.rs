//! The page of several runs: their table and their curves, overlaid.
//!
//! May use `group`, `sheet`, `chart`, `html` beside it.

use super::Epoch;
use super::chart::{Chart, Curve};
use super::group::{RunGroup, groups};
use super::html::{Cell, document, section, table};
use super::run::Run;
use super::sheet::{cells, classes, note};
use crate::text::several;

/// A page about several runs.
pub fn compare(title: &str, runs: &[Run]) -> String {
    let (all, names) = groups(runs);
    let (columns, rows) = cells(&all, &names);
    let headings: Vec<Cell> = columns.iter().map(|c| Cell { text: c.heading.to_string(), number: c.number, best: false }).collect();
    let mut body: Vec<Vec<Cell>> = rows
        .into_iter()
        .map(|r| r.into_iter().zip(&columns).map(|(text, c)| Cell { text, number: c.number, best: false }).collect())
        .collect();
    mark(&all, &headings, &mut body);
    let differ = match names.len() {
        0 if all.len() > 1 => "They do not differ in config or graph. ".to_owned(),
        _ => String::new(),
    };
    let note = format!("<p class=\"note\">{differ}{}. The highest Dice of a column is bold.</p>\n", super::html::escape(&note(&all)));
    let about = match (all.len(), runs.len()) {
        (a, b) if a == b => several(a, "run"),
        (a, b) => format!("{}, {}", several(a, "configuration"), several(b, "run")),
    };
    let text = section("Runs", &(table(&headings, &body) + &note)) + &section("Curves", &curves(&all));
    document(title, &about, &text)
}

/// Marks the highest Dice of each column.
fn mark(all: &[RunGroup], headings: &[Cell], rows: &mut [Vec<Cell>]) {
    let mut of: Vec<Option<String>> = vec![None];
    let several = classes(all);
    if several.len() > 1 {
        of.extend(several.into_iter().map(Some));
    }
    let Some(first) = headings.iter().position(|h| h.text == "Dice" && h.number) else { return };
    for (column, class) in of.iter().enumerate() {
        let means: Vec<Option<f64>> = all.iter().map(|g| g.dice(class.as_deref()).map(|f| f.mean)).collect();
        let most = means.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max);
        if all.len() > 1 {
            for (row, _) in rows.iter_mut().zip(&means).filter(|(_, m)| **m == Some(most)) {
                row.iter_mut().skip(first + column).take(1).for_each(|c| c.best = true);
            }
        }
    }
}

/// Curves of all runs; those of one configuration have one colour.
fn curves(all: &[RunGroup]) -> String {
    let figure = |name: &'static str| move |e: &Epoch| e.get(name);
    let curves = |of: &dyn Fn(&Epoch) -> f64| -> Vec<Curve> {
        let mut drawn = vec![];
        for (colour, group) in all.iter().enumerate() {
            for run in &group.runs {
                let folds = group.runs.len() > 1;
                let name = if folds { format!("{}, fold {}", group.name, run.config.split.fold) } else { run.name.clone() };
                let points = run.epochs.iter().map(|e| (e.epoch, of(e))).collect();
                drawn.push(Curve { name, legend: folds.then(|| group.name.clone()), colour, points });
            }
        }
        drawn
    };
    let charts = [
        Chart {
            title: "Dice",
            unit: "validation, mean over the classes that there are",
            curves: curves(&figure("dice_mean")).into_iter().map(Curve::joined).collect(),
            ..Chart::default()
        },
        Chart { title: "Loss", unit: "training", curves: curves(&figure("loss")), ..Chart::default() },
        Chart { title: "Learning rate", curves: curves(&figure("lr")), holds: vec![0.0], ..Chart::default() },
        Chart { title: "Time", unit: "seconds of an epoch", curves: curves(&figure("seconds")), holds: vec![0.0], ..Chart::default() },
    ];
    let drawn: String = charts.iter().map(Chart::html).collect();
    match drawn.is_empty() {
        true => "<p class=\"note\">No epoch is finished yet.</p>\n".into(),
        false => format!("<div class=\"charts\">\n{drawn}</div>\n"),
    }
}
