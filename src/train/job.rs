//! A run that has been checked: config, graph and data fit together.
//!
//! Part of `train`; may use `compile`, `data`, `read` and `text`.

use std::sync::Arc;

use super::config::{RunConfig, fault};
use super::store::Store;
use crate::compile::{self, Program};
use crate::data::{self, Dataset};
use crate::infer::Card;
use crate::read::Set;
use crate::text::{Code, Diagnostic, Diagnostics, Result, Source};

/// Everything that a run needs, checked before anything is written.
#[derive(Clone, Debug)]
pub struct Job {
    pub config: RunConfig,
    pub program: Arc<Program>,
    pub store: Arc<Store>,
    /// Cases by their index in the data set.
    pub training: Vec<usize>,
    pub validation: Vec<usize>,
}

impl Job {
    /// Compiles the graph with the config's parameters, then `sets`, opens the data and compares them.
    ///
    /// `source` is the config's text, for places; `graph` the graph's.
    ///
    /// # Errors
    /// What is wrong with the graph or the data set; E0601 where the three do not fit.
    pub fn prepare(config: RunConfig, source: &Arc<Source>, graph: &Arc<Source>, sets: &[Set]) -> Result<Self> {
        let mut all: Vec<Set> = vec![];
        for (name, value) in &config.set {
            all.push(Set::parse(&format!("{name}={value}"))?);
        }
        all.extend_from_slice(sets);
        // Graph and data are independent: what is wrong with both is said at once.
        let mut found = Diagnostics::default();
        let program = found.keep(compile::compile(graph, &all, None));
        let data = found.keep(Dataset::open(&config.data, config.normalise));
        let (Some(program), Some(data)) = (program, data) else { return Err(found) };
        let store = Store::new(data);
        let about = store.description();
        let labels: Vec<String> = about.labels.iter().map(|(_, name)| name.clone()).collect();

        if let Err(d) = program.fits(config.patch) {
            let mut e = fault(source, "patch", format!("`patch` does not fit the network `{}`: {}", program.name, d.message));
            e.help.splice(0..0, d.help);
            found.push(e);
        }
        for (what, field, has, takes, names) in [
            ("modalities", "set.modalities", about.modalities.len(), program.input_channels(), &about.modalities),
            ("classes", "set.classes", labels.len(), program.classes(), &labels),
        ] {
            if has != takes {
                let message = format!("the data have {has} {what} ({}), but `{}` is built for {takes}", names.join(", "), program.name);
                found.push(fault(source, field, message).help(format!("give --set {what}={has}")));
            }
        }
        let ids = store.ids().to_vec();
        let (training, validation) = data::split(&ids, config.split.seed, config.split.validation);
        if training.is_empty() || validation.is_empty() {
            let message = format!(
                "of {} cases, {} are for training and {} for validation; both need one",
                ids.len(),
                training.len(),
                validation.len()
            );
            found.push(Diagnostic::error(Code::E0601, message).help("add cases to the data set, or change `split.validation`"));
        }
        let index = |names: Vec<String>| names.iter().filter_map(|n| ids.iter().position(|id| id == n)).collect();
        let job =
            Self { training: index(training), validation: index(validation), config, program: Arc::new(program), store: Arc::new(store) };
        found.or(job)
    }

    /// Optimiser steps of an epoch.
    pub fn steps(&self) -> usize {
        self.config.steps.unwrap_or_else(|| self.training.len().div_ceil(self.config.batch).max(1))
    }

    /// The config that makes this run again, from the run folder.
    pub fn resolved(&self) -> RunConfig {
        // The graph file beside it has the parameters applied.
        RunConfig { graph: "graph.ron".into(), set: Default::default(), steps: Some(self.steps()), out: None, ..self.config.clone() }
    }

    /// What a checkpoint of this run says of itself.
    pub fn card(&self, epoch: usize, validation_dice: Option<f64>) -> Card {
        Card {
            modalities: self.store.description().modalities.clone(),
            labels: self.store.description().labels.clone(),
            normalise: self.config.normalise,
            patch: self.config.patch,
            overlap: self.config.overlap,
            epoch,
            validation_dice,
            seed: self.config.seed,
        }
    }

    /// Which cases are in which part, as JSON.
    pub fn split_text(&self) -> String {
        let ids = self.store.ids();
        let names = |cases: &[usize]| cases.iter().filter_map(|&i| ids.get(i).cloned()).collect::<Vec<_>>();
        let value = serde_json::json!({
            "seed": self.config.split.seed,
            "training": names(&self.training),
            "validation": names(&self.validation),
        });
        format!("{value:#}\n")
    }
}
