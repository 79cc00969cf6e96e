//! `lmsc export weights`: a model's weights under the names of the program that a map is for.
//!
//! May use `import`, `infer`, `store`, `text`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::cli::output::Overwrite;
use crate::cli::print_lines;
use crate::import::weights::read;
use crate::store::{self, NameMap, Store};
use crate::text::{Code, Diagnostic, Form, Result, a_few, printable, several};

/// Write a model's weights under the names of another program
///
/// A map is read backwards: from the names of the graph to those of the program that it is for, in its layouts. The result is a safetensors file, which
/// PyTorch loads with `safetensors.torch.load_file` and `load_state_dict`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  lmsc export weights runs/unet/best.safetensors --map maps/unet.map --out monai-unet.safetensors
      then in Python: net.load_state_dict(safetensors.torch.load_file(\"monai-unet.safetensors\"))

  lmsc export weights runs/liver/best.safetensors --map maps/nnunet.map --like checkpoint_final.pth --out nnunet.safetensors
      under the names of a checkpoint, in its shapes: copies of a weight under further names follow it, and counters stay

A map that serves several programs has several names for a weight: --like chooses.")]
pub struct Args {
    /// The model (.safetensors)
    #[arg(value_name = "MODEL")]
    model: PathBuf,

    /// Rules from the other program's names to those of the graph
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,

    /// A file of the other program's weights for the same network, whose names and shapes are followed
    #[arg(long, value_name = "FILE")]
    like: Option<PathBuf>,

    /// Where the weights are in that file: names joined by dots
    #[arg(long, value_name = "NAME", requires = "like")]
    key: Option<String>,

    /// Where to write (.safetensors)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    #[command(flatten)]
    overwrite: Overwrite,
}

/// Runs the verb.
///
/// # Errors
/// What is wrong with the model, the map or the file to follow; where the result cannot be written.
pub fn run(args: Args) -> Result<()> {
    let mut outputs = args.overwrite.outputs("export");
    outputs.inputs([&args.model].into_iter().chain(&args.map).chain(&args.like));
    outputs.claim(&args.out, Form::Tensors)?;
    let map = args.map.as_deref().map(NameMap::read).transpose()?.unwrap_or_default();
    let model = store::load(&args.model)?;
    if !model.more.is_empty() {
        let message = format!("`{}` holds {} sets of weights, and one is exported", args.model.display(), model.more.len() + 1);
        return Err(Diagnostic::error(Code::E0802, message).help("import one fold alone (--fold 0), and export that").into());
    }
    let params = &model.program.params;
    let exported = match &args.like {
        Some(file) => map.export_like(&model.weights, params, &read(file, args.key.as_deref())?.store, file)?,
        None => map.export(&model.weights, params)?,
    };
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned()), outputs.entry()]);
    let count = exported.arrays.len();
    store::write_store(&args.out, &Store { arrays: exported.arrays, metadata })?;
    let left = match exported.left_out.as_slice() {
        [] => String::new(),
        names => {
            let shown: Vec<String> = names.iter().map(|n| printable(n)).collect();
            format!("; not of the graph, and left out: {}", a_few(&shown, 4))
        }
    };
    print_lines(&format!("wrote {}: {}{left}\n", args.out.display(), several(count, "tensor")));
    Ok(())
}
