//! Compiles a graph and counts it: `cargo run --example count -- graphs/lightmedseg.ron`.

use std::path::PathBuf;

use lmsc::compile::compile;
use lmsc::text::Source;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).map_or_else(|| "graphs/lightmedseg.ron".into(), PathBuf::from);
    let program = compile(&Source::read(&path)?, &[], None)?;
    let cost = program.cost(0..program.graph.len()).map_err(|fault| fault.message)?;
    println!("{}: {} parameters, {} MACs", program.name, cost.params, cost.macs);
    for (name, value) in &program.graph.outputs {
        println!("{name}: {:?} [N, C, D, H, W]", program.graph.fact(*value).dims());
    }
    Ok(())
}
