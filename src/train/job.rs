//! A validated run: config, graph and data fit together.
//!
//! Part of `train`; may use `compile`, `data`, `read` and `text`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use rand::seq::SliceRandom;
use rayon::prelude::*;

use super::config::{RunConfig, SplitSpec, absolute};
use super::fault::fault;
use super::heads;
use super::initial;
use super::loss::{FrequencyOf, Head, Loss};
use super::memory;
use super::origin::{GRAPH, SPLIT};
use super::regions::label_scheme;
use super::split::{seed, split_cases};
use super::store::CaseStore;
use crate::compile::memory::Segments;
use crate::compile::{self, Program};
use crate::data::{Dataset, RngStream, draw};
use crate::host;
use crate::infer::{Card, Regions};
use crate::metric::{LabelValue, Region};
use crate::net;
use crate::read::Set;
use crate::text::{self, Code, Diagnostic, Diagnostics, Result, Source, several};

/// What the parameters of graphs are called that say the channels of the image and of the answer.
const MODALITIES: &[&str] = &["modalities", "in_channels", "input_channels"];
const CLASSES: &[&str] = &["classes", "out_channels", "num_classes"];

/// Everything that a run needs, checked before anything is written.
#[derive(Clone, Debug)]
pub struct Job {
    pub config: RunConfig,
    pub program: Arc<Program>,
    pub store: Arc<CaseStore>,
    /// What the network's channels stand for where that is regions.
    pub regions: Option<Regions>,
    /// The outputs that are trained on.
    pub heads: Vec<Head>,
    /// The segments of activation checkpointing; a single one without it.
    pub segments: Segments,
    /// The factor of the learning rate of weights where it is not 1; 0 of one that is frozen.
    pub factors: BTreeMap<String, f64>,
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
    pub fn prepare(mut config: RunConfig, source: &Arc<Source>, graph: &Arc<Source>, sets: &[Set]) -> Result<Self> {
        // The run folder's copy of the config lies elsewhere.
        config.initial.iter_mut().chain(&mut config.map).for_each(|file| *file = absolute(file));
        let mut all: Vec<Set> = vec![];
        for (name, value) in &config.set {
            all.push(Set::parse(&format!("{name}={value}"))?);
        }
        all.extend_from_slice(sets);
        // Graph and data are independent: the errors of both are reported together.
        let mut found = Diagnostics::default();
        let program = found.keep(compile::compile(graph, &all, None));
        let data = config.finds_data(source).map_err(Diagnostics::from);
        let data = found.keep(data.and_then(|()| Dataset::open(&config.data, config.preprocess(), config.cache.as_deref())));
        let (Some(program), Some(mut data)) = (program, data) else { return Err(found) };
        data.description.warnings.splice(0..0, config.told.warnings.iter().cloned());
        // What was given on the command line is spoken of there.
        let own = sets.iter().map(|s| Set { path: format!("set.{}", s.path), ..s.clone() });
        let told: Vec<Set> = config.told.sets.iter().cloned().chain(own).collect();
        let store = CaseStore::new(data);
        let about = store.description();
        let labels: Vec<String> = about.labels.iter().map(|(_, name)| name.clone()).collect();

        let regions = found.keep(regions(&config, &about.labels, source)).flatten();
        let (what, names) = match &regions {
            Some(regions) => ("regions", regions.channels.iter().map(|r| r.name.clone()).collect()),
            None => ("classes", labels),
        };
        let mut heads = vec![];
        if let Err(d) = program.fits(config.patch) {
            let mut e = fault(source, &told, "patch", format!("`patch` does not fit the network `{}`: {}", program.name, d.message));
            e.help.splice(0..0, d.help);
            found.push(e);
        } else if let Some(all) = found.keep(heads::heads(&program, &config, source)) {
            heads = all;
        }
        for (what, parameters, takes, names) in
            [("modalities", MODALITIES, program.input_channels(), &about.modalities), (what, CLASSES, program.classes(), &names)]
        {
            let has = names.len();
            let parameter = parameters.iter().find(|p| program.params.contains_key(**p)).unwrap_or(&parameters[0]);
            if has != takes {
                let message = format!("the data have {has} {what} ({}), but `{}` is built for {takes}", names.join(", "), program.name);
                found.push(fault(source, &told, &format!("set.{parameter}"), message).help(format!("give --set {parameter}={has}")));
            }
        }
        if let Some(given) = config.loss.class_weights.as_ref().filter(|w| w.len() != names.len()) {
            let message = format!("`loss.class_weights` are {}, and there are {} {what}: {}", given.len(), names.len(), names.join(", "));
            found.push(fault(source, &told, "loss.class_weights", message));
        }
        // One that cannot be read leaves nothing to say of how many there are.
        let divided = found.keep(split_cases(about, &config.split, Path::new(&source.name)).map_err(Diagnostics::from));
        let readable = divided.is_some();
        let (training, validation) = divided.unwrap_or_default();
        if readable && (training.is_empty() || validation.is_empty()) {
            let message = format!(
                "of {}, {} for training and {} for validation; both need one",
                several(about.cases.len(), "case"),
                training.len(),
                validation.len()
            );
            found.push(Diagnostic::error(Code::E0601, message).help("add cases to the data set, or change `split`"));
        }
        if !found.has_errors() && !store.any_labelled(&training) {
            let message = "no training case has any label beside the background: nothing can be learned";
            let help = "look whether these are the label files, and whether their values are those of `labels`: `lmsc data check`";
            found.push(Diagnostic::error(Code::E0704, message).help(help));
        }
        let factors = found.keep(initial::factors(&config, &program, source)).unwrap_or_default();
        let segments = if config.checkpointing { memory::segments(&program, &config) } else { Segments::whole() };
        let job =
            Self { training, validation, config, program: Arc::new(program), store: Arc::new(store), regions, heads, segments, factors };
        found.or(job)
    }

    /// Optimiser steps of an epoch.
    pub fn steps(&self) -> usize {
        let patches = self.config.batch.saturating_mul(self.config.optimiser.accumulate);
        self.config.steps.unwrap_or_else(|| self.training.len().div_ceil(patches).max(1))
    }

    /// The cases that are validated before the last epoch: all, or the first of an order by the split's seed.
    pub fn validated_between(&self) -> Vec<usize> {
        let mut cases = self.validation.clone();
        if let Some(most) = self.config.validate.cases.filter(|most| *most < cases.len()) {
            cases.shuffle(&mut draw(seed(&self.config.split), RngStream::Validation, 0, 0));
            cases.truncate(most);
        }
        cases
    }

    /// How many cases are segmented in all validations of a run of so many epochs.
    pub fn validated(&self, epochs: usize) -> usize {
        let before = epochs.saturating_sub(1) / self.config.validate.every.max(1);
        self.validation.len() + before.saturating_mul(self.validated_between().len())
    }

    /// The config that makes this run again, from the run folder: what follows from the data, the graph and the recipe is written out.
    pub fn resolved(&self) -> RunConfig {
        // The files beside it: the graph has the parameters applied, and a list of cases is that of this run.
        let mut own = RunConfig {
            recipe: None,
            graph: GRAPH.into(),
            set: Default::default(),
            steps: Some(self.steps()),
            out: None,
            ..self.config.clone()
        };
        own.data.root_mut().into_iter().chain(&mut own.cache).for_each(|folder| *folder = absolute(folder));
        if own.split.file.is_some() {
            own.split = SplitSpec { file: Some(SPLIT.into()), seed: own.split.seed, ..SplitSpec::default() };
        }
        self.settled(own)
    }

    /// A config of this job with what stands in for values that are not set.
    pub fn settled(&self, mut config: RunConfig) -> RunConfig {
        config.split.seed = Some(seed(&config.split));
        let outputs = self.program.graph.outputs.len();
        if outputs > 1 {
            config.loss.deep_supervision.get_or_insert_with(|| heads::usual(outputs));
        }
        config
    }

    /// The loss. Where class weights follow from the frequencies in the data set, all training cases are read for it.
    ///
    /// # Errors
    /// What is wrong with a case's files.
    pub fn loss(&self) -> Result<Loss> {
        let labels = &self.store.description().labels;
        let objective = self.config.loss.clone();
        let all = objective.frequency_of == FrequencyOf::dataset;
        let loss = Loss { heads: self.heads.clone(), ..Loss::new(objective, label_scheme(labels, self.regions.as_ref())) };
        if !all {
            return Ok(loss);
        }
        let count = |case: &usize| Ok(self.store.sample(*case)?.histogram(labels.len()));
        let each = self.training.par_iter().map(count).collect::<Result<Vec<Vec<u64>>>>()?;
        let mut sum = vec![0u64; labels.len()];
        each.iter().for_each(|own| sum.iter_mut().zip(own).for_each(|(sum, n)| *sum += n));
        Ok(loss.with_counts(&sum))
    }

    /// Checks that a training step fits into this machine's memory; that of other devices is not known. Returns a warning, if any.
    ///
    /// # Errors
    /// E0902 where it does not, with settings that would.
    pub fn fits(&self, device: &Device) -> Result<Option<Diagnostic>> {
        if !net::on_cpu(device) {
            return Ok(None);
        }
        Ok(memory::fits(self, host::available_memory(), host::total_memory())?)
    }

    /// The names of what is scored: the classes but the background, or the regions.
    pub fn scored(&self) -> Vec<String> {
        match &self.regions {
            Some(regions) => regions.channels.iter().map(|r| r.name.clone()).collect(),
            None => self.store.description().foreground(),
        }
    }

    /// Which label values the regions are made of, with the names that the data set gives them; none without regions.
    pub fn meaning(&self) -> Option<String> {
        let labels = &self.store.description().labels;
        let name = |v: &LabelValue| {
            labels.iter().find(|(own, _)| own == v).map_or(v.to_string(), |(v, name)| format!("{v} {}", text::printable(name)))
        };
        let one = |r: &Region| format!("{} = {}", text::printable(&r.name), r.values.iter().map(name).collect::<Vec<_>>().join(", "));
        Some(self.regions.as_ref()?.channels.iter().map(one).collect::<Vec<_>>().join("; "))
    }

    /// What a checkpoint of this run says of itself.
    pub fn card(&self, epoch: usize, validation_dice: Option<f64>, class_dice: Vec<Option<f64>>) -> Card {
        let about = self.store.description();
        Card {
            regions: self.regions.clone(),
            normalise: self.config.normalise,
            orientation: self.config.slices.orientation(),
            spacing: self.config.spacing,
            crop: self.config.crop,
            nan: self.config.nan,
            overlap: self.config.overlap,
            epoch,
            validation_dice,
            class_dice,
            seed: self.config.seed,
            ..Card::new(about.modalities.clone(), about.labels.clone(), self.config.patch)
        }
    }

    /// Which cases are in which part, as JSON.
    pub fn split_text(&self) -> String {
        let ids = self.store.ids();
        let names = |cases: &[usize]| cases.iter().filter_map(|&i| ids.get(i).cloned()).collect::<Vec<_>>();
        let value = serde_json::json!({
            "seed": seed(&self.config.split),
            "training": names(&self.training),
            "validation": names(&self.validation),
        });
        format!("{value:#}\n")
    }
}

/// The regions of the config, if it has such; each is made of labels that the data have.
fn regions(config: &RunConfig, labels: &[(u32, String)], source: &Arc<Source>) -> Result<Option<Regions>> {
    let Some(named) = &config.regions else { return Ok(None) };
    // What can be said without the data has been.
    let regions =
        named.regions(config.paint.as_deref()).map_err(|why| fault(source, &config.told.sets, "regions", format!("`regions`: {why}")))?;
    let known = |value: &u32| labels.iter().any(|(own, _)| own == value);
    let unknown = regions.channels.iter().find_map(|r| Some((r.values.iter().find(|v| !known(v))?, &r.name)));
    let Some((value, name)) = unknown else { return Ok(Some(regions)) };
    let all: Vec<String> = labels.iter().map(|(value, name)| format!("{value} {name}")).collect();
    let message = format!("`regions`: the data have no label {value}, which `{}` names", crate::text::printable(name));
    Err(fault(source, &config.told.sets, "regions", message).help(format!("the labels are {}", all.join(", "))).into())
}
