//! An in-memory cache of a run's cases, within a memory budget.
//!
//! Part of `train`; may use `data`, `net` and `text`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use crate::data::{Dataset, Description, Sample};
use crate::host;
use crate::text::{Code, Diagnostic, Diagnostics, Result};

/// The part of the free memory that kept cases may take. Beyond it, cases are read again each time.
const SHARE: f64 = 0.25;
/// Where nothing is known of the memory, bytes.
const OTHERWISE: usize = 2 << 30;

/// Cases by their index in the description; shared by the loader's thread and the validation.
#[derive(Debug)]
pub struct CaseStore {
    data: Dataset,
    ids: Vec<String>,
    kept: Mutex<Kept>,
    /// Bytes that kept cases may take.
    budget: usize,
}

#[derive(Debug, Default)]
struct Kept {
    samples: HashMap<usize, Arc<Sample>>,
    bytes: usize,
    warnings: Vec<Diagnostic>,
}

impl CaseStore {
    pub fn new(data: Dataset) -> Self {
        let ids = data.description.ids();
        let budget = host::available_memory().map_or(OTHERWISE, |free| (free as f64 * SHARE) as usize);
        let kept = Kept { warnings: data.description.warnings.clone(), ..Kept::default() };
        Self { data, ids, kept: Mutex::new(kept), budget }
    }

    /// What the data set says of itself.
    pub fn description(&self) -> &Description {
        &self.data.description
    }

    /// The names of the cases, by index.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// A case, its image normalised.
    ///
    /// # Errors
    /// What is wrong with its files.
    pub fn sample(&self, case: usize) -> Result<Arc<Sample>> {
        if let Some(sample) = self.lock().samples.get(&case) {
            return Ok(sample.clone());
        }
        let Some(id) = self.ids.get(case) else {
            return Err(Diagnostic::error(Code::E0701, format!("the data set has no case number {case}"))
                .help("add cases to the data set")
                .into());
        };
        // Read outside the lock: the other thread goes on.
        let loaded = self.data.load(id)?;
        let sample = Arc::new(loaded.sample);
        let bytes = sample.image.len() * size_of::<f32>() + sample.label.len();
        let mut kept = self.lock();
        for warning in loaded.warnings {
            if !kept.warnings.contains(&warning) {
                kept.warnings.push(warning);
            }
        }
        if kept.bytes + bytes <= self.budget && kept.samples.insert(case, sample.clone()).is_none() {
            kept.bytes += bytes;
        }
        Ok(sample)
    }

    /// Prepares cases on all cores and keeps as many as the memory allows. `done` is called after each, from any thread.
    ///
    /// # Errors
    /// What is wrong with the files of each case that has something.
    pub fn prepare(&self, cases: &[usize], done: impl Fn() + Sync) -> Result<()> {
        let each = cases.par_iter().map(|case| {
            let found = self.sample(*case).map(|_| ());
            done();
            found
        });
        let mut found = Diagnostics::default();
        for result in each.collect::<Vec<_>>() {
            found.keep(result);
        }
        found.or(())
    }

    /// Whether any of these cases has a label beside the background, by its file.
    pub fn any_labelled(&self, cases: &[usize]) -> bool {
        self.data.any_labelled(cases)
    }

    /// What is odd about the cases that were read, from warning number `from` on.
    pub fn warnings(&self, from: usize) -> Vec<Diagnostic> {
        self.lock().warnings.get(from..).unwrap_or_default().to_vec()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Every state of the map is a valid one.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
