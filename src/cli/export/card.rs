//! A model's card for people, in Markdown.
//!
//! May use `export`, `infer`, `show`, `store`, `text`.

use std::fmt::Write as _;
use std::path::Path;

use super::onnx::PREPARATION;
use crate::cli::info;
use crate::export::onnx::OnnxModel;
use crate::infer::Card;
use crate::show::stats;
use crate::store::Trained;
use crate::text::{Diagnostic, Result, printable, several, thousands, unwritable};

/// A file of the folder.
pub struct BundleFile {
    name: String,
    about: String,
    bytes: u64,
    /// BLAKE3 of its bytes, in hexadecimal digits.
    hash: String,
}

impl BundleFile {
    /// Of a file that is there.
    ///
    /// # Errors
    /// E0603 where it cannot be read again.
    pub fn of(folder: &Path, name: String, about: String) -> Result<Self> {
        let path = folder.join(&name);
        let read = || -> std::io::Result<(u64, String)> {
            let mut hasher = blake3::Hasher::new();
            let bytes = std::io::copy(&mut std::fs::File::open(&path)?, &mut hasher)?;
            Ok((bytes, hasher.finalize().to_hex().to_string()))
        };
        let (bytes, hash) = read().map_err(|e| unwritable(&path, &e))?;
        Ok(Self { name, about, bytes, hash })
    }
}

/// What a file says, safe in a cell of a table and in a line.
fn words(text: &str) -> String {
    text.split(' ').map(printable).collect::<Vec<_>>().join(" ").replace('|', "\\|").replace('<', "&lt;")
}

/// The whole card.
///
/// # Errors
/// E0501 where a cost is beyond 64 bits.
pub fn markdown(trained: &Trained, card: &Card, network: &OnnxModel, files: &[BundleFile]) -> Result<String> {
    let program = &trained.program;
    let costs = stats(program, 1, &[])
        .map_err(|f| Diagnostic::error(f.code, format!("`{}`: {}", program.name, f.message)).help(f.help.unwrap_or_default()))?;
    let mut t = format!("# {}\n\n", words(&program.name));
    let modalities: Vec<String> = card.modalities.iter().map(|m| words(m)).collect();
    let names: Vec<String> = card.scored().iter().map(|region| words(&region.name)).collect();
    let _ = writeln!(t, "Segments {} in {}.\n", names.join(", "), modalities.join(", "));
    let folds = match trained.more.len() {
        0 => String::new(),
        more => format!("{}, whose logits are averaged; each has ", several(more + 1, "fold")),
    };
    let _ = writeln!(
        t,
        "{folds}{} parameters, {} multiply-accumulates at {}.\n\n![the network](graph.svg)\n",
        thousands(costs.total.params),
        thousands(costs.total.macs),
        program.inputs.iter().map(|(name, v)| format!("{} {}", words(name), program.graph.fact(*v))).collect::<Vec<_>>().join(", ")
    );
    labels(&mut t, card);
    data(&mut t, trained, card);
    metrics(&mut t, card);
    t.push_str("## Preprocessing\n\n");
    for (name, lines) in info::card_rows(card).into_iter().filter(|(name, _)| PREPARATION.contains(name)) {
        let _ = writeln!(t, "- {name}: {}", words(&lines.join(" ")));
    }
    t.push_str("\n`lmsc predict` does all of it. For other engines the metadata of model.onnx has the same as JSON.\n\n");
    limits(&mut t, card, network);
    let licence = card.licence.as_ref().or(card.nnunet.as_ref().and_then(|n| n.source.licence.as_ref()));
    let _ = writeln!(
        t,
        "## Licence\n\n{}\n",
        licence.map_or("The model names none: ask who trained it before it is used or passed on.".into(), |l| words(l))
    );
    if let Some(citation) = &card.citation {
        let _ = writeln!(t, "To be cited: {}\n", words(citation));
    }
    t.push_str("## Use\n\n    lmsc predict model.safetensors IMAGE.nii.gz --out predictions\n\n");
    let ports = |all: &[crate::export::onnx::OnnxPort]| all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let _ = writeln!(
        t,
        "model.onnx (operator set {}): input {}; output {}. {}.\n",
        network.graph.opset,
        words(&ports(&network.inputs)),
        words(&ports(&network.outputs)),
        words(&network.sizes.to_string())
    );
    t.push_str("## Files\n\n| file | what it is | bytes | BLAKE3 |\n|---|---|--:|---|\n");
    for f in files {
        let _ = writeln!(t, "| {} | {} | {} | `{}` |", f.name, f.about, thousands(f.bytes), f.hash);
    }
    let _ = writeln!(t, "\nGraph `{}`, lmsc {}.", program.hash(), env!("CARGO_PKG_VERSION"));
    Ok(t)
}

fn labels(t: &mut String, card: &Card) {
    t.push_str("| label | class |\n|--:|---|\n");
    for (value, name) in &card.labels {
        let _ = writeln!(t, "| {value} | {} |", words(name));
    }
    t.push('\n');
    if let Some(regions) = &card.regions {
        t.push_str("| channel of the answer | labels in it |\n|---|---|\n");
        for r in &regions.channels {
            let values: Vec<String> = r.values.iter().map(u32::to_string).collect();
            let _ = writeln!(t, "| {} | {} |", words(&r.name), values.join(", "));
        }
        t.push('\n');
    }
}

fn data(t: &mut String, trained: &Trained, card: &Card) {
    t.push_str("## Data and training\n\n");
    let mut said = false;
    for (name, lines) in info::card_rows(card) {
        if matches!(name, "imported" | "source" | "trained") {
            let _ = writeln!(t, "- {name}: {}", words(&lines.join(" ")));
            said = true;
        }
    }
    if !said {
        t.push_str("- The model says nothing of it.\n");
    }
    // It was checked when the model was read: these are the digits of a hash.
    if let Some(seal) = trained.metadata.get("lmsc.seal") {
        let _ = writeln!(t, "- seal of model.safetensors: `{seal}`");
    }
    t.push('\n');
}

fn metrics(t: &mut String, card: &Card) {
    t.push_str("## Metrics\n\n");
    let Some(mean) = card.validation_dice else {
        let why = match (&card.nnunet, &card.source) {
            (Some(_), _) => "nnU-Net's validation is not among what was imported",
            (None, Some(_)) => "it was imported as weights, without a validation",
            (None, None) => "its training validated nothing",
        };
        let _ =
            writeln!(t, "The model carries none: {why}. Measure it on cases of your own: `lmsc eval --pred predictions --ref labels`.\n");
        return;
    };
    t.push_str("On the validation cases of its training, which are of the same data set:\n\n| | Dice |\n|---|--:|\n");
    for (region, dice) in card.scored().iter().zip(&card.class_dice) {
        let _ = writeln!(t, "| {} | {} |", words(&region.name), dice.map_or("not in any case".into(), |d| format!("{d:.4}")));
    }
    let _ = writeln!(t, "| mean | {mean:.4} |\n");
}

fn limits(t: &mut String, card: &Card, network: &OnnxModel) {
    t.push_str("## Limits\n\n");
    let _ = writeln!(
        t,
        "- Images are as those it was trained on: {}, in this order. Of another modality, scanner, population or pathology nothing is known.",
        card.modalities.iter().map(|m| words(m)).collect::<Vec<_>>().join(", ")
    );
    if card.nnunet.is_none() && card.pipeline.is_none() && card.spacing.is_none() {
        t.push_str("- Images keep their own spacing: voxels much larger or smaller than in training are beyond what it has seen.\n");
    }
    let worst =
        card.scored().into_iter().zip(&card.class_dice).filter_map(|(r, d)| Some((r.name, (*d)?))).min_by(|a, b| a.1.total_cmp(&b.1));
    if let Some((name, dice)) = worst.filter(|_| card.class_dice.len() > 1) {
        let _ = writeln!(t, "- It is weakest at {}: Dice {dice:.4}.", words(&name));
    }
    if card.pipeline.is_none() {
        let [d, h, w] = card.patch;
        let _ = writeln!(t, "- It sees {d} x {h} x {w} voxels at once; what is farther away has no influence.");
    }
    let _ = writeln!(t, "- Sizes that model.onnx takes: {}.", words(&network.sizes.to_string()));
    t.push_str("- It is no medical device: no clinical use without a validation of your own.\n\n");
}
