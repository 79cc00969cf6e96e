//! Writes a graph as ONNX with weights drawn from a seed, and what the executor makes of numbers drawn from one: for `benches/onnx.py`, which runs the
//! files in other engines.
//!
//!     cargo run --no-default-features --features predict --example onnx -- graphs/unet.ron FOLDER 17 21
//!
//! FOLDER/17.onnx and so on, FOLDER/17.optimised.onnx after the passes; FOLDER/0.safetensors and FOLDER/1.safetensors have inputs (`in/NAME`) and
//! outputs (`out/NAME`) of two sizes. Prints which sizes are free.

#[path = "../engines/src/given.rs"]
#[allow(dead_code, reason = "each user takes what it needs")]
mod given;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use given::{pass, shapes, small, weights};
use lmsc::exec::Executor;
use lmsc::export::onnx::{INLINE_BYTES, OnnxOptions, export};
use lmsc::store::{Store, write_store};
use lmsc::text::Result;

fn written(graph: &Path, folder: &Path, opsets: &[u32]) -> Result<()> {
    let program = small(graph)?;
    let trained = weights(&program);
    let mut free = [false; 3];
    for (opset, optimised) in opsets.iter().flat_map(|opset| [(*opset, false), (*opset, true)]) {
        let options = OnnxOptions { opset, optimised, fixed: None };
        let model = export(&program, &trained, &BTreeMap::new(), &options)?;
        let end = if optimised { ".optimised" } else { "" };
        model.write(&folder.join(format!("{opset}{end}.onnx")), INLINE_BYTES)?;
        free = model.sizes.free;
        if !optimised {
            println!("{}", model.sizes);
        }
    }
    let mut executor = Executor::new(&program, &trained)?;
    for (n, shape) in shapes(&program, free).into_iter().enumerate() {
        let pass = pass(&mut executor, &program, shape)?;
        let named = |side: &str, all: Vec<_>| all.into_iter().map(|(name, a)| (format!("{side}/{name}"), a)).collect::<Vec<_>>();
        let arrays = named("in", pass.inputs).into_iter().chain(named("out", pass.outputs)).collect();
        write_store(&folder.join(format!("{n}.safetensors")), &Store { arrays, metadata: BTreeMap::new() })?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [graph, folder, opsets @ ..] = arguments.as_slice() else {
        eprintln!("onnx GRAPH FOLDER OPSET...");
        return ExitCode::from(2);
    };
    let opsets: Vec<u32> = opsets.iter().filter_map(|o| o.parse().ok()).collect();
    match written(Path::new(graph), Path::new(folder), &opsets) {
        Ok(()) => ExitCode::SUCCESS,
        Err(found) => {
            found.0.iter().for_each(|d| eprintln!("{}", lmsc::text::render::concise(d)));
            ExitCode::FAILURE
        }
    }
}
