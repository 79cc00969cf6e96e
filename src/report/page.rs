//! The page of one run.
//!
//! May use `run`, `fields`, `chart`, `html`, `pictures` beside it, and `show`, `metric`, `train`.

use std::cmp::Ordering;
use std::path::Path;
use std::time::Duration;

use super::chart::{Chart, Curve};
use super::fields::{fields, value};
use super::html::{Cell, details, document, embedded, escape, section, table};
use super::pictures::CasePicture;
use super::run::Run;
use crate::metric::{MetricSample, Spread, spreads};
use crate::show::picture::{self, Style, draw, shape, share, short};
use crate::text::{many, several, thousands};
use crate::train::span;

/// A page about a run; `missing` says why there are no pictures where some were asked for.
pub fn page(run: &Run, pictures: &[CasePicture], missing: Option<&str>) -> String {
    let [d, h, w] = run.config.patch;
    let about = format!("{} · {} · patch {d}×{h}×{w} · {}", run.program.name, data(run), run.state());
    let mut body = summary(run);
    body.push_str(&section("Curves", &curves(run)));
    if !run.cases.is_empty() {
        body.push_str(&section("Validation at the best epoch", &scores(run)));
    }
    if !pictures.is_empty() || missing.is_some() {
        body.push_str(&section("Worst and best cases", &drawn(pictures, missing)));
    }
    body.push_str(&section("Network", &network(run)));
    body.push_str(&section("How it was made", &made(run)));
    document(&run.name, &about, &body)
}

/// What the data set is called: its folder, or its kind.
fn data(run: &Run) -> String {
    let fields = fields(run);
    let folder = value(&fields, "data.root").and_then(|root| Path::new(root).file_name()).map(|n| n.to_string_lossy().into_owned());
    folder.or_else(|| value(&fields, "data").map(str::to_owned)).unwrap_or_default()
}

/// The most that is to be known, large.
fn summary(run: &Run) -> String {
    let mut tiles: Vec<(String, String)> = vec![];
    if let Some(best) = run.best() {
        tiles.push((figure(best.get("dice_mean")), format!("mean Dice, best epoch {} of {}", best.epoch, run.epochs.len())));
        if run.classes.len() > 1 {
            tiles.extend(run.classes.iter().zip(&best.dice).map(|(c, d)| (figure(*d), format!("Dice {c}"))));
        }
    }
    let [training, validation] = run.split;
    tiles.push((format!("{training} + {validation}"), "cases for training and validation".into()));
    tiles.push((span(Duration::from_secs_f64(run.seconds())), several(run.epochs.len(), "epoch")));
    tiles.push((short(run.stats.total.params), "parameters".into()));
    tiles.push((short(run.stats.total.flops), "FLOPs of a patch (2 × MACs)".into()));
    let tile =
        |(large, small): &(String, String)| format!("<div class=\"tile\"><b>{}</b><span>{}</span></div>\n", escape(large), escape(small));
    let tiles: String = tiles.iter().map(tile).collect();
    format!("<section><div class=\"tiles\">\n{tiles}</div></section>\n")
}

/// A Dice, or a dash.
pub(super) fn figure(value: f64) -> String {
    if value.is_finite() { format!("{value:.3}") } else { "–".into() }
}

fn curves(run: &Run) -> String {
    let best = run.best().map(|b| b.epoch);
    let curve = |name: &str, colour: usize, of: &dyn Fn(&super::Epoch) -> f64| Curve {
        name: name.to_owned(),
        legend: None,
        colour,
        points: run.epochs.iter().map(|e| (e.epoch, of(e))).collect(),
    };
    let mut dice = vec![curve("mean", 0, &|e| e.get("dice_mean"))];
    if run.classes.len() > 1 {
        dice.extend(run.classes.iter().enumerate().map(|(i, c)| curve(c, i + 1, &|e| e.dice.get(i).copied().unwrap_or(f64::NAN))));
    }
    let mut terms: Vec<String> = vec![];
    for (name, value) in run.epochs.iter().flat_map(|e| &e.figures) {
        // A term that the objective does not have is 0 all along.
        if name.starts_with("loss_") && *value != 0.0 && !terms.contains(name) {
            terms.push(name.clone());
        }
    }
    let mut loss = vec![curve("loss", 0, &|e| e.get("loss"))];
    loss.extend(terms.iter().enumerate().map(|(i, t)| curve(&t["loss_".len()..].replace('_', " "), i + 1, &|e| e.get(t))));
    let charts = [
        Chart {
            title: "Dice",
            unit: "validation, mean over cases",
            curves: dice.into_iter().map(Curve::joined).collect(),
            best,
            holds: vec![],
        },
        Chart { title: "Loss", unit: "training, with its terms before their weights", curves: loss, best, holds: vec![0.0] },
        Chart { title: "Learning rate", curves: vec![curve("learning rate", 0, &|e| e.get("lr"))], holds: vec![0.0], ..Chart::default() },
        Chart {
            title: "Time",
            unit: "seconds of an epoch, and those spent waiting for batches",
            curves: vec![curve("epoch", 0, &|e| e.get("seconds")), curve("waiting", 1, &|e| e.get("waited"))],
            holds: vec![0.0],
            ..Chart::default()
        },
    ];
    let drawn: String = charts.iter().map(Chart::html).collect();
    match drawn.is_empty() {
        true => "<p class=\"note\">No epoch is finished yet.</p>\n".into(),
        false => format!("<div class=\"charts\">\n{drawn}</div>\n<p class=\"note\">The dashed line is the best epoch.</p>\n"),
    }
}

/// Classes over cases, and the cases.
fn scores(run: &Run) -> String {
    let values = run.values();
    let n = run.cases.len();
    let dash = |value: Option<f64>| value.map_or("–".into(), figure);
    let mut samples: Vec<(&str, MetricSample)> = run.classes.iter().enumerate().map(|(i, c)| (c.as_str(), values.of_region(i))).collect();
    if run.classes.len() != 1 {
        samples.push(("mean of classes", values.of_mean()));
    }
    let spread = spreads(&samples.iter().map(|(_, s)| s.clone()).collect::<Vec<_>>(), 0);
    let row = |((name, sample), s): (&(&str, MetricSample), Spread)| {
        let known = sample.values.iter().zip(&run.cases).filter_map(|(v, c)| Some(((*v)?, c)));
        let worst = known.min_by(|(a, _), (b, _)| a.total_cmp(b)).map_or(String::new(), |(_, c)| c.id.clone());
        vec![
            Cell::text(*name),
            Cell::number(format!("{} of {n}", s.n)),
            Cell::number(dash(s.mean)),
            Cell::number(dash(s.deviation)),
            Cell::number(dash(s.median)),
            Cell::number(s.low.zip(s.high).map_or("–".into(), |(l, h)| format!("{l:.3} to {h:.3}"))),
            Cell::number(dash(s.least)),
            Cell::text(worst),
        ]
    };
    let rows: Vec<Vec<Cell>> = samples.iter().zip(spread).map(row).collect();
    let head = [
        Cell::text("Dice"),
        Cell::number("cases"),
        Cell::number("mean"),
        Cell::number("SD"),
        Cell::number("median"),
        Cell::number("95% of mean"),
        Cell::number("worst"),
        Cell::text("case"),
    ];
    let mut cases: Vec<(&super::CaseDice, Option<f64>)> = run.cases.iter().enumerate().map(|(at, c)| (c, values.case(at))).collect();
    cases.sort_by(|(_, a), (_, b)| a.partial_cmp(b).unwrap_or(Ordering::Equal));
    let mut headings = vec![Cell::text("case, the worst first"), Cell::number("mean")];
    headings.extend(run.classes.iter().map(|c| Cell::number(c.as_str())));
    let row = |(c, mean): &(&super::CaseDice, Option<f64>)| {
        let dice = c.dice.iter().map(|d| Cell::number(dash(*d)));
        [Cell::text(c.id.as_str()), Cell::number(dash(*mean))].into_iter().chain(dice).collect::<Vec<_>>()
    };
    let list = table(&headings, &cases.iter().map(row).collect::<Vec<_>>());
    table(&head, &rows) + &note(run, values.mean()) + &details(&format!("Every case ({n})"), &list, n <= 12)
}

/// What the figures of the cases rest on.
fn note(run: &Run, mean: Option<f64>) -> String {
    let n = run.cases.len();
    let epoch = run.cases.first().map_or(0, |c| c.epoch);
    let mut said = format!(
        "Over {n} validation {} after epoch {epoch}, whole volumes. SD over cases (n − 1); the interval is a percentile bootstrap. A class that \
         is in neither map of a case does not count there, in one only it counts 0; one that no case has in its reference is in no mean.",
        if n == 1 { "case" } else { "cases" }
    );
    if let Some(regions) = &run.config.regions {
        let one = |(name, values): &(String, Vec<_>)| {
            format!("{name} = {}", values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
        };
        said.push_str(&format!(" Regions by label values: {}.", regions.0.iter().map(one).collect::<Vec<_>>().join("; ")));
    }
    let written = run.epochs.iter().find(|e| e.epoch == epoch).and_then(super::Epoch::mean);
    if written.zip(mean).is_some_and(|(a, b)| (a - b).abs() > 1e-6) {
        said.push_str(" The journal, of an older version, counts a class that is in neither map as 1: its mean Dice is another one.");
    }
    format!("<p class=\"note\">{}</p>\n", escape(&said))
}

fn drawn(pictures: &[CasePicture], missing: Option<&str>) -> String {
    let one = |p: &CasePicture| {
        let which = if p.best { "one of the best" } else { "one of the worst" };
        let source = embedded("image/png", &p.png);
        format!(
            "<figure><figcaption>{} <span>Dice {}, {which}</span></figcaption><img src=\"{source}\" alt=\"{}: image, reference and prediction \
             in three planes\"></figure>\n",
            escape(&p.case),
            figure(p.dice),
            escape(&p.case)
        )
    };
    let drawn: String = pictures.iter().map(one).collect();
    let missing = missing.map_or(String::new(), |why| format!("<p class=\"note\">No pictures: {}</p>\n", escape(why)));
    format!("{missing}<div class=\"pictures\">\n{drawn}</div>\n")
}

/// The graph, and what its nodes cost.
fn network(run: &Run) -> String {
    let total = &run.stats.total;
    let head = [
        Cell::text("node"),
        Cell::text("block"),
        Cell::text("output"),
        Cell::number("parameters"),
        Cell::number("MMACs"),
        Cell::number("share of MACs"),
    ];
    let mut rows: Vec<Vec<Cell>> = vec![];
    for line in run.stats.nodes.iter().chain([total]) {
        rows.push(vec![
            Cell::text(line.node.as_str()),
            Cell::text(line.block.as_str()),
            Cell::text(shape(&line.output)),
            Cell::number(thousands(line.params)),
            Cell::number(crate::show::millions(line.macs)),
            Cell::number(share(line.macs, total.macs)),
        ]);
    }
    let mut out = format!(
        "<p class=\"note\">{}: {}, {} million MACs for a patch.</p>\n",
        escape(&run.program.name),
        many(total.params, "parameter"),
        crate::show::millions(total.macs)
    );
    if let Ok(picture) = picture::Picture::new(&run.program, &[]) {
        // As an image, so that its styles stay its own.
        let svg = draw(&picture, &picture.opened_to(1), Style::Svg);
        out.push_str(&format!(
            "<figure class=\"graph\"><img src=\"{}\" alt=\"the graph\"></figure>\n",
            embedded("image/svg+xml", svg.as_bytes())
        ));
    }
    out + &details(&format!("Every node ({})", run.stats.nodes.len()), &table(&head, &rows), false)
}

/// Config, machine and graph text.
fn made(run: &Run) -> String {
    let head = [
        Cell::text("start (UTC)"),
        Cell::number("from step"),
        Cell::text("lmsc"),
        Cell::text("device"),
        Cell::text("processor"),
        Cell::number("threads"),
    ];
    let rows: Vec<Vec<Cell>> = run
        .starts
        .iter()
        .map(|s| {
            let step = if s.step == 0 { "0".to_owned() } else { format!("{}, resumed", s.step) };
            vec![
                Cell::text(date(s.time)),
                Cell::number(step),
                Cell::text(s.version.as_str()),
                Cell::text(s.device.as_str()),
                Cell::text(s.processor.as_str()),
                Cell::number(s.threads.to_string()),
            ]
        })
        .collect();
    let pre = |text: &str| format!("<pre>{}</pre>\n", escape(text));
    let starts = if rows.is_empty() { String::new() } else { table(&head, &rows) };
    starts
        + &details("Config (config.ron)", &pre(&run.config_text), true)
        + &details("Graph (graph.ron)", &pre(run.program.resolved()), false)
}

/// Seconds since 1970 as `2026-03-01 14:05`.
fn date(seconds: u64) -> String {
    let (mut days, of_day) = (seconds / 86_400, seconds % 86_400);
    let leap = |y: u64| y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400));
    let mut year = 1970;
    // A damaged file may say anything; no run is of a year beyond 9999.
    while year < 9999 && days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02} {:02}:{:02}", days.min(30) + 1, of_day / 3600, of_day % 3600 / 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // From `date -u -d @N`.
        for (seconds, wanted) in [
            (0, "1970-01-01 00:00"),
            (951_782_399, "2000-02-28 23:59"),
            (951_782_400, "2000-02-29 00:00"),
            (1_709_251_199, "2024-02-29 23:59"),
            (1_735_689_599, "2024-12-31 23:59"),
            (1_767_225_600, "2026-01-01 00:00"),
        ] {
            assert_eq!(date(seconds), wanted);
        }
        assert!(date(u64::MAX).starts_with("9999-"));
    }
}
