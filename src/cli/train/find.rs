//! `lmsc train --find-lr`: how the loss takes learning rates from 1e-6 to 1.
//!
//! Part of `cli::train`; may use `train`, `show` and `text`.

use super::{announce, asked_to_stop};
use crate::bar::Bar;
use crate::cli::{complain, print, print_lines};
use crate::net;
use crate::show::{Column, table};
use crate::text::{Diagnostics, Result, several};
use crate::train::{self, Job, LrTestResult};

/// Rows of the table.
const ROWS: usize = 24;
/// Characters of the longest bar.
const WIDE: f64 = 40.0;

/// Makes the test and prints what it has shown.
///
/// # Errors
/// What would stop the run.
pub fn run(job: &Job, json: bool) -> Result<()> {
    let device = net::device(&job.config.device)?;
    announce(job, &device);
    let bar = Bar::new(100, "learning rates {bar:30} {pos}/{len} {eta} left");
    let found = train::find_rate(job, &device, asked_to_stop(), |_, _| bar.change(|bar| bar.inc(1)))?;
    bar.finish();
    complain(&Diagnostics(job.store.warnings(0)).gathered());
    if json {
        print(&format!("{:#}\n", serde_json::json!(found)));
    } else {
        let [rows, said] = text(&found);
        print(&rows);
        print_lines(&said);
    }
    Ok(())
}

/// The table, and what is said of it.
fn text(found: &LrTestResult) -> [String; 2] {
    let tried = &found.tried;
    let rows = tried.len().min(ROWS);
    let shown: Vec<_> = (0..rows).filter_map(|row| tried.get(((row + 1) * tried.len()).div_ceil(rows.max(1)) - 1)).collect();
    let most = shown.iter().map(|t| t.mean).fold(f64::MIN_POSITIVE, f64::max);
    let rows = shown.iter().map(|t| {
        let bar = "#".repeat((t.mean / most * WIDE).round().max(0.0) as usize);
        vec![format!("{:.2e}", t.rate), format!("{:.4}", t.loss), format!("{:.4}", t.mean), bar]
    });
    let columns = [("lr", true), ("loss", true), ("mean", true), ("", false)].map(|(name, number)| Column::new(name, number, 0));
    let said = match (found.proposed, found.least) {
        (Some(proposed), Some(least)) => {
            let steepest = found.steepest.map_or(String::new(), |s| format!("falls most at {s:.1e}, "));
            format!("the mean of the loss {steepest}is least at {least:.1e}\nproposed: --set optimiser.lr={proposed:.1e}\n")
        }
        _ => "the loss did not fall at any rate: nothing is proposed\n".to_owned(),
    };
    [table(&columns, rows.collect(), false), format!("{said}{}; nothing was written\n", several(tried.len(), "step"))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::LrTestStep;

    #[test]
    fn the_table_is_short_and_says_what_is_proposed() {
        let tried: Vec<LrTestStep> =
            (0..100).map(|n| LrTestStep { rate: 1e-6 * f64::from(n + 1), loss: 1.0, mean: 2.0 - f64::from(n) * 0.01 }).collect();
        let found = LrTestResult { tried, least: Some(1e-4), steepest: Some(2e-5), proposed: Some(3e-5) };
        let shown = text(&found).concat();
        assert!(shown.contains("--set optimiser.lr=3.0e-5") && shown.contains("falls most at 2.0e-5"), "{shown}");
        assert!(shown.lines().count() < ROWS + 8 && shown.contains("1.00e-4"), "{shown}");
        let nothing = text(&LrTestResult { tried: vec![], least: None, steepest: None, proposed: None }).concat();
        assert!(nothing.contains("nothing is proposed"), "{nothing}");
    }
}
