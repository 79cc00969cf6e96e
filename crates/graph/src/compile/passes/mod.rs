//! Changes of the op graph that leave every output as it is. Each pass is one file (or folder) and at most runs others after
//! itself: what a change leaves over goes at once.
//!
//! May use `ir`, `op` and `compile::{program, memory}`. A pass that changes weights says how the new ones come from the trained
//! ones ([`Refits`]), so a checkpoint is loaded under its own names. Passes are for running a network: what is trained, counted
//! and drawn is the graph as it was written.
//!
//! Adding a pass: one file, its `mod` line, and its line in [`PASSES`].

mod batch_norms;
mod carry;
mod chains;
mod common;
mod dead;
mod legalise;
mod lengths;
mod linear;
mod price;
mod products;
mod refit;
mod resizes;
mod rewrite;
mod scales;
mod shrinks;
mod standardise;
mod sweeps;

pub use legalise::{expand, legalise};
pub use refit::{Refit, Refits};

use super::Program;
use super::memory::{Schedule, in_place};
use crate::ir::{Fault, Value};

/// A program with what passes have found out about it.
#[derive(Clone, Debug)]
pub struct Optimised {
    pub program: Program,
    /// How its weights come from the trained ones.
    pub refits: Refits,
    /// Which operations run as one sweep.
    pub schedule: Schedule,
    /// For each value the input that its operation writes over.
    pub in_place: Vec<Option<Value>>,
}

impl Optimised {
    /// The program as it is: no pass has run.
    pub fn new(program: &Program) -> Self {
        let program = program.clone();
        Self { refits: Refits::default(), schedule: Schedule::plain(&program.graph), in_place: vec![None; program.graph.len()], program }
    }
}

/// A pass.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    run: fn(Optimised) -> Result<Optimised, Fault>,
}

/// The passes in the order in which they are run.
pub const PASSES: &[Pass] = &[
    Pass { name: "dead", about: "operations that no output needs are left out", run: dead::run },
    Pass { name: "standardise", about: "standardised kernels become the weights of a plain convolution", run: standardise::run },
    Pass {
        name: "batch-norms",
        about: "a batch norm by running statistics goes into the convolution before it, or is a scale and a shift",
        run: batch_norms::run,
    },
    Pass {
        name: "resizes",
        about: "a resize to the size that its input has already, whatever the network's input, is left out",
        run: resizes::run,
    },
    Pass { name: "chains", about: "fixed scales and shifts that follow each other become one, or none", run: chains::run },
    Pass { name: "scales", about: "a fixed scale and shift goes into the weights before it", run: scales::run },
    Pass { name: "common", about: "equal operations on equal values with the same weights are one", run: common::run },
    Pass {
        name: "shrinks",
        about: "a map of the channels comes after the resize to fewer voxels, or the mean, that is all that reads it",
        run: shrinks::run,
    },
    Pass { name: "products", about: "a map of the channels goes into the convolution that alone reads it", run: products::run },
    Pass {
        name: "carry",
        about: "a map of the channels is carried through sums, concatenations and resizes and into linear operations before it",
        run: carry::run,
    },
    Pass { name: "sweeps", about: "operations that work number by number, one after the other, run as one", run: sweeps::run },
    Pass { name: "in-place", about: "an operation writes over an input that nobody needs after it", run: mark },
];

/// The names of the passes, in their order.
pub const NAMES: [&str; PASSES.len()] = {
    let mut names = [""; PASSES.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = PASSES[i].name;
        i += 1;
    }
    names
};

/// Runs one pass alone; `None` when there is none of that name.
pub fn run(program: &Program, name: &str) -> Option<Result<Optimised, Fault>> {
    apply(Optimised::new(program), name)
}

/// Runs one pass on what others have made; `None` when there is none of that name.
pub fn apply(o: Optimised, name: &str) -> Option<Result<Optimised, Fault>> {
    let pass = PASSES.iter().find(|p| p.name == name)?;
    Some((pass.run)(o))
}

/// Runs the passes up to the one called `name`, itself included; `None` when there is none of that name.
pub fn after(program: &Program, name: &str) -> Option<Result<Optimised, Fault>> {
    let end = PASSES.iter().position(|p| p.name == name)? + 1;
    Some(PASSES[..end].iter().try_fold(Optimised::new(program), |o, p| (p.run)(o)))
}

/// Runs all passes.
///
/// # Errors
/// A fault when a graph that was sound no longer is, which would be a mistake of a pass.
pub fn optimise(program: &Program) -> Result<Optimised, Fault> {
    optimise_from(Optimised::new(program))
}

/// Runs all passes on what others have made.
///
/// # Errors
/// As [`optimise`].
pub fn optimise_from(o: Optimised) -> Result<Optimised, Fault> {
    PASSES.iter().try_fold(o, |o, p| (p.run)(o))
}

fn mark(mut o: Optimised) -> Result<Optimised, Fault> {
    let graph = &o.program.graph;
    o.in_place = in_place(graph, &graph.facts(), &o.schedule);
    Ok(o)
}
