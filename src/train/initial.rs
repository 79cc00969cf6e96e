//! Fine-tuning: a run that begins with the weights of a trained network, keeps some of them as they are, and lets others learn slower or faster.
//!
//! Part of `train`; may use `compile`, `import`, `net`, `store` and `text`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::fault::fault;
use super::job::Job;
use crate::compile::Program;
use crate::import::weights::read;
use crate::ir::{Array, Arrays};
use crate::net::Network;
use crate::store::{self, NameMap, fits};
use crate::text::{Code, Diagnostic, Diagnostics, Result, Source, a_few, nearest, printable, several};

use super::config::RunConfig;

/// The record in the run folder.
pub const INITIAL: &str = "initial.json";
/// So many weights of a kind are named in a line.
const NAMED: usize = 6;

/// The weights that a run begins with.
#[derive(Clone, Debug)]
pub struct InitialWeights {
    arrays: Arrays,
    pub report: InitialReport,
}

/// What came from where.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct InitialReport {
    pub file: String,
    /// Weights and running statistics of the graph, and their names in the file.
    pub taken: BTreeMap<String, String>,
    /// Those that are drawn anew, and why.
    pub drawn: BTreeMap<String, String>,
    /// Tensors of the file that are of no use.
    pub unused: Vec<String>,
    /// Weights that stay as they are.
    pub frozen: Vec<String>,
    /// Weights whose learning rate is another one, and its factor.
    pub rates: BTreeMap<String, f64>,
}

impl InitialReport {
    /// In words, a line for each kind.
    pub fn lines(&self) -> Vec<String> {
        let all = self.taken.len() + self.drawn.len();
        let mut lines = vec![format!("initial: {} of {} from {}", self.taken.len(), several(all, "tensor"), printable(&self.file))];
        if !self.drawn.is_empty() {
            let shown: Vec<String> = self.drawn.iter().take(NAMED).map(|(name, why)| format!("{name} ({why})")).collect();
            let more = self.drawn.len().saturating_sub(NAMED);
            lines.push(format!("drawn anew: {}{}", shown.join(", "), if more > 0 { format!(" and {more} more") } else { String::new() }));
        }
        if !self.unused.is_empty() {
            let names: Vec<String> = self.unused.iter().map(|n| printable(n)).collect();
            lines.push(format!("of no use there: {}", a_few(&names, NAMED)));
        }
        if !self.frozen.is_empty() {
            lines.push(format!("frozen: {}", a_few(&self.frozen, NAMED)));
        }
        let mut by: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        self.rates.iter().for_each(|(name, factor)| by.entry(factor.to_string()).or_default().push(name));
        lines.extend(by.iter().map(|(factor, names)| format!("learning rate times {factor}: {}", a_few(names, NAMED))));
        lines
    }
}

/// The factor of the learning rate of each weight of a graph, in its order: 0 for one that is frozen.
///
/// # Errors
/// E0601 for a pattern that no weight fits, and for a weight that two rates are given for.
pub(super) fn factors(config: &RunConfig, program: &Program, source: &Arc<Source>) -> Result<BTreeMap<String, f64>> {
    let names: Vec<String> = program.graph.weights().into_iter().map(|(_, name, _)| name).collect();
    let mut found = Diagnostics::default();
    let mut factors: BTreeMap<String, f64> = BTreeMap::new();
    let rates = config.rates.iter().map(|(pattern, factor)| ("rates", pattern, *factor));
    for (field, pattern, factor) in rates.chain(config.freeze.iter().map(|pattern| ("freeze", pattern, 0.0))) {
        // `enc1` stands for all weights of that node.
        let within = format!("{pattern}.*");
        let fitting: Vec<&String> = names.iter().filter(|name| fits(pattern, name) || fits(&within, name)).collect();
        if fitting.is_empty() {
            let near = nearest(pattern, names.iter().map(String::as_str)).or(names.first().map(String::as_str)).unwrap_or_default();
            let message = format!("`{field}` has `{}`, which no weight of `{}` fits", printable(pattern), printable(&program.name));
            found.push(
                fault(source, &config.told.sets, field, message)
                    .help(format!("patterns are of the weights' names, as `{near}`, with * for anything; `enc1` is all of a node")),
            );
        }
        for name in fitting {
            match factors.insert(name.clone(), factor) {
                Some(other) if factor != 0.0 && other != factor => {
                    let message = format!("`rates` gives `{name}` two factors, {other} and {factor}");
                    found.push(fault(source, &config.told.sets, field, message).help("make the patterns narrower"));
                }
                _ => {}
            }
        }
    }
    found.or(factors)
}

impl Job {
    /// The weights that the run begins with, where its config names a file.
    ///
    /// # Errors
    /// E0801 for a file that cannot be read; E0802 where none of its tensors is a weight of the graph, and for a frozen weight that it has not.
    pub fn initial(&self) -> Result<Option<InitialWeights>> {
        let Some(path) = &self.config.initial else { return Ok(None) };
        let map = self.config.map.as_deref().map(NameMap::read).transpose()?;
        let known: BTreeMap<String, Vec<usize>> = self.program.graph.tensors().into_iter().map(|(_, name, w)| (name, w.dims)).collect();
        let foreign = theirs(path)?;
        let (ours, names) = map.unwrap_or_default().rename(&foreign, &known, &self.program.params, path)?;
        let mut report = InitialReport { file: path.display().to_string(), ..InitialReport::default() };
        let mut arrays = Arrays::new();
        for (name, dims) in &known {
            match (ours.get(name), names.get(name)) {
                (Some(array), Some(theirs)) if array.dims == *dims => {
                    report.taken.insert(name.clone(), theirs.clone());
                    arrays.insert(name.clone(), array.clone());
                }
                (Some(Array { dims: other, .. }), _) => drop(report.drawn.insert(name.clone(), format!("{dims:?} here, {other:?} there"))),
                _ => drop(report.drawn.insert(name.clone(), "not there".into())),
            }
        }
        if arrays.is_empty() {
            let message = format!("`{}` has no weight of `{}`", path.display(), printable(&self.program.name));
            return Err(Diagnostic::error(Code::E0802, message)
                .help("give `map`, rules from its names to those of the graph; `lmsc import weights FILE --graph GRAPH --suggest-map` proposes one")
                .into());
        }
        let taken: std::collections::HashSet<&String> =
            names.iter().filter(|(name, _)| arrays.contains_key(*name)).map(|(_, theirs)| theirs).collect();
        report.unused = foreign.arrays.keys().filter(|name| !taken.contains(name)).cloned().collect();
        for (name, factor) in &self.factors {
            match *factor {
                0.0 => report.frozen.push(name.clone()),
                factor => drop(report.rates.insert(name.clone(), factor)),
            }
        }
        if let Some(name) = report.frozen.iter().find(|name| !report.taken.contains_key(*name)) {
            let message =
                format!("`freeze` keeps `{name}` as it is, and it is drawn anew: {}", report.drawn.get(name).map_or("", String::as_str));
            return Err(Diagnostic::error(Code::E0802, message).help("freeze only what comes from `initial`").into());
        }
        Ok(Some(InitialWeights { arrays, report }))
    }
}

/// The tensors of a file: of a model of ours with several sets of weights, those of the first.
fn theirs(path: &Path) -> Result<store::Store> {
    let mut store = read(path, None)?.store;
    if store.metadata.contains_key(store::SETS) {
        store.arrays = store::load(path)?.weights;
    }
    if let Some((name, array)) = store.arrays.iter().find(|(_, a)| a.values.iter().any(|v| !v.is_finite())) {
        let count = array.values.iter().filter(|v| !v.is_finite()).count();
        let message = format!("{count} numbers of `{}` in `{}` are not finite", printable(name), path.display());
        return Err(Diagnostic::error(Code::E0803, message).help("begin with another checkpoint").into());
    }
    Ok(store)
}

impl InitialWeights {
    /// Gives a network these weights; the others stay as they were drawn.
    ///
    /// # Errors
    /// None for a network of the job that they are of.
    pub fn give(&self, network: &mut Network, device: &burn::tensor::Device) -> Result<()> {
        let mut all: Arrays = crate::net::arrays(network).collect();
        all.extend(self.arrays.iter().map(|(name, array)| (name.clone(), array.clone())));
        crate::net::assign(network, &all, &self.report.file, device)
    }
}
