//! `lmsc import weights`: a graph, weights that another program trained, and a card become a model file.
//!
//! May use `compile`, `import`, `infer`, `read`, `store`, `text`.

use std::path::{Path, PathBuf};

use crate::cli::output::{Overwrite, graph_inputs};
use crate::cli::{print, print_lines};
use crate::compile::{Program, compile};
use crate::import::weights::{Foreign, fit, read, suggest};
use crate::infer::{self, Card, ModelOrigin};
use crate::ir::Arrays;
use crate::read::Set;
use crate::store::{self, NameMap, Trained};
use crate::text::{Code, Diagnostic, Form, Outputs, Result, Source, a_few, printable, several};

/// Import weights that any program trained, for a graph
///
/// The weights are a checkpoint of PyTorch (.pt, .pth, .ckpt: zip or legacy), a TorchScript archive, safetensors, or the model.json of TensorFlow.js;
/// what a file is, its content says. Nothing in a checkpoint is run. A map gives the weights the names of the graph; every one of them
/// is accounted for. What an import cannot know (labels, spacing, how images are prepared, licence) a card says.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "\
  lmsc import weights [OPTIONS] --graph <GRAPH> --card <FILE> --out <FILE> <FILE>\n       \
  lmsc import weights [OPTIONS] --graph <GRAPH> --suggest-map <FILE>",
    after_long_help = "\
Examples:
  lmsc import weights model.pth --graph graphs/meshnet.ron --set 'norm=instance(affine: false)' --set act=gelu --set bias=false --set channels=15 --set out_channels=2 --set 'dilations=[16,8,4,2,1,16,8,4,2,1,16,8,4,2,1,16,8,4,2,1,16,8,4,2,1]' --map maps/meshnet.map --card cards/brainchop-mindgrab.ron --out mindgrab.safetensors
      then `lmsc predict mindgrab.safetensors SCAN`

  lmsc import weights model.pth --graph net.ron --suggest-map > net.map
      a map proposed by shapes and order, to be looked at; nothing else is written

  lmsc import weights last.ckpt --key state_dict --graph net.ron --map net.map --card net-card.ron --out net.safetensors
      of a file with several dictionaries of tensors, one

`lmsc explain map` has the rules of a map, one a line. `lmsc explain card` has the fields of a card."
)]
pub struct Args {
    /// The weights
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The graph that they belong to (.ron)
    #[arg(long, value_name = "GRAPH")]
    graph: PathBuf,

    /// Change a parameter or a field of the graph
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,

    /// Rules from the file's names of weights to those of the graph
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,

    /// Where the weights are in a checkpoint: names joined by dots, `.` for all that is there; by default state_dict and the like
    #[arg(long, value_name = "NAME")]
    key: Option<String>,

    /// What an import cannot know: labels, how images are prepared, licence (.ron)
    #[arg(long, value_name = "FILE", required_unless_present = "suggest_map")]
    card: Option<PathBuf>,

    /// The model file to write (.safetensors)
    #[arg(long, value_name = "FILE", required_unless_present = "suggest_map")]
    out: Option<PathBuf>,

    /// Print a map proposed by shapes and order, and write no model
    #[arg(long, conflicts_with_all = ["map", "card", "out"])]
    suggest_map: bool,

    #[command(flatten)]
    overwrite: Overwrite,
}

/// Runs the verb.
///
/// # Errors
/// What is wrong with the graph, the weights, the map or the card; where the model cannot be written.
pub fn run(args: Args) -> Result<()> {
    let sets = args.set.iter().map(|s| Set::parse(s)).collect::<Result<Vec<_>>>()?;
    let (Some(card), Some(out)) = (&args.card, &args.out) else {
        let program = compile(&Source::read(&args.graph)?, &sets, None)?;
        let proposal = suggest(&program, &read(&args.file, args.key.as_deref())?);
        print(&proposal.text);
        return if proposal.found > 0 { Ok(()) } else { Err(strangers(&args.file, &args.graph).into()) };
    };
    let mut outputs = args.overwrite.outputs("import");
    graph_inputs(&mut outputs, &args.graph);
    outputs.inputs([&args.file, card].into_iter().chain(&args.map));
    outputs.claim(out, Form::Tensors)?;
    let mut said = infer::read_card(card)?;
    let program = compile(&Source::read(&args.graph)?, &sets, None)?;
    let map = args.map.as_deref().map(NameMap::read).transpose()?.unwrap_or_default();
    let foreign = read(&args.file, args.key.as_deref())?;
    outputs.inputs(foreign.files.iter().map(|(file, _)| file));
    outputs.look(out, Form::Tensors)?;
    let fitted = fit(&program, &foreign, &map)?;
    let within = infer::attached(&mut said)?;
    let card = Card { origin: Some(origin(&args, card, &foreign)), ..said };
    let told = told(&program, &foreign, &fitted.ignored);
    save(out, &program, fitted.arrays, &card, within, &outputs)?;
    let shown = out.display();
    print_lines(&format!("wrote {shown}: {told}\n\nNext:\n  lmsc info {shown}\n  lmsc predict {shown} IMAGES --out predictions\n"));
    Ok(())
}

/// Writes the model, with those that it holds, unless its network and its card do not belong together.
fn save(out: &Path, program: &Program, mut arrays: Arrays, card: &Card, within: Vec<(String, Trained)>, outputs: &Outputs) -> Result<()> {
    let refuse = |why: String| {
        let of = card.origin.as_ref().map_or("the card", |o| o.card.as_str());
        Diagnostic::error(Code::E0802, format!("`{}` describes {why}", printable(of)))
            .help("write what the graph takes and gives into the card, or give the graph other parameters (--set)")
    };
    infer::belongs(program, card).map_err(refuse)?;
    let mut meta = card.entries();
    meta.extend([outputs.entry()]);
    store::attach(within, &mut arrays, &mut meta)?;
    store::save(out, program, arrays, &meta)
}

fn origin(args: &Args, card: &Path, foreign: &Foreign) -> ModelOrigin {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let within = if foreign.key.is_empty() { String::new() } else { format!(" (its `{}`)", foreign.key) };
    let sets = args.set.iter().map(|s| format!(" --set {s}")).collect::<String>();
    ModelOrigin {
        weights: foreign.files.iter().map(|(file, digest)| (name(file), digest.clone())).collect(),
        form: format!("{}{within}", foreign.form),
        graph: name(&args.graph) + &sets,
        map: args.map.as_deref().map(name),
        card: name(card),
    }
}

/// `mindgrab, 146,237 weights of a checkpoint of PyTorch (its `state_dict`); also there: `ema` (27 tensors)`.
fn told(program: &Program, foreign: &Foreign, ignored: &[String]) -> String {
    let within = if foreign.key.is_empty() { String::new() } else { format!(" (its `{}`)", printable(&foreign.key)) };
    let mut told =
        format!("{}, {} of {}{within}", printable(&program.name), several(program.graph.tensors().len(), "tensor"), foreign.form);
    if !foreign.others.is_empty() {
        let others: Vec<String> = foreign.others.iter().map(|(key, _)| printable(key)).collect();
        told.push_str(&format!("; also there, and chosen by --key: {}", a_few(&others, 4)));
    }
    if !ignored.is_empty() {
        told.push_str(&format!("; left out: {}", a_few(&ignored.iter().map(|n| printable(n)).collect::<Vec<_>>(), 4)));
    }
    if !foreign.left_out.is_empty() {
        let names: Vec<String> = foreign.left_out.iter().map(|n| printable(n)).collect();
        told.push_str(&format!("; no tensors, and nothing of it was run: {}", a_few(&names, 4)));
    }
    told
}

fn strangers(file: &Path, graph: &Path) -> Diagnostic {
    let message = format!("no weight of `{}` has the shape of a tensor in `{}`", graph.display(), file.display());
    Diagnostic::error(Code::E0802, message).help("give the graph the parameters that the weights were trained with (--set)")
}
