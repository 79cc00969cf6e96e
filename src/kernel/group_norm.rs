//! Group normalisation: two passes for the statistics (mean, then squared differences from it; blocks in `f32` vectors, added
//! in `f64`), one pass to apply, with SiLU after it where that is asked for. The backward pass keeps the input, the means and the
//! reciprocal deviations only.

use super::buffer::{InputBuffer, OutputBuffer, each, tensor};
use super::formula::{Formula, FormulaMap, logistic, silu_grad};
use super::lanes::{Isa, Lanes, SimdKernel, run};
use super::on_cpu;
use super::reduce::{BLOCK, SliceSum, row_sums};
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;

/// `(x - mean) / sqrt(var + eps) * weight + bias`, with mean and (biased) variance of each sample's group of channels;
/// `weight` and `bias` are `[C]`. With `silu`, SiLU of that.
///
/// # Panics
/// If `groups` does not divide the channels or the vectors are not of their number.
pub fn group_norm(x: Tensor<5>, weight: Tensor<1>, bias: Tensor<1>, groups: usize, eps: f64, silu: bool) -> Tensor<5> {
    let [n, c, d, h, w] = x.dims();
    assert!(groups > 0 && c % groups == 0, "group_norm: {groups} groups do not divide {c} channels");
    assert!(weight.dims() == [c] && bias.dims() == [c], "group_norm: weight and bias must have {c} values");
    #[cfg(feature = "gpu")]
    if super::gpu::takes(&x) && weight.dtype() == x.dtype() && bias.dtype() == x.dtype() {
        return super::gpu::group_norm(x, weight, bias, groups, eps, silu);
    }
    if on_cpu(&x) && on_cpu(&weight) && on_cpu(&bias) && n * d * h * w > 0 {
        let (x, weight, bias) = (x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
        Tensor::from_dispatch(Dispatch::normalise(x, weight, bias, groups, eps, silu))
    } else {
        portable(x, weight, bias, groups, eps, silu)
    }
}

/// Burn's own operations.
pub(super) fn portable(x: Tensor<5>, weight: Tensor<1>, bias: Tensor<1>, groups: usize, eps: f64, silu: bool) -> Tensor<5> {
    let [n, c, d, h, w] = x.dims();
    let rows = x.reshape([n, groups, c / groups * d * h * w]);
    let centred = rows.clone() - rows.mean_dim(2);
    let deviation = (centred.clone() * centred.clone()).mean_dim(2).add_scalar(eps).sqrt();
    let y = (centred / deviation).reshape([n, c, d, h, w]);
    let y = y * weight.reshape([1, c, 1, 1, 1]) + bias.reshape([1, c, 1, 1, 1]);
    if silu { burn::tensor::activation::silu(y) } else { y }
}

#[backend_extension(Flex, Autodiff)]
pub trait GroupNormExt: Backend {
    fn normalise(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        groups: usize,
        eps: f64,
        silu: bool,
    ) -> FloatTensor<Self>;
}

impl GroupNormExt for Flex {
    fn normalise(x: FlexTensor, weight: FlexTensor, bias: FlexTensor, groups: usize, eps: f64, silu: bool) -> FlexTensor {
        let x = InputBuffer::new(x);
        let statistics = statistics(&x, groups, eps);
        apply(&x, &statistics, &InputBuffer::new(weight), &InputBuffer::new(bias), silu)
    }
}

impl<C: CheckpointStrategy> GroupNormExt for Autodiff<Flex, C> {
    fn normalise(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        groups: usize,
        eps: f64,
        silu: bool,
    ) -> FloatTensor<Self> {
        match GroupNormBackward.prepare::<C>([x.node(), weight.node(), bias.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let ids = [prep.checkpoint(&x), prep.checkpoint(&weight), prep.checkpoint(&bias)];
                let x = InputBuffer::new(x.into_primitive());
                let statistics = statistics(&x, groups, eps);
                let y = apply(&x, &statistics, &InputBuffer::new(weight.into_primitive()), &InputBuffer::new(bias.into_primitive()), silu);
                prep.finish((ids, statistics, silu), y)
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(Flex::normalise(x.into_primitive(), weight.into_primitive(), bias.into_primitive(), groups, eps, silu))
            }
        }
    }
}

#[derive(Debug)]
struct GroupNormBackward;

impl Backward<Flex, 3> for GroupNormBackward {
    type State = ([NodeId; 3], Statistics, bool);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let [x_node, weight_node, bias_node] = ops.parents;
        let (ids, statistics, silu) = ops.state;
        let gy = InputBuffer::new(grads.consume::<Flex>(&ops.node));
        let [x, weight, bias] = ids.map(|id| InputBuffer::new(checkpointer.retrieve_node_output(id)));
        // What SiLU lets through of the gradient, then the norm's own.
        let gy = if silu { InputBuffer::new(silu_grad_from_norm(&x, &gy, &statistics, &weight, &bias)) } else { gy };
        let [n, c, ..] = x.dims();
        let sums = gradient_sums(&x, &gy, &statistics);
        let over_samples = |k: usize| (0..c).map(|i| (0..n).map(|b| sums[b * c + i][k]).sum::<f64>() as f32).collect();
        if let Some(node) = weight_node {
            grads.register::<Flex>(node.id, tensor(over_samples(1), &[c]));
        }
        if let Some(node) = bias_node {
            grads.register::<Flex>(node.id, tensor(over_samples(0), &[c]));
        }
        if let Some(node) = x_node {
            grads.register::<Flex>(node.id, grad_input(&x, &gy, &weight, &statistics, &sums));
        }
    }
}

/// Mean and reciprocal deviation of every group of every sample.
#[derive(Clone, Debug)]
struct Statistics {
    groups: usize,
    mean: Vec<f32>,
    scale: Vec<f32>,
}

impl Statistics {
    /// Those of channel `i` of all samples' channels, of which a sample has `channels`.
    fn of(&self, i: usize, channels: usize) -> (f32, f32) {
        let group = i / (channels / self.groups);
        (self.mean[group], self.scale[group])
    }
}

fn statistics(x: &InputBuffer, groups: usize, eps: f64) -> Statistics {
    let [n, c, d, h, w] = x.dims();
    let len = c / groups * d * h * w;
    // SAFETY: the job reads its slice only.
    let sums = row_sums(n * groups, len, |_, block| [unsafe { run(Isa::widest(), SliceSum(&x.data()[block])) }]);
    let mean: Vec<f32> = sums.iter().map(|[s]| (s / len as f64) as f32).collect();
    // SAFETY: as above.
    let squares = row_sums(n * groups, len, |row, block| {
        [unsafe { run(Isa::widest(), SquaredDifferences { x: &x.data()[block], mean: mean[row] }) }]
    });
    // The squares are about the rounded mean; what that adds to the variance is the square of its error.
    let scale = sums.iter().zip(&mean).zip(&squares).map(|(([s], m), [q])| {
        let off = s / len as f64 - f64::from(*m);
        (1.0 / ((q / len as f64 - off * off).max(0.0) + eps).sqrt()) as f32
    });
    Statistics { groups, scale: scale.collect(), mean }
}

/// A tensor like `x` by a formula, which is made for each block of a channel: from the channel, counted through all samples, and the
/// place of the block's first number.
fn by_channel<F: Formula>(x: &InputBuffer, formula: impl Fn(usize, usize) -> F + Sync + Send) -> FlexTensor {
    let [n, c, d, h, w] = x.dims();
    let space = d * h * w;
    let chunks = space.div_ceil(BLOCK);
    let mut out = OutputBuffer::new(&x.dims());
    let to = out.shared();
    each(n * c * chunks, n * c * space, |task| {
        let (channel, start) = (task / chunks, task % chunks * BLOCK);
        let first = channel * space + start;
        // SAFETY: the block lies inside the tensors, which have one shape, and is this task's own part of the output.
        unsafe { run(Isa::widest(), FormulaMap { formula: formula(channel, first), out: to.at(first), len: BLOCK.min(space - start) }) }
    });
    // SAFETY: the blocks cover every element.
    unsafe { out.finish() }
}

/// The function that norm, weight and bias are for a channel.
fn affine(x: &InputBuffer, statistics: &Statistics, weight: &InputBuffer, bias: &InputBuffer, channel: usize, first: usize) -> Affine {
    let c = x.dims()[1];
    let (mean, scale) = statistics.of(channel, c);
    Affine { x: x.data()[first..].as_ptr(), mean, factor: scale * weight.data()[channel % c], shift: bias.data()[channel % c] }
}

fn apply(x: &InputBuffer, statistics: &Statistics, weight: &InputBuffer, bias: &InputBuffer, silu: bool) -> FlexTensor {
    let affine = |channel, first| affine(x, statistics, weight, bias, channel, first);
    if silu { by_channel(x, |channel, first| Silu(affine(channel, first))) } else { by_channel(x, affine) }
}

/// The gradient before SiLU, of the norm's output.
fn silu_grad_from_norm(x: &InputBuffer, gy: &InputBuffer, statistics: &Statistics, weight: &InputBuffer, bias: &InputBuffer) -> FlexTensor {
    by_channel(x, |channel, first| SiluGradFromNorm {
        y: affine(x, statistics, weight, bias, channel, first),
        gy: gy.data()[first..].as_ptr(),
    })
}

/// For every channel of every sample: the sums of `gy` and of `gy * (x - mean) * scale`.
fn gradient_sums(x: &InputBuffer, gy: &InputBuffer, statistics: &Statistics) -> Vec<[f64; 2]> {
    let [n, c, d, h, w] = x.dims();
    row_sums(n * c, d * h * w, |channel, block| {
        let (mean, scale) = statistics.of(channel, c);
        // SAFETY: the job reads its two slices of one length.
        let (plain, product) = unsafe { run(Isa::widest(), Products { x: &x.data()[block.clone()], gy: &gy.data()[block], mean }) };
        [plain, product * f64::from(scale)]
    })
}

fn grad_input(x: &InputBuffer, gy: &InputBuffer, weight: &InputBuffer, statistics: &Statistics, sums: &[[f64; 2]]) -> FlexTensor {
    let [n, c, d, h, w] = x.dims();
    let per = c / statistics.groups;
    let len = (per * d * h * w) as f64;
    // With g the weighted gradient and x^ the normalised input: dx = scale * (g - mean(g) - x^ * mean(g * x^)).
    let means: Vec<[f64; 2]> = (0..n * statistics.groups)
        .map(|group| {
            let total =
                |k: usize| (group * per..(group + 1) * per).map(|i| f64::from(weight.data()[i % c]) * sums[i][k]).sum::<f64>() / len;
            [total(0), total(1)]
        })
        .collect();
    by_channel(x, |channel, first| {
        let (mean, scale) = statistics.of(channel, c);
        let [plain, product] = means[channel / per];
        Gradient {
            x: x.data()[first..].as_ptr(),
            gy: gy.data()[first..].as_ptr(),
            mean,
            factor: scale * weight.data()[channel % c],
            x_factor: (-f64::from(scale) * f64::from(scale) * product) as f32,
            shift: (-f64::from(scale) * plain) as f32,
        }
    })
}

/// Sum of `(x - mean)^2`.
struct SquaredDifferences<'a> {
    x: &'a [f32],
    mean: f32,
}

impl SimdKernel for SquaredDifferences<'_> {
    type Out = f64;
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) -> f64 {
        // SAFETY: whole vectors inside the slice.
        unsafe {
            let mean = L::splat(self.mean);
            let mut sums = [L::splat(0.0); 4];
            let mut blocks = self.x.chunks_exact(4 * L::N);
            for block in &mut blocks {
                for (v, sum) in sums.iter_mut().enumerate() {
                    let x = L::load(block.as_ptr().add(v * L::N)).sub(mean);
                    *sum = x.mul_add(x, *sum);
                }
            }
            let rest: f64 = blocks.remainder().iter().map(|x| f64::from(x - self.mean).powi(2)).sum();
            rest + f64::from(sums[0].add(sums[1]).add(sums[2].add(sums[3])).sum())
        }
    }
}

/// Sums of `gy` and of `gy * (x - mean)`.
struct Products<'a> {
    x: &'a [f32],
    gy: &'a [f32],
    mean: f32,
}

impl SimdKernel for Products<'_> {
    type Out = (f64, f64);
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) -> (f64, f64) {
        // SAFETY: whole vectors inside the slices, which have one length.
        unsafe {
            let mean = L::splat(self.mean);
            let mut plain = [L::splat(0.0); 2];
            let mut product = [L::splat(0.0); 2];
            let (mut xs, mut gs) = (self.x.chunks_exact(2 * L::N), self.gy.chunks_exact(2 * L::N));
            for (x, g) in (&mut xs).zip(&mut gs) {
                for v in 0..2 {
                    let g = L::load(g.as_ptr().add(v * L::N));
                    plain[v] = plain[v].add(g);
                    product[v] = L::load(x.as_ptr().add(v * L::N)).sub(mean).mul_add(g, product[v]);
                }
            }
            let mut total = (f64::from(plain[0].add(plain[1]).sum()), f64::from(product[0].add(product[1]).sum()));
            for (x, g) in xs.remainder().iter().zip(gs.remainder()) {
                total.0 += f64::from(*g);
                total.1 += f64::from((x - self.mean) * g);
            }
            total
        }
    }
}

/// `(x - mean) * factor + shift`.
#[derive(Clone, Copy)]
struct Affine {
    x: *const f32,
    mean: f32,
    factor: f32,
    shift: f32,
}

impl Formula for Affine {
    #[inline(always)]
    unsafe fn at<L: Lanes>(self, load: impl Fn(*const f32) -> L) -> L {
        let x = load(self.x);
        // SAFETY: the caller's.
        unsafe { x.sub(L::splat(self.mean)).mul_add(L::splat(self.factor), L::splat(self.shift)) }
    }
}

/// SiLU of that.
#[derive(Clone, Copy)]
struct Silu(Affine);

impl Formula for Silu {
    #[inline(always)]
    unsafe fn at<L: Lanes>(self, load: impl Fn(*const f32) -> L) -> L {
        // SAFETY: the caller's.
        unsafe {
            let y = self.0.at(load);
            y.mul(logistic(y))
        }
    }
}

/// See [`silu_grad_from_norm`].
#[derive(Clone, Copy)]
struct SiluGradFromNorm {
    y: Affine,
    gy: *const f32,
}

impl Formula for SiluGradFromNorm {
    #[inline(always)]
    unsafe fn at<L: Lanes>(self, load: impl Fn(*const f32) -> L) -> L {
        let gy = load(self.gy);
        // SAFETY: the caller's.
        unsafe { silu_grad(self.y.at(load), gy) }
    }
}

/// `gy * factor + (x - mean) * x_factor + shift`.
#[derive(Clone, Copy)]
struct Gradient {
    x: *const f32,
    gy: *const f32,
    mean: f32,
    factor: f32,
    x_factor: f32,
    shift: f32,
}

impl Formula for Gradient {
    #[inline(always)]
    unsafe fn at<L: Lanes>(self, load: impl Fn(*const f32) -> L) -> L {
        let (x, gy) = (load(self.x), load(self.gy));
        // SAFETY: the caller's.
        unsafe {
            let along = x.sub(L::splat(self.mean)).mul_add(L::splat(self.x_factor), L::splat(self.shift));
            gy.mul_add(L::splat(self.factor), along)
        }
    }
}
