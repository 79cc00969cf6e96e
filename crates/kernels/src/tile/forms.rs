//! The forms in which a convolution of kernel 3 holds its weights: packed for blocks of four rows, for blocks of two, and for single rows. Each is
//! larger than the kernel itself (2.7, 1.8 and 1 times), so only those are made that the tiles of a stage ask for.

use std::collections::BTreeSet;

use super::combine::pack;
use super::interleave;
use super::lanes::Isa;
use super::stage::{BufferRef, Matrix, StageNode, StageOp};
use super::tiled::{TiledKernel, clip};
use super::winograd::{FOUR, TWO, transform};

/// A kernel `[O, I, 3, 3, 3]` on its way into the forms that are asked for.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct WinogradKernel {
    pub inputs: usize,
    pub outputs: usize,
    /// The kernel as it was trained, until its forms are made.
    pub weight: Vec<f32>,
    /// One number an output, or none.
    pub bias: Vec<f32>,
    /// For blocks of four rows: 4 frequencies in depth by 6 in height, each `[I, kW]` by output.
    pub(super) four: Vec<Matrix>,
    /// For blocks of two rows: 4 by 4.
    pub(super) two: Vec<Matrix>,
    /// For single rows and planes: `[I, kD, kH, kW]` by output.
    pub(super) direct: Option<Matrix>,
}

/// What tiles ask of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Asked {
    /// Two planes at once, a plane by itself.
    pairs: bool,
    single: bool,
    /// Four rows at once, two, a row by itself.
    four: bool,
    two: bool,
    one: bool,
}

impl Asked {
    fn rows(&mut self, n: isize) {
        self.four |= n >= 4;
        self.two |= n % 4 >= 2;
        self.one |= n % 2 == 1;
    }

    fn planes(&mut self, n: isize) {
        self.pairs |= n >= 2;
        self.single |= n % 2 == 1;
    }
}

impl WinogradKernel {
    pub fn new(inputs: usize, outputs: usize, weight: Vec<f32>, bias: Vec<f32>) -> Self {
        Self { inputs, outputs, weight, bias, ..Self::default() }
    }

    /// The kernel for the direct sum.
    pub(super) fn packed(&self, isa: Isa) -> Matrix {
        let inputs = self.inputs * 27;
        Matrix {
            inputs,
            outputs: self.outputs,
            packed: pack(inputs, self.outputs, isa, |k, o| self.weight[o * inputs + k]),
            bias: self.bias.clone(),
        }
    }

    /// Numbers of all forms that there are.
    pub(super) fn numbers(&self) -> usize {
        let forms = self.four.iter().chain(&self.two).chain(&self.direct).map(|m| m.packed.len()).sum::<usize>();
        self.weight.len() + self.bias.len() + forms
    }

    /// The forms that are asked for, in the place of the kernel.
    fn make(&mut self, asked: Asked, isa: Isa) {
        let (inputs, outputs, weight) = (self.inputs, self.outputs, &self.weight);
        let at = |o: usize, i: usize, d: usize, h: usize, k: usize| weight[((o * inputs + i) * 3 + d) * 9 + h * 3 + k];
        let (mut four, mut two) = (vec![], vec![]);
        if asked.pairs && asked.four {
            four = transform(&FOUR, inputs, outputs, isa, at);
        }
        if asked.pairs && asked.two {
            two = transform(&TWO, inputs, outputs, isa, at);
        }
        let direct = (asked.single || asked.one).then(|| self.packed(isa));
        (self.four, self.two, self.direct) = (four, two, direct);
        self.weight = vec![];
    }
}

impl TiledKernel {
    /// Makes the forms of each kernel that the tiles ask for, now that these are known.
    pub(super) fn make_forms(&mut self) {
        let asked = self.asked();
        let isa = self.isa;
        for (node, asked) in self.stage.nodes.iter_mut().zip(asked) {
            if let StageOp::Winograd { kernel, .. } = &mut node.kind {
                kernel.make(asked, isa);
            }
        }
    }

    /// The numbers of planes and rows that each node is asked for at once, over all tiles: what `run` does, without the numbers.
    fn asked(&self) -> Vec<Asked> {
        let mut asked = vec![Asked::default(); self.stage.nodes.len()];
        if !self.stage.nodes.iter().any(|n| matches!(n.kind, StageOp::Winograd { .. })) {
            return asked;
        }
        let [d, h, _] = self.stage.size;
        let less = |axis: usize| -> BTreeSet<usize> {
            (0..self.grids[axis]).map(|at| interleave::less(self.whole[axis], self.grids[axis], at)).collect()
        };
        for less in less(1) {
            for band in parts(h - less, self.band) {
                let needs = self.needs(1, band, less);
                for (node, asked) in self.stage.nodes.iter().zip(&mut asked) {
                    let rows = match node.to {
                        BufferRef::Volume(_) => band,
                        BufferRef::Local(l) => needs[l].map_or((0, 0), |r| clip(r, self.stage.locals[l].size[1] - less)),
                    };
                    asked.rows((rows.1 - rows.0).max(0));
                }
            }
        }
        for less in less(0) {
            for chunk in parts(d - less, self.chunk) {
                let mut have: Vec<Option<isize>> = vec![None; self.stage.locals.len()];
                for (from, to) in parts((chunk.1 - chunk.0) as usize, self.step) {
                    let step = (chunk.0 + from, chunk.0 + to);
                    let needs = self.needs(0, step, less);
                    for (node, asked) in self.stage.nodes.iter().zip(&mut asked) {
                        asked.planes(self.new_planes(node, step, &needs, &mut have, less));
                    }
                }
            }
        }
        asked
    }

    /// How many planes of a node's value a step makes: those that it needs and has not made before.
    fn new_planes(
        &self,
        node: &StageNode,
        step: (isize, isize),
        needs: &[Option<(isize, isize)>],
        have: &mut [Option<isize>],
        less: usize,
    ) -> isize {
        let planes = match node.to {
            BufferRef::Volume(_) => step,
            BufferRef::Local(l) => {
                let Some(need) = needs[l] else { return 0 };
                let planes = (have[l].unwrap_or(need.0).max(need.0), need.1);
                have[l] = Some(need.1);
                clip(planes, self.stage.locals[l].size[0] - less)
            }
        };
        (planes.1 - planes.0).max(0)
    }
}

/// The parts of so many places, each as long as `step` but the last.
fn parts(size: usize, step: usize) -> impl Iterator<Item = (isize, isize)> {
    (0..size).step_by(step.max(1)).map(move |from| (from as isize, (from + step).min(size) as isize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_planes_are_counted_as_blocks_take_them() {
        let of = |rows: isize, planes: isize| {
            let mut a = Asked::default();
            a.rows(rows);
            a.planes(planes);
            [a.four, a.two, a.one, a.pairs, a.single]
        };
        assert_eq!(of(8, 2), [true, false, false, true, false]);
        assert_eq!(of(6, 3), [true, true, false, true, true]);
        assert_eq!(of(5, 1), [true, false, true, false, true]);
        assert_eq!(of(3, 0), [false, true, true, false, false]);
        assert_eq!(of(0, 4), [false, false, false, true, false]);
    }

    #[test]
    fn only_what_is_asked_for_is_made() {
        let kernel = WinogradKernel::new(2, 3, (0..2 * 3 * 27).map(|i| i as f32).collect(), vec![]);
        let made = |asked: Asked| {
            let mut k = kernel.clone();
            k.make(asked, Isa::widest());
            assert!(k.weight.is_empty());
            (k.four.len(), k.two.len(), k.direct.is_some())
        };
        let pairs = Asked { pairs: true, ..Asked::default() };
        assert_eq!(made(Asked { four: true, ..pairs }), (24, 0, false));
        assert_eq!(made(Asked { four: true, two: true, one: true, ..pairs }), (24, 16, true));
        assert_eq!(made(Asked { single: true, four: true, ..Asked::default() }), (0, 0, true));
        assert_eq!(made(Asked { two: true, single: true, ..pairs }), (0, 16, true));
    }
}
