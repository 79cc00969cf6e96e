//! `lmsc demo`: the whole path on generated volumes, in a minute or two.
//!
//! May use everything below.

use std::path::{Path, PathBuf};

use ndarray::ArrayView3;

use super::{eval, print, print_lines, tell, train};
use crate::data::{DatasetSpec, phantom};
use crate::infer::{BEST, Options, Predictor};
use crate::net;
use crate::read::Set;
use crate::text::{Code, Diagnostic, Outputs, Result, Source};
use crate::train::{Folder, Job, RunConfig};
use crate::volume::{Header, write_image, write_labels};

const GRAPH: &str = include_str!("../../graphs/lightmedseg.ron");
/// Small volumes and few steps: it shows the way, not what the network can do.
const CONFIG: &str = include_str!("demo.ron");

/// Train, evaluate and predict on generated volumes, in a minute or two
///
/// A small LightMedSeg learns three nested, tumour-like classes in volumes with four modalities. The run folder then holds the network,
/// the validation volumes with their labels, the predictions, and a picture of each.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  lmsc demo
      into runs/demo (then runs/demo-2, ...)

  lmsc demo --seed 7 --out /tmp/demo
      other volumes and other first weights")]
pub struct Args {
    /// The run folder, new or empty [default: the next free runs/demo]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// The seed of the volumes, the weights and the batches
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// Where to compute: auto, cpu, cuda, cuda:1, wgpu
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: String,
}

/// Runs the verb.
///
/// # Errors
/// E0602 for a device that is not there, E0603 for a folder that cannot be written.
pub fn run(args: Args) -> Result<()> {
    let source = Source::new("demo.ron", CONFIG);
    let sets = [format!("seed={}", args.seed), format!("data.seed={}", args.seed)];
    let sets = sets.iter().map(|s| Set::parse(s)).collect::<Result<Vec<_>>>()?;
    let mut config = RunConfig::read(&source, &sets)?;
    config.device = args.device;
    let job = Job::prepare(config, &source, &Source::new("lightmedseg.ron", GRAPH), &[])?;
    let device = net::device(&job.config.device)?;
    let folder = Folder::create(args.out.as_deref(), "demo", false)?;

    tell(&format!("training {} on generated volumes, into {}", job.program.name, folder.path().display()));
    let outcome = crate::train::train(&job, &folder, &device, super::train::asked_to_stop())?;

    train::leave_if_asked(&outcome, &format!("lmsc train --resume {}", folder.path().display()));
    let predictor = Predictor::new(net::load_model(&folder.file(BEST), &device)?, Options::default());
    let [images, labels, predictions] = ["images", "labels", "predictions"].map(|n| folder.file(n));
    // The run folder was new or empty, so that nothing is written over.
    let outputs = Outputs::new("demo", None);
    [&images, &labels, &predictions].into_iter().try_for_each(|folder| outputs.make(folder))?;
    let mut shown = String::new();
    for &case in &job.validation {
        let (name, label) = write_case(&job, case, &images, &labels)?;
        let prediction = predictor.predict(&[images.join(&name)], || ())?;
        prediction.write(&predictions.join(&name))?;
        let label: ArrayView3<u8> = label.view();
        let title = name.trim_end_matches(".nii.gz");
        prediction.picture(&predictions.join(format!("{title}.png")), title, Some(label))?;
        shown = name;
    }
    print_lines(&format!("{}\n\n", train::summary(&job, &outcome, folder.path())));
    print(&eval::compare(&predictions, &labels, predictor.card().scored())?);
    print_lines(&next(folder.path(), &shown));
    Ok(())
}

/// Writes a generated case as files; gives the files' name and the labels.
fn write_case(job: &Job, case: usize, images: &Path, labels: &Path) -> Result<(String, ndarray::Array3<u8>)> {
    let DatasetSpec::Phantom { size, seed, channels, classes, .. } = job.config.data else {
        return Err(Diagnostic::error(Code::E0701, "the demo's data are not generated")
            .help("this is a fault of the program; please report it")
            .into());
    };
    let made = phantom::generate(size, seed, case as u64).reduced(channels, classes);
    let id = job.store.ids().get(case).cloned().unwrap_or_default();
    let name = format!("{id}.nii.gz");
    write_image(&images.join(&name), &made.image, &Header::plain(size, made.image.dim().0, made.spacing))?;
    write_labels(&labels.join(&name), &made.label, &Header::plain(size, 1, made.spacing))?;
    Ok((name, made.label))
}

/// What can be done with a run folder that holds a case of this file name.
fn next(folder: &Path, case: &str) -> String {
    let f = folder.display();
    let page = case.replace(".nii.gz", ".html");
    format!(
        "
what to do next
  look at the pictures (image, labels, prediction)
    {f}/predictions/*.png
  see how the training went, as a page
    lmsc report {f}
  go through a volume in a browser, with its errors
    lmsc view {f}/images/{case} --labels {f}/predictions/{case} --reference {f}/labels/{case} --model {f} --out {page}
  segment an image with the network that you have trained
    lmsc predict {f} {f}/images/{case} --out again
  change the network: copy {f}/graph.ron, edit it, see its cost
    lmsc stats FILE
  change the training: copy {f}/config.ron, edit it
    lmsc train FILE
  train on generated volumes for longer, or on your own
    lmsc train configs/phantom.ron
    lmsc data plan FOLDER --graph graphs/lightmedseg.ron --out mine.ron
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_names_commands_that_there_are() {
        let text = next(Path::new("runs/demo"), "phantom_0001.nii.gz");
        let commands: Vec<Vec<&str>> =
            text.lines().filter(|l| l.trim_start().starts_with("lmsc ")).map(|l| l.split_whitespace().collect()).collect();
        for verb in ["report", "view", "predict", "stats", "train", "data"] {
            assert!(commands.iter().any(|c| c[1] == verb), "{verb}: {text}");
        }
        for command in commands {
            <crate::cli::Cli as clap::Parser>::try_parse_from(&command).unwrap_or_else(|e| panic!("{command:?}: {e}"));
        }
    }
}
