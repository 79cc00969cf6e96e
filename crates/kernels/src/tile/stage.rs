//! What a stage is: a small dataflow program that a tiled kernel runs over one grid plane by plane.
//!
//! A node's value either goes straight into a volume in memory, or into a *local*: a ring of planes that lies in the second-level
//! cache and holds, of the rows of one tile, as many planes as its readers look at together. Locals have zeros where a convolution
//! looks over an edge of the volume. Nothing here is unsafe; [`super::tiled`] runs it.

use super::forms::WinogradKernel;
use crate::op;

/// Where the numbers of a volume are, `[N, C, D, H, W]` without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// At a float of the arena.
    Arena(usize),
    /// An input of the run.
    Input(usize),
    /// An output of the run.
    Output(usize),
}

/// A volume in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VolumeDesc {
    pub space: Space,
    pub channels: usize,
    pub size: [usize; 3],
}

/// A line buffer: a value that exists only inside the stage, a ring of planes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineBuffer {
    pub channels: usize,
    pub size: [usize; 3],
    /// Columns `j` with the same `j % phases` lie side by side: what a convolution of that stride in width reads.
    pub phases: usize,
}

/// Where a node reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BufferRef {
    Volume(usize),
    Local(usize),
}

/// For each channel of what is read, its place and its channel there. So concatenations and slices are never made.
pub type ChannelSources = Vec<(BufferRef, usize)>;

/// A function of every number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum UnaryFunction {
    Identity,
    /// With its slope or alpha, if it has one.
    Of(op::Function, f32),
}

/// Numbers in the run's table: that of channel `c` of batch item `n` stands at `offset + n * stride + c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelConstants {
    pub offset: usize,
    pub stride: usize,
}

/// `scale x + shift` by channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AffineColumns {
    pub scale: ChannelConstants,
    pub shift: ChannelConstants,
}

/// What a term takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// As many channels as the node gives, or one that stands for all.
    Rows(ChannelSources),
    /// `a[d] + b[h] + c[w]` of each channel: `[N, C, D + H + W]` in the table.
    Separable(ChannelConstants),
    /// A number a channel.
    Vector(ChannelConstants),
}

/// `gain * function(affine(x)) * (scale * times + shift)`
#[derive(Clone, Debug, PartialEq)]
pub struct AffineTerm {
    pub x: Operand,
    pub affine: Option<AffineColumns>,
    pub function: UnaryFunction,
    pub gain: f32,
    pub times: Option<Factor>,
}

/// A factor: as many channels as the node gives, or one.
#[derive(Clone, Debug, PartialEq)]
pub struct Factor {
    pub source: ChannelSources,
    pub scale: f32,
    pub shift: f32,
}

/// How a convolution looks at its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvWindow {
    pub kernel: [usize; 3],
    pub stride: [usize; 3],
    pub padding: [usize; 3],
    pub dilation: [usize; 3],
}

impl ConvWindow {
    pub fn taps(&self) -> usize {
        self.kernel.iter().product()
    }
}

/// Weights of linear combinations of rows, in the order in which they are read: see [`super::combine::pack`].
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Matrix {
    pub inputs: usize,
    pub outputs: usize,
    pub packed: Vec<f32>,
    /// One number an output, or none.
    pub bias: Vec<f32>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum StageOp {
    /// `post(sum of terms)`
    Point {
        terms: Vec<AffineTerm>,
        post: UnaryFunction,
    },
    Softmax {
        x: ChannelSources,
    },
    /// A linear map of the channels, of `affine(x)` when there is one.
    Pointwise {
        x: ChannelSources,
        matrix: Matrix,
        affine: Option<AffineColumns>,
    },
    /// A convolution of a local, group by group; `matrices` have `channels * taps` inputs.
    Dense {
        x: usize,
        window: ConvWindow,
        matrices: Vec<Matrix>,
    },
    /// A convolution of kernel 3, stride 1, by Winograd's form: in blocks of two planes by four rows, or by two; a last plane or row of an odd
    /// number by the direct sum.
    Winograd {
        x: usize,
        window: ConvWindow,
        kernel: WinogradKernel,
    },
    /// One kernel a channel, stride 1: `[C, kD, kW, kH]`.
    Depthwise {
        x: usize,
        window: ConvWindow,
        weights: Vec<f32>,
        bias: Vec<f32>,
    },
    /// A transposed convolution whose stride is its kernel; the matrix has an output for each channel and place in the block.
    Up {
        x: ChannelSources,
        stride: [usize; 3],
        matrix: Matrix,
        affine: Option<AffineColumns>,
    },
    /// Trilinear, half-pixel centres.
    Resize {
        x: ChannelSources,
    },
    /// The largest of each block.
    Pool {
        x: ChannelSources,
        kernel: [usize; 3],
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct StageNode {
    /// What the user calls it.
    pub name: String,
    pub kind: StageOp,
    pub channels: usize,
    pub to: BufferRef,
    /// A volume that gets a copy of the tile's own part of a local.
    pub keep: Option<usize>,
    /// Moments of each channel are wanted: where the first stands in the stage's list.
    pub moments: Option<usize>,
}

/// Fused operations over one grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    pub batch: usize,
    /// The grid of what the stage gives.
    pub size: [usize; 3],
    pub volumes: Vec<VolumeDesc>,
    pub locals: Vec<LineBuffer>,
    /// Each after those that it reads.
    pub nodes: Vec<StageNode>,
    /// Channels whose moments are wanted.
    pub moments: usize,
}

/// Count, mean and sum of squared differences from the mean.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    pub count: f64,
    pub mean: f64,
    pub square: f64,
}

impl Moments {
    /// Of both together.
    pub fn join(self, o: Self) -> Self {
        if o.count == 0.0 {
            return self;
        }
        if self.count == 0.0 {
            return o;
        }
        let count = self.count + o.count;
        let d = o.mean - self.mean;
        Self { count, mean: self.mean + d * o.count / count, square: self.square + o.square + d * d * self.count * o.count / count }
    }
}

impl StageOp {
    /// What it reads.
    pub fn places(&self) -> Vec<BufferRef> {
        let mut all = vec![];
        match self {
            StageOp::Point { terms, .. } => {
                for t in terms {
                    if let Operand::Rows(s) = &t.x {
                        all.extend(s.iter().map(|p| p.0));
                    }
                    all.extend(t.times.iter().flat_map(|m| m.source.iter().map(|p| p.0)));
                }
            }
            StageOp::Softmax { x }
            | StageOp::Pointwise { x, .. }
            | StageOp::Up { x, .. }
            | StageOp::Resize { x }
            | StageOp::Pool { x, .. } => {
                all.extend(x.iter().map(|p| p.0));
            }
            StageOp::Dense { x, .. } | StageOp::Winograd { x, .. } | StageOp::Depthwise { x, .. } => all.push(BufferRef::Local(*x)),
        }
        all.sort_by_key(|p| match p {
            BufferRef::Volume(i) => (0, *i),
            BufferRef::Local(i) => (1, *i),
        });
        all.dedup();
        all
    }

    /// Numbers of its weights, in the forms in which it holds them.
    pub(super) fn weight_numbers(&self) -> usize {
        let of = |m: &Matrix| m.packed.len() + m.bias.len();
        match self {
            StageOp::Pointwise { matrix, .. } | StageOp::Up { matrix, .. } => of(matrix),
            StageOp::Dense { matrices, .. } => matrices.iter().map(of).sum(),
            StageOp::Winograd { kernel, .. } => kernel.numbers(),
            StageOp::Depthwise { weights, bias, .. } => weights.len() + bias.len(),
            _ => 0,
        }
    }

    /// The window of a convolution that pads.
    pub fn window(&self) -> Option<&ConvWindow> {
        match self {
            StageOp::Dense { window, .. } | StageOp::Winograd { window, .. } | StageOp::Depthwise { window, .. } => Some(window),
            _ => None,
        }
    }
}
