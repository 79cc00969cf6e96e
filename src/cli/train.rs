//! `lmsc train`: a run config becomes a run folder.
//!
//! May use `train`, `net`, `read` and `text`.

use std::path::{Path, PathBuf};

use super::print;
use crate::net;
use crate::read::Set;
use crate::text::{Code, Diagnostics, Result, Source};
use crate::train::{self, BEST, FIELDS, Folder, Job, Outcome, RunConfig};

/// Train a network as a run config says
///
/// The config names the graph, the data, the patch, the loss, the optimiser and its schedule. After each epoch the validation cases are
/// segmented whole and their Dice is written to metrics.csv; the best network so far is kept as best.safetensors.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  lmsc train configs/phantom.ron
      train on generated volumes; the run folder is runs/phantom (then runs/phantom-2, ...)

  lmsc train configs/hippocampus.ron --set data.root=/data/Task04_Hippocampus --out runs/hippo
      real volumes in the layout of the Medical Segmentation Decathlon

  lmsc train configs/phantom.ron --set epochs=5 --set optimiser.lr=5e-4 --set anchors=16
      the first two change the run config; `anchors` is no field of it, so it is given to the graph

The run folder holds graph.ron and config.ron (complete: `lmsc train runs/phantom/config.ron` makes the run again), split.json,
metrics.csv, best.safetensors and last.safetensors.")]
pub struct Args {
    /// The run config, a RON file
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,

    /// Change a field of the config (batch=4, data.root=/volumes) or a parameter of the graph (anchors=16); may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub sets: Vec<String>,

    /// Where to train: auto, cpu, cuda, cuda:1 [default: as the config says]
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,

    /// The run folder, new or empty [default: as the config says, else the next free runs/NAME]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Write over what a former run left in the run folder
    #[arg(long)]
    pub force: bool,
}

/// Runs the verb.
///
/// # Errors
/// Everything that is wrong with the config, the graph, the data or the device, before anything is written; then what stops training.
pub fn run(args: Args) -> Result<()> {
    let source = Source::read(&args.config)?;
    let (own, graph_sets) = divide(&args.sets)?;
    let mut config = RunConfig::read(&source, &own)?;
    if let Some(device) = args.device {
        config.device = device;
    }
    let graph = Source::read(&config.graph_path(&args.config)).map_err(|d| {
        let help = format!("`graph` is {} in `{}`; a relative path starts at the config's folder", config.graph.display(), source.name);
        d.help(help)
    })?;
    let job = Job::prepare(config, &source, &graph, &graph_sets).map_err(|e| explain(e, &graph_sets))?;
    let device = net::device(&job.config.device)?;
    let name = args.config.file_stem().map_or("run".into(), |s| s.to_string_lossy().into_owned());
    let folder = Folder::create(args.out.as_deref().or(job.config.out.as_deref()), &name, args.force)?;

    eprintln!(
        "{}: {} training and {} validation cases, {} epochs of {} steps, on {}",
        job.program.name,
        job.training.len(),
        job.validation.len(),
        job.config.epochs,
        job.steps(),
        job.config.device
    );
    let outcome = train::train(&job, &folder, &device)?;
    print(&format!("{}\n", summary(&job, &outcome, folder.path())));
    print(&format!("next: lmsc predict {} IMAGE.nii.gz --out predictions\n", folder.file(BEST).display()));
    Ok(())
}

/// Changes of the run config, and those of the graph: names that are no field of the config.
fn divide(sets: &[String]) -> Result<(Vec<Set>, Vec<Set>)> {
    let mut found = Diagnostics::default();
    let all: Vec<Set> = sets.iter().filter_map(|s| found.keep(Set::parse(s))).collect();
    found.or(())?;
    Ok(all.into_iter().partition(|s| s.path.split('.').next().is_some_and(|first| FIELDS.contains(&first))))
}

/// A name that neither knows may be a slip in either.
fn explain(mut errors: Diagnostics, sets: &[Set]) -> Diagnostics {
    for d in errors.0.iter_mut().filter(|d| d.code == Code::E0207) {
        if let Some(set) = sets.iter().find(|s| d.message.contains(&format!("`{}`", s.path))) {
            d.help.push(format!(
                "if a field of the run config is meant: {}",
                crate::text::suggestion(&set.path, FIELDS.iter().copied(), "fields")
            ));
        }
    }
    errors
}

/// How a run went, in two lines.
pub(super) fn summary(job: &Job, outcome: &Outcome, folder: &Path) -> String {
    let labels = job.store.description().foreground();
    let dice: Vec<String> = labels.iter().zip(&outcome.best.dice).map(|(l, d)| format!("{l} {d:.3}")).collect();
    format!(
        "trained {} epochs in {}; best after epoch {}: mean Dice {:.3} on {} validation cases ({})\nrun folder: {}",
        job.config.epochs,
        train::span(outcome.duration),
        outcome.best.epoch,
        outcome.best.dice_mean,
        job.validation.len(),
        dice.join(", "),
        folder.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_go_to_the_config_or_to_the_graph() {
        let given = ["epochs=3", "anchors=16", "data.root=/x", "set.classes=2", "width=8"].map(String::from);
        let (own, graph) = divide(&given).unwrap();
        let names = |s: &[Set]| s.iter().map(|s| s.path.clone()).collect::<Vec<_>>();
        assert_eq!(names(&own), ["epochs", "data.root", "set.classes"]);
        assert_eq!(names(&graph), ["anchors", "width"]);
        assert_eq!(divide(&["epochs".into(), "=3".into()]).unwrap_err().0.len(), 2);
    }
}
