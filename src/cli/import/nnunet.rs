//! `lmsc import nnunet`: a folder that nnU-Net trained becomes a model file.
//!
//! May use `import`, `infer`, `text`.

use std::path::PathBuf;

use crate::cli::output::Overwrite;
use crate::cli::print_lines;
use crate::import::nnunet::{Checkpoints, Choice, Folds, Imported, import};
use crate::text::{Form, Result, printable, several};

/// Import a model that nnU-Net v2 has trained
///
/// The folder is the one that nnUNetv2_predict_from_modelfolder takes: plans.json, dataset.json and fold_0, fold_1, ... with their checkpoints. Folds
/// go into one file, and prediction averages them. The network becomes a graph that can be read (--graph), and every weight is accounted
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

  lmsc import nnunet nnUNetTrainer__nnUNetPlans__3d_fullres --out liver.safetensors --graph liver.ron
      also the network as a graph: for `lmsc graph`, `lmsc stats`, or to be trained further

  lmsc predict liver.safetensors imagesTs --out predictions
      then, as with any model: mirrored along the axes that nnU-Net allows; --flips=none is its --disable_tta, --exact rounds as it does")]
pub struct Args {
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

    /// Also write the network as a graph (.ron), to be looked at, changed or trained
    #[arg(long, value_name = "FILE")]
    graph: Option<PathBuf>,

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
    let mut outputs = args.overwrite.outputs("import");
    outputs.claim(&args.out, Form::Tensors)?;
    args.graph.as_ref().map_or(Ok(()), |graph| outputs.claim(graph, Form::Plain))?;
    let checkpoint = match args.checkpoint {
        Which::Final => Checkpoints::Final,
        Which::Best => Checkpoints::Best,
    };
    let choice = Choice { folds: args.fold.unwrap_or_default(), checkpoint, licence: args.licence };
    let model = import(&args.folder, &choice)?;
    // What was read is not written over.
    outputs.inputs(&model.files);
    outputs.look(&args.out, Form::Tensors)?;
    let said = told(&model);
    if let Some(graph) = &args.graph {
        outputs.look(graph, Form::Plain)?;
        outputs.write(graph, Form::Plain, &model.graph)?;
    }
    model.save(&args.out, [outputs.entry()])?;
    let shown = args.out.display();
    let graph = args.graph.as_ref().map_or(String::new(), |graph| format!("wrote {}: its network, a graph\n", graph.display()));
    print_lines(&format!("wrote {shown}: {said}\n{graph}\nNext:\n  lmsc info {shown}\n  lmsc predict {shown} IMAGES --out predictions\n"));
    Ok(())
}

/// `3d_fullres of Dataset004_Hippocampus, 2 folds, 1 channel, 3 labels`.
fn told(model: &Imported) -> String {
    let card = &model.card;
    let about =
        card.nnunet.as_ref().map_or(String::new(), |n| format!("{} of {}, ", printable(&n.configuration), printable(&n.source.dataset)));
    let what = if card.regions.is_some() { several(card.channels(), "region") } else { several(card.channels(), "label") };
    format!("{about}{}, {}, {what}", several(model.sets.len(), "fold"), several(card.modalities.len(), "channel"))
}
