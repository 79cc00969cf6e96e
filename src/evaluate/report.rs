//! Scores as tables for a terminal and as Markdown.
//!
//! May use `metric`, `show`, `text`, and `cases`, `notes` beside it.

use super::cases::PredictionSet;
use super::notes;
use crate::metric::{Compared, Metric, Settings};
use crate::show::{Column, panels, table};
use crate::text::wrap;

/// How tables are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableStyle {
    /// For a terminal of so many columns.
    Plain(usize),
    Markdown,
}

/// All there is to tell.
pub struct EvaluationReport<'a> {
    pub own: &'a PredictionSet,
    /// The predictions that it is compared with.
    pub other: Option<&'a PredictionSet>,
    pub settings: Settings,
    pub seed: u64,
    /// The figures of the tables.
    pub shown: Vec<Metric>,
}

impl EvaluationReport<'_> {
    /// The tables. `list`: every case, too.
    pub fn text(&self, style: TableStyle, list: bool) -> String {
        let mut parts = vec![];
        let compared = self.other.map(|other| self.compared(other)).unwrap_or_default();
        if !self.own.evaluation.regions.is_empty() {
            if list {
                parts.push(self.cases(style));
            }
            parts.push(self.summary(style));
        }
        if !compared.is_empty() {
            parts.push(comparison(&compared, style));
        }
        parts.push(self.notes(&compared, style));
        parts.join("\n")
    }

    fn cases(&self, style: TableStyle) -> String {
        let evaluation = &self.own.evaluation;
        let mut columns: Vec<Column> = vec![Column::new("case", false, 0), Column::new("region", false, 0)];
        columns.extend(self.shown.iter().map(|f| Column::new(f.heading(), true, 0)));
        let lines = evaluation.rows();
        let of_line = |i: usize| self.shown.iter().map(|f| evaluation.column(i, *f)).collect::<Vec<_>>();
        let values: Vec<Vec<Vec<Option<f64>>>> = (0..lines.len()).map(of_line).collect();
        let mut rows = vec![];
        for (at, case) in evaluation.cases.iter().enumerate() {
            for (i, region) in lines.iter().enumerate() {
                let figures = self.shown.iter().zip(&values[i]).map(|(f, column)| f.shown(column[at]));
                let name = if i == 0 { case.id.clone() } else { String::new() };
                rows.push([name, (*region).to_owned()].into_iter().chain(figures).collect());
            }
        }
        printed(columns, rows, 2, style)
    }

    fn summary(&self, style: TableStyle) -> String {
        let summary = self.own.evaluation.summary(&self.shown, self.seed);
        let columns = vec![
            Column::new(self.count(), false, 0),
            Column::new("figure", false, 0),
            Column::new("n", true, 0),
            Column::new("mean", true, 0),
            Column::new("SD", true, 0),
            Column::new("median", true, 0),
            Column::new("quartiles", true, 0),
            Column::new("95% of mean", true, 0),
            Column::new("worst", false, 0),
        ];
        let mut last = "";
        let rows = summary.iter().map(|r| {
            let first = if r.region == last { "" } else { &r.region };
            last = &r.region;
            let (f, s) = (r.of, &r.spread);
            let range = |a: Option<f64>, b: Option<f64>| match a.or(b) {
                Some(_) => format!("{} to {}", f.shown(a), f.shown(b)),
                None => "-".to_owned(),
            };
            let worst = r.worst.first();
            vec![
                first.to_owned(),
                f.heading().to_owned(),
                format!("{} of {}", s.n, s.of),
                f.shown(s.mean),
                f.shown(s.deviation),
                f.shown(s.median),
                range(s.q1, s.q3),
                range(s.low, s.high),
                // The case stands beside its value, whatever the width.
                worst.map_or("-".to_owned(), |w| format!("{} in {}", f.shown(w.value), w.case)),
            ]
        });
        printed(columns, rows.collect(), 2, style)
    }

    /// What the numbers rest on, where regions were missing, and what the figures mean.
    fn notes(&self, compared: &[Compared], style: TableStyle) -> String {
        let mut notes: Vec<String> = notes::values(self.own).into_iter().chain(notes::of_set(self.own)).collect();
        if let Some(set) = self.other {
            notes
                .extend(notes::of_set(set).into_iter().filter(|n| !notes.contains(n)).map(|n| format!("against: {n}")).collect::<Vec<_>>());
        }
        notes.extend(notes::undecidable(compared));
        notes.extend(self.conventions(&self.shown));
        let line = |note: String| match style {
            TableStyle::Markdown => format!("- {note}\n"),
            TableStyle::Plain(width) => format!("  {}\n", wrap(&note, width.max(24) - 4).join("\n    ")),
        };
        notes.into_iter().map(line).collect()
    }

    /// What these figures mean.
    pub(super) fn conventions(&self, figures: &[Metric]) -> Vec<String> {
        notes::conventions_of(&self.settings, figures, self.seed, self.other.is_some())
    }

    fn count(&self) -> String {
        match self.own.evaluation.cases.len() {
            1 => "1 case".to_owned(),
            n => format!("{n} cases"),
        }
    }

    pub(super) fn compared(&self, other: &PredictionSet) -> Vec<Compared> {
        self.own.evaluation.compared(&other.evaluation, &self.shown, self.seed)
    }

    /// Every figure that was made.
    pub(super) fn every(&self) -> Vec<Metric> {
        Metric::ALL.iter().copied().filter(|f| self.settings.lesions.is_some() || !f.is_lesion_wise()).collect()
    }
}

fn comparison(compared: &[Compared], style: TableStyle) -> String {
    let columns = vec![
        Column::new("against", false, 0),
        Column::new("figure", false, 0),
        Column::new("pairs", true, 0),
        Column::new("mean", true, 0),
        Column::new("other", true, 0),
        Column::new("difference", true, 0),
        Column::new("95% of it", true, 0),
        Column::new("better/worse", true, 0),
        Column::new("p", true, 0),
        Column::new("p Holm", true, 0),
        Column::new("this is", false, 0),
    ];
    let mut last = "";
    let rows = compared.iter().map(|c| {
        let first = if c.region == last { "" } else { &c.region };
        last = &c.region;
        let (f, d) = (c.of, &c.difference);
        let signed = |v: f64| if v.is_finite() { format!("{v:+.*}", f.digits()) } else { "-".to_owned() };
        vec![
            first.to_owned(),
            f.heading().to_owned(),
            d.n.to_string(),
            f.shown(c.mean),
            f.shown(c.against),
            d.mean.map_or("-".into(), signed),
            d.low.zip(d.high).map_or("-".into(), |(l, h)| format!("{} to {}", signed(l), signed(h))),
            format!("{}/{}", c.wins, c.losses),
            probability(c.wilcoxon.p),
            probability(c.p_holm),
            c.verdict.name().to_owned(),
        ]
    });
    printed(columns, rows.collect(), 2, style)
}

fn probability(p: f64) -> String {
    if p < 0.0001 { format!("{p:.0e}") } else { format!("{p:.4}") }
}

/// A table; the first `keys` columns say what a row is of.
fn printed(columns: Vec<Column>, rows: Vec<Vec<String>>, keys: usize, style: TableStyle) -> String {
    match style {
        TableStyle::Plain(width) => panels(columns, rows, keys, width),
        TableStyle::Markdown => table(&columns, rows, true),
    }
}
