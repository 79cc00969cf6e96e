//! `lmsc train`: a run config becomes a run folder, or several.
//!
//! May use `train`, `net`, `read` and `text`.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

mod dry;
mod find;
mod listing;
mod slurm;
pub mod sweep;

use super::output::graph_inputs;
use super::{print_lines, tell};
use crate::net;
use crate::read::{self, Set};
use crate::text::{Code, Diagnostic, Diagnostics, Outputs, Result, Source, list, render, several};
use crate::train::{self, FIELDS, Folder, Job, Outcome, RunConfig, StopReason, given};

/// The most classes that are named in a line.
const NAMED: usize = 20;

/// Train a network as a run config says
///
/// The config names the graph, the data, the patch, the loss, the optimiser and its schedule. After each epoch the validation cases are
/// segmented whole and their Dice is written to metrics.csv; the best network so far is kept as best.safetensors.
///
/// A value with several items makes several runs: `--set anchors=8,16,32`, `--set split.fold=0..4` (0 to 4), and every combination of
/// such. Commas within brackets or quotes and those of paths divide nothing: `patch=(48,48,48)`, `"a,b"` and `/data/a,b` are one value.
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

  lmsc train configs/phantom.ron --set recipe=nnunet --set budget=12h
      nnU-Net's augmentation, loss and optimiser for what the config leaves open, and as many epochs as twelve hours have room for

  lmsc train configs/phantom.ron --find-lr
      a hundred steps with growing learning rates, the loss of each, and a proposal; writes nothing

  lmsc train configs/phantom.ron --dry
      three steps and one validation: time, memory, and how long the run will take; writes nothing

Several runs, one folder each, as runs/ablation/anchors=8,split.fold=0:
  lmsc train configs/phantom.ron --set split.folds=5 --set anchors=8,16,32 --set split.fold=0..4 --out runs/ablation
      one after the other; the same command again skips what is finished and goes on with what was interrupted

  lmsc train ... --list                 what these runs are, and how far each has come
  lmsc train ... --index 3              one of them
  lmsc train ... --slurm array.sh       a script that makes each of them a task of a Slurm job array
  lmsc report runs/ablation             a table of them all

The run folder holds graph.ron and config.ron (complete: `lmsc train runs/phantom/config.ron` makes the run again), split.json, \
metrics.csv and metrics.jsonl (each epoch), cases.csv and cases.jsonl (each case at the best epoch), an event file for TensorBoard, \
data.json (size, time and hash of each file), starts.jsonl (machine, threads, version), best.safetensors, last.safetensors and \
resume.state. Ctrl-C finishes the step at hand and saves it. While the run folder has a file `pause`, or the one that LMSC_PAUSE names \
is there, the run waits.")]
pub struct Args {
    /// The run config, a RON file
    #[arg(value_name = "CONFIG", required_unless_present = "resume")]
    pub config: Option<PathBuf>,

    /// Go on with the run in this folder
    #[arg(long, value_name = "RUN", conflicts_with_all = ["config", "sets", "out", "force", "dry", "find_lr", "list", "index", "slurm"])]
    pub resume: Option<PathBuf>,

    /// Go on although files of the data set have changed since the run began
    #[arg(long, requires = "resume")]
    pub changed_data: bool,

    /// Change a field of the config (batch=4, data.root=/volumes) or a parameter of the graph (anchors=16); may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub sets: Vec<String>,

    /// Where to train: auto, cpu, cuda, cuda:1, wgpu [default: as the config says]
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,

    /// The run folder, new or empty [default: as the config says, else the next free runs/NAME]; of several runs the folder that holds theirs
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Write over what a former run left in the run folder
    #[arg(long)]
    pub force: bool,

    /// Show the whole config, its defaults marked; make three steps and segment one validation case, say what the run will take, and
    /// write nothing
    #[arg(long, conflicts_with_all = ["list", "slurm"])]
    pub dry: bool,

    /// Make a hundred steps with learning rates from 1e-6 to 1, show the loss of each, propose one, and write nothing
    #[arg(long, conflicts_with_all = ["dry", "list", "slurm"])]
    pub find_lr: bool,

    /// Print --dry, --find-lr or --list for programs
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub several: sweep::SweepOptions,
}

/// Runs the verb.
///
/// # Errors
/// Everything that is wrong with the config, the graph, the data or the device, before anything is written; then what stops training. Of
/// several runs, what has stopped each of them.
pub fn run(args: Args) -> Result<()> {
    if args.json && !args.dry && !args.find_lr && !args.several.list {
        return Err(Diagnostic::error(Code::E0601, "--json goes with --dry, --find-lr or --list")
            .help("leave it out, or see `lmsc report --help`")
            .into());
    }
    if let Some(run) = &args.resume {
        // The folder first: that it is no run folder says more than that its config is missing.
        let folder = Folder::open(run)?;
        let job = prepare(&run.join(train::CONFIG), &[], args.device.as_deref())?;
        if args.changed_data {
            let changed = train::accept_data(&job, &folder)?;
            eprintln!("{} of the data set changed since the run began, and it goes on with them", several(changed.len(), "file"));
        }
        return finish(&make(&job, &folder, true)?, &folder);
    }
    let Some(file) = args.config.clone() else { unreachable!("CONFIG or --resume is required") };
    let variants = read::variants(&args.sets)?;
    if args.dry || args.find_lr {
        let name = if args.dry { "--dry" } else { "--find-lr" };
        let one = sweep::chosen(&variants, args.several.index)?;
        let [variant] = one else {
            let message = format!("{name} looks at one run, and these are {}", variants.len());
            return Err(Diagnostic::error(Code::E0601, message).help("choose one with --index; --list shows them").into());
        };
        let job = prepare(&file, &variant.sets, args.device.as_deref())?;
        if args.find_lr {
            return find::run(&job, args.json);
        }
        let mut named = RunConfig::named(&Source::read(&file)?, &divide(&variant.sets).0)?;
        named.extend(args.device.is_some().then(|| "device".to_owned()));
        return dry::run(&job, &named, args.json);
    }
    if variants.len() > 1 || args.several.asked() {
        return sweep::run(&args, &file, &variants);
    }
    let sets = variants.first().map(|v| v.sets.as_slice()).unwrap_or_default();
    let job = prepare(&file, sets, args.device.as_deref())?;
    // Before the folder, so that nothing is made for a device that is not there.
    net::device(&job.config.device)?;
    let out = args.out.as_deref().or(job.config.out.as_deref());
    out.map_or(Ok(()), |out| spares_inputs(&job, &file, out))?;
    let folder = Folder::create(out, &stem(&file), args.force)?;
    finish(&make(&job, &folder, false)?, &folder)
}

/// Reads a config with its changes, compiles its graph and opens its data.
fn prepare(file: &Path, sets: &[Set], device: Option<&str>) -> Result<Job> {
    let source = Source::read(file)?;
    let (own, graph_sets) = divide(sets);
    let mut config = RunConfig::read(&source, &own)?;
    if let Some(device) = device {
        config.device = device.to_owned();
    }
    let graph = Source::read(&config.graph_path(file)).map_err(|d| {
        let shown = config.graph.display();
        d.help(match given(&config.told.sets, "graph") {
            Some(_) => format!("`graph` is {shown} in --set; a relative path there starts at the working directory"),
            None => format!("`graph` is {shown} in `{}`; a relative path starts at the config's folder", source.name),
        })
    })?;
    Job::prepare(config, &source, &graph, &graph_sets).map_err(|e| explain(e, &graph_sets))
}

/// That what a run leaves in a folder takes the place of none of its inputs, and can be written there.
fn spares_inputs(job: &Job, config: &Path, folder: &Path) -> Result<()> {
    let mut outputs = Outputs::new("train", None);
    outputs.input(config);
    graph_inputs(&mut outputs, &job.config.graph_path(config));
    outputs.inputs(job.config.initial.iter().chain(&job.config.map));
    job.config.split.file.iter().for_each(|list| outputs.input(&config.parent().unwrap_or(Path::new("")).join(list)));
    outputs.inputs(job.store.description().cases.iter().flat_map(|case| case.image.iter().chain(&case.label)));
    outputs.folder(folder)?;
    Ok(train::LEFT.iter().try_for_each(|name| outputs.reserve(&folder.join(name)))?)
}

/// Trains in a folder, or goes on there.
fn make(job: &Job, folder: &Folder, resumed: bool) -> Result<Outcome> {
    let device = net::device(&job.config.device)?;
    if let Some(warning) = job.fits(&device)? {
        eprintln!("{}", render::concise(&warning));
    }
    if let Some(meaning) = job.meaning() {
        eprintln!("regions: {meaning}");
    }
    // A run that goes on has its numbers from its folder.
    let fitted = if resumed { None } else { train::fitted(job, &device)? };
    if let (Some((job, r)), Some(budget)) = (&fitted, &job.config.budget) {
        let average = job.config.optimiser.average.unwrap_or_default();
        let (epochs, steps) = (several(job.config.epochs, "epoch"), several(job.steps(), "step"));
        tell(&format!("budget {budget}: {:.2} s a step, {epochs} of {steps}, optimiser.average {average}", r.mean_step_seconds));
    }
    let job = fitted.as_ref().map_or(job, |(job, _)| job);
    announce(job, &device);
    if !resumed {
        begins_with(job)?;
    }
    let begin = if resumed { train::resume } else { train::train };
    let outcome = begin(job, folder, &device, asked_to_stop()).map_err(|e| and_go_on(e, folder))?;
    print_lines(&format!("{}\n", summary(job, &outcome, folder.path())));
    Ok(outcome)
}

/// A run that a full disk has stopped has lost nothing but the time since it was saved.
fn and_go_on(mut errors: Diagnostics, folder: &Folder) -> Diagnostics {
    if folder.file(train::CONFIG).exists() {
        let again = format!("then go on with: lmsc train --resume {}", folder.path().display());
        errors.0.iter_mut().filter(|d| d.code == Code::E0603).for_each(|d| d.help.push(again.clone()));
    }
    errors
}

/// What a single run ends with.
fn finish(outcome: &Outcome, folder: &Folder) -> Result<()> {
    leave_if_asked(outcome, &format!("lmsc train --resume {}", folder.path().display()));
    let path = folder.path().display();
    print_lines(&format!("next:\n  lmsc predict {path} IMAGE.nii.gz --out predictions\n  lmsc report {path}\n"));
    Ok(())
}

/// Says what is trained, and on what.
fn announce(job: &Job, device: &burn::tensor::Device) {
    tell(&format!(
        "{}: {} and {}, {} of {}, on {}",
        job.program.name,
        several(job.training.len(), "training case"),
        several(job.validation.len(), "validation case"),
        several(job.config.epochs, "epoch"),
        several(job.steps(), "step"),
        net::name_of(device)
    ));
}

/// Says which weights came from where.
fn begins_with(job: &Job) -> Result<()> {
    if let Some(initial) = job.initial()? {
        initial.report.lines().iter().for_each(|line| tell(line));
    }
    Ok(())
}

/// The name of a config's runs.
fn stem(file: &Path) -> String {
    file.file_stem().map_or("run".into(), |s| s.to_string_lossy().into_owned())
}

/// Becomes true with the first Ctrl-C (or TERM, or HUP); the second ends the program at once.
pub(super) fn asked_to_stop() -> &'static AtomicBool {
    static STOP: AtomicBool = AtomicBool::new(false);
    // Refused when it is there already, of an earlier run of this process.
    let _ = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!("finishing the step; press again to stop at once");
    });
    &STOP
}

/// Ends the program where the run was stopped before its end; `again` is the command that goes on.
pub(super) fn leave_if_asked(outcome: &Outcome, again: &str) {
    if outcome.ending == StopReason::Asked {
        tell(&format!("stopped as asked; go on with:\n  {again}"));
        // As a shell reports a program that an interrupt has ended.
        std::process::exit(130);
    }
}

/// Changes of the run config, and those of the graph: names that are no field of the config.
pub(super) fn divide(sets: &[Set]) -> (Vec<Set>, Vec<Set>) {
    sets.iter().cloned().partition(|s| s.path.split('.').next().is_some_and(|first| FIELDS.contains(&first)))
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
        if !best.is_validated() {
            return "no epoch was validated; the last is kept as the best".into();
        }
        let (epoch, all) = (best.epoch, best.epoch >= job.config.epochs);
        let cases = if all { job.validation.len() } else { job.validated_between().len() };
        let in_some = |at: usize| best.dice_cases.get(at).filter(|n| (1..cases).contains(*n)).map_or(String::new(), |n| format!(" in {n}"));
        let one = |(at, (l, d)): (usize, (&String, &f64))| format!("{l} {}{}", train::figure(*d, 3), in_some(at));
        let dice = list(labels.iter().zip(&best.dice).enumerate().map(one), NAMED);
        let on = format!("on {} ({dice})", several(cases, "validation case"));
        match best.mean() {
            Some(mean) => format!("best after epoch {epoch}: mean Dice {mean:.3} {on}"),
            None => format!("no mean Dice, nothing to score {on}; the last epoch is kept as the best"),
        }
    });
    let ended = match outcome.ending {
        StopReason::Patience => ", and none was better for as many as `patience` says",
        StopReason::Whole | StopReason::Asked => "",
    };
    let time = train::span(outcome.duration);
    let cleaned = outcome.cleaned.as_ref().map_or(String::new(), |c| match c.postprocess.is_none() {
        true => "\nno postprocessing helps".into(),
        false => format!("\npostprocessing: {}; mean Dice {:.3} instead of {:.3}", c.postprocess, c.after, c.before),
    });
    let meaning = job.meaning().map_or(String::new(), |m| format!("\nregions: {m}"));
    let (done, all) = (outcome.epochs, job.config.epochs);
    format!("{done} of {} trained{ended}, {time}; {best}{meaning}{cleaned}\nrun folder: {}", several(all, "epoch"), folder.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_go_to_the_config_or_to_the_graph() {
        let given = ["epochs=3", "anchors=16", "data.root=/x", "set.classes=2", "width=8"].map(|s| Set::parse(s).unwrap());
        let (own, graph) = divide(&given);
        let names = |s: &[Set]| s.iter().map(|s| s.path.clone()).collect::<Vec<_>>();
        assert_eq!(names(&own), ["epochs", "data.root", "set.classes"]);
        assert_eq!(names(&graph), ["anchors", "width"]);
    }
}
