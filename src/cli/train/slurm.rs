//! `lmsc train --slurm`: a script that makes each run a task of a Slurm job array.
//!
//! Part of `cli::train`; may use `train` and `text`.

use std::path::Path;

use super::{Args, stem};
use crate::cli::output::graph_inputs;
use crate::cli::print_lines;
use crate::read::Variant;
use crate::text::{Code, Diagnostic, Form, Outputs, Result, reason, several};
use crate::train::{Job, counted};

/// What the script is made of.
pub(super) struct SlurmArray<'a> {
    pub args: &'a Args,
    pub file: &'a Path,
    /// The folder that holds the runs'.
    pub root: &'a Path,
    pub variants: &'a [Variant],
    pub job: &'a dyn Fn(&Variant) -> Result<Job>,
}

/// Beside what the compiler counts for a step: cases in memory and batches made ahead, the program, and what the loss needs.
const BESIDE: u64 = 4 << 30;

/// Writes the script.
///
/// # Errors
/// What is wrong with one of the runs; E0603 when the script cannot be written.
pub(super) fn write(script: &Path, array: &SlurmArray) -> Result<()> {
    let mut outputs = Outputs::new("train --slurm", Some(array.args.several.overwrite));
    outputs.input(array.file);
    outputs.look(script, Form::Plain)?;
    let mut most = 0;
    for variant in array.variants {
        let job = (array.job)(variant)?;
        graph_inputs(&mut outputs, &job.config.graph_path(array.file));
        most = most.max(counted(&job)?.total);
    }
    outputs.claim(script, Form::Plain)?;
    let here = std::env::current_dir().map_err(|e| unusable("the working directory", &reason(&e)))?;
    let program = std::env::current_exe().map_err(|e| unusable("the path of lmsc", &reason(&e)))?;
    outputs.write(script, Form::Plain, &text(array, most, &here, &program)?)?;
    let last = array.variants.len() - 1;
    print_lines(&format!(
        "{}: {}, tasks 0 to {last}\nnext: sbatch {}\n",
        script.display(),
        several(array.variants.len(), "run"),
        script.display()
    ));
    Ok(())
}

fn text(array: &SlurmArray, most: u64, here: &Path, program: &Path) -> Result<String> {
    let o = &array.args.several;
    let mut command = vec![quoted(program)?, "train".into(), quoted(array.file)?];
    for set in &array.args.sets {
        command.extend(["--set".into(), quoted(Path::new(set))?]);
    }
    if let Some(device) = &array.args.device {
        command.extend(["--device".into(), quoted(Path::new(device))?]);
    }
    command.extend(["--out".into(), quoted(array.root)?, "--index".into(), "\"$SLURM_ARRAY_TASK_ID\"".into()]);
    let plain: String = stem(array.file).chars().map(|c| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' }).collect();
    let option = |name: &str, value: Option<String>, otherwise: &str| match value {
        // A line of the script: what would end it is left out.
        Some(value) => format!("#SBATCH --{name}={}\n", value.replace(char::is_control, "")),
        None => format!("##SBATCH --{name}={otherwise}\n"),
    };
    let gibibytes = (most + most / 2 + BESIDE).div_ceil(1 << 30);
    Ok(format!(
        "#!/bin/bash\n\
         #SBATCH --job-name=lmsc-{plain}\n\
         #SBATCH --array=0-{}\n\
         #SBATCH --ntasks=1\n\
         # A step was counted to need {} MiB; half of it and 4 GiB are added for cases, batches and the loss. On a GPU it is the GPU's.\n\
         {}{}{}##SBATCH --cpus-per-task=8\n\
         # Before the time is up the step at hand is finished and saved; the same script goes on with what is not finished.\n\
         #SBATCH --signal=B:TERM@120\n\
         set -eu\n\
         cd {}\n\
         exec {}\n",
        array.variants.len().saturating_sub(1),
        most.div_ceil(1 << 20),
        option("mem", Some(o.slurm_memory.clone().unwrap_or(format!("{gibibytes}G"))), ""),
        option("time", o.slurm_time.clone(), "24:00:00"),
        option("gpus", o.slurm_gpus.map(|n| n.to_string()), "1"),
        quoted(here)?,
        command.join(" ")
    ))
}

/// A path or a word as a shell takes it for one, whatever is in it.
fn quoted(path: &Path) -> Result<String> {
    let text = path.to_str().ok_or_else(|| unusable(&format!("`{}`", path.display()), "it is no text in UTF-8"))?;
    Ok(format!("'{}'", text.replace('\'', "'\\''")))
}

fn unusable(what: &str, why: &str) -> Diagnostic {
    Diagnostic::error(Code::E0603, format!("{what} cannot be written into a script: {why}"))
        .help("start lmsc from another folder, or rename it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        for odd in ["a b", "it's", "$HOME `x` \"y\" \\ *", "new\nline", "é"] {
            let out = std::process::Command::new("bash").args(["-c", &format!("printf %s {}", quoted(Path::new(odd)).unwrap())]).output();
            assert!(out.is_ok_and(|o| o.stdout == odd.as_bytes()), "{odd}");
        }
    }
}
