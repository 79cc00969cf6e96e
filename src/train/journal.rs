//! What a run writes down: one line of `metrics.csv` for each epoch.
//!
//! Part of `train`; may use `text`.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::text::{Result, unwritable};

/// The figures of an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// Validation Dice of each foreground class, 0 to 1, the mean over the cases.
    pub dice: Vec<f64>,
    /// Their mean.
    pub dice_mean: f64,
    /// Wall time of the epoch, validation included.
    pub seconds: f64,
    /// The part of it that was spent waiting for batches.
    pub waited: f64,
}

/// An open `metrics.csv`.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Starts a file with the line that names its columns. `labels` are the foreground classes.
    ///
    /// # Errors
    /// E0603 when it cannot be written.
    pub fn create(path: &Path, labels: &[String]) -> Result<Self> {
        let file = File::create(path).map_err(|e| unwritable(path, &e))?;
        let mut journal = Self { path: path.to_owned(), file };
        let mut columns: Vec<String> =
            ["epoch", "step", "lr", "loss", "loss_dice", "loss_cross_entropy", "loss_boundary"].map(String::from).to_vec();
        columns.extend(labels.iter().map(|l| quoted(&format!("dice_{l}"))));
        columns.extend(["dice_mean".to_owned(), "seconds".to_owned(), "waited".to_owned()]);
        journal.line(&columns)?;
        Ok(journal)
    }

    /// Adds an epoch.
    ///
    /// # Errors
    /// E0603 when it cannot be written.
    pub fn add(&mut self, r: &Record) -> Result<()> {
        let mut cells = vec![r.epoch.to_string(), r.step.to_string(), format!("{:e}", r.lr)];
        cells.extend([r.loss, r.loss_dice, r.loss_cross_entropy, r.loss_boundary].map(|v| format!("{v:.6}")));
        cells.extend(r.dice.iter().map(|d| format!("{d:.6}")));
        cells.extend([format!("{:.6}", r.dice_mean), format!("{:.2}", r.seconds), format!("{:.2}", r.waited)]);
        self.line(&cells)
    }

    fn line(&mut self, cells: &[String]) -> Result<()> {
        // One write for each line and no buffer of our own: whoever looks sees whole lines.
        let line = cells.join(",") + "\n";
        Ok(self.file.write_all(line.as_bytes()).and_then(|()| self.file.flush()).map_err(|e| unwritable(&self.path, &e))?)
    }
}

/// A cell as RFC 4180 wants it.
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_the_columns_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.csv");
        let mut journal = Journal::create(&path, &["core, \"enhancing\"".into(), "edema".into()]).unwrap();
        let record = Record {
            epoch: 1,
            step: 83,
            lr: 1e-3,
            loss: 1.5,
            loss_dice: 0.5,
            loss_cross_entropy: 0.75,
            loss_boundary: 0.25,
            dice: vec![0.5, 0.25],
            dice_mean: 0.5,
            seconds: 2.345,
            waited: 0.25,
        };
        journal.add(&record).unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "epoch,step,lr,loss,loss_dice,loss_cross_entropy,loss_boundary,\"dice_core, \"\"enhancing\"\"\",dice_edema,dice_mean,seconds,waited\n\
             1,83,1e-3,1.500000,0.500000,0.750000,0.250000,0.500000,0.250000,0.500000,2.35,0.25\n"
        );
    }
}
