//! Of a graph.
//!
//! May use `compile`, `show`, `text`, and the sheet above.

use std::sync::Arc;

use serde_json::json;

use super::{Sheet, bytes, shown};
use crate::compile::{Program, compile};
use crate::show::{Stats, stats};
use crate::text::{Diagnostic, Result, Source, many, printable, several, thousands};

/// The costs of a graph, in short.
pub fn sheet(source: &Arc<Source>) -> Result<Sheet> {
    let program = compile(source, &[], None)?;
    let s = stats(&program, 1, &[])
        .map_err(|f| Diagnostic::error(f.code, format!("`{}`: {}", program.name, f.message)).help(f.help.unwrap_or_default()))?;
    let mut sheet = Sheet {
        title: format!("{}: a graph, {}", shown(&source.name), printable(&program.name)),
        rows: vec![],
        doubts: program.warnings.0.iter().map(|d| format!("{} ({})", d.message, d.code.name())).collect(),
        json: json!({"file": source.name, "kind": "graph", "stats": short(&s)}),
    };
    rows(&mut sheet, &program, &s);
    sheet.json["warnings"] = json!(sheet.doubts);
    Ok(sheet)
}

/// The rows of a program, for graphs and for models.
pub fn rows(sheet: &mut Sheet, program: &Program, s: &Stats) {
    let ends = |all: &[(String, crate::ir::Value)]| {
        all.iter().map(|(n, v)| format!("{} {}", printable(n), program.graph.fact(*v))).collect::<Vec<_>>().join(", ")
    };
    sheet.row("inputs", ends(&program.inputs));
    sheet.row("outputs", ends(&program.graph.outputs));
    sheet.row("sizes", program.sizes());
    let nodes = program.rows.iter().filter(|r| r.depth == 0).count();
    sheet.row("made of", format!("{}, {}", several(nodes, "node"), many(program.graph.len() as u64, "operation")));
    sheet.row("parameters", thousands(s.total.params));
    sheet.row("MACs", format!("{} at that input (FLOPs {})", thousands(s.total.macs), thousands(s.total.flops)));
    let memory = &s.memory;
    sheet.row(
        "memory",
        format!("{} to predict, {} to train, in float32 at batch 1", bytes(memory.inference_peak_bytes), bytes(memory.training_peak_bytes)),
    );
    sheet.row("hash", program.hash().to_string());
}

/// The costs without those of each node.
pub fn short(s: &Stats) -> serde_json::Value {
    let mut all = json!(s);
    if let Some(fields) = all.as_object_mut() {
        fields.remove("nodes");
    }
    all
}
