//! Which lengths of the input are free.
//!
//! May use `compile`, `ir` and `text`. What a network does with a length is asked of its shape rules: they infer at further sizes.

use std::fmt;

use crate::compile::Program;
use crate::compile::memory::facts_at;
use crate::ir::{Fact, Operator};
use crate::text::{Diagnostic, Result, printable};

const AXES: [&str; 3] = ["depth", "height", "width"];

/// Depth, height and width of a network's first input: free or fixed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreeSizes {
    pub batch: bool,
    pub free: [bool; 3],
    /// D, H, W at which the network was looked at, the fixed lengths among them.
    pub size: [usize; 3],
    /// What free lengths must be multiples of.
    pub multiple: [usize; 3],
    /// Why the fixed ones are, a sentence without its end each.
    pub why: Vec<String>,
    /// Sizes that the network takes, [`FreeSizes::size`] first; they differ in every free length.
    pub(super) probes: Vec<[usize; 3]>,
}

impl fmt::Display for FreeSizes {
    /// `D and H multiples of 8, W 64: ...`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = |a: usize| {
            let axis = ["D", "H", "W"][a];
            match (self.free[a], self.multiple[a]) {
                (false, _) => format!("{axis} is {}", self.size[a]),
                (true, 1) => format!("{axis} is free"),
                (true, m) => format!("{axis} is a multiple of {m}"),
            }
        };
        write!(f, "{}, {}, {}", one(0), one(1), one(2))?;
        match self.why.as_slice() {
            [] => Ok(()),
            why => write!(f, "; {}", why.join("; ")),
        }
    }
}

impl FreeSizes {
    /// All lengths fixed, and the batch.
    ///
    /// # Errors
    /// E0303 for a size that the network does not take.
    pub fn fixed(program: &Program, size: [usize; 3]) -> Result<Self> {
        program.fits(size)?;
        facts_at(program, 1, Some(size)).map_err(|(v, f)| {
            let d = Diagnostic::error(f.code, format!("`{}`: {}", program.graph.node(v).path, f.message));
            d.help(f.help.unwrap_or_else(|| "use a larger size".into()))
        })?;
        Ok(Self { batch: false, free: [false; 3], size, multiple: program.multiple(), why: vec![], probes: vec![size] })
    }

    /// Those of a network: a length is free if the network can be inferred with others, and its weights are the same ones.
    pub fn of(program: &Program) -> Self {
        let size = program.inputs.first().map_or([1; 3], |(_, v)| program.graph.fact(*v).size);
        let (multiple, mut why) = (program.multiple(), vec![]);
        let bound = program.graph.values().find_map(|v| Some((program.graph.node(v), program.graph.node(v).op.fixed_in_onnx()?)));
        if let Some((node, reason)) = bound {
            let why = vec![format!("the size is fixed by `{}`: {reason}", printable(&node.path))];
            return Self { batch: true, free: [false; 3], size, multiple, why, probes: vec![size] };
        }
        let mut free = [true; 3];
        for axis in 0..3 {
            if program.flat() && axis == 0 {
                free[axis] = false;
                why.push("the network is in two dimensions".to_owned());
                continue;
            }
            let longer = |by: usize| {
                let mut other = size;
                other[axis] = size[axis].saturating_add(by.saturating_mul(multiple[axis]));
                other
            };
            if let Some(reason) = [1, 3].into_iter().find_map(|by| refused(program, size, longer(by))) {
                free[axis] = false;
                why.push(format!("the {} is fixed: {reason}", AXES[axis]));
            }
        }
        let moved = |by: [usize; 3]| {
            std::array::from_fn(|a| if free[a] { size[a].saturating_add(by[a].saturating_mul(multiple[a])) } else { size[a] })
        };
        let mut probes = vec![size];
        if free != [false; 3] {
            probes.extend([moved([1, 2, 3]), moved([3, 1, 2])]);
        }
        if let Some(reason) = probes.iter().find_map(|other| refused(program, size, *other)) {
            // Each length by itself would be free, but not all of them at once.
            (free, probes) = ([false; 3], vec![size]);
            why = vec![format!("the size is fixed: {reason}")];
        }
        Self { batch: true, free, size, multiple, why, probes }
    }
}

/// Why the network cannot be used at another size; `None` where it can.
fn refused(program: &Program, size: [usize; 3], other: [usize; 3]) -> Option<String> {
    let g = &program.graph;
    let facts = |size| facts_at(program, 1, Some(size));
    let (base, facts) = match (facts(size), facts(other)) {
        (Ok(base), Ok(other)) => (base, other),
        (Err((v, f)), _) | (_, Err((v, f))) => return Some(format!("`{}`: {}", printable(&g.node(v).path), f.message)),
    };
    let weights = |v: crate::ir::Value, facts: &[Fact]| {
        let x: Vec<Fact> = g.inputs(v).iter().map(|i| facts[i.0]).collect();
        let all = [g.node(v).op.weights(&x), g.node(v).op.buffers(&x)].concat();
        all.into_iter().map(|w| w.dims).collect::<Vec<_>>()
    };
    let bound = g.values().find(|v| weights(*v, &base) != weights(*v, &facts))?;
    Some(format!("`{}` has weights for one size", printable(&g.node(bound).path)))
}
