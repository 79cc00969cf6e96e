//! Progress of a run: on a terminal a bar over small curves, a line for each epoch everywhere. All on standard error.
//!
//! Part of `train`; depends on `train::bar`, `train::journal` and `text` only.

use std::time::{Duration, Instant};

use super::journal::Record;
use crate::bar::{Bar, columns};
use crate::text::list;

/// The most classes that are named in a line.
const NAMED: usize = 20;

/// The progress of a run.
#[derive(Debug)]
pub struct TrainProgress {
    bar: Bar,
    epochs: usize,
    steps: usize,
    before: usize,
    start: Instant,
    /// Loss and mean Dice of the epochs that are done.
    curves: [Vec<f64>; 2],
    labels: Vec<String>,
}

impl TrainProgress {
    /// A run of `epochs` times `steps` optimiser steps, of which `before` were done earlier, with their epochs' records. `labels` are the
    /// foreground classes.
    pub fn new(epochs: usize, steps: usize, labels: Vec<String>, before: usize, records: &[Record]) -> Self {
        // What is told beside the bar takes 58 columns.
        let long = columns().map_or(LONGEST, |width| width.saturating_sub(58).clamp(4, LONGEST));
        let bar = Bar::new(epochs.saturating_mul(steps), &format!("{{prefix}} {{bar:{long}}} {{pos}}/{{len}} {{wide_msg}}\n{{curves}}"));
        let validated = records.iter().filter(|r| r.is_validated());
        let curves = [records.iter().map(|r| r.loss).collect(), validated.map(|r| r.dice_mean).collect()];
        let progress = Self { bar, epochs, steps, before, start: Instant::now(), curves, labels };
        progress.bar.set_curves(progress.drawn());
        progress
    }

    /// After each step. `epoch` is from 1, `done` counts all steps so far.
    pub fn step(&self, epoch: usize, done: usize, loss: f64) {
        self.bar.change(|bar| {
            bar.set_prefix(format!("epoch {epoch}/{}", self.epochs));
            bar.set_message(format!("loss {loss:.3}  {} left", span(self.left(done))));
            bar.set_position(done as u64);
        });
    }

    /// That the validation cases are at work.
    pub fn validating(&self, at: usize, of: usize) {
        self.bar.change(|bar| bar.set_message(format!("validation {at}/{of}")));
    }

    /// After each epoch.
    pub fn epoch(&mut self, r: &Record, best: bool) {
        let [loss, dice] = &mut self.curves;
        loss.push(r.loss);
        dice.extend(r.is_validated().then_some(r.dice_mean));
        self.bar.set_curves(self.drawn());
        let left = self.left(r.epoch * self.steps);
        let line = line(r, best, self.epochs, &self.labels, left);
        self.say(&line);
    }

    /// A line above the bar.
    pub fn say(&self, line: &str) {
        self.bar.say(line);
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish();
    }

    /// The curves of the epochs that are done.
    fn drawn(&self) -> String {
        let [loss, dice] = &self.curves;
        match (loss.last(), dice.last()) {
            (Some(l), Some(d)) => {
                let places = columns().map_or(SPARK, |width| (width.saturating_sub(26) / 2).clamp(4, SPARK));
                format!("loss {} {l:.3}   Dice {} {}", spark(loss, places), spark(dice, places), figure(*d, 3))
            }
            (Some(l), None) => {
                let places = columns().map_or(SPARK, |width| width.saturating_sub(13).clamp(4, SPARK));
                format!("loss {} {l:.3}", spark(loss, places))
            }
            _ => String::new(),
        }
    }

    fn left(&self, done: usize) -> Duration {
        let all = self.epochs.saturating_mul(self.steps);
        let own = done.saturating_sub(self.before).max(1);
        self.start.elapsed().mul_f64(all.saturating_sub(done) as f64 / own as f64)
    }
}

/// The longest bar, and the most places of a small curve.
const LONGEST: usize = 30;
const SPARK: usize = 24;

/// Values as a line of blocks from the least to the greatest; of more than `most`, neighbours are brought together in their mean.
fn spark(values: &[f64], most: usize) -> String {
    let places = values.len().min(most);
    let mean = |i: usize| {
        let part = &values[i * values.len() / places..(i + 1) * values.len() / places];
        part.iter().sum::<f64>() / part.len() as f64
    };
    let means: Vec<f64> = (0..places).map(mean).collect();
    let finite = || means.iter().copied().filter(|v| v.is_finite());
    let (least, most) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    let block = |v: &f64| match ((v - least) / (most - least).max(f64::MIN_POSITIVE) * 7.0).round() {
        height if height.is_finite() => char::from_u32(0x2581 + height.clamp(0.0, 7.0) as u32).unwrap_or(' '),
        _ => ' ',
    };
    means.iter().map(block).collect()
}

fn line(r: &Record, best: bool, epochs: usize, labels: &[String], left: Duration) -> String {
    let dice = || list(labels.iter().zip(&r.dice).map(|(l, d)| format!("{l} {}", figure(*d, 3))), NAMED);
    let validated = if r.is_validated() { format!("  Dice {} ({})", figure(r.dice_mean, 4), dice()) } else { String::new() };
    format!(
        "epoch {:>w$}/{epochs}  loss {:.4}{validated}{}  {:.0} s, {} left",
        r.epoch,
        r.loss,
        if best { " best" } else { "" },
        r.seconds,
        span(left),
        w = epochs.to_string().len()
    )
}

/// A Dice, or a dash where there is nothing to score.
pub fn figure(dice: f64, digits: usize) -> String {
    if dice.is_nan() { "-".to_owned() } else { format!("{dice:.digits$}") }
}

/// A span of time for people: `50 s`, `12 min`, `3 h 20 min`.
pub fn span(d: Duration) -> String {
    let s = d.as_secs_f64().round() as u64;
    match s {
        0..100 => format!("{s} s"),
        100..6000 => format!("{} min", (s + 30) / 60),
        _ => format!("{} h {:02} min", (s + 30) / 3600, (s + 30) % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_well() {
        let shown = [0, 99, 100, 1800, 5999, 6000, 7199, 36_000].map(|s| span(Duration::from_secs(s)));
        assert_eq!(shown, ["0 s", "99 s", "2 min", "30 min", "100 min", "1 h 40 min", "2 h 00 min", "10 h 00 min"]);
    }

    #[test]
    fn small_curves_go_from_the_least_to_the_greatest() {
        assert_eq!(spark(&[0.0, 0.5, 1.0], SPARK), "▁▅█");
        assert_eq!(spark(&[3.0], SPARK), "▁");
        assert_eq!(spark(&[1.0, f64::NAN, 0.0], SPARK), "█ ▁");
        assert_eq!(spark(&[], SPARK), "");
        let many = spark(&(0..1000).map(f64::from).collect::<Vec<_>>(), SPARK);
        assert!(many.chars().count() == SPARK && many.starts_with('▁') && many.ends_with('█'), "{many}");
    }

    #[test]
    fn an_epoch_is_one_line() {
        let r = Record {
            epoch: 3,
            step: 9,
            lr: 1e-3,
            loss: 0.51234,
            loss_dice: 0.0,
            loss_cross_entropy: 0.0,
            loss_boundary: 0.0,
            loss_tversky: 0.0,
            loss_focal: 0.0,
            dice: vec![0.75, 0.5, f64::NAN],
            dice_cases: vec![2, 2, 0],
            dice_mean: 0.75,
            score: None,
            seconds: 12.3,
            waited: 0.0,
        };
        let labels = ["core", "edema", "never"].map(String::from);
        assert_eq!(
            line(&r, true, 40, &labels, Duration::from_secs(460)),
            "epoch  3/40  loss 0.5123  Dice 0.7500 (core 0.750, edema 0.500, never -) best  12 s, 8 min left"
        );
        let nothing = Record { dice: vec![f64::NAN; 3], dice_cases: vec![0; 3], dice_mean: f64::NAN, ..r.clone() };
        assert!(line(&nothing, false, 40, &labels, Duration::ZERO).contains("  Dice - (core -, edema -, never -)  12 s"));
        let plain = Record { dice: vec![f64::NAN; 3], dice_cases: vec![], dice_mean: f64::NAN, ..r };
        assert_eq!(line(&plain, false, 40, &labels, Duration::from_secs(460)), "epoch  3/40  loss 0.5123  12 s, 8 min left");
    }
}
