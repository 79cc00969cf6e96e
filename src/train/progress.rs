//! What a run shows while it works: a bar on a terminal, a line for each epoch everywhere. All on standard error.
//!
//! Part of `train`; depends on `train::bar` and `train::journal` only.

use std::time::{Duration, Instant};

use super::bar::Bar;
use super::journal::Record;

/// The progress of a run.
#[derive(Debug)]
pub struct Progress {
    bar: Bar,
    epochs: usize,
    steps: usize,
    before: usize,
    start: Instant,
    dice: Option<f64>,
    labels: Vec<String>,
}

impl Progress {
    /// A run of `epochs` times `steps` optimiser steps, of which `before` were done earlier. `labels` are the foreground classes.
    pub fn new(epochs: usize, steps: usize, labels: Vec<String>, before: usize) -> Self {
        let bar = Bar::new(epochs * steps, "{prefix} {bar:30} {pos}/{len} {wide_msg}");
        Self { bar, epochs, steps, before, start: Instant::now(), dice: None, labels }
    }

    /// After each step. `epoch` is from 1, `done` counts all steps so far.
    pub fn step(&self, epoch: usize, done: usize, loss: f64) {
        self.bar.change(|bar| {
            bar.set_prefix(format!("epoch {epoch}/{}", self.epochs));
            let dice = self.dice.map_or(String::new(), |d| format!("  Dice {d:.3}"));
            bar.set_message(format!("loss {loss:.3}{dice}  {} left", span(self.left(done))));
            bar.set_position(done as u64);
        });
    }

    /// That the validation cases are at work.
    pub fn validating(&self, at: usize, of: usize) {
        self.bar.change(|bar| bar.set_message(format!("validation {at}/{of}")));
    }

    /// After each epoch.
    pub fn epoch(&mut self, r: &Record, best: bool) {
        self.dice = Some(r.dice_mean);
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

    fn left(&self, done: usize) -> Duration {
        let all = self.epochs * self.steps;
        let own = done.saturating_sub(self.before).max(1);
        self.start.elapsed().mul_f64(all.saturating_sub(done) as f64 / own as f64)
    }
}

fn line(r: &Record, best: bool, epochs: usize, labels: &[String], left: Duration) -> String {
    let dice: Vec<String> = labels.iter().zip(&r.dice).map(|(l, d)| format!("{l} {d:.3}")).collect();
    format!(
        "epoch {:>w$}/{epochs}  loss {:.4}  Dice {:.4} ({}){}  {:.0} s, {} left",
        r.epoch,
        r.loss,
        r.dice_mean,
        dice.join(", "),
        if best { " best" } else { "" },
        r.seconds,
        span(left),
        w = epochs.to_string().len()
    )
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
    fn an_epoch_is_one_line() {
        let r = Record {
            epoch: 3,
            step: 9,
            lr: 1e-3,
            loss: 0.51234,
            loss_dice: 0.0,
            loss_cross_entropy: 0.0,
            loss_boundary: 0.0,
            dice: vec![0.75, 0.5],
            dice_mean: 0.75,
            seconds: 12.3,
            waited: 0.0,
        };
        let labels = ["core".to_owned(), "edema".to_owned()];
        assert_eq!(
            line(&r, true, 40, &labels, Duration::from_secs(460)),
            "epoch  3/40  loss 0.5123  Dice 0.7500 (core 0.750, edema 0.500) best  12 s, 8 min left"
        );
    }
}
