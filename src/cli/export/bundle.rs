//! `lmsc export bundle`: a folder with all that a colleague needs of a model.
//!
//! May use `export`, `infer`, `show`, `store`, `text`.

use std::path::{Path, PathBuf};

use super::card::{self, BundleFile};
use super::fold;
use super::onnx::{NetworkForm, exported, read};
use crate::cli::graph::picture;
use crate::cli::print_lines;
use crate::export::onnx::{INLINE_BYTES, OnnxModel};
use crate::infer::{Card, Model};
use crate::show::picture::{Style, draw};
use crate::text::{Form, Outputs, Result, StagedFolder, several, unwritable};

/// Write a folder with all that is needed of a model: ONNX, weights, graph, picture, card
///
/// model.onnx is for other engines, model.safetensors for `lmsc predict`, graph.ron and graph.svg show the network, and README.md is the model's
/// card: data, metrics, preprocessing, limits, licence, and a hash of each file. Models within a model, which find the box that it looks at, have
/// an ONNX file each. The folder is there whole or not at all.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  lmsc export bundle models/hippocampus.safetensors --out hippocampus
      then hand hippocampus/ to a colleague; hippocampus/README.md says what it is
  lmsc export bundle runs/liver/best.safetensors --out liver --opset 21 --static 1x96x96x96
  lmsc export bundle liver.safetensors --out liver-fold0 --fold 0
      of a model of several folds this one, in model.safetensors too")]
pub struct Args {
    /// The model (.safetensors)
    #[arg(value_name = "MODEL")]
    model: PathBuf,

    /// The folder to make; it must not be there yet, or be empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    #[command(flatten)]
    form: NetworkForm,
}

/// Runs the verb.
///
/// # Errors
/// What is wrong with the model; E0805 for what cannot be exported; E0603 where the folder is in use or cannot be made.
pub fn run(args: Args) -> Result<()> {
    let folder = StagedFolder::new(&args.out)?;
    let weights = folder.path().join("model.safetensors");
    let (mut trained, mut said) = read(&args.model, args.form.fold.as_deref())?;
    if args.form.fold.is_some() {
        fold::write(&weights, &trained)?;
        // With the seal that it has now.
        (trained, said) = Model::read(&weights)?;
    } else {
        std::fs::copy(&args.model, &weights).map_err(|e| unwritable(&weights, &e))?;
    }
    let mut outputs = Outputs::new("export", None);
    let mut files = vec![];
    let network = exported(&trained, &said, &args.form.options(&trained.program)?)?;
    network.write(&folder.path().join("model.onnx"), INLINE_BYTES)?;
    files.push(("model.onnx".to_owned(), "the network with its weights, for other engines".to_owned()));
    if network.needs_data(INLINE_BYTES) {
        files.push(("model.onnx.data".into(), "its weights, which are too large for one file".into()));
    }
    for (n, (name, within)) in trained.attached.iter().enumerate() {
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) && !name.is_empty() && name != "model";
        let file = if plain { format!("{name}.onnx") } else { format!("part{n}.onnx") };
        let own = Card::from_entries(&args.model, &within.metadata)?;
        let model: OnnxModel = exported(within, &own, &args.form.options(&within.program)?)?;
        model.write(&folder.path().join(&file), INLINE_BYTES)?;
        if model.needs_data(INLINE_BYTES) {
            files.push((format!("{file}.data"), "its weights, which are too large for one file".into()));
        }
        files.push((file, "the network that finds the box that the other one looks at".into()));
    }
    files.push(("model.safetensors".into(), "the model, for `lmsc predict`".into()));
    let program = &trained.program;
    let drawn = picture(program, &[])?;
    let pages = [
        ("graph.ron", Form::Plain, program.resolved().to_owned(), "the network as a graph, for `lmsc graph` and `lmsc train`"),
        ("graph.svg", Form::Svg, draw(&drawn, &drawn.opened_to(1), Style::Svg), "its picture"),
    ];
    for (name, form, text, about) in pages {
        write(&mut outputs, &folder.path().join(name), form, &text)?;
        files.push((name.to_owned(), about.to_owned()));
    }
    let files = files.into_iter().map(|(name, about)| BundleFile::of(folder.path(), name, about)).collect::<Result<Vec<_>>>()?;
    let text = card::markdown(&trained, &said, &network, &files)?;
    write(&mut outputs, &folder.path().join("README.md"), Form::Plain, &text)?;
    folder.publish()?;
    let shown = args.out.display();
    print_lines(&format!("wrote {shown}: {}\n\nNext:\n  {shown}/README.md says what it is\n", several(files.len() + 1, "file")));
    Ok(())
}

fn write(outputs: &mut Outputs, path: &Path, form: Form, text: &str) -> Result<()> {
    outputs.claim(path, form)?;
    Ok(outputs.write(path, form, text)?)
}
