//! What a run was computed on: a line of `starts.jsonl` for each time that it was begun or gone on with.
//!
//! Part of `train`; may use `net` and `text`.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::host;
use crate::text::{Result, unwritable};

/// The file in the run folder.
pub const STARTS: &str = "starts.jsonl";

/// A start of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// Of lmsc.
    pub version: String,
    /// As the config or the command line names it.
    pub device: String,
    pub processor: String,
    /// That the kernels use.
    pub threads: usize,
    /// Seconds since 1970.
    pub time: u64,
    /// Optimiser steps that were done before.
    pub step: usize,
}

impl Start {
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
        let file = if first { File::create(&path) } else { File::options().create(true).append(true).open(&path) };
        let line = serde_json::to_string(self).unwrap_or_default() + "\n";
        Ok(file.and_then(|mut f| f.write_all(line.as_bytes())).map_err(|e| unwritable(&path, &e))?)
    }
}

/// Seconds since 1970.
pub fn seconds_now() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}
