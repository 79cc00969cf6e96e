//! `lmsc import`: models of other programs become model files.
//!
//! May use `import`, `infer`, `text`.

use std::path::PathBuf;

use super::output::Overwrite;
use super::print_lines;
use crate::import::nnunet::{Checkpoints, Choice, Folds, Imported, import};
use crate::text::{Form, Outputs, Result, printable, several};

/// Make a model of another program one of lmsc
///
/// The network, its weights and how images are prepared go into one file, which `lmsc predict` runs as the other program would.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, clap::Subcommand)]
enum From {
    Nnunet(Nnunet),
}

/// Import a model that nnU-Net v2 has trained
///
/// The folder is the one that nnUNetv2_predict_from_modelfolder takes: plans.json, dataset.json and fold_0, fold_1, ... with their checkpoints. Folds
/// go into one file, and prediction averages them. The network is written as a graph that can be read (`lmsc info`), and every weight is accounted
/// for. What would not come out as in nnU-Net is refused by name: cascades, other networks, other ways to normalise or resample.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  lmsc import nnunet nnUNetTrainer__nnUNetPlans__3d_fullres --out liver.safetensors
      all folds that are there, averaged in prediction; where there is only fold_all, that one

  lmsc import nnunet nnUNetTrainer__nnUNetPlans__3d_fullres --fold 0 --out liver.safetensors
      one fold: a fifth of the work

  lmsc import nnunet nnUNetTrainer__nnUNetPlans__2d --fold all --checkpoint best --out brain.safetensors
      fold_all/checkpoint_best.pth

  lmsc predict liver.safetensors imagesTs --out predictions
      then, as with any model: mirrored along the axes that nnU-Net allows; --flips=none is its --disable_tta, --exact rounds as it does")]
struct Nnunet {
    /// The folder of one configuration
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,

    /// Which folds: numbers joined by commas, or `all` for fold_all; by default all numbers that are there
    #[arg(long, value_name = "FOLDS")]
    fold: Option<Folds>,

    /// Which checkpoint of each fold
    #[arg(long, value_enum, default_value_t, value_name = "WHICH")]
    checkpoint: Which,

    /// The terms under which the weights may be used, kept in the file; by default what dataset.json says
    #[arg(long, value_name = "TEXT")]
    licence: Option<String>,

    /// The model file to write (.safetensors)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    #[command(flatten)]
    overwrite: Overwrite,
}

/// The checkpoints by name.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Which {
    #[default]
    Final,
    Best,
}

/// Runs the verb.
///
/// # Errors
/// What is wrong with the folder, or where the file cannot be written.
pub fn run(args: Args) -> Result<()> {
    let From::Nnunet(args) = args.from;
    let mut outputs = args.overwrite.outputs("import");
    outputs.claim(&args.out, Form::Tensors)?;
    let checkpoint = match args.checkpoint {
        Which::Final => Checkpoints::Final,
        Which::Best => Checkpoints::Best,
    };
    let choice = Choice { folds: args.fold.unwrap_or_default(), checkpoint, licence: args.licence };
    let model = import(&args.folder, &choice)?;
    keep(&mut outputs, &args.out, &model)?;
    let said = told(&model);
    model.save(&args.out, [outputs.entry()])?;
    let shown = args.out.display();
    print_lines(&format!("wrote {shown}: {said}\n\nNext:\n  lmsc info {shown}\n  lmsc predict {shown} IMAGES --out predictions\n"));
    Ok(())
}

/// That the output is none of the files that were read.
fn keep(outputs: &mut Outputs, out: &std::path::Path, model: &Imported) -> Result<()> {
    outputs.inputs(&model.files);
    Ok(outputs.look(out, Form::Tensors)?)
}

/// `PlainConvUNet 3d_fullres of Dataset004_Hippocampus, 2 folds, 1 channel, 3 labels`.
fn told(model: &Imported) -> String {
    let card = &model.card;
    let about =
        card.nnunet.as_ref().map_or(String::new(), |n| format!("{} of {}, ", printable(&n.configuration), printable(&n.source.dataset)));
    let what = if card.regions.is_some() { several(card.channels(), "region") } else { several(card.channels(), "label") };
    format!("{about}{}, {}, {what}", several(model.sets.len(), "fold"), several(card.modalities.len(), "channel"))
}
