//! Dense convolutions of planar volumes and their gradients, for any number of channels: forward, gradient of the input (which is the
//! transposed convolution) and gradient of the weights. Kernels of 3 at stride 1 go by Winograd's form (`winograd`, `few_tiles`) but for
//! the smallest volumes, all others by sums over taps (`direct`). Channels lie innermost while a block of places is worked on, so that narrow
//! volumes fill the vectors too. Results do not depend on the number of threads.

mod direct;
mod few_tiles;
mod layout;
mod memory;
mod product;
mod tiling;
mod transform;
mod weights;
mod winograd;

use super::lanes::{self, Isa};
use super::tile::ConvWindow;
use direct::{Direct, Phase};
use memory::SharedFloats;
use tiling::Tiling;
use transform::TILE;
use weights::WeightOrder;

/// A convolution `x [N, C, D, H, W]`, `w [O, C / groups, kD, kH, kW]` to `y [N, O, ...]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    pub batch: usize,
    pub inputs: usize,
    pub outputs: usize,
    pub groups: usize,
    /// D, H, W of the input and of the output.
    pub size: [usize; 3],
    pub output: [usize; 3],
    pub window: ConvWindow,
}

/// One group's channels of a volume in memory.
#[derive(Clone, Copy)]
struct Source<'a> {
    data: &'a [f32],
    /// Floats between samples.
    sample: usize,
    channels: usize,
    size: [usize; 3],
}

impl Source<'_> {
    fn space(&self) -> usize {
        self.size.iter().product()
    }
}

/// One group's channels of a volume that is made.
#[derive(Clone, Copy)]
struct Target<'a> {
    to: SharedFloats,
    sample: usize,
    channels: usize,
    size: [usize; 3],
    /// One number a channel, or none.
    bias: &'a [f32],
}

/// Fewest places of the outputs for which Winograd's form pays.
const PLACES: usize = 48;
/// Up to so many tiles, all of them lie near at once.
const FEW: usize = 32;

impl ConvShape {
    fn taps(&self) -> usize {
        self.window.taps()
    }

    fn volume(&self, channels: usize, size: [usize; 3]) -> usize {
        self.batch * channels * size.iter().product::<usize>()
    }

    fn group(&self) -> (usize, usize) {
        (self.inputs / self.groups, self.outputs / self.groups)
    }

    /// # Panics
    /// If a slice is not of the length that the shape says.
    fn check(&self, x: usize, w: usize, y: usize) {
        let ConvWindow { kernel, stride, padding, dilation } = self.window;
        let fits = |a: usize| {
            let reach = kernel[a].checked_sub(1).map(|k| k * dilation[a] + 1);
            let room = reach.and_then(|reach| (self.size[a] + 2 * padding[a]).checked_sub(reach));
            self.size[a] > 0 && dilation[a] > 0 && stride[a] > 0 && room.is_some_and(|room| room / stride[a] + 1 == self.output[a])
        };
        assert!((0..3).all(fits), "a convolution's window and sizes");
        let (inputs, outputs) = self.group();
        assert!(inputs * self.groups == self.inputs && outputs * self.groups == self.outputs, "a convolution's groups");
        let lengths = [self.volume(self.inputs, self.size), self.outputs * inputs * self.taps(), self.volume(self.outputs, self.output)];
        assert!(lengths == [x, w, y], "a convolution's slices");
    }

    /// Tiles of Winograd's form over a volume of this size, where it pays.
    fn tiling(&self, size: [usize; 3], padding: [isize; 3], channels: (usize, usize)) -> Option<Tiling> {
        let window = &self.window;
        if window.kernel != [3; 3] || window.stride != [1; 3] || channels.0.min(channels.1) < 8 {
            return None;
        }
        let places = self.batch * size.iter().product::<usize>();
        let tiling = Tiling::new(self.batch, size, padding, window.dilation);
        // Tiles that reach far over the edges are mostly zeros.
        (places >= PLACES && 3 * places >= tiling.tiles() * TILE.iter().product::<usize>()).then_some(tiling)
    }

    /// `y` of `x`, `w` and `bias` (a number an output, or none).
    ///
    /// # Panics
    /// If a slice is not of the length that the shape says.
    pub fn forward(&self, x: &[f32], w: &[f32], bias: &[f32]) -> Vec<f32> {
        self.check(x.len(), w.len(), self.volume(self.outputs, self.output));
        assert!(bias.is_empty() || bias.len() == self.outputs, "a convolution's bias");
        let ((inputs, outputs), taps) = (self.group(), self.taps());
        let (space, out_space) = (self.size.iter().product::<usize>(), self.output.iter().product::<usize>());
        let weights = WeightOrder { output: inputs * taps, input: taps, reversed: false };
        let mut result = Vec::with_capacity(self.volume(self.outputs, self.output));
        let y = SharedFloats::from(result.as_mut_ptr());
        for g in 0..self.groups {
            let source = Source { data: &x[g * inputs * space..], sample: self.inputs * space, channels: inputs, size: self.size };
            // SAFETY: the first output of the group.
            let to = unsafe { y.at(g * outputs * out_space) };
            let target = Target {
                to: SharedFloats::from(to),
                sample: self.outputs * out_space,
                channels: outputs,
                size: self.output,
                bias: if bias.is_empty() { bias } else { &bias[g * outputs..(g + 1) * outputs] },
            };
            let w = &w[g * outputs * inputs * taps..];
            if let Some(tiling) = self.tiling(self.output, self.window.padding.map(|p| p as isize), (inputs, outputs)) {
                let convolve = if tiling.tiles() <= FEW { few_tiles::convolve } else { winograd::convolve };
                convolve(&tiling, &source, w, weights, &target);
            } else {
                let direct = Direct { batch: self.batch, stride: self.window.stride, step: [1; 3], grid: self.output };
                direct.convolve(&source, w, weights, &[Phase::whole(&self.window)], &target);
            }
        }
        // SAFETY: every output of every group has been written.
        unsafe { result.set_len(self.volume(self.outputs, self.output)) };
        result
    }

    /// The gradient of `x` from that of `y`; with a bias for each input, what a transposed convolution makes of `gy`.
    ///
    /// # Panics
    /// If a slice is not of the length that the shape says.
    pub fn grad_input(&self, gy: &[f32], w: &[f32], bias: &[f32]) -> Vec<f32> {
        self.check(self.volume(self.inputs, self.size), w.len(), gy.len());
        assert!(bias.is_empty() || bias.len() == self.inputs, "a transposed convolution's bias");
        let ((inputs, outputs), taps) = (self.group(), self.taps());
        let (space, out_space) = (self.size.iter().product::<usize>(), self.output.iter().product::<usize>());
        let mut result = Vec::with_capacity(self.volume(self.inputs, self.size));
        let dx = SharedFloats::from(result.as_mut_ptr());
        for g in 0..self.groups {
            let source =
                Source { data: &gy[g * outputs * out_space..], sample: self.outputs * out_space, channels: outputs, size: self.output };
            // SAFETY: the first channel of the group.
            let to = unsafe { dx.at(g * inputs * space) };
            let target = Target {
                to: SharedFloats::from(to),
                sample: self.inputs * space,
                channels: inputs,
                size: self.size,
                bias: if bias.is_empty() { bias } else { &bias[g * inputs..(g + 1) * inputs] },
            };
            let w = &w[g * outputs * inputs * taps..];
            let window = &self.window;
            let padding = std::array::from_fn(|a| ((window.kernel[a] - 1) * window.dilation[a]) as isize - window.padding[a] as isize);
            if let Some(tiling) = self.tiling(self.size, padding, (inputs, outputs)) {
                let weights = WeightOrder { output: taps, input: inputs * taps, reversed: true };
                let convolve = if tiling.tiles() <= FEW { few_tiles::convolve } else { winograd::convolve };
                convolve(&tiling, &source, w, weights, &target);
            } else {
                let weights = WeightOrder { output: taps, input: inputs * taps, reversed: false };
                let grid = std::array::from_fn(|a| self.size[a].div_ceil(window.stride[a]));
                let direct = Direct { batch: self.batch, stride: [1; 3], step: window.stride, grid };
                direct.convolve(&source, w, weights, &Phase::transposed(window), &target);
            }
        }
        // SAFETY: every channel of every group has been written.
        unsafe { result.set_len(self.volume(self.inputs, self.size)) };
        result
    }

    /// The gradient of `w` from `x` and the gradient of `y`.
    ///
    /// # Panics
    /// If a slice is not of the length that the shape says.
    pub fn grad_weight(&self, x: &[f32], gy: &[f32], dw: &mut [f32]) {
        self.check(x.len(), dw.len(), gy.len());
        let ((inputs, outputs), taps) = (self.group(), self.taps());
        let (space, out_space) = (self.size.iter().product::<usize>(), self.output.iter().product::<usize>());
        let weights = WeightOrder { output: inputs * taps, input: taps, reversed: false };
        for (g, dw) in dw.chunks_exact_mut(outputs * inputs * taps).enumerate() {
            let x = Source { data: &x[g * inputs * space..], sample: self.inputs * space, channels: inputs, size: self.size };
            let gy =
                Source { data: &gy[g * outputs * out_space..], sample: self.outputs * out_space, channels: outputs, size: self.output };
            if let Some(tiling) = self.tiling(self.output, self.window.padding.map(|p| p as isize), (inputs, outputs)) {
                let grad_weight = if tiling.tiles() <= FEW { few_tiles::grad_weight } else { winograd::grad_weight };
                grad_weight(&tiling, &x, &gy, weights, dw);
            } else {
                let direct = Direct { batch: self.batch, stride: self.window.stride, step: [1; 3], grid: self.output };
                direct.grad_weight(&x, &gy, weights, &Phase::whole(&self.window), dw);
            }
        }
    }
}

/// Vectors of so many channels.
fn vectors(channels: usize, isa: Isa) -> usize {
    channels.div_ceil(isa.lanes())
}

/// Ranges of so many vectors of outputs, of pairs of them, for `tasks` parts of the places: one range, unless threads would be idle.
fn block_ranges(blocks: usize, tasks: usize) -> Vec<std::ops::Range<usize>> {
    let threads = rayon::current_num_threads();
    let groups = if tasks >= 2 * threads { 1 } else { (2 * threads).div_ceil(tasks.max(1)).min(blocks.div_ceil(2)) };
    let step = blocks.div_ceil(groups.max(1)).next_multiple_of(2);
    (0..blocks).step_by(step).map(|first| first..(first + step).min(blocks)).collect()
}

#[cfg(test)]
mod tests;
