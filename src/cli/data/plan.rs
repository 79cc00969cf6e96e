//! `lmsc data plan`: what a data set is like, and a run config that suits it.
//!
//! Part of `cli::data`.

use std::path::{Component, Path, PathBuf};

use serde_json::json;

use super::{Surveyed, findings, parsed, short, survey};
use crate::cli::output::{Overwrite, graph_inputs};
use crate::cli::{complain, print, print_lines, size, tell};
use crate::compile::{self, Program};
use crate::data::{Fingerprint, ValueRange};
use crate::host;
use crate::read::Set;
use crate::text::{Code, Diagnostic, Form, Result, Source, columns, printable, several};
use crate::train::{self, TrainingPlan};

/// Of the machine's free memory, the part that a training step may take if --memory does not say.
const SHARE: f64 = 0.5;
/// Where nothing is known of the machine's memory.
const OTHERWISE: u64 = 8 << 30;

/// Say what a data set is like, and propose a run config
///
/// Every volume is read: sizes, spacings, intensities of the foreground, how much there is of each class. From these follow, by the rules of
/// nnU-Net, a spacing for all cases, the normalisation, the patch and the batch; the memory of a training step is what the compiler counts for the graph.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  lmsc data plan Task04_Hippocampus --graph graphs/lightmedseg.ron
  lmsc data plan ACDC --graph graphs/lightmedseg.ron --memory 8GiB --out configs/mine.ron
      then: lmsc train configs/mine.ron
  lmsc data plan configs/brats.ron --set data.root=/data/Task01_BrainTumour --json
      the graph and its parameters are those of the config")]
pub struct Args {
    /// A folder, or a run config
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    /// The graph to be trained [default: as the config says]
    #[arg(long, value_name = "GRAPH")]
    pub graph: Option<PathBuf>,
    /// Change a field of the config (data.root=/volumes) or a parameter of the graph (anchors=16); may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub sets: Vec<String>,
    /// What a training step may take: 8GiB, 800MB [default: half of what is free]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub memory: Option<u64>,
    /// Plan with activation checkpointing: larger patches and batches in the same memory, more time for each
    #[arg(long)]
    pub checkpointing: bool,
    /// Write the run config here instead of printing it
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print for programs
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub overwrite: Overwrite,
}

/// Runs the verb.
///
/// # Errors
/// What is wrong with the data set or the graph; E0902 when nothing fits into the memory.
pub fn run(args: Args) -> Result<()> {
    // A folder takes no settings of its own: what is given is for the graph.
    let (sets, graph_sets) = if args.data.is_dir() { (vec![], parsed(&args.sets)?) } else { (args.sets.clone(), vec![]) };
    let mut outputs = args.overwrite.outputs("data plan");
    outputs.input(&args.data);
    args.graph.iter().for_each(|graph| graph_inputs(&mut outputs, graph));
    // Before the volumes are read, which takes a while.
    args.out.iter().try_for_each(|path| outputs.look(path, Form::Plain))?;
    let all = survey(&args.data, &sets)?;
    outputs.inputs(all.files());
    let found = findings(&all);
    let about = &all.set.description;
    let graph = args.graph.clone().or(all.graph.clone()).ok_or_else(|| {
        Diagnostic::error(Code::E0601, "a folder does not say what is to be trained on it").help("give --graph graphs/lightmedseg.ron")
    })?;
    let mut given: Vec<Set> = all.graph_sets.clone();
    given.extend(graph_sets);
    let classes = if about.regions.is_empty() { about.labels.len() } else { about.regions.len() };
    for (name, count) in [("modalities", about.modalities.len()), ("classes", classes)] {
        if !given.iter().any(|s| s.path == name) {
            given.push(Set::parse(&format!("{name}={count}"))?);
        }
    }
    graph_inputs(&mut outputs, &graph);
    args.out.iter().try_for_each(|path| outputs.claim(path, Form::Plain))?;
    let program = compile::compile(&Source::read(&graph)?, &given, None)?;
    let budget = args.memory.unwrap_or_else(|| host::available_memory().map_or(OTHERWISE, |free| (free as f64 * SHARE) as u64));
    let fingerprint = Fingerprint::of(about, &all.cases);
    let plan = train::plan(&fingerprint, &program, args.checkpointing, budget)?;
    let config = config(&all, &graph, &given, &fingerprint, &plan, &args);
    if args.json {
        let proposal = json!({
            "spacing_mm": plan.spacing, "crop": plan.crop, "normalise": plan.normalise, "patch": plan.patch, "batch": plan.batch,
            "memory_bytes": plan.memory, "budget_bytes": budget, "epochs": plan.epochs, "steps": plan.steps, "config": config,
        });
        print(&format!("{:#}\n", json!({ "fingerprint": fingerprint, "proposal": proposal })));
    } else {
        print_lines(&page(&fingerprint, &program, &plan, budget));
    }
    match &args.out {
        Some(path) => {
            outputs.write(path, Form::Plain, &config)?;
            tell(&format!("wrote {}\nnext: lmsc train {}", path.display(), path.display()));
        }
        None if !args.json => print(&format!("\n{config}")),
        None => {}
    }
    // What cannot be used was left out of the figures; it is said all the same.
    if found.has_errors() {
        return Err(found.gathered());
    }
    complain(&found.gathered());
    Ok(())
}

/// What the set is like and what follows, for people.
fn page(f: &Fingerprint, program: &Program, plan: &TrainingPlan, budget: u64) -> String {
    let mut rows: Vec<(String, String)> = vec![];
    let ranges = |all: &[ValueRange; 3]| {
        let one = |r: &ValueRange| {
            if r.min == r.max { short(r.median) } else { format!("{} ({} to {})", short(r.median), short(r.min), short(r.max)) }
        };
        all.iter().map(one).collect::<Vec<_>>().join(" x ")
    };
    let mut row = |name: &str, line: String| rows.push((name.to_owned(), line));
    row("voxels", format!("{}, D x H x W of RAS{}", ranges(&f.size), if plan.crop { ", without planes of zeros" } else { "" }));
    row("spacing mm", ranges(&f.spacing));
    for i in &f.intensities {
        let figures = format!(
            "median {}, mean {}, deviation {}, percentiles 0.5 and 99.5 at {} and {}",
            short(i.median),
            short(i.mean),
            short(i.deviation),
            short(i.low),
            short(i.high)
        );
        row(&printable(&i.modality), format!("{figures}, in the foreground"));
    }
    for c in f.classes.iter().skip(1) {
        row(
            &format!("{} {}", c.value, printable(&c.name)),
            format!("{} % of the voxels, in {} of {}", short(100.0 * c.part), c.cases, several(f.cases, "case")),
        );
    }
    let mib = |n: u64| crate::text::thousands(n >> 20);
    row("", String::new());
    row("spacing", plan.spacing.map_or("that of the cases, which is one".into(), |s| format!("{} mm", s.map(short).join(" x "))));
    row("patch", format!("{}; the median case has {}", plan.patch.map(|n| n.to_string()).join(" x "), plan.median.map(short).join(" x ")));
    row("batch", format!("{}: a training step of {} takes {} MiB of {}", plan.batch, program.name, mib(plan.memory), mib(budget)));
    let shown = match plan.steps == plan.once {
        true => "each of which shows every training case of a fold once".to_owned(),
        false => format!("as many as nnU-Net's have; {} would show every training case of a fold once", several(plan.once, "step")),
    };
    row("training", format!("{} (nnU-Net makes 1000) of {} steps, {shown}", several(plan.epochs, "epoch"), plan.steps));
    let width = rows.iter().map(|(name, _)| columns(name)).max().unwrap_or(0) + 2;
    let lines = rows.iter().map(|(name, line)| format!("{name}{}{line}", " ".repeat(width - columns(name))).trim_end().to_owned() + "\n");
    format!("{}: {} of {} can be used\n\n{}", printable(&f.name), f.cases, several(f.of, "case"), lines.collect::<String>())
}

/// The run config.
fn config(all: &Surveyed, graph: &Path, given: &[Set], f: &Fingerprint, plan: &TrainingPlan, args: &Args) -> String {
    let folder = args.out.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
    let graph = relative(folder, graph);
    // Seen from the config's folder, as the graph is.
    let mut spec = all.spec.clone();
    spec.root_mut().into_iter().for_each(|root| *root = relative(folder, root));
    let data = written(&spec);
    let sets: Vec<String> = given.iter().map(|s| format!("\"{}\": {}", s.path, s.text())).collect();
    let triple = |v: [f64; 3]| format!("({})", v.map(|v| v.to_string()).join(", "));
    let mut text =
        format!("// {}: {}. Proposed by `lmsc data plan`; change what you know better.\n(\n", printable(&f.name), several(f.cases, "case"));
    let mut row = |line: String| text.push_str(&format!("    {line},\n"));
    row(format!("graph: {:?}", graph.display().to_string()));
    row(format!("set: {{ {} }}", sets.join(", ")));
    row(format!("data: {data}"));
    let about = &all.set.description;
    if !about.regions.is_empty() {
        let one = |(name, values): &(String, Vec<u32>)| format!("{name:?}: {values:?}");
        row(format!("regions: {{ {} }}", about.regions.iter().map(one).collect::<Vec<_>>().join(", ")));
    }
    if !about.paint.is_empty() {
        row(format!("paint: {:?}", about.paint));
    }
    row("split: (folds: 5, fold: 0)".into());
    if let Some(spacing) = plan.spacing {
        row(format!("spacing: {}", triple(spacing)));
        row("cache: \"cache\"".into());
    }
    if let Some(nan) = all.set.preprocess().nan {
        row(format!("nan: {nan}"));
    }
    if plan.crop {
        row("crop: true".into());
    }
    row(format!("patch: ({})", plan.patch.map(|n| n.to_string()).join(", ")));
    row(format!("batch: {}", plan.batch));
    row(format!("normalise: {}", written(&plan.normalise)));
    row("augment: (/* (p, p, p) for D, H and W; 0 where left and right are told apart */ flip: 0.5, noise: 0.1, intensity: 0.1)".into());
    row("loss: (dice: 1.0, cross_entropy: 1.0, boundary: 0.5, radius: 1, inverse_frequency: 0.5)".into());
    row("optimiser: (lr: 1e-3, weight_decay: 1e-2)".into());
    row("schedule: (warmup: 1, min_lr: 1e-6)".into());
    if args.checkpointing {
        row("checkpointing: true".into());
    }
    row(format!("epochs: {}", plan.epochs));
    row(format!("steps: {} /* of the optimiser, in an epoch; {} show every training case once */", plan.steps, plan.once));
    row("seed: 0".into());
    text + ")\n"
}

/// A value in one line of RON.
fn written(value: &impl serde::Serialize) -> String {
    ron::ser::to_string_pretty(value, ron::ser::PrettyConfig::new().depth_limit(0)).unwrap_or_default()
}

/// A path as it is seen from a folder.
fn relative(folder: &Path, path: &Path) -> PathBuf {
    if folder.as_os_str().is_empty() || path.is_absolute() {
        return path.to_owned();
    }
    let (Ok(from), Ok(to)) = (std::path::absolute(folder), std::path::absolute(path)) else { return path.to_owned() };
    let (from, to): (Vec<Component>, Vec<Component>) = (from.components().collect(), to.components().collect());
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    if shared < 2 {
        // Nothing but the root is shared.
        return to.into_iter().collect();
    }
    let up = std::iter::repeat_n(Component::ParentDir, from.len() - shared);
    up.chain(to[shared..].iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_is_named_from_the_configs_folder() {
        let seen = |folder: &str, path: &str| relative(Path::new(folder), Path::new(path)).display().to_string();
        assert_eq!(seen("configs", "graphs/a.ron"), "../graphs/a.ron");
        assert_eq!(seen("", "graphs/a.ron"), "graphs/a.ron");
        assert_eq!(seen("graphs", "graphs/a.ron"), "a.ron");
        assert_eq!(seen("a/b", "/x/a.ron"), "/x/a.ron");
        assert!(seen("/nowhere", "a.ron").starts_with('/'));
    }
}
