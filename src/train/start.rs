//! The machine and device of a run: a line of `starts.jsonl` for each start and resumption.
//!
//! Part of `train`; may use `net` and `text`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::host;
use crate::text::{Result, write_text};

/// The file in the run folder.
pub const STARTS: &str = "starts.jsonl";

/// A start of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunStart {
    /// Of lmsc.
    pub version: String,
    /// That ran: `cpu`, `cuda:0`. Earlier versions wrote what the config names, as `auto`.
    pub device: String,
    pub processor: String,
    /// That the kernels use.
    pub threads: usize,
    /// Seconds since 1970.
    pub time: u64,
    /// Optimiser steps that were done before.
    pub step: usize,
}

impl RunStart {
    /// Of this process, now.
    pub fn now(device: &str, step: usize, time: f64) -> Self {
        let (version, processor, threads) = (env!("CARGO_PKG_VERSION").into(), host::cpu(), rayon::current_num_threads());
        Self { version, device: device.to_owned(), processor, threads, time: time as u64, step }
    }

    /// Adds it to the folder's file; the first of a run begins the file anew.
    ///
    /// # Errors
    /// E0603 when it cannot be written.
    pub fn note(&self, folder: &Path, first: bool) -> Result<()> {
        let path = folder.join(STARTS);
        let old = if first { String::new() } else { std::fs::read_to_string(&path).unwrap_or_default() };
        // Of a line that was cut off, by a full disk or a kill, nothing is kept: all lines are whole.
        let whole = old.rfind('\n').map_or("", |end| &old[..=end]);
        Ok(write_text(&path, &format!("{whole}{}\n", serde_json::to_string(self).unwrap_or_default()))?)
    }
}

/// Seconds since 1970.
pub fn seconds_now() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}
