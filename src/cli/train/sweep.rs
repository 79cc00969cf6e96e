//! Several runs of one config: one after the other, one of them, a list of them, or a script for a cluster.
//!
//! Part of `cli::train`; may use `train`, `read`, `show` and `text`.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use serde_json::json;

use super::{Args, asked_to_stop, divide, make, prepare, slurm, spares_inputs, stem};
use crate::cli::output::{WIDTH, width};
use crate::cli::{print, print_lines, tell};
use crate::read::Variant;
use crate::show::{Column, fit, left_out, table};
use crate::text::{Code, Diagnostic, Diagnostics, Result, Source, render, several};
use crate::train::{self, Folder, Job, Outcome, RunConfig, RunStatus, StopReason, run_name};

/// What is done with several runs.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Several runs")]
pub struct SweepOptions {
    /// Print the runs with their number and how far each has come; train nothing
    #[arg(long, conflicts_with_all = ["index", "slurm", "force"])]
    pub list: bool,

    /// Make this run only, by its number in --list
    #[arg(long, value_name = "N", conflicts_with = "slurm")]
    pub index: Option<usize>,

    /// Write a script for `sbatch`, one task of an array for each run; train nothing
    #[arg(long, value_name = "FILE", conflicts_with = "force")]
    pub slurm: Option<PathBuf>,

    /// In the script, the most that a run may take, as Slurm writes it (12:00:00)
    #[arg(long, value_name = "TIME", requires = "slurm")]
    pub slurm_time: Option<String>,

    /// In the script, the memory of a run, as Slurm writes it (16G) [default: from the compiler's count]
    #[arg(long, value_name = "MEMORY", requires = "slurm")]
    pub slurm_memory: Option<String>,

    /// In the script, the GPUs of a run
    #[arg(long, value_name = "N", requires = "slurm")]
    pub slurm_gpus: Option<u32>,

    /// Write over a script, or another file, that is there already
    #[arg(long, requires = "slurm")]
    pub overwrite: bool,
}

impl SweepOptions {
    /// Whether something is asked that is of several runs, were there but one.
    pub(super) fn asked(&self) -> bool {
        self.list || self.index.is_some() || self.slurm.is_some()
    }
}

/// The one of that number, or all.
pub(super) fn chosen(variants: &[Variant], index: Option<usize>) -> Result<&[Variant]> {
    let Some(index) = index else { return Ok(variants) };
    variants.get(index).map(std::slice::from_ref).ok_or_else(|| {
        let message = format!("--index is {index}, but the runs are numbered from 0 to {}", variants.len().saturating_sub(1));
        Diagnostic::error(Code::E0601, message).help("`--list` shows them").into()
    })
}

/// Does with the runs what the options say.
pub(super) fn run(args: &Args, file: &Path, variants: &[Variant]) -> Result<()> {
    let root = root(args, file, variants);
    let folder = |v: &Variant| root.join(run_name(&v.varied));
    let job = |v: &Variant| prepare(file, &v.sets, args.device.as_deref());
    if args.several.list {
        return list(variants, folder, job, args.json);
    }
    if let Some(script) = &args.several.slurm {
        return slurm::write(script, &slurm::SlurmArray { args, file, root: &root, variants, job: &job });
    }
    let chosen = chosen(variants, args.several.index)?;
    let mut found = Diagnostics::default();
    let mut done = 0;
    for (at, variant) in chosen.iter().enumerate() {
        let path = folder(variant);
        let number = args.several.index.unwrap_or(at);
        tell(&format!("run {number} of 0 to {}: {}", variants.len() - 1, path.display()));
        match job(variant).and_then(|job| one(&job, file, &path, args.force)) {
            Ok(None) => done += 1,
            Ok(Some(outcome)) if outcome.ending != StopReason::Asked => done += 1,
            Ok(Some(_)) => {}
            Err(errors) => {
                // Said now for who looks on, and again in full at the end.
                errors.0.iter().for_each(|d| eprintln!("{}", render::concise(d)));
                found.0.extend(errors.0.into_iter().map(|d| d.help(format!("this is of the run `{}`", path.display()))));
            }
        }
        if asked_to_stop().load(Ordering::Relaxed) {
            eprintln!("stopped as asked; the same command goes on");
            std::process::exit(130);
        }
    }
    print_lines(&format!(
        "{done} of {} in {} finished\nnext: lmsc report {}\n",
        several(chosen.len(), "run"),
        root.display(),
        root.display()
    ));
    found.or(())
}

/// The folder that holds the runs': a fixed one, so that the same command finds them again.
fn root(args: &Args, file: &Path, variants: &[Variant]) -> PathBuf {
    let said = || {
        let source = Source::read(file).ok()?;
        variants.iter().find_map(|v| RunConfig::read(&source, &divide(&v.sets).0).ok()?.out)
    };
    args.out.clone().or_else(said).unwrap_or_else(|| Path::new("runs").join(stem(file)))
}

/// Makes a run of the config in `file`, or goes on with it; `None` where nothing is left to do.
fn one(job: &Job, file: &Path, path: &Path, force: bool) -> Result<Option<Outcome>> {
    let settled = train::settled(job.clone(), path);
    let standing = if force { RunStatus::Open } else { RunStatus::of(&settled, path)? };
    match standing {
        RunStatus::Finished(epochs) => {
            eprintln!("finished before, {}", several(epochs, "epoch"));
            Ok(None)
        }
        RunStatus::Other => {
            let differences = RunStatus::differences(&settled, path)?.join("; ");
            let message = format!("`{}` holds a run of another config, graph or data set: {differences}", path.display());
            let d = Diagnostic::error(Code::E0601, message);
            Err(d.help("give another folder with --out, or --force to train all of them anew").into())
        }
        RunStatus::Interrupted(_) => make(&settled, &Folder::open(path)?, true).map(Some),
        // What was cut off before it had its config is begun again.
        RunStatus::Open | RunStatus::Running => {
            spares_inputs(job, file, path)?;
            make(job, &Folder::create(Some(path), "", true)?, false).map(Some)
        }
    }
}

fn list(variants: &[Variant], folder: impl Fn(&Variant) -> PathBuf, job: impl Fn(&Variant) -> Result<Job>, json: bool) -> Result<()> {
    let mut found = Diagnostics::default();
    let (mut rows, mut objects) = (vec![], vec![]);
    for (index, v) in variants.iter().enumerate() {
        let path = folder(v);
        let at = |d: Diagnostic| d.help(format!("this is of the run `{}`", path.display()));
        let looked = job(v).map(|job| train::settled(job, &path)).and_then(|job| Ok((RunStatus::of(&job, &path)?, job.config.epochs)));
        let looked = found.keep(looked.map_err(|e| Diagnostics(e.0.into_iter().map(at).collect())));
        let state = looked.map_or("wrong", |(s, _)| s.name());
        let epochs = looked.and_then(|(s, _)| s.epochs());
        let of = looked.map(|(_, epochs)| epochs);
        let shown = epochs.zip(of).map_or("-".into(), |(n, of)| format!("{n}/{of}"));
        rows.push(vec![index.to_string(), state.to_owned(), shown, path.display().to_string()]);
        let set: serde_json::Map<String, serde_json::Value> = v.varied.iter().map(|(n, v)| (n.clone(), v.as_str().into())).collect();
        objects.push(json!({
            "index": index, "state": state, "epochs_done": epochs, "epochs": of, "folder": path.display().to_string(), "set": set,
        }));
    }
    if json {
        print(&format!("{:#}\n", json!(objects)));
    } else {
        let mut columns =
            [("index", true), ("state", false), ("epochs", true), ("folder", false)].map(|(name, n)| Column::new(name, n, 0)).to_vec();
        let width = width(&std::io::stdout(), WIDTH);
        let gone = fit(&mut columns, &mut rows, width);
        print(&(table(&columns, rows, false) + &left_out(&gone, width)));
    }
    found.or(())
}
