//! `lmsc train`: a run config becomes a run folder.
//!
//! May use `train`, `net`, `read` and `text`.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::print;
use crate::net;
use crate::read::Set;
use crate::text::{Code, Diagnostics, Result, Source, render};
use crate::train::{self, BEST, Ending, FIELDS, Folder, Job, Outcome, RunConfig};

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

  lmsc train configs/hippocampus.ron --set split.folds=5 --set split.fold=2
      the third of five folds, those of nnU-Net (and of scikit-learn's KFold with seed 12345)

  lmsc train --resume runs/hippo
      go on with a run that was interrupted, in whatever way: the weights come out as if it never had been

The run folder holds graph.ron and config.ron (complete: `lmsc train runs/phantom/config.ron` makes the run again), split.json,
metrics.csv, best.safetensors, last.safetensors and resume.state. Ctrl-C finishes the step at hand and saves it.")]
pub struct Args {
    /// The run config, a RON file
    #[arg(value_name = "CONFIG", required_unless_present = "resume")]
    pub config: Option<PathBuf>,

    /// Go on with the run in this folder
    #[arg(long, value_name = "RUN", conflicts_with_all = ["config", "sets", "out", "force"])]
    pub resume: Option<PathBuf>,

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
    let file = match (&args.resume, args.config) {
        (Some(run), _) => run.join("config.ron"),
        (None, Some(config)) => config,
        (None, None) => unreachable!("one of both is required"),
    };
    // The folder first: that it is no run folder says more than that its config is missing.
    let old = args.resume.as_deref().map(Folder::open).transpose()?;
    let source = Source::read(&file)?;
    let (own, graph_sets) = divide(&args.sets)?;
    let mut config = RunConfig::read(&source, &own)?;
    if let Some(device) = args.device {
        config.device = device;
    }
    let graph = Source::read(&config.graph_path(&file)).map_err(|d| {
        let help = format!("`graph` is {} in `{}`; a relative path starts at the config's folder", config.graph.display(), source.name);
        d.help(help)
    })?;
    let job = Job::prepare(config, &source, &graph, &graph_sets).map_err(|e| explain(e, &graph_sets))?;
    let device = net::device(&job.config.device)?;
    if let Some(warning) = job.fits(&device)? {
        eprintln!("{}", render::concise(&warning));
    }
    let resumed = old.is_some();
    let folder = match old {
        Some(folder) => folder,
        None => {
            let name = file.file_stem().map_or("run".into(), |s| s.to_string_lossy().into_owned());
            Folder::create(args.out.as_deref().or(job.config.out.as_deref()), &name, args.force)?
        }
    };

    eprintln!(
        "{}: {} training and {} validation cases, {} epochs of {} steps, on {}",
        job.program.name,
        job.training.len(),
        job.validation.len(),
        job.config.epochs,
        job.steps(),
        job.config.device
    );
    let begin = if resumed { train::resume } else { train::train };
    let outcome = begin(&job, &folder, &device, asked_to_stop())?;
    print(&format!("{}\n", summary(&job, &outcome, folder.path())));
    leave_if_asked(&outcome, folder.path());
    print(&format!("next: lmsc predict {} IMAGE.nii.gz --out predictions\n", folder.file(BEST).display()));
    Ok(())
}

/// Becomes true with the first Ctrl-C (or TERM, or HUP); the second ends the program at once.
pub(super) fn asked_to_stop() -> &'static AtomicBool {
    static STOP: AtomicBool = AtomicBool::new(false);
    // Without a handler, which only a second one in this process keeps from being set, Ctrl-C ends the program as it always does.
    let _ = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!("finishing the step; press again to stop at once");
    });
    &STOP
}

/// Ends the program where the run was stopped before its end.
pub(super) fn leave_if_asked(outcome: &Outcome, folder: &Path) {
    if outcome.ending == Ending::Asked {
        eprintln!("stopped as asked; go on with: lmsc train --resume {}", folder.display());
        // As a shell reports a program that an interrupt has ended.
        std::process::exit(130);
    }
}

/// Changes of the run config, and those of the graph: names that are no field of the config.
pub(super) fn divide(sets: &[String]) -> Result<(Vec<Set>, Vec<Set>)> {
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
    let labels = job.scored();
    let best = outcome.best.as_ref().map_or("no epoch was finished".to_owned(), |best| {
        let dice: Vec<String> = labels.iter().zip(&best.dice).map(|(l, d)| format!("{l} {d:.3}")).collect();
        let (epoch, cases) = (best.epoch, job.validation.len());
        format!("best after epoch {epoch}: mean Dice {:.3} on {cases} validation cases ({})", best.dice_mean, dice.join(", "))
    });
    let ended = match outcome.ending {
        Ending::Patience => ", and none was better for as many as `patience` says",
        Ending::Whole | Ending::Asked => "",
    };
    let time = train::span(outcome.duration);
    let cleaned = outcome.cleaned.as_ref().map_or(String::new(), |c| match c.postprocess.is_none() {
        true => "\nno postprocessing helps".into(),
        false => format!("\npostprocessing: {}; mean Dice {:.3} instead of {:.3}", c.postprocess, c.after, c.before),
    });
    let (done, all) = (outcome.epochs, job.config.epochs);
    format!("{done} of {all} epochs trained{ended}, {time}; {best}{cleaned}\nrun folder: {}", folder.display())
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
