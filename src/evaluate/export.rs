//! Scores as CSV and JSON: every figure of every case.
//!
//! May use `metric`, `show`, and `cases`, `report`, `notes` beside it.

use serde_json::{Map, Value, json};

use super::cases::{PredictionSet, ScoredFiles};
use super::notes;
use super::report::EvaluationReport;
use crate::metric::{RegionMetric, Scored};
use crate::show::csv;

impl EvaluationReport<'_> {
    /// Every figure of every case, a line for each region; an empty cell where there is nothing to score.
    pub fn csv(&self) -> String {
        let keys: Vec<&str> = self.every().iter().map(|f| f.key()).collect();
        let head = ["set", "case", "region", "presence", "reference_ml", "prediction_ml"];
        let numbered = !self.own.meaning.is_empty();
        let tail: &[&str] = if numbered { &["values", "numbering"] } else { &["values"] };
        let mut rows = vec![];
        for (name, set) in [("pred", Some(self.own)), ("against", self.other)] {
            let Some(set) = set else { continue };
            for case in &set.evaluation.cases {
                for (region, scores) in set.evaluation.regions.iter().zip(&case.scores) {
                    let presence = json!(scores.presence).as_str().unwrap_or_default().to_owned();
                    let mut cells = vec![name.to_owned(), case.id.clone(), region.name.clone(), presence];
                    cells.extend([scores.reference_ml, scores.prediction_ml].map(|v| v.to_string()));
                    cells.extend(self.every().iter().map(|f| f.of(scores).map_or(String::new(), |v| v.to_string())));
                    cells.push(region.listed().replace(',', ""));
                    cells.extend(numbered.then(|| set.meaning.clone()));
                    rows.push(cells);
                }
            }
        }
        csv(&[&head[..], &keys, tail].concat(), &rows)
    }

    /// Everything; null where there is nothing to score.
    pub fn json(&self) -> String {
        let cases = |set: &PredictionSet| -> Vec<Value> {
            let one = |(case, files): (&Scored, &ScoredFiles)| {
                let regions: Map<String, Value> =
                    set.evaluation.regions.iter().zip(&case.scores).map(|(r, s)| (r.name.clone(), json!(s))).collect();
                json!({
                    "case": case.id,
                    "prediction": files.prediction.display().to_string(),
                    "reference": files.reference.display().to_string(),
                    "size_dhw": files.size,
                    "spacing_mm_dhw": files.spacing,
                    "grids_apart_mm": files.apart,
                    "reference_turned": files.turned,
                    "warnings": files.warnings.iter().map(|d| &d.message).collect::<Vec<_>>(),
                    "regions": regions,
                })
            };
            set.evaluation.cases.iter().zip(&set.files).map(one).collect()
        };
        let summary = |set: &PredictionSet| -> Vec<RegionMetric> { set.evaluation.summary(&self.every(), self.seed) };
        let mut all = json!({
            "settings": self.settings,
            "seed": self.seed,
            "conventions": self.conventions(&self.every()),
            "notes": notes::of_set(self.own),
            "numbering": (!self.own.meaning.is_empty()).then_some(&self.own.meaning),
            "regions": self.own.evaluation.occurrences(),
            "labels_not_scored": self.own.unscored,
            "labels_predicted_only": self.own.strays,
            "summary": summary(self.own),
            "cases": cases(self.own),
        });
        if let (Some(other), Some(fields)) = (self.other, all.as_object_mut()) {
            let compared = self.compared(other);
            let against = json!({
                "notes": notes::of_set(other),
                "regions": other.evaluation.occurrences(),
                "labels_predicted_only": other.strays,
                "comparison": compared,
                "undecidable": notes::undecidable(&compared),
                "summary": summary(other),
                "cases": cases(other),
            });
            fields.insert("against".into(), against);
        }
        format!("{all:#}\n")
    }
}
