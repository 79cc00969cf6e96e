//! Of a model, and of other files of weights.
//!
//! May use `compile`, `infer`, `net`, `show`, `text`, and the sheet above.

use std::path::Path;

use serde_json::json;

use super::{Sheet, bytes, graph, number, shown, table};
use crate::compile::{Program, compile};
use crate::infer::Card;
use crate::net::{Tensors, read_tensors};
use crate::show::stats;
use crate::text::{Diagnostic, Result, Source, printable, thousands};
use crate::volume::Normalise;

/// Tensors that are named where a file says nothing of itself.
const NAMED: usize = 5;

/// Everything of the safetensors file at `path`.
pub fn sheet(path: &Path) -> Result<Sheet> {
    let tensors = read_tensors(path)?;
    let size = std::fs::metadata(path).map(|m| m.len()).unwrap_or_default();
    let file = path.display().to_string();
    let mut sheet = Sheet {
        title: String::new(),
        rows: vec![],
        doubts: vec![],
        json: json!({"file": file, "kind": "weights", "bytes": size, "tensors": tensors.all.len()}),
    };
    let program = match tensors.metadata.get("lmsc.graph") {
        None => None,
        Some(text) => Some(compile(&Source::new(format!("{file} (its graph)"), text.clone()), &[], None)?),
    };
    match &program {
        None => sheet.title = format!("{}: weights (safetensors) without a graph", shown(&file)),
        Some(program) => model(&mut sheet, path, program, &tensors)?,
    }
    weights(&mut sheet, program.as_ref(), &tensors, size);
    sheet.json["warnings"] = json!(sheet.doubts);
    Ok(sheet)
}

/// What a model says of itself and its graph.
fn model(sheet: &mut Sheet, path: &Path, program: &Program, tensors: &Tensors) -> Result<()> {
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
    if tensors.metadata.get("lmsc.hash").is_some_and(|h| *h != program.hash().to_string()) {
        sheet.doubts.push("its graph is not the one that its weights were trained with, or comes from another version of lmsc".into());
    }
    Ok(())
}

/// The rows of a card.
fn described(sheet: &mut Sheet, card: &Card) {
    let names: Vec<String> = card.modalities.iter().map(|m| printable(m)).collect();
    let channels = if names.len() == 1 { "1 channel".into() } else { format!("{} channels", names.len()) };
    sheet.row("image", format!("{channels}: {}", names.join(", ")));
    let scale = match card.normalise {
        Normalise::ZScore => "each channel to mean 0 and deviation 1",
        Normalise::ZScoreNonZero => "each channel to mean 0 and deviation 1, over voxels that are not 0",
    };
    sheet.row("prepared by", scale);
    let rows: Vec<Vec<String>> = card.labels.iter().map(|(value, name)| vec![value.to_string(), printable(name)]).collect();
    sheet.rows.push(("labels", table(&rows, 2)));
    let [d, h, w] = card.patch;
    sheet.row("patch", format!("{d} x {h} x {w} voxels, windows overlap by {}", number(card.overlap, 3)));
    let dice = card.validation_dice.map_or("not validated".into(), |d| format!("validation Dice {}", number(d, 4)));
    sheet.row("trained", format!("{} epochs, seed {}, {dice}", card.epoch, card.seed));
}

/// What the tensors hold.
fn weights(sheet: &mut Sheet, program: Option<&Program>, tensors: &Tensors, size: u64) {
    let all = || tensors.all.values().flat_map(|(_, v)| v.iter().copied());
    let numbers = all().count() as u64;
    let count = tensors.all.len() as u64;
    let tensors_in_words = if count == 1 { "1 tensor".into() } else { format!("{} tensors", thousands(count)) };
    sheet.row("weights", format!("{} numbers in {tensors_in_words}, {} on disk", thousands(numbers), bytes(size)));
    let bad = all().filter(|v| !v.is_finite()).count() as u64;
    sheet.json["numbers"] = json!(numbers);
    sheet.json["not_finite"] = json!(bad);
    if bad > 0 {
        sheet.doubts.push(format!("{} of its weights are not finite", thousands(bad)));
    }
    let params = program.and_then(|p| p.cost(0..p.graph.len()).ok()).map_or(0, |c| c.params);
    if numbers < params {
        sheet.doubts.push(format!("its graph has {} parameters, more than it holds", thousands(params)));
    }
    if program.is_none() {
        let shape = |dims: &[usize]| dims.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
        let mut rows: Vec<Vec<String>> = tensors.all.iter().take(NAMED).map(|(n, (dims, _))| vec![printable(n), shape(dims)]).collect();
        if tensors.all.len() > NAMED {
            rows.push(vec![format!("... and {} more", tensors.all.len() - NAMED)]);
        }
        sheet.rows.push(("tensors", table(&rows, 2)));
    }
}
