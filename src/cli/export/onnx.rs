//! `lmsc export onnx`: a model as ONNX.
//!
//! May use `export`, `infer`, `store`, `text`.

use std::path::{Path, PathBuf};

use super::fold;
use crate::cli::info;
use crate::cli::output::Overwrite;
use crate::cli::print_lines;
use crate::compile::Program;
use crate::export::onnx::{DEFAULT_OPSET, INLINE_BYTES, OnnxModel, OnnxOptions, export_mean, metadata};
use crate::infer::{Card, Model};
use crate::store::Trained;
use crate::text::{Code, Diagnostic, Form, Place, Result, Source, Span, list, printable, several, thousands};

/// Write a model as ONNX, which other engines run
///
/// The batch is free, and so are depth, height and width where the network takes them in any length. Inputs and outputs keep their names. What
/// the network alone does not say is in the file's metadata: modalities, labels, how images are prepared, axis order, patch, licence, graph and
/// seal of the model. Several folds are one file, which gives the mean of their logits. The same model gives the same bytes. Weights beyond 1.9 GB lie in a
/// file beside, `OUT.data`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  lmsc export onnx runs/liver/best.safetensors --out liver.onnx
  lmsc export onnx models/hippocampus.safetensors --out hippocampus.onnx --opset 21
      with the nodes that came later, such as GroupNormalization
  lmsc export onnx runs/brats/best.safetensors --out brats.onnx --static 4x128x128x128 --optimised
      for engines that want all lengths beforehand; norms by running statistics and further operations go into convolutions
  lmsc export onnx liver.safetensors --out liver.onnx --fold 0
      of a model of several folds this one, instead of the mean of their logits

docs/export.md shows how the file is run with ONNX Runtime, and which engine runs which operator set.")]
pub struct Args {
    /// The model (.safetensors)
    #[arg(value_name = "MODEL")]
    model: PathBuf,

    /// Where to write (.onnx)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    #[command(flatten)]
    form: NetworkForm,

    #[command(flatten)]
    overwrite: Overwrite,
}

/// How a network is written.
#[derive(Debug, clap::Args)]
pub struct NetworkForm {
    /// The version of ONNX's operator set, 13 to 23
    #[arg(long, value_name = "N", default_value_t = DEFAULT_OPSET)]
    opset: u32,

    /// Fix the input's size, CxDxHxW or DxHxW, HxW in two dimensions, and the batch at 1
    #[arg(long = "static", value_name = "SIZE")]
    size: Option<String>,

    /// Write the network as it runs here, after the passes of the compiler
    #[arg(long)]
    optimised: bool,

    /// Of a model of several folds this one alone: 0, 1, ..., all; without it the mean of their logits
    #[arg(long, value_name = "FOLD")]
    pub fold: Option<String>,
}

impl NetworkForm {
    /// For a program.
    ///
    /// # Errors
    /// E0303 for what is no size, E0302 for other channels than it takes.
    pub fn options(&self, program: &Program) -> Result<OnnxOptions> {
        let fixed = self.size.as_deref().map(|text| size(text, program)).transpose()?;
        Ok(OnnxOptions { opset: self.opset, fixed, optimised: self.optimised })
    }
}

/// Runs the verb.
///
/// # Errors
/// What is wrong with the model; E0805 for what cannot be exported; E0603 where the file cannot be written.
pub fn run(args: Args) -> Result<()> {
    let mut outputs = args.overwrite.outputs("export");
    outputs.input(&args.model);
    outputs.claim(&args.out, Form::Onnx)?;
    let (trained, card) = read(&args.model, args.form.fold.as_deref())?;
    let model = exported(&trained, &card, &args.form.options(&trained.program)?)?;
    if model.needs_data(INLINE_BYTES) {
        outputs.claim(&OnnxModel::data_path(&args.out), Form::Plain)?;
    }
    let bytes = model.write(&args.out, INLINE_BYTES)?;
    let mut text = format!("wrote {}: {}\n", args.out.display(), told(&model, bytes));
    if !trained.attached.is_empty() {
        text.push_str("  without the models within it, which find the box that it looks at: `lmsc export bundle` writes them too\n");
    }
    print_lines(&text);
    Ok(())
}

/// A model with its card, with one `fold` of it or with all of them.
///
/// # Errors
/// As [`Model::read`]; E0805 where it has no such fold, or sets of weights whose logits are not averaged in prediction.
pub fn read(path: &Path, fold: Option<&str>) -> Result<(Trained, Card)> {
    let (trained, card) = Model::read(path)?;
    if let Some(fold) = fold {
        return fold::one(path, trained, card, fold);
    }
    // As `infer` has it: logits are averaged by nnU-Net's rules, probabilities without them.
    if trained.more.is_empty() || card.nnunet.is_some() {
        return Ok((trained, card));
    }
    let names = list(trained.sets().into_iter().map(|(name, _)| printable(&name)), 4);
    let message =
        format!("`{}` averages the probabilities of its sets of weights ({names}), and an exported network gives logits", path.display());
    Err(Diagnostic::error(Code::E0805, message).help("export one of the sets: --fold NAME").into())
}

/// The network with what its file says beside it.
///
/// # Errors
/// As [`export_mean`].
pub fn exported(trained: &Trained, card: &Card, options: &OnnxOptions) -> Result<OnnxModel> {
    let mut said = metadata(trained, card);
    let prepared = info::card_rows(card).into_iter().filter(|(name, _)| PREPARATION.contains(name));
    let prepared: Vec<String> = prepared.map(|(name, lines)| format!("{name}: {}", lines.join(" "))).collect();
    said.insert("preprocessing".into(), prepared.join("; "));
    export_mean(&trained.program, &trained.sets(), &said, options)
}

/// The rows of `lmsc info` that say what is done with an image and with the answer.
pub const PREPARATION: [&str; 7] = ["image", "prepared by", "seen in", "patch", "averaged", "decided by", "cleaned by"];

/// `liver in operator set 17, 131 nodes, 368,645 parameters, 1.4 MiB`, and a line for each input and output.
pub fn told(model: &OnnxModel, bytes: u64) -> String {
    let mut text = format!(
        "{} in operator set {}, {}, {} parameters, {}",
        printable(&model.name),
        model.graph.opset,
        several(model.graph.nodes.len(), "node"),
        thousands(model.parameters()),
        info::bytes(bytes)
    );
    model.inputs.iter().for_each(|p| text.push_str(&format!("\n  input  {p}")));
    model.outputs.iter().for_each(|p| text.push_str(&format!("\n  output {p}")));
    if !model.sets.is_empty() {
        text.push_str(&format!("\n  the mean of the logits of {}", list(model.sets.iter().map(|name| printable(name)), 12)));
    }
    text + &format!("\n  {}", model.sizes)
}

/// Reads the size of --static.
fn size(text: &str, program: &Program) -> Result<[usize; 3]> {
    let numbers: Option<Vec<usize>> = text.split(['x', 'X']).map(|n| n.trim().parse().ok().filter(|n| *n > 0)).collect();
    let (channels, size) = match numbers.as_deref() {
        Some([c, d, h, w]) => (Some(*c), [*d, *h, *w]),
        Some([d, h, w]) => (None, [*d, *h, *w]),
        Some([h, w]) => (None, [1, *h, *w]),
        _ => {
            let source = Source::new("--static", text);
            let place = Place::new(&source, Span::new(0, text.len()));
            let d = Diagnostic::error(Code::E0303, "this is not the size of an input").at(place, "here");
            return Err(d.help("write channels, depth, height and width, as in 4x128x128x128, or 128x128x128").into());
        }
    };
    match channels.filter(|c| *c != program.input_channels()) {
        None => Ok(size),
        Some(c) => {
            let message = format!("--static has {}, but the model takes {}", several(c, "channel"), program.input_channels());
            Err(Diagnostic::error(Code::E0302, message).help("give the channels of the model, or leave them out").into())
        }
    }
}
