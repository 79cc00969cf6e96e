//! The largest input that fits into some memory.

use crate::compile::Program;
use crate::ir::{Fact, Fault, Value};

/// How the sizes that are tried relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// Depth, height and width are equal.
    Cube,
    /// They keep the proportions of the size that the program was compiled for, as far as multiples allow.
    Keep,
    /// The same of another size `[D, H, W]`.
    Of([usize; 3]),
}

/// The facts of all values for a batch, at another size of the first input (and of those that follow it) when one is given.
///
/// # Errors
/// The operation that refuses, and why.
pub fn facts_at(program: &Program, batch: usize, size: Option<[usize; 3]>) -> Result<Vec<Fact>, (Value, Fault)> {
    let g = &program.graph;
    let size = size.or_else(|| program.inputs.first().map(|(_, v)| g.fact(*v).size)).unwrap_or_default();
    g.infer_at(&program.inputs_at(batch, size))
}

/// No axis is tried beyond this.
const LONGEST: usize = 1 << 20;

/// The largest size `[D, H, W]`, a multiple of what the program asks for, at which `need` says at most `budget` bytes.
pub fn largest(
    program: &Program,
    batch: usize,
    budget: u64,
    aspect: Aspect,
    need: impl Fn(&[Fact]) -> Result<u64, Fault>,
) -> Option<[usize; 3]> {
    let multiple = program.multiple().map(|m| m.max(1));
    let base = match aspect {
        Aspect::Of(size) => size,
        Aspect::Cube | Aspect::Keep => program.graph.fact(program.inputs.first()?.1).size,
    };
    let base = base.map(|n| n.max(1));
    let longest = (0..3).max_by_key(|a| base[*a]).unwrap_or(0);
    let step = match aspect {
        Aspect::Cube => multiple.into_iter().fold(1, lcm),
        Aspect::Keep | Aspect::Of(_) => multiple[longest],
    };
    let size = |k: usize| -> [usize; 3] {
        let edge = k.saturating_mul(step);
        match aspect {
            Aspect::Cube => [edge; 3],
            Aspect::Keep | Aspect::Of(_) => std::array::from_fn(|a| {
                let n = (base[a] as u128 * edge as u128 / base[longest] as u128) as usize;
                (n / multiple[a] * multiple[a]).max(multiple[a])
            }),
        }
    };
    let fits = |k: usize| facts_at(program, batch, Some(size(k))).is_ok_and(|f| need(&f).is_ok_and(|n| n <= budget));
    // Some networks need more than one step; beyond the first that fits, what is needed only grows.
    let mut low = (1..=8).find(|k| fits(*k))?;
    let mut high = low.saturating_mul(2);
    while high.saturating_mul(step) < LONGEST && fits(high) {
        (low, high) = (high, high.saturating_mul(2));
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if fits(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(size(low))
}

fn lcm(a: usize, b: usize) -> usize {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    (a / x.max(1)).saturating_mul(b)
}
