//! `lmsc data`: what a data set is like, whether it can be trained on, and how it might be.
//!
//! May use `data`, `train`, `compile`, `show`, `text`, and `check`, `plan` below it.

mod check;
mod plan;

use std::path::{Path, PathBuf};

use crate::bar::Bar;
use crate::data::{self, Dataset, DatasetSpec, Preprocess, Survey};
use crate::read::Set;
use crate::text::{Diagnostics, Result, Source};
use crate::train::{RunConfig, split_cases};

/// Look at a data set: check it, or plan a run on it
///
/// A data set is a folder (of the Medical Segmentation Decathlon, nnU-Net raw, BraTS or ACDC, told by what is in it) or a run config, whose `data` says
/// where its cases are.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  lmsc data check Task04_Hippocampus
  lmsc data plan Task04_Hippocampus --graph graphs/lightmedseg.ron")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Check(check::Args),
    Plan(plan::Args),
}

/// Runs the verb.
///
/// # Errors
/// What is wrong with the data set.
pub fn run(args: Args) -> Result<()> {
    match args.verb {
        Verb::Check(a) => check::run(a),
        Verb::Plan(a) => plan::run(a),
    }
}

/// A data set that was named, with its cases looked at.
struct Surveyed {
    spec: DatasetSpec,
    set: Dataset,
    cases: Vec<Survey>,
    /// Ids of the cases that the config keeps for validation; none for a folder.
    held: Vec<String>,
    /// The graph of the config, if one was named.
    graph: Option<PathBuf>,
    graph_sets: Vec<Set>,
}

impl Surveyed {
    /// The files of its cases, and its description where it has one.
    fn files(&self) -> impl Iterator<Item = PathBuf> {
        let cases = self.set.description.cases.iter().flat_map(|c| c.image.iter().chain(&c.label).cloned());
        cases.chain(self.spec.root().map(|root| root.join("dataset.json")))
    }
}

/// Opens a folder or a run config (told by what it is), and looks at all cases.
fn survey(target: &Path, sets: &[String]) -> Result<Surveyed> {
    let mut warnings = vec![];
    let (spec, by, split, graph, graph_sets) = if target.is_dir() {
        if let Some(set) = sets.first() {
            return Err(crate::text::Diagnostic::error(crate::text::Code::E0207, format!("--set {set}: a folder has no settings"))
                .help("name a run config, or leave --set out")
                .into());
        }
        (data::guess(target)?, Preprocess::default(), None, None, vec![])
    } else {
        let source = Source::read(target)?;
        let (own, mut graph_sets) = super::train::divide(&parsed(sets)?);
        let config = RunConfig::read(&source, &own)?;
        config.finds_data(&source)?;
        warnings = config.told.warnings.clone();
        let mut given = vec![];
        for (name, value) in &config.set {
            given.push(Set::parse(&format!("{name}={value}"))?);
        }
        given.append(&mut graph_sets);
        (config.data.clone(), config.preprocess(), Some(config.split.clone()), Some(config.graph_path(target)), given)
    };
    let mut set = Dataset::open(&spec, by, None)?;
    set.description.warnings.splice(0..0, warnings);
    let about = &set.description;
    let bar = Bar::new(about.cases.len(), "{msg} {bar:30} {pos}/{len} {eta} left");
    bar.change(|bar| bar.set_message("reading"));
    let cases = set.survey(|| bar.change(|bar| bar.inc(1)));
    bar.finish();
    let held = split.map(|split| split_cases(about, &split, target)).transpose()?.unwrap_or_default().1;
    let held = held.into_iter().map(|i| about.cases[i].id.clone()).collect();
    Ok(Surveyed { spec, set, cases, held, graph, graph_sets })
}

/// Changes that were given on the command line.
fn parsed(sets: &[String]) -> Result<Vec<Set>> {
    let mut found = Diagnostics::default();
    let all = sets.iter().filter_map(|s| found.keep(Set::parse(s))).collect();
    found.or(all)
}

/// All findings: those of the cases, then those of the set.
fn findings(all: &Surveyed) -> Diagnostics {
    let mut found: Vec<_> = all.cases.iter().flat_map(|c| c.findings.iter().cloned()).collect();
    found.extend(all.set.description.warnings.iter().cloned());
    found.extend(data::check::findings(&all.set.description, &all.cases, &all.held));
    Diagnostics(found)
}

/// A number with three digits that matter.
fn short(v: f64) -> String {
    if v == 0.0 || !v.is_finite() {
        return format!("{v}");
    }
    let digits = (2 - v.abs().log10().floor() as i32).clamp(0, 6);
    let scale = 10f64.powi(digits);
    format!("{}", (v * scale).round() / scale)
}
