//! `lmsc demo`: the whole path on generated volumes, in a minute or two.
//!
//! May use everything below.

use std::path::{Path, PathBuf};

use ndarray::ArrayView3;

use super::{eval, print, train};
use crate::data::{Spec, phantom};
use crate::infer::{BEST, Options, Predictor};
use crate::net;
use crate::read::Set;
use crate::text::{Code, Diagnostic, Result, Source};
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

    eprintln!("training {} on generated volumes, into {}", job.program.name, folder.path().display());
    let outcome = crate::train::train(&job, &folder, &device, super::train::asked_to_stop())?;

    train::leave_if_asked(&outcome, &format!("lmsc train --resume {}", folder.path().display()));
    let predictor = Predictor::new(net::load_model(&folder.file(BEST), &device)?, Options::default());
    let [images, labels, predictions] = ["images", "labels", "predictions"].map(|n| folder.file(n));
    for dir in [&images, &labels, &predictions] {
        std::fs::create_dir_all(dir)
            .map_err(|e| Diagnostic::error(Code::E0603, format!("cannot make `{}`: {e}", dir.display())).help("check the disk"))?;
    }
    for &case in &job.validation {
        let (name, label) = write_case(&job, case, &images, &labels)?;
        let prediction = predictor.predict(&[images.join(&name)], || ())?;
        prediction.write(&predictions.join(&name))?;
        let label: ArrayView3<u8> = label.view();
        prediction.picture(&predictions.join(name.replace(".nii.gz", ".png")), Some(label))?;
    }
    print(&format!("{}\n\n", train::summary(&job, &outcome, folder.path())));
    print(&eval::compare(&predictions, &labels)?);
    print(&next(folder.path()));
    Ok(())
}

/// Writes a generated case as files; gives the files' name and the labels.
fn write_case(job: &Job, case: usize, images: &Path, labels: &Path) -> Result<(String, ndarray::Array3<u8>)> {
    let Spec::Phantom { size, seed, .. } = job.config.data else {
        return Err(Diagnostic::error(Code::E0701, "the demo's data are not generated")
            .help("this is a fault of the program; please report it")
            .into());
    };
    let made = phantom::generate(size, seed, case as u64);
    let id = job.store.ids().get(case).cloned().unwrap_or_default();
    let name = format!("{id}.nii.gz");
    write_image(&images.join(&name), &made.image, &Header::plain(size, made.image.dim().0, made.spacing))?;
    write_labels(&labels.join(&name), &made.label, &Header::plain(size, 1, made.spacing))?;
    Ok((name, made.label))
}

fn next(folder: &Path) -> String {
    let f = folder.display();
    format!(
        "
what to do next
  look at the pictures (image, labels, prediction):   {f}/predictions/*.png
  segment an image with the network you have trained: lmsc predict {f} {f}/images/*.nii.gz --out again
  change the network: copy {f}/graph.ron, edit it, see its cost with  lmsc stats FILE
  change the training: copy {f}/config.ron, edit it, then  lmsc train FILE
  train on your own volumes: configs/hippocampus.ron shows how; lmsc train --help
"
    )
}
