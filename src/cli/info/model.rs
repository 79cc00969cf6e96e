//! Of a model, and of other files of weights.
//!
//! May use `compile`, `infer`, `net`, `show`, `text`, and the sheet above.

use std::path::Path;

use serde_json::json;

use super::{Sheet, bytes, graph, number, shown, table};
use crate::compile::Program;
use crate::infer::Card;
use crate::infer::nnunet::Nnunet;
use crate::infer::pipeline::{Decision, Pipeline};
use crate::ir::Array;
use crate::metric::Region;
use crate::show::stats;
use crate::store::{ATTACHED, FORMAT, SEMANTICS, Store, graph_of, read_store};
use crate::text::{Diagnostic, Result, many, printable, several, thousands};
use crate::volume::{Class, Normalise, VoxelSummary};

/// Store that are named where a file says nothing of itself.
const NAMED: usize = 5;

/// Everything of the safetensors file at `path`; with `each`, every tensor.
///
/// # Errors
/// What is wrong with the file, damage included, or with its graph.
pub fn sheet(path: &Path, each: bool) -> Result<Sheet> {
    let tensors = read_store(path)?;
    let size = std::fs::metadata(path).map(|m| m.len()).unwrap_or_default();
    let file = path.display().to_string();
    let mut sheet = Sheet {
        title: String::new(),
        rows: vec![],
        doubts: vec![],
        json: json!({"file": file, "kind": "weights", "bytes": size, "tensors": tensors.arrays.len()}),
    };
    let program = graph_of(path, &tensors)?;
    match &program {
        None => sheet.title = format!("{}: weights (safetensors) without a graph", shown(&file)),
        Some(program) => model(&mut sheet, path, program, &tensors)?,
    }
    weights(&mut sheet, program.as_ref(), &tensors, size);
    if each {
        every(&mut sheet, &tensors);
    } else if program.is_none() {
        first(&mut sheet, &tensors);
    }
    if let Some(seal) = tensors.metadata.get("lmsc.seal") {
        // It was checked: these are the digits of a hash.
        sheet.row("seal", seal.clone());
        sheet.json["seal"] = json!(seal);
        sheet.json["format"] = json!(FORMAT);
    }
    sheet.json["warnings"] = json!(sheet.doubts);
    Ok(sheet)
}

/// What a model says of itself and its graph.
fn model(sheet: &mut Sheet, path: &Path, program: &Program, tensors: &Store) -> Result<()> {
    let file = path.display().to_string();
    match Card::from_entries(path, &tensors.metadata) {
        Ok(card) => {
            sheet.title = format!("{}: a model, {}", shown(&file), printable(&program.name));
            sheet.json["kind"] = json!("model");
            sheet.json["card"] = json!(card);
            described(sheet, &card);
        }
        Err(_) => {
            sheet.title = format!("{}: weights of {}", shown(&file), printable(&program.name));
            sheet.doubts.push("it does not say how images are prepared, so it cannot predict".into());
        }
    }
    let s = stats(program, 1, &[])
        .map_err(|f| Diagnostic::error(f.code, format!("`{}`: {}", program.name, f.message)).help(f.help.unwrap_or_default()))?;
    graph::rows(sheet, program, &s);
    sheet.json["stats"] = graph::short(&s);
    if let Some(within) = tensors.metadata.get(ATTACHED).and_then(|all| serde_json::from_str::<serde_json::Value>(all).ok()) {
        let names: Vec<String> = within.as_object().into_iter().flatten().map(|(name, _)| printable(name)).collect();
        sheet.row("within it", names.join(", "));
    }
    let entry = |name: &str| tensors.metadata.get(name).map(|text| printable(text));
    let version = entry("lmsc.version").map_or("an lmsc that does not name itself".into(), |version| format!("lmsc {version}"));
    sheet.row("written by", format!("{version}, semantics {SEMANTICS}"));
    sheet.json["semantics"] = json!(SEMANTICS);
    let digits = |hash: &&String| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    if let Some(hash) = tensors.metadata.get("lmsc.hash").filter(digits).filter(|hash| **hash != program.hash().to_string()) {
        // Operations gain fields: the same graph has another hash in another version.
        sheet.row("hash then", hash.clone());
        sheet.json["hash_when_written"] = json!(hash);
    }
    Ok(())
}

/// The rows of a card.
pub(super) fn described(sheet: &mut Sheet, card: &Card) {
    match (&card.nnunet, &card.pipeline) {
        (Some(n), _) => by_nnunet(sheet, card, n),
        (None, Some(p)) => by_steps(sheet, card, p),
        (None, None) => prepared(sheet, card),
    }
    labels(sheet, card);
    if card.pipeline.is_none() {
        let [d, h, w] = card.patch;
        sheet.row("patch", format!("{d} x {h} x {w} voxels, windows overlap by {}", number(card.overlap, 3)));
    }
    if let Some(p) = &card.postprocess {
        sheet.row("cleaned by", p.to_string());
    }
    if let Some(origin) = &card.origin {
        sheet.row("imported", origin.to_string());
        let digests = origin.weights.iter().map(|(file, digest)| format!("{digest}  {}", printable(file)));
        sheet.rows.push(("SHA-256", digests.collect()));
    }
    for (name, said) in [("source", &card.source), ("licence", &card.licence), ("to cite", &card.citation)] {
        if let Some(said) = said {
            sheet.row(name, said.split(' ').map(printable).collect::<Vec<_>>().join(" "));
        }
    }
    // Of a model that was imported nothing of this is known.
    if card.nnunet.is_none() && card.source.is_none() {
        let dice = card.validation_dice.map_or("not validated".into(), |d| format!("validation Dice {}", number(d, 4)));
        let epochs = several(card.epoch, "epoch");
        sheet.row("trained", format!("{epochs}, seed {}, {dice}", card.seed));
    }
}

/// How nnU-Net's rules prepare images, and where the model came from.
fn by_nnunet(sheet: &mut Sheet, card: &Card, n: &Nnunet) {
    let channels = several(card.modalities.len(), "channel");
    let scaled: Vec<String> = card.modalities.iter().zip(&n.normalise).map(|(m, s)| format!("{} {s}", printable(m))).collect();
    sheet.row("image", format!("{channels}: {}", scaled.join("; ")));
    sheet.row("prepared by", format!("nnU-Net's rules, {}: cut to what is not 0, normalised, then resampled", printable(&n.configuration)));
    let axes: Vec<&str> = n.transpose.iter().map(|a| ["k", "j", "i"].get(*a).copied().unwrap_or("?")).collect();
    let order = if n.reader.reorients() { "of the image turned to RAS" } else { "of the file" };
    let axis = |mm: Option<f64>| mm.map_or("its own".into(), |mm| number(mm, 3));
    sheet.row("seen in", format!("axes {} {order}, at {} mm", axes.join(" "), n.spacing.0.map(axis).join(" x ")));
    let ways = n.mirror.ways().count();
    let mirror = if ways == 1 { "no mirror images".to_owned() } else { format!("{ways} mirror images ({})", n.mirror) };
    let folds = several(n.source.folds.len(), "fold");
    sheet.row("averaged", format!("{folds}, {mirror}"));
    sheet.row("imported", n.source.to_string());
    if let Some(licence) = &n.source.licence {
        sheet.row("licence", printable(licence));
    }
}

/// The steps by which a network sees whole volumes.
fn by_steps(sheet: &mut Sheet, card: &Card, p: &Pipeline) {
    let names: Vec<String> = card.modalities.iter().map(|m| printable(m)).collect();
    sheet.row("image", format!("{}: {}", several(names.len(), "channel"), names.join(", ")));
    let steps: Vec<String> = p.steps.iter().map(ToString::to_string).collect();
    let nan = card.nan.map(|v| format!("NaN and infinity to {}", number(v, 4)));
    let all: Vec<String> = nan.into_iter().chain(steps).collect();
    sheet.row("prepared by", if all.is_empty() { "nothing".to_owned() } else { all.join("; then ") });
    sheet.row("seen in", format!("one window of any size, D H W are the volume's {}", p.axes));
    let decided = match p.decision {
        Decision::Argmax => "the greatest".to_owned(),
        Decision::Softmax { channel, above } => format!("softmax of channel {channel} above {above}"),
        Decision::Sigmoid { channel, above } => format!("sigmoid of channel {channel} above {above}"),
    };
    sheet.row("decided by", decided);
}

/// How a model of ours prepares images.
fn prepared(sheet: &mut Sheet, card: &Card) {
    let names: Vec<String> = card.modalities.iter().map(|m| printable(m)).collect();
    let channels = several(names.len(), "channel");
    sheet.row("image", format!("{channels}: {}", names.join(", ")));
    let scale = match card.normalise {
        Normalise::ZScore => "each channel to mean 0 and deviation 1".to_owned(),
        Normalise::ZScoreNonZero => "each channel to mean 0 and deviation 1, over voxels that are not 0".to_owned(),
        Normalise::Percentiles { low, high } => format!("each channel's percentiles {} and {} to 0 and 1", number(low, 3), number(high, 3)),
        Normalise::Window { low, high, mean, deviation } => {
            let [low, high, mean, deviation] = [low, high, mean, deviation].map(|v| number(v, 3));
            format!("intensities within {low} to {high}, less {mean}, over {deviation}")
        }
    };
    let scale = card.nan.map_or(scale.clone(), |v| format!("{scale}; NaN and infinity become {}", number(v, 4)));
    sheet.row("prepared by", if card.crop { format!("{scale}; planes of zeros around the image are cut away") } else { scale });
    let axis = |mm: Option<f64>| mm.map_or("its own".into(), |mm| number(mm, 3));
    let spacing = card.spacing.map_or("at its own spacing".into(), |s| format!("at {} mm", s.0.map(axis).join(" x ")));
    sheet.row("seen in", format!("axis order {}, {spacing}", card.orientation));
}

/// The classes, with the Dice of each where it is known.
fn labels(sheet: &mut Sheet, card: &Card) {
    let dice = |at: usize| card.class_dice.get(at).map(|d| format!("Dice {}", d.map_or("-".into(), |d| number(d, 4)))).unwrap_or_default();
    let row = |(at, c): (usize, Class)| {
        // The background has no Dice, nor has a label where regions are scored.
        let dice = at.checked_sub(1).filter(|_| card.regions.is_none()).map(dice);
        vec![c.value.to_string(), printable(&c.name), c.colour.to_string(), dice.unwrap_or_default()]
    };
    let rows: Vec<Vec<String>> = card.classes().into_iter().enumerate().map(row).collect();
    sheet.rows.push(("labels", table(&rows, 4)));
    if let Some(regions) = &card.regions {
        let row = |(at, r): (usize, &Region)| {
            let values: Vec<String> = r.values.iter().map(u32::to_string).collect();
            let painted = regions.label(at).map_or(String::new(), |label| format!("painted as {label}"));
            vec![printable(&r.name), values.join(" "), painted, dice(at)]
        };
        let rows: Vec<Vec<String>> = regions.channels.iter().enumerate().map(row).collect();
        sheet.rows.push(("regions", table(&rows, 4)));
    }
}

/// What the tensors hold.
fn weights(sheet: &mut Sheet, program: Option<&Program>, tensors: &Store, size: u64) {
    let all = || tensors.arrays.values().flat_map(|a| a.values.iter().copied());
    let numbers = all().count() as u64;
    let count = tensors.arrays.len() as u64;
    sheet.row("weights", format!("{} in {}, {} on disk", many(numbers, "number"), many(count, "tensor"), bytes(size)));
    let bad = all().filter(|v| !v.is_finite()).count() as u64;
    sheet.json["numbers"] = json!(numbers);
    sheet.json["not_finite"] = json!(bad);
    if bad > 0 {
        sheet.doubts.push(format!("{} of its weights are not finite", thousands(bad)));
    }
    let params = program.and_then(|p| p.cost(0..p.graph.len()).ok()).map_or(0, |c| c.params);
    if numbers < params {
        sheet.doubts.push(format!("its graph has {}, more than it holds", many(params, "parameter")));
    }
}

fn shape(dims: &[usize]) -> String {
    dims.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

/// The first tensors of a file that says nothing of itself.
fn first(sheet: &mut Sheet, tensors: &Store) {
    let mut rows: Vec<Vec<String>> = tensors.arrays.iter().take(NAMED).map(|(n, a)| vec![printable(n), shape(&a.dims)]).collect();
    if tensors.arrays.len() > NAMED {
        rows.push(vec![format!("... and {} more (--tensors)", tensors.arrays.len() - NAMED)]);
    }
    sheet.rows.push(("tensors", table(&rows, 2)));
}

/// Every tensor with what its numbers are like.
fn every(sheet: &mut Sheet, tensors: &Store) {
    let mut rows = vec![["name", "shape", "least", "most", "mean", "deviation"].map(String::from).to_vec()];
    let mut all = vec![];
    for (name, Array { dims, values }) in &tensors.arrays {
        let s = VoxelSummary::of(values.iter().copied());
        let figures = [s.min, s.max, s.mean, s.deviation].map(|v| number(v, 4));
        rows.push([vec![printable(name), shape(dims)], figures.to_vec()].concat());
        let mut numbers = json!(s);
        // A weight has no voxels.
        if let Some(count) = numbers.as_object_mut().and_then(|all| all.remove("voxels")) {
            numbers["count"] = count;
        }
        all.push(json!({"name": name, "shape": dims, "numbers": numbers}));
    }
    sheet.rows.push(("tensors", table(&rows, 2)));
    sheet.json["each"] = json!(all);
}
