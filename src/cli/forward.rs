//! `lmsc forward`: a graph run on given tensors.
//!
//! May use `compile`, `net`, `read`, `text`.

use std::path::PathBuf;
use std::sync::Arc;

use super::output::{Overwrite, graph_inputs, print};
use crate::compile::compile;
use crate::net::{self, Network};
use crate::read::Set;
use crate::store::{self, NameMap};
use crate::text::{Code, Diagnostic, Form, Result, Source, several};

/// Run a graph on given tensors, with given weights
///
/// For whoever brings weights from another program: the outputs, the values inside and the gradients can be compared one by one.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
The file of --input holds the tensor `input` (or one named as the graph's input), [N, C, D, H, W]. The file of --out gets the graph's \
outputs as `out/<name>`, with --taps the value of every node as `out/<node>` (several outputs: `out/<node>.<port>`), with --probe the \
gradient of mean(output * probe) for every weight as `grad/<weight>`; its metadata `names` gives the foreign name of each weight.

`lmsc explain map` has the rules of a map.

Example:
  lmsc forward graphs/lightmedseg.ron --weights w.safetensors --map maps/reference.map --input in.safetensors --out out.safetensors --taps --probe")]
pub struct Args {
    /// The graph (.ron)
    #[arg(value_name = "GRAPH")]
    pub graph: PathBuf,
    /// Change a parameter or a field of the graph
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// The weights (.safetensors)
    #[arg(long, value_name = "FILE")]
    pub weights: PathBuf,
    /// Rules from foreign names of weights to those of the graph
    #[arg(long, value_name = "FILE")]
    pub map: Option<PathBuf>,
    /// The inputs (.safetensors)
    #[arg(long, value_name = "FILE")]
    pub input: PathBuf,
    /// Where to write (.safetensors)
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Also write the value of every node
    #[arg(long)]
    pub taps: bool,
    /// Also write the gradients of mean(output * probe)
    #[arg(long)]
    pub probe: bool,
    /// Where to compute: auto, cpu, cuda, cuda:1, wgpu
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: String,
    #[command(flatten)]
    pub overwrite: Overwrite,
}

/// Runs the verb.
///
/// # Errors
/// What is wrong with the graph, a file or a tensor.
pub fn run(args: Args) -> Result<()> {
    let mut outputs = args.overwrite.outputs("forward");
    graph_inputs(&mut outputs, &args.graph);
    outputs.inputs([&args.weights, &args.input].into_iter().chain(&args.map));
    outputs.claim(&args.out, Form::Tensors)?;
    let source = Source::read(&args.graph)?;
    let sets = args.set.iter().map(|s| Set::parse(s)).collect::<Result<Vec<_>>>()?;
    let input = store::read_store(&args.input)?;
    let program = compile(&source, &sets, None)?;
    let named = program.inputs.first().map(|(n, _)| n.as_str()).unwrap_or("input");
    let size = match input.arrays.get(named).or(input.arrays.get("input")).map(|a| a.dims.as_slice()) {
        Some([_, _, d, h, w]) => [*d, *h, *w],
        Some(other) => {
            let message = format!("the input in `{}` has {}", args.input.display(), several(other.len(), "dimension"));
            return Err(Diagnostic::error(Code::E0802, message).help("write it as [N, C, D, H, W]").into());
        }
        None => {
            let message = format!("there is no tensor `{named}` or `input` in `{}`", args.input.display());
            return Err(Diagnostic::error(Code::E0802, message).help("name the input's tensor `input`").into());
        }
    };
    program.fits(size)?;
    let program = compile(&source, &sets, Some(size))?;
    let device = net::device(&args.device)?;
    let device = if args.probe { net::learning(&device) } else { device };
    let map = args.map.as_deref().map(NameMap::read).transpose()?.unwrap_or_default();
    let weights = store::read_store(&args.weights)?;
    let mut network = Network::new(Arc::new(program), &device, 0)?;
    let names = net::port(&mut network, &weights, &map, &args.weights, &device)?;
    let mut out = net::forward(&network, &input, &args.input, args.taps, args.probe, &device)?;
    out.metadata.insert("names".into(), serde_json::to_string(&names).unwrap_or_default());
    out.metadata.insert("lmsc.hash".into(), network.program().hash().to_string());
    out.metadata.extend([outputs.entry()]);
    store::write_store(&args.out, &out)?;
    print(&format!("{} written to {}\n", several(out.arrays.len(), "tensor"), args.out.display()));
    Ok(())
}
