//! The journal of a run, a record for each epoch: CSV, JSON lines and TensorBoard.
//!
//! Part of `train`; may use `metric`, `show` and `text`, and `events` beside it.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::events::Events;
use crate::metric::is_better;
use crate::show::quoted;
use crate::text::{Result, unwritable};

/// The figures of an epoch. It is part of a run's state: what a version adds is 0 in records of older ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// From 1.
    pub epoch: usize,
    /// Optimiser steps so far.
    pub step: usize,
    /// The last step's learning rate.
    pub lr: f64,
    /// Means over the epoch's batches: the loss, then its three terms without their weights.
    pub loss: f64,
    pub loss_dice: f64,
    pub loss_cross_entropy: f64,
    pub loss_boundary: f64,
    pub loss_tversky: f64,
    pub loss_focal: f64,
    /// Validation Dice of each foreground class, 0 to 1, the mean over the cases that have it; NaN (null in JSON, an empty cell in tables)
    /// where no reference has it.
    pub dice: Vec<f64>,
    /// Over how many cases each of them is; empty in an epoch that was not validated, and in what older versions have written.
    #[serde(default)]
    pub dice_cases: Vec<usize>,
    /// The mean of those that there are; NaN without any. It and `dice` are NaN in an epoch that was not validated.
    pub dice_mean: f64,
    /// The mean over the cases that every validation looks at, where this one has looked at more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// Wall time of the epoch, validation included.
    pub seconds: f64,
    /// The part of it that was spent waiting for batches.
    pub waited: f64,
}

impl Record {
    /// The mean Dice, where there is one.
    pub fn mean(&self) -> Option<f64> {
        Some(self.dice_mean).filter(|d| !d.is_nan())
    }

    /// Whether the epoch was validated, though there may have been nothing to score.
    pub fn is_validated(&self) -> bool {
        !self.dice_cases.is_empty() || self.mean().is_some()
    }

    /// By what epochs are compared; none in one that was not validated, and where there is nothing to score.
    fn compared(&self) -> Option<f64> {
        self.score.filter(|s| !s.is_nan()).or_else(|| self.mean())
    }

    /// The best of a run's epochs, as [`best_of`] has it.
    pub fn best(all: &[Record], keep: f64) -> Option<&Record> {
        all.get(best_of(all.iter().map(Record::compared), keep)?)
    }
}

/// The place of the highest mean Dice, the first of equals; no epoch without a mean is it, but where none has one, the last. Of the means a moving
/// average is taken, which keeps such a part of what it was.
pub fn best_of(means: impl Iterator<Item = Option<f64>>, keep: f64) -> Option<usize> {
    let mut average = None;
    let mut best: Option<(Option<f64>, usize)> = None;
    for (at, own) in means.enumerate() {
        let now = own.map(|own| average.map_or(own, |average| keep * average + (1.0 - keep) * own));
        average = now.or(average);
        if best.is_none_or(|(most, _)| is_better(now, most)) {
            best = Some((now, at));
        }
    }
    best.map(|(_, at)| at)
}

/// The figures of each epoch for tables.
pub const METRICS_TABLE: &str = "metrics.csv";
/// The same for programs, an object for each epoch.
pub const METRICS: &str = "metrics.jsonl";

/// The open files of a run folder that get every epoch: [`METRICS_TABLE`], [`METRICS`] and an event file for TensorBoard.
#[derive(Debug)]
pub struct Journal {
    table: Lines,
    objects: Lines,
    events: Events,
    labels: Vec<String>,
    /// The time, in seconds since 1970, from which the epochs took what they took: in events no time passes between interruptions.
    origin: f64,
    spent: f64,
}

impl Journal {
    /// Starts the files anew with the epochs that are done: none stands twice or is lost, however the run was interrupted. `labels`
    /// are the foreground classes, `now` is in seconds since 1970.
    ///
    /// # Errors
    /// E0603 when they cannot be written.
    pub fn create(folder: &Path, labels: &[String], records: &[Record], now: f64) -> Result<Self> {
        let mut journal = Self {
            table: Lines::create(folder.join(METRICS_TABLE))?,
            objects: Lines::create(folder.join(METRICS))?,
            events: Events::create(folder, now)?,
            labels: labels.to_vec(),
            origin: now - records.iter().map(|r| r.seconds).sum::<f64>(),
            spent: 0.0,
        };
        let mut columns: Vec<String> =
            ["epoch", "step", "lr", "loss", "loss_dice", "loss_cross_entropy", "loss_boundary", "loss_tversky", "loss_focal"]
                .map(String::from)
                .to_vec();
        columns.extend(labels.iter().map(|l| quoted(&format!("dice_{l}"))));
        columns.extend(["dice_mean".to_owned(), "seconds".to_owned(), "waited".to_owned()]);
        journal.table.add(&columns.join(","))?;
        records.iter().try_for_each(|r| journal.add(r))?;
        Ok(journal)
    }

    /// Adds an epoch.
    ///
    /// # Errors
    /// E0603 when it cannot be written.
    pub fn add(&mut self, r: &Record) -> Result<()> {
        let mut cells = vec![r.epoch.to_string(), r.step.to_string(), format!("{:e}", r.lr)];
        cells.extend([r.loss, r.loss_dice, r.loss_cross_entropy, r.loss_boundary, r.loss_tversky, r.loss_focal].map(|v| format!("{v:.6}")));
        // An empty cell where there is no number.
        let known = |d: f64| if d.is_nan() { String::new() } else { format!("{d:.6}") };
        cells.extend(r.dice.iter().map(|d| known(*d)));
        cells.extend([known(r.dice_mean), format!("{:.2}", r.seconds), format!("{:.2}", r.waited)]);
        self.table.add(&cells.join(","))?;
        let object = self.object(r);
        self.objects.add(&Value::Object(object.clone()).to_string())?;
        self.spent += r.seconds;
        self.events.add(self.origin + self.spent, r.epoch, &figures(&object))
    }

    /// Everything in a record, the Dice by the classes' names.
    fn object(&self, r: &Record) -> Map<String, Value> {
        let Ok(Value::Object(mut all)) = serde_json::to_value(r) else { return Map::new() };
        let by_label = |values: Vec<Value>| -> Value { self.labels.iter().cloned().zip(values).collect::<Map<_, _>>().into() };
        all.insert("dice".into(), by_label(r.dice.iter().map(|d| (*d).into()).collect()));
        all.insert("dice_cases".into(), by_label(r.dice_cases.iter().map(|n| (*n).into()).collect()));
        all
    }
}

/// What an event file gets of an epoch, by tag: `loss`, `loss/dice`, `dice/mean`, `dice/CLASS`, `lr`, `seconds`, `waited`.
fn figures(object: &Map<String, Value>) -> Vec<(String, f64)> {
    let mut all = vec![];
    for (name, value) in object.iter().filter(|(name, _)| !matches!(name.as_str(), "epoch" | "dice_cases")) {
        match value {
            Value::Object(of) => all.extend(of.iter().filter_map(|(n, v)| Some((format!("{name}/{n}"), v.as_f64()?)))),
            value => all.extend(value.as_f64().map(|v| (name.replacen('_', "/", 1), v))),
        }
    }
    all
}

/// A file that gets lines.
#[derive(Debug)]
struct Lines {
    path: PathBuf,
    file: File,
}

impl Lines {
    fn create(path: PathBuf) -> Result<Self> {
        let file = File::create(&path).map_err(|e| unwritable(&path, &e))?;
        Ok(Self { path, file })
    }

    fn add(&mut self, line: &str) -> Result<()> {
        // One write for each line and no buffer of our own: whoever looks sees whole lines.
        Ok(self.file.write_all(format!("{line}\n").as_bytes()).map_err(|e| unwritable(&self.path, &e))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(epoch: usize) -> Record {
        Record {
            epoch,
            step: 83 * epoch,
            lr: 1e-3,
            loss: 1.5,
            loss_dice: 0.5,
            loss_cross_entropy: 0.75,
            loss_boundary: 0.25,
            loss_tversky: 0.125,
            loss_focal: 0.0,
            dice: vec![0.5, 0.25],
            dice_cases: vec![4, 3],
            dice_mean: 0.5,
            score: None,
            seconds: 2.345,
            waited: 0.25,
        }
    }

    #[test]
    fn the_best_epoch_is_that_of_the_moving_average() {
        let of =
            |means: &[f64]| -> Vec<Record> { means.iter().enumerate().map(|(i, m)| Record { dice_mean: *m, ..record(i + 1) }).collect() };
        let epoch = |means: &[f64], keep: f64| Record::best(&of(means), keep).map(|r| r.epoch);
        assert_eq!(epoch(&[], 0.0), None);
        assert_eq!(epoch(&[f64::NAN, f64::NAN], 0.0), Some(2), "the last where none has a mean");
        assert_eq!(epoch(&[f64::NAN, 0.0, f64::NAN], 0.5), Some(2), "any mean is better than none");
        assert_eq!(epoch(&[0.1, f64::NAN, 0.9, 0.5, 0.9], 0.0), Some(3));
        // 0.1, 0.5, 0.5, 0.6: one epoch that sticks out is not the best.
        assert_eq!(epoch(&[0.1, 0.9, 0.5, 0.7], 0.5), Some(4));
        let mut records = of(&[0.5, 0.9]);
        records[1].score = Some(0.4);
        assert_eq!(Record::best(&records, 0.0).map(|r| r.epoch), Some(1), "compared on the same cases");
    }

    #[test]
    fn every_line_has_the_columns_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let labels = ["core, \"enhancing\"".into(), "edema".into()];
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        // A former start had written an epoch that the state did not get.
        Journal::create(dir.path(), &labels, &[record(1), record(2)], 1e9).unwrap();
        let mut journal = Journal::create(dir.path(), &labels, &[record(1)], 2e9).unwrap();
        journal.add(&record(2)).unwrap();
        assert_eq!(
            read(METRICS_TABLE),
            "epoch,step,lr,loss,loss_dice,loss_cross_entropy,loss_boundary,loss_tversky,loss_focal,\"dice_core, \"\"enhancing\"\"\",dice_edema,dice_mean,seconds,waited\n\
             1,83,1e-3,1.500000,0.500000,0.750000,0.250000,0.125000,0.000000,0.500000,0.250000,0.500000,2.35,0.25\n\
             2,166,1e-3,1.500000,0.500000,0.750000,0.250000,0.125000,0.000000,0.500000,0.250000,0.500000,2.35,0.25\n"
        );
        let objects: Vec<Value> = read(METRICS).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(objects.iter().map(|o| o["epoch"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(objects[1]["dice"].to_string(), r#"{"core, \"enhancing\"":0.5,"edema":0.25}"#);
        assert_eq!((objects[1]["lr"].as_f64(), objects[1]["waited"].as_f64()), (Some(1e-3), Some(0.25)));
        assert_eq!(objects[1]["dice_cases"]["edema"], 3);
        let tags: Vec<String> = figures(objects[0].as_object().unwrap()).into_iter().map(|(tag, _)| tag).collect();
        let terms = ["dice", "cross_entropy", "boundary", "tversky", "focal"].map(|t| format!("loss/{t}"));
        let wanted = ["step", "lr", "loss"].map(String::from).into_iter().chain(terms);
        let after = ["dice/core, \"enhancing\"", "dice/edema", "dice/mean", "seconds", "waited"].map(String::from);
        assert_eq!(tags, wanted.chain(after).collect::<Vec<_>>());
    }

    #[test]
    fn a_class_that_is_nowhere_is_empty_and_chooses_no_epoch() {
        let dir = tempfile::tempdir().unwrap();
        let labels = ["edema".to_owned(), "never".into()];
        let with =
            |epoch: usize, dice: f64| Record { dice: vec![dice, f64::NAN], dice_cases: vec![2, 0], dice_mean: dice, ..record(epoch) };
        let all = [with(1, 0.5), with(2, 0.75), with(3, 0.25)];
        Journal::create(dir.path(), &labels, &all, 1e9).unwrap();
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert!(read(METRICS_TABLE).lines().nth(1).unwrap().contains(",0.500000,,0.500000,"), "{}", read(METRICS_TABLE));
        let object: Value = serde_json::from_str(read(METRICS).lines().next().unwrap()).unwrap();
        assert!(object["dice"]["never"].is_null() && object["dice_cases"]["never"] == 0);
        assert!(figures(object.as_object().unwrap()).iter().all(|(tag, _)| !tag.contains("never")));
        assert_eq!(Record::best(&all, 0.0).map(|r| r.epoch), Some(2));
        let none: Vec<Record> = (1..4).map(|epoch| Record { dice_mean: f64::NAN, ..record(epoch) }).collect();
        assert_eq!(Record::best(&none, 0.0).map(|r| r.epoch), Some(3));
        // Nothing to score is not the same as no validation.
        assert!(none[0].is_validated() && !Record { dice_cases: vec![], ..none[0].clone() }.is_validated());
        // As the state of a run holds it, and as older versions have written it.
        let text = ron::to_string(&all[0]).unwrap();
        let back: Record = ron::from_str(&text).unwrap();
        assert!(back.dice[1].is_nan() && back.dice_cases == [2, 0]);
        let old: Record = ron::from_str(&text.replace("dice_cases:[2,0],", "")).unwrap();
        assert!(old.dice_cases.is_empty() && !text.replace("dice_cases:[2,0],", "").contains("cases"), "{text}");
    }
}
