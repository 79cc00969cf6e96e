//! Updating weights: optimiser steps, moving averages, gradient accumulation and the norm of gradients. None of it is differentiated.

#[cfg(feature = "gpu")]
use super::gpu;
use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

/// The optimiser's update of a weight by its gradient. All that changes from step to step is in [`UpdateScalars`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum UpdateRule {
    /// AdamW (Loshchilov and Hutter 2019): two moments.
    Adam { betas: [f32; 2], epsilon: f32, decay: f32 },
    /// Stochastic gradient descent as in PyTorch, without dampening: one moment, the velocity.
    Momentum { momentum: f32, nesterov: bool, decay: f32 },
}

impl UpdateRule {
    /// Moments of each weight, which are zero before the first step.
    pub fn moments(&self) -> usize {
        match self {
            Self::Adam { .. } => 2,
            Self::Momentum { .. } => 1,
        }
    }
}

/// The numbers of a step, `[5]` as a tensor (`f32`), so that a captured graph reads those of the present step.
#[derive(Clone, Copy, Debug)]
pub struct UpdateScalars {
    /// The learning rate.
    pub rate: f32,
    /// Adam's bias correction of each moment: `1 / (1 - beta^t)`.
    pub bias_correction: [f32; 2],
    /// What the gradient is multiplied by.
    pub scale: f32,
    /// Weights and moments stay as they are where it is 0.
    pub apply: f32,
}

// Where they are in the tensor.
pub(super) const RATE: usize = 0;
pub(super) const FIRST: usize = 1;
pub(super) const SECOND: usize = 2;
pub(super) const SCALE: usize = 3;
pub(super) const GO: usize = 4;

impl UpdateScalars {
    /// Numbers of it.
    pub const LEN: usize = 5;

    fn of(numbers: &[f32]) -> Option<Self> {
        let all: &[f32; Self::LEN] = numbers.try_into().ok()?;
        Some(Self { rate: all[RATE], bias_correction: [all[FIRST], all[SECOND]], scale: all[SCALE], apply: all[GO] })
    }
}

/// The weight after a step by `gradient`, with its `moments` (each of the weight's length, as many as the rule has). On a GPU weight and
/// moments are updated in place, for everyone who holds them, and what is returned is the same memory.
pub fn update<const D: usize>(
    weight: Tensor<D>,
    gradient: Tensor<D>,
    moments: Vec<Tensor<1>>,
    control: Tensor<1>,
    rule: UpdateRule,
) -> (Tensor<D>, Vec<Tensor<1>>) {
    #[cfg(feature = "gpu")]
    if gpu::takes(&weight) {
        return (gpu::update(weight, gradient, &moments, control, rule), moments);
    }
    let Some(c) = UpdateScalars::of(&numbers(control)).filter(|c| c.apply != 0.0) else { return (weight, moments) };
    let (device, dims) = (weight.device(), weight.dims());
    let (mut w, g) = (numbers(weight), numbers(gradient));
    // Numbers that nobody else holds are not copied.
    let mut m: Vec<Vec<f32>> = moments.into_iter().map(numbers).collect();
    match (rule, m.as_mut_slice()) {
        (UpdateRule::Adam { betas: [b, d], epsilon, decay }, [first, second]) => {
            let blocks = w.par_chunks_mut(BLOCK).zip(g.par_chunks(BLOCK));
            let moments = first.par_chunks_mut(BLOCK).zip(second.par_chunks_mut(BLOCK));
            blocks.zip(moments).for_each(|((w, g), (first, second))| {
                for (((w, g), m), v) in w.iter_mut().zip(g).zip(first).zip(second) {
                    let g = g * c.scale;
                    *m = *m * b + g * (1.0 - b);
                    *v = *v * d + g * g * (1.0 - d);
                    *w =
                        *w * (1.0 - c.rate * decay) - c.rate * (*m * c.bias_correction[0]) / ((*v * c.bias_correction[1]).sqrt() + epsilon);
                }
            });
        }
        (UpdateRule::Momentum { momentum, nesterov, decay }, [velocity]) => {
            let blocks = w.par_chunks_mut(BLOCK).zip(g.par_chunks(BLOCK)).zip(velocity.par_chunks_mut(BLOCK));
            blocks.for_each(|((w, g), velocity)| {
                for ((w, g), v) in w.iter_mut().zip(g).zip(velocity) {
                    let g = g * c.scale + *w * decay;
                    *v = *v * momentum + g;
                    *w -= c.rate * if nesterov { g + *v * momentum } else { *v };
                }
            });
        }
        _ => unreachable!("a weight has the moments of its rule"),
    }
    let moments = m.into_iter().map(|m| Tensor::from_data(TensorData::new(m, [w.len()]), &device)).collect();
    (Tensor::from_data(TensorData::new(w, dims), &device), moments)
}

/// `mean * keep + weight * (1 - keep)`, where `keep [1]` is a tensor; on a GPU in the place of `mean`.
pub fn blend<const D: usize>(mean: Tensor<D>, weight: Tensor<D>, keep: Tensor<1>) -> Tensor<D> {
    #[cfg(feature = "gpu")]
    if gpu::takes(&mean) {
        return gpu::blend(mean, weight, keep);
    }
    let keep = keep.reshape([1; D]);
    mean * keep.clone() + weight * (-keep + 1.0)
}

/// Gradient accumulation: what a batch's gradient does to the sum of those before it in its step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accumulate {
    /// It takes the place of the last step's sum.
    Overwrite,
    /// It is added.
    Add,
    /// The sum stays as it is.
    Skip,
}

impl Accumulate {
    /// As a number of a tensor.
    pub fn number(self) -> f64 {
        match self {
            Self::Overwrite => 1.0,
            Self::Add => 0.0,
            Self::Skip => -1.0,
        }
    }
}

/// The accumulated gradient after that of one more batch, as `mode [1]` says (the number of an [`Accumulate`]); on a GPU in the place of `sum`.
pub fn accumulate<const D: usize>(sum: Tensor<1>, gradient: Tensor<D>, mode: Tensor<1>) -> Tensor<1> {
    #[cfg(feature = "gpu")]
    if gpu::takes(&sum) {
        return gpu::accumulate(sum, gradient, mode);
    }
    match numbers(mode).first() {
        Some(mode) if *mode == 0.0 => sum + gradient.flatten(0, D - 1),
        Some(mode) if *mode > 0.0 => gradient.flatten(0, D - 1),
        _ => sum,
    }
}

/// The sum of the squares of many tensors' numbers.
pub struct SquaredNorm {
    sum: f64,
    device: Device,
    #[cfg(feature = "gpu")]
    parts: gpu::PartialSquares,
}

impl SquaredNorm {
    /// Of tensors of these lengths, in their order.
    pub fn new(lengths: impl Iterator<Item = usize>, device: &Device) -> Self {
        #[cfg(not(feature = "gpu"))]
        let _ = lengths;
        Self {
            sum: 0.0,
            device: device.clone(),
            #[cfg(feature = "gpu")]
            parts: gpu::PartialSquares::new(lengths, device),
        }
    }

    pub fn add<const D: usize>(&mut self, x: Tensor<D>) {
        #[cfg(feature = "gpu")]
        if gpu::takes(&x) {
            return self.parts.add(x);
        }
        self.sum += squares(&numbers(x));
    }

    /// The sum, `[1]`.
    pub fn sum(self) -> Tensor<1> {
        #[cfg(feature = "gpu")]
        if let Some(sum) = self.parts.sum() {
            return sum;
        }
        Tensor::from_data(TensorData::new(vec![self.sum as f32], [1]), &self.device)
    }
}

/// Numbers of a task.
const BLOCK: usize = 1 << 14;

/// The sum of squares, the same for any number of threads: blocks, added in order.
fn squares(x: &[f32]) -> f64 {
    let of = |block: &[f32]| {
        let mut sums = [0f64; 8];
        let mut parts = block.chunks_exact(8);
        for part in &mut parts {
            for (sum, x) in sums.iter_mut().zip(part) {
                *sum += f64::from(*x) * f64::from(*x);
            }
        }
        let rest: f64 = parts.remainder().iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
        sums.iter().sum::<f64>() + rest
    };
    let blocks: Vec<f64> = x.par_chunks(BLOCK).map(of).collect();
    blocks.into_iter().sum()
}

fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_into_vec::<f32>().unwrap_or_default()
}
