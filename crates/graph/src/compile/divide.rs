//! Which sizes a network takes: what each axis must be a multiple of, found by inferring the op graph at other sizes.

use super::program::Program;
use crate::ir::Fact;
use crate::text::{Code, Diagnostics};

/// Candidates: a network halves a few times, or takes thirds.
const CANDIDATES: [usize; 15] = [1, 2, 3, 4, 6, 8, 9, 12, 16, 24, 32, 48, 64, 96, 128];

/// Odd, coprime and large enough that a size does not fail for being small.
const FACTORS: [usize; 3] = [33, 35, 37];

/// What depth, height and width must be multiples of.
pub fn multiple(program: &Program, size: [usize; 3]) -> [usize; 3] {
    std::array::from_fn(|axis| {
        if program.flat() && axis == 0 {
            return 1;
        }
        let with = |n: usize| {
            let mut s = size;
            s[axis] = n;
            s
        };
        let works = |n: usize| sound(program, size, with(n));
        let first = |works: &dyn Fn(usize) -> bool| CANDIDATES.into_iter().find(|m| FACTORS.iter().all(|k| works(m * k)));
        // Outputs of a network without padding have no proportion to keep.
        let passes = |n: usize| inferred(program, with(n)).is_some();
        first(&works).or_else(|| first(&passes)).unwrap_or(size[axis])
    })
}

/// Every fact at `size`, if the graph infers there.
fn inferred(program: &Program, size: [usize; 3]) -> Option<Vec<Fact>> {
    program.graph.infer_at(&program.inputs_at(1, size)).ok()
}

/// Whether the graph infers at `other`, with outputs that keep their proportion to the input.
fn sound(program: &Program, base: [usize; 3], other: [usize; 3]) -> bool {
    let g = &program.graph;
    let Some(all) = inferred(program, other) else { return false };
    g.outputs.iter().all(|(_, v)| {
        let (then, now) = (g.fact(*v).size, all[v.0].size);
        (0..3).all(|a| then[a].checked_mul(other[a]) == now[a].checked_mul(base[a]) || then[a] == 1)
    })
}

/// Checks a size against what it must divide by.
///
/// # Errors
/// A sentence and a remedy.
pub fn fits(multiple: [usize; 3], size: [usize; 3], flat: bool) -> Result<(), (String, String)> {
    let names = ["depth", "height", "width"];
    let wrong: Vec<String> = (0..3)
        .filter(|a| size[*a] == 0 || !size[*a].is_multiple_of(multiple[*a]))
        .map(|a| format!("the {} {} is not a multiple of {}", names[a], size[a], multiple[a]))
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let up: Vec<String> =
        (usize::from(flat)..3).map(|a| size[a].max(1).div_ceil(multiple[a]).saturating_mul(multiple[a]).to_string()).collect();
    Err((wrong.join(", "), format!("use {}", up.join("x"))))
}

/// When a graph is refused only for its shapes and a rounded size would do, says so instead: the size is at fault, not the graph.
pub fn explain(mut found: Diagnostics, size: [usize; 3], flat: bool, compile: impl Fn([usize; 3]) -> Option<Program>) -> Diagnostics {
    if found.0.iter().any(|d| d.code != Code::E0301) {
        return found;
    }
    for m in CANDIDATES.into_iter().skip(1) {
        let mut rounded = size.map(|n| n.max(1).div_ceil(m).saturating_mul(m));
        if flat {
            rounded[0] = size[0];
        }
        if rounded == size {
            continue;
        }
        let Some(program) = compile(rounded) else { continue };
        // A size of nothing is refused as that.
        let nothing = size.contains(&0);
        if let (Err((message, help)), Some(d)) = (fits(program.multiple(), size, flat), found.0.first_mut().filter(|_| !nothing)) {
            let because = std::mem::replace(&mut d.message, message);
            d.code = Code::E0303;
            if let Some(l) = d.labels.iter_mut().find(|l| l.primary) {
                l.text = format!("{}: {because}", l.text);
            }
            d.help = vec![help, program.sizes()];
            found.0.truncate(1);
        }
        return found;
    }
    found
}
