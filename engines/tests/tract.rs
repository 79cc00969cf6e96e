//! Every graph of the project, exported and run by tract: its outputs are the executor's within 1e-4 of their greatest value.

use std::path::Path;

use lmsc_cpu::exec::Executor;
use lmsc_cpu::export::onnx::{INLINE_BYTES, OnnxOptions, export};
use lmsc_engines::given::{Pass, graphs, pass, shapes, small, weights};
use lmsc_graph::ir::Array;
use tract_onnx::prelude::*;

const TOLERANCE: f32 = 1e-4;

/// The greatest difference, as a part of the greatest value.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let most = b.iter().fold(0f32, |m, v| m.max(v.abs())).max(1e-6);
    a.iter().zip(b).fold(0f32, |m, (a, b)| m.max((a - b).abs())) / most
}

fn by_tract(file: &Path, pass: &Pass) -> TractResult<Vec<Vec<f32>>> {
    let mut model = tract_onnx::onnx().model_for_path(file)?;
    for (n, (_, a)) in pass.inputs.iter().enumerate() {
        model.set_input_fact(n, f32::fact(a.dims.as_slice()).into())?;
    }
    let plan = model.into_optimized()?.into_runnable()?;
    let tensor = |(_, a): &(String, Array)| Ok(Tensor::from_shape(&a.dims, &a.values)?.into());
    let inputs: TVec<TValue> = pass.inputs.iter().map(tensor).collect::<TractResult<_>>()?;
    plan.run(inputs)?.iter().map(|t| Ok(t.to_plain_array_view::<f32>()?.iter().copied().collect())).collect()
}

#[test]
fn every_graph_gives_in_tract_what_it_gives_here() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let only = std::env::var("LMSC_GRAPHS").ok();
    let folder = std::env::temp_dir().join(format!("lmsc-tract-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut wrong = vec![];
    for graph in graphs(&root.join("graphs")).expect("the graphs") {
        let name = graph.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if only.as_ref().is_some_and(|only| !only.split(',').any(|o| o == name)) {
            continue;
        }
        let program = small(&graph).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        let trained = weights(&program);
        let mut executor = Executor::new(&program, &trained).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        let mut row = vec![];
        for (opset, optimised) in [(13, false), (17, false), (17, true), (21, false)] {
            let options = OnnxOptions { opset, optimised, ..OnnxOptions::default() };
            let model = export(&program, &trained, &Default::default(), &options).unwrap_or_else(|e| panic!("{name}: {e:?}"));
            let file = folder.join("model.onnx");
            model.write(&file, INLINE_BYTES).expect("written");
            let mut worst = 0f32;
            for shape in shapes(&program, model.sizes.free) {
                let own = pass(&mut executor, &program, shape).unwrap_or_else(|e| panic!("{name}: {e:?}"));
                match by_tract(&file, &own) {
                    Ok(made) => made.iter().zip(&own.outputs).for_each(|(a, (_, b))| worst = worst.max(difference(a, &b.values))),
                    Err(e) => {
                        wrong.push(format!("{name}, operator set {opset}: {e:?}"));
                        worst = f32::INFINITY;
                        break;
                    }
                }
            }
            if worst > TOLERANCE {
                wrong.push(format!("{name}, operator set {opset}, optimised {optimised}: {worst:e}"));
            }
            row.push(format!("{worst:.0e}"));
        }
        println!("| {name} | {} |", row.join(" | "));
    }
    std::fs::remove_dir_all(&folder).expect("removed");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
