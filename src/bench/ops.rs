//! The operations that segmentation networks spend their time on, each timed alone: forward, and forward with backward.

use std::time::Instant;

use burn::tensor::{Device, Tensor};
use serde::Serialize;
use serde_json::Value as Json;

use super::case::{BenchCase, BenchSetup};
use super::forward::{BenchEngine, BenchForward, wait};
use super::machine::Machine;
use super::node::median;
use crate::compile::Program;
use crate::ir::{Fact, Fault, Graph, Triple};
use crate::op::{Activation, Conv3d, ConvTranspose3d, GroupNorm, Input, MaxPool3d, Op, Resize, Softmax};
use crate::show::operations;
use crate::text::{Diagnostic, Diagnostics, Result};

/// An operation (or two that belong together) with its times.
#[derive(Clone, Debug, Serialize)]
pub struct OpTime {
    pub name: String,
    /// As [`operations`] gives it.
    pub graph: Json,
    /// `[N, C, D, H, W]`
    pub input: [usize; 5],
    pub output: [usize; 5],
    /// Of the forward pass; the backward pass of a convolution takes twice as many.
    pub macs: u64,
    /// Input and weights read once, output written once, at float32.
    pub bytes: u64,
    /// Median seconds.
    pub forward: f64,
    /// Median seconds of the forward pass, the sum of the output times fixed numbers, and the gradients of input and weights.
    pub both: f64,
    /// What the forward pass would take at the ceiling that binds it.
    pub least_seconds: f64,
}

/// The operations by name: what is applied one after the other, and the channels and edge of a cubic input.
fn list() -> Vec<(&'static str, Vec<Op>, usize, usize)> {
    let two = Triple::all(2);
    let conv = |out, kernel| Conv3d::new(out, Triple::all(kernel)).bias(false);
    let up = ConvTranspose3d::new(16, two);
    vec![
        ("conv k3, 8 to 8", vec![conv(8, 3).into()], 8, 64),
        ("conv k3, 16 to 16", vec![conv(16, 3).into()], 16, 64),
        ("conv k3, 32 to 32", vec![conv(32, 3).into()], 32, 32),
        ("conv k3 stride 2, 4 to 8", vec![conv(8, 3).stride(two).into()], 4, 128),
        ("depthwise k3, 8", vec![conv(8, 3).groups(8).into()], 8, 64),
        ("depthwise k5, 8", vec![conv(8, 5).groups(8).into()], 8, 128),
        ("pointwise, 24 to 8", vec![Conv3d::new(8, Triple::all(1)).into()], 24, 128),
        ("transposed k2 stride 2, 16 to 16", vec![up.into()], 16, 64),
        ("GroupNorm + SiLU, 8", vec![GroupNorm::new(4).into(), Activation::SILU.into()], 8, 128),
        ("trilinear x2, 8", vec![Resize::by(two).into()], 8, 64),
        ("max pool 2, 8", vec![MaxPool3d::new(two).into()], 8, 64),
        ("softmax over 4 channels", vec![Softmax.into()], 4, 128),
    ]
}

/// How operations are timed.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    pub runs: usize,
    /// Divides the edges of the inputs, for a quick look.
    pub shrink: usize,
    /// Of the forward pass; the backward pass is Burn's.
    pub engine: BenchEngine,
    pub machine: &'a Machine,
    pub device: &'a Device,
}

/// Times every operation of the list.
///
/// # Errors
/// What keeps a graph of one operation from being run.
pub fn time_operations(setting: Setting) -> Result<Vec<OpTime>> {
    list().into_iter().map(|(name, ops, channels, edge)| one(name, ops, Fact::new(1, channels, [edge; 3]), setting)).collect()
}

fn one(name: &str, ops: Vec<Op>, x: Fact, setting: Setting) -> Result<OpTime> {
    let Setting { runs, shrink, engine, machine, device } = setting;
    let x = Fact { size: x.size.map(|n| (n / shrink.max(1)).max(2)), ..x };
    let program = program(name, ops, x).map_err(|f| Diagnostics::from(Diagnostic::error(f.code, format!("`{name}`: {}", f.message))))?;
    let cost = program.cost(0..program.graph.len()).unwrap_or_default();
    let graph = operations(&program);
    let case = BenchCase::new(program.clone(), 1, BenchSetup::default(), device)?;
    let (input, output) = (case.shapes().first().copied().unwrap_or_default(), case.output().dims());
    let elements = |dims: [usize; 5]| dims.iter().product::<usize>() as u64;
    let bytes = 4 * (elements(input) + elements(output) + cost.params);
    let mut pass = BenchForward::new(&case, engine)?;
    pass.once()?;
    let forward = median((0..runs).map(|_| pass.once()).collect::<Result<_>>()?);
    let learning = BenchCase::new(program, 1, BenchSetup::default(), &crate::net::learning(device))?;
    backward(&learning)?;
    let both = median((0..runs).map(|_| backward(&learning)).collect::<Result<_>>()?);
    let least_seconds = machine.least(cost.macs, bytes);
    Ok(OpTime { name: name.to_owned(), graph, input, output, macs: cost.macs, bytes, forward, both, least_seconds })
}

fn program(name: &str, ops: Vec<Op>, x: Fact) -> std::result::Result<Program, Fault> {
    let mut g = Graph::default();
    let input = g.input("x".into(), Input.into(), x);
    let mut last = input;
    for (i, op) in ops.into_iter().enumerate() {
        last = g.add(format!("op{i}"), op, &[last])?;
    }
    g.outputs.push(("y".into(), last));
    Ok(Program::from_graph(name, g, vec![("x".into(), input)]))
}

/// Seconds of a forward and a backward pass.
fn backward(case: &BenchCase) -> Result<f64> {
    let Some(x) = case.tensors().into_iter().next() else { return Ok(0.0) };
    let probe = Tensor::<5>::ones(case.output().dims(), &case.device) * 0.5;
    let x = x.require_grad();
    let start = Instant::now();
    let gradients = (case.network.forward(x.clone()) * probe).sum().backward();
    let of_input = x.grad(&gradients);
    wait(case)?;
    let seconds = start.elapsed().as_secs_f64();
    drop((of_input, gradients));
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_of_the_list_runs_both_ways() {
        let machine = Machine { cpu: "x".into(), threads: 1, instructions: "portable", flops: 1e9, bandwidth: 1e9 };
        let all =
            time_operations(Setting { runs: 1, shrink: 16, engine: BenchEngine::Executor, machine: &machine, device: &Device::flex() })
                .expect("they run");
        assert_eq!(all.len(), list().len());
        for o in &all {
            assert!(o.forward > 0.0 && o.both > 0.0 && o.bytes > 0 && o.least_seconds > 0.0, "{o:?}");
            assert_eq!(
                o.macs > 0,
                !["GroupNorm + SiLU, 8", "trilinear x2, 8", "max pool 2, 8", "softmax over 4 channels"].contains(&o.name.as_str())
            );
        }
    }
}
