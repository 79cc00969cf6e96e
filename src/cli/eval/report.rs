//! Scores as a table, Markdown, CSV and JSON.
//!
//! May use `metric`, `text`, and `cases` beside it.

use serde_json::{Map, Value, json};

use super::cases::{SAME_GRID, Set};
use crate::metric::{Compared, Figure, Occurrence, RESAMPLES, Row, SIGNIFICANT, Settings, conventions, value};
use crate::show::{Column, csv, fit, table};
use crate::text::{list, wrap};

/// How tables are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// For a terminal of so many columns.
    Plain(usize),
    Markdown,
}

/// All there is to tell.
pub(super) struct Report<'a> {
    pub own: &'a Set,
    /// The predictions that it is compared with.
    pub other: Option<&'a Set>,
    pub settings: Settings,
    pub seed: u64,
    /// The figures of the tables.
    pub shown: Vec<Figure>,
}

impl Report<'_> {
    /// The tables. `list`: every case, too.
    pub(super) fn text(&self, style: Style, list: bool) -> String {
        let mut parts = vec![];
        if list {
            parts.push(self.cases(style));
        }
        parts.push(self.summary(style));
        if let Some(other) = self.other {
            parts.push(self.comparison(other, style));
        }
        parts.push(self.notes(style));
        parts.join("\n")
    }

    fn cases(&self, style: Style) -> String {
        let evaluation = &self.own.evaluation;
        let mut columns: Vec<Column> = vec![Column::new("case", false, 0), Column::new("region", false, 0)];
        let worth = |i: usize| if i == 0 { 0 } else { 100 - i.min(99) as u8 };
        columns.extend(self.shown.iter().enumerate().map(|(i, f)| Column::new(f.heading(), true, worth(i))));
        let mut rows = vec![];
        for case in &evaluation.cases {
            for (i, region) in evaluation.rows().into_iter().enumerate() {
                let figures = self.shown.iter().map(|f| value(case, i, *f).map_or(String::new(), |v| f.shown(v)));
                let name = if i == 0 { case.id.clone() } else { String::new() };
                rows.push([name, region.to_owned()].into_iter().chain(figures).collect());
            }
        }
        printed(columns, rows, style)
    }

    fn summary(&self, style: Style) -> String {
        let summary = self.own.evaluation.summary(&self.shown, self.seed);
        let columns = vec![
            Column::new(self.count(), false, 0),
            Column::new("figure", false, 0),
            Column::new("mean", true, 0),
            Column::new("SD", true, 7),
            Column::new("median", true, 6),
            Column::new("quartiles", true, 2),
            Column::new("95% of mean", true, 5),
            Column::new("worst", true, 4),
            Column::new("case", false, 3),
        ];
        let mut last = "";
        let rows = summary.iter().map(|r| {
            let first = if r.region == last { "" } else { &r.region };
            last = &r.region;
            let (f, s) = (r.of, &r.spread);
            let range = |a: f64, b: f64| format!("{} to {}", f.shown(a), f.shown(b));
            let worst = r.worst.first();
            vec![
                first.to_owned(),
                f.heading().to_owned(),
                f.shown(s.mean),
                s.deviation.map_or("-".into(), |d| f.shown(d)),
                f.shown(s.median),
                range(s.q1, s.q3),
                s.low.zip(s.high).map_or("-".into(), |(l, h)| range(l, h)),
                worst.map_or(String::new(), |w| f.shown(w.value)),
                worst.map_or(String::new(), |w| w.case.clone()),
            ]
        });
        let rows = rows.collect();
        printed(columns, rows, style)
    }

    fn comparison(&self, other: &Set, style: Style) -> String {
        let columns = vec![
            Column::new("against", false, 0),
            Column::new("figure", false, 0),
            Column::new("mean", true, 4),
            Column::new("other", true, 4),
            Column::new("difference", true, 0),
            Column::new("95% of it", true, 2),
            Column::new("better/worse", true, 3),
            Column::new("p", true, 1),
            Column::new("p Holm", true, 0),
            Column::new("this is", false, 0),
        ];
        let compared = self.compared(other);
        let mut last = "";
        let rows = compared.iter().map(|c| {
            let first = if c.region == last { "" } else { &c.region };
            last = &c.region;
            let (f, d) = (c.of, &c.difference);
            let signed = |v: f64| if v.is_finite() { format!("{v:+.*}", f.digits()) } else { "-".to_owned() };
            vec![
                first.to_owned(),
                f.heading().to_owned(),
                f.shown(c.mean),
                f.shown(c.against),
                signed(d.mean),
                d.low.zip(d.high).map_or("-".into(), |(l, h)| format!("{} to {}", signed(l), signed(h))),
                format!("{}/{}", c.wins, c.losses),
                probability(c.wilcoxon.p),
                probability(c.p_holm),
                c.verdict.name().to_owned(),
            ]
        });
        let rows = rows.collect();
        printed(columns, rows, style)
    }

    /// Where regions were missing, and what the figures mean.
    fn notes(&self, style: Style) -> String {
        let mut notes: Vec<String> = self.own.evaluation.occurrences().iter().filter_map(|o| missing(o, self.own.files.len())).collect();
        if !self.own.unscored.is_empty() {
            let values: Vec<String> = self.own.unscored.iter().map(u32::to_string).collect();
            notes.push(format!("label values in no region, not scored: {}", list(values, 20)));
        }
        notes.extend(apart(self.own));
        if let Some(set) = self.other {
            notes.extend(apart(set).map(|note| format!("against: {note}")));
            notes.extend(set.evaluation.occurrences().iter().filter_map(|o| Some(format!("against: {}", missing(o, set.files.len())?))));
        }
        notes.extend(self.conventions());
        let line = |note: String| match style {
            Style::Markdown => format!("- {note}\n"),
            Style::Plain(width) => format!("  {}\n", wrap(&note, width.max(24) - 4).join("\n    ")),
        };
        notes.into_iter().map(line).collect()
    }

    fn conventions(&self) -> Vec<String> {
        let mut all = conventions(&self.settings);
        all.push(format!("95%: percentile bootstrap of the mean, {RESAMPLES} resamples of the cases, seed {}", self.seed));
        if self.other.is_some() {
            all.push(format!(
                "p: Wilcoxon's signed-rank test, two-sided, zeros left out; exact up to 50 differences, else the normal approximation; \
                 p Holm is corrected for the number of regions; better or worse where that is below {SIGNIFICANT}, else undecided"
            ));
        }
        all
    }

    fn count(&self) -> String {
        match self.own.evaluation.cases.len() {
            1 => "1 case".to_owned(),
            n => format!("{n} cases"),
        }
    }

    fn compared(&self, other: &Set) -> Vec<Compared> {
        self.own.evaluation.compared(&other.evaluation, &self.shown, self.seed)
    }

    /// Every figure of every case, a line for each region.
    pub(super) fn csv(&self) -> String {
        let keys: Vec<&str> = self.every().iter().map(|f| f.key()).collect();
        let head = ["set", "case", "region", "presence", "reference_ml", "prediction_ml"];
        let mut rows = vec![];
        for (name, set) in [("pred", Some(self.own)), ("against", self.other)] {
            let Some(set) = set else { continue };
            for case in &set.evaluation.cases {
                for (region, scores) in set.evaluation.regions.iter().zip(&case.scores) {
                    let presence = json!(scores.presence).as_str().unwrap_or_default().to_owned();
                    let mut cells = vec![name.to_owned(), case.id.clone(), region.name.clone(), presence];
                    cells.extend([scores.reference_ml, scores.prediction_ml].map(|v| v.to_string()));
                    cells.extend(self.every().iter().filter_map(|f| f.of(scores)).map(|v| v.to_string()));
                    rows.push(cells);
                }
            }
        }
        csv(&[&head[..], &keys].concat(), &rows)
    }

    /// Everything.
    pub(super) fn json(&self) -> String {
        let cases = |set: &Set| -> Vec<Value> {
            let one = |(case, files): (&crate::metric::Scored, &super::cases::Files)| {
                let regions: Map<String, Value> =
                    set.evaluation.regions.iter().zip(&case.scores).map(|(r, s)| (r.name.clone(), json!(s))).collect();
                json!({
                    "case": case.id,
                    "prediction": files.prediction.display().to_string(),
                    "reference": files.reference.display().to_string(),
                    "size_dhw": files.size,
                    "spacing_mm_dhw": files.spacing,
                    "grids_apart_mm": files.apart,
                    "warnings": files.warnings.iter().map(|d| &d.message).collect::<Vec<_>>(),
                    "regions": regions,
                })
            };
            set.evaluation.cases.iter().zip(&set.files).map(one).collect()
        };
        let summary = |set: &Set| -> Vec<Row> { set.evaluation.summary(&self.every(), self.seed) };
        let mut all = json!({
            "settings": self.settings,
            "seed": self.seed,
            "conventions": self.conventions(),
            "regions": self.own.evaluation.occurrences(),
            "labels_not_scored": self.own.unscored,
            "summary": summary(self.own),
            "cases": cases(self.own),
        });
        if let (Some(other), Some(fields)) = (self.other, all.as_object_mut()) {
            let against = json!({
                "regions": other.evaluation.occurrences(),
                "comparison": self.compared(other),
                "summary": summary(other),
                "cases": cases(other),
            });
            fields.insert("against".into(), against);
        }
        format!("{all:#}\n")
    }

    /// Every figure that was made.
    fn every(&self) -> Vec<Figure> {
        Figure::ALL.iter().copied().filter(|f| self.settings.lesions.is_some() || !f.is_lesion_wise()).collect()
    }
}

/// In how many cases the two files have not quite one grid; none if in none.
fn apart(set: &Set) -> Option<String> {
    let cases = set.evaluation.cases.iter().zip(&set.files).filter(|(_, f)| f.apart > SAME_GRID);
    let (worst, files) = cases.clone().max_by(|(_, a), (_, b)| a.apart.total_cmp(&b.apart))?;
    Some(format!(
        "the two files have not quite one grid in {} of {} cases, their corners lie up to {:.3} mm apart ({}): less than half a voxel, so \
         voxels are compared one to one",
        cases.count(),
        set.files.len(),
        files.apart,
        worst.id
    ))
}

/// In how many cases a region was missing; none if in none.
fn missing(o: &Occurrence, cases: usize) -> Option<String> {
    let said =
        [(o.in_neither, "in neither file"), (o.in_prediction_only, "predicted only"), (o.in_reference_only, "in the reference only")];
    let said: Vec<String> = said.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{what} in {n}")).collect();
    (!said.is_empty()).then(|| format!("{}, of {cases} cases: {}", o.region, said.join(", ")))
}

fn probability(p: f64) -> String {
    if p < 0.0001 { format!("{p:.0e}") } else { format!("{p:.4}") }
}

fn printed(mut columns: Vec<Column>, mut rows: Vec<Vec<String>>, style: Style) -> String {
    if let Style::Plain(width) = style {
        fit(&mut columns, &mut rows, width);
    }
    table(&columns, rows, style == Style::Markdown)
}
