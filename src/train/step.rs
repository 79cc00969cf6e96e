//! A step of training: its batches forward and backward, then the weights.
//!
//! Part of `train`; may use `kernel`, `net` and Burn.
//!
//! On one GPU a batch's part of a step is captured as one graph before the first one is made, and replayed from then on: what changes from
//! batch to batch is all in tensors, and weights and moments are updated in place.

use std::sync::Arc;

use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use super::config::{OptimiserConfig, RunConfig};
use super::loss::Loss;
use super::optimise::{GradientAccumulator, LossScaling, StepScalars, TrainState};
use super::state::TERMS;
use super::workers::{DeviceBatch, PassSettings, Workers};
use crate::compile::memory::Precision;
#[cfg(feature = "gpu")]
use crate::ir::Operator;
use crate::kernel::Accumulate;
#[cfg(feature = "gpu")]
use crate::kernel::CapturedGraph;
use crate::net::{Network, Observed, failed};
use crate::text::Result;

/// What all steps of a run share.
#[derive(Clone)]
struct StepContext {
    workers: Workers,
    loss: Arc<Loss>,
    optimiser: OptimiserConfig,
    /// Whether the loss is scaled for half precision.
    scaled: bool,
    /// What random zeros follow from.
    seed: u64,
    /// Whether batch norms go by their running statistics.
    frozen_statistics: bool,
}

/// A network that is being trained.
pub struct Learner {
    context: StepContext,
    train_state: TrainState,
    /// Steps that have moved the weights.
    moves: usize,
    scaling: Option<LossScaling>,
    accumulator: GradientAccumulator,
    /// Batches of the step under way.
    batches: usize,
    #[cfg(feature = "gpu")]
    captured_graph: Option<CapturedGraph>,
}

/// The parts of a step, as they end.
pub enum StepPhase {
    Forward,
    Backward,
}

impl Learner {
    /// Before the first step.
    ///
    /// # Errors
    /// E0501 where the weights' copies do not fit into memory.
    pub fn new(workers: Workers, loss: Arc<Loss>, network: Network, optimiser: OptimiserConfig, precision: Precision) -> Result<Self> {
        let train_state = TrainState::new(network, &optimiser, workers.main())?;
        let scaling = (precision == Precision::F16).then(LossScaling::start);
        Ok(Self::resumed(workers, loss, train_state, optimiser, 0, scaling))
    }

    /// Going on from where another one was, after so many steps that have moved the weights.
    pub fn resumed(
        workers: Workers,
        loss: Arc<Loss>,
        train_state: TrainState,
        optimiser: OptimiserConfig,
        moves: usize,
        scaling: Option<LossScaling>,
    ) -> Self {
        let accumulator = GradientAccumulator::new(&train_state.network, &optimiser, workers.main());
        Self {
            context: StepContext { workers, loss, optimiser, scaled: scaling.is_some(), seed: 0, frozen_statistics: false },
            train_state,
            moves,
            scaling,
            accumulator,
            batches: 0,
            #[cfg(feature = "gpu")]
            captured_graph: None,
        }
    }

    /// With random zeros by the seed of a run's config, and batch norms as it says.
    pub fn of_run(mut self, config: &RunConfig) -> Self {
        self.context.seed = config.seed;
        self.context.frozen_statistics = config.frozen_statistics;
        self
    }

    /// Batches before the next one, by those that have moved the weights.
    fn drawn(&self) -> u64 {
        (self.moves * self.context.optimiser.accumulate + self.batches) as u64
    }

    /// A batch forward and backward; with the last of a step's batches the weights move. Gives the loss and its terms; where the loss is not
    /// finite the weights stay as they are.
    ///
    /// # Errors
    /// E0901 when the device has failed.
    pub fn batch(&mut self, given: DeviceBatch, rate: f64) -> Result<[f64; TERMS]> {
        #[cfg(feature = "gpu")]
        if self.context.capturable(&given, &self.train_state.network) {
            return self.captured(given, rate);
        }
        self.in_parts(given, rate, |_| ())
    }

    /// The same operation by operation, with a look between its parts.
    ///
    /// # Errors
    /// As [`batch`](Self::batch).
    pub fn in_parts(&mut self, given: DeviceBatch, rate: f64, mut mark: impl FnMut(StepPhase)) -> Result<[f64; TERMS]> {
        let context = &self.context;
        let step = self.step_scalars(rate);
        let scalars = step.on(&context.optimiser, &context.workers.main().clone().inner());
        let drawn = self.drawn();
        let mut gradients = context.gradients(&self.train_state.network, &mut self.accumulator, given, &scalars, drawn, &mut mark);
        let observed = std::mem::take(&mut gradients.observed);
        if !observed.is_empty() {
            // A batch whose loss is not finite does not count.
            self.train_state.observe(observed, &gradients.loss.clone().is_finite().float());
        }
        let context = &self.context;
        if !step.apply {
            return self.finish(step, gradients.figures);
        }
        let (train_state, figures) = context.update(self.train_state.clone(), gradients, scalars);
        self.train_state = train_state;
        self.finish(step, figures)
    }

    /// Reads the figures of a batch and counts it.
    fn finish(&mut self, step: StepScalars, figures: Tensor<1>) -> Result<[f64; TERMS]> {
        let (values, finite) = values(figures)?;
        if step.apply {
            self.batches = 0;
            self.moves += usize::from(finite);
            self.scaling = self.scaling.map(|s| s.after(finite));
        } else {
            self.batches += 1;
        }
        Ok(values)
    }

    /// The scalars of the next batch.
    fn step_scalars(&self, rate: f64) -> StepScalars {
        let accumulate = if self.batches == 0 { Accumulate::Overwrite } else { Accumulate::Add };
        let apply = self.batches + 1 >= self.context.optimiser.accumulate;
        StepScalars { rate, moves: self.moves, factor: self.scaling.map_or(1.0, |s| s.factor), accumulate, apply }
    }

    /// Weights, moments and moving average so far.
    pub fn train_state(&self) -> &TrainState {
        &self.train_state
    }

    /// The network that is validated and saved: the moving average where the config asks for one.
    pub fn best(&self) -> &Network {
        self.train_state.average.as_ref().unwrap_or(&self.train_state.network)
    }

    /// Steps that have moved the weights.
    pub fn moves(&self) -> usize {
        self.moves
    }

    /// How the loss is scaled, where it is.
    pub fn scaling(&self) -> Option<LossScaling> {
        self.scaling
    }

    pub fn loss(&self) -> &Arc<Loss> {
        &self.context.loss
    }

    pub fn workers(&self) -> &Workers {
        &self.context.workers
    }

    /// How the device runs a captured step: as one graph, or operation by operation and why.
    pub fn how(&self) -> Option<String> {
        #[cfg(feature = "gpu")]
        return self.captured_graph.as_ref().map(CapturedGraph::how);
        #[cfg(not(feature = "gpu"))]
        None
    }
}

/// A batch after its forward and backward pass.
struct StepGradients {
    /// The loss and its terms, `[6]`.
    figures: Tensor<1>,
    /// `[1]`
    loss: Tensor<1>,
    /// Of the scaled loss, with those of the batches before it in its step.
    gradients: GradientsParams,
    /// Of the batch, for running statistics.
    observed: Vec<Observed>,
}

impl StepContext {
    /// The gradients of the batches of a step so far.
    fn gradients(
        &self,
        network: &Network,
        accumulator: &mut GradientAccumulator,
        given: DeviceBatch,
        scalars: &Tensor<1>,
        drawn: u64,
        mark: &mut impl FnMut(StepPhase),
    ) -> StepGradients {
        let pass = PassSettings { seed: self.seed, step: drawn, frozen_statistics: self.frozen_statistics };
        let forward = self.workers.forward(network, given, &self.loss, pass);
        let observed = forward.observed(&self.workers);
        mark(StepPhase::Forward);
        let t = &forward.terms;
        let loss = t.total.clone().inner();
        let figures = [&t.total, &t.dice, &t.cross_entropy, &t.boundary, &t.tversky, &t.focal].map(|t| t.clone().inner());
        let mut gradients = forward.backward(network, &self.workers, self.scaled.then(|| StepScalars::factor(scalars)));
        if self.optimiser.accumulate > 1 {
            gradients = accumulator.add(network, gradients, scalars);
        }
        mark(StepPhase::Backward);
        StepGradients { figures: Tensor::cat(figures.to_vec(), 0), loss, gradients, observed }
    }

    /// The state after a step by these gradients, and its figures: the loss, its terms and whether all was finite, `[7]`.
    fn update(&self, train_state: TrainState, gradients: StepGradients, scalars: Tensor<1>) -> (TrainState, Tensor<1>) {
        let StepGradients { figures, loss, gradients, .. } = gradients;
        let (train_state, finite) = train_state.update(gradients, loss, scalars, &self.optimiser, self.scaled);
        (train_state, Tensor::cat(vec![figures, finite], 0))
    }
}

#[cfg(feature = "gpu")]
impl Learner {
    fn captured(&mut self, given: DeviceBatch, rate: f64) -> Result<[f64; TERMS]> {
        let context = self.context.clone();
        let device = context.workers.main().clone().inner();
        let shape = given.clone();
        let inputs = |given: DeviceBatch, step: StepScalars| {
            let scalars = step.on(&context.optimiser, &device);
            let count = scalars.dims()[0];
            let targets = given.targets.into_iter().flat_map(super::loss::DeviceTargets::tensors);
            [given.image, scalars.reshape([1, 1, 1, 1, count])].into_iter().chain(targets).collect::<Vec<Tensor<5>>>()
        };
        let step = self.step_scalars(rate);
        let now = inputs(given.clone(), step);
        let captured_graph = match self.captured_graph.take() {
            Some(captured_graph) if captured_graph.fits(&now) => self.captured_graph.insert(captured_graph),
            // The memory of a captured graph is free before that of another shape is taken.
            last => {
                drop(last);
                let (train_state, accumulator, context) = (self.train_state.clone(), self.accumulator.clone(), self.context.clone());
                let largest = train_state.network.largest(given.image.dims());
                let run = move |inputs: Vec<Tensor<5>>| vec![context.whole(&train_state, &accumulator, &shape, inputs)];
                // Nothing is updated until the capture is done.
                let warmup = inputs(given, StepScalars { accumulate: Accumulate::Skip, apply: false, ..step });
                self.captured_graph.insert(CapturedGraph::new(&device, warmup, largest, run))
            }
        };
        let figures = captured_graph.replay_on(now).first().cloned();
        let figures = figures.map_or_else(|| unreachable!("a step has figures"), |f| f.reshape([TERMS + 1]));
        self.finish(step, figures)
    }
}

#[cfg(feature = "gpu")]
impl StepContext {
    /// Whether a step is one piece on one GPU.
    fn capturable(&self, given: &DeviceBatch, network: &Network) -> bool {
        let graph = &network.program().graph;
        // Running statistics are not written in place, and a captured graph would draw the same zeros for ever.
        let steady = network.buffers().is_empty() && graph.values().all(|v| graph.node(v).op.is_pure());
        !crate::net::on_cpu(&given.image.device()) && self.workers.single() && steady
    }

    /// A batch of a step, which comes with its scalars as tensors; `given` says their shapes. The state is updated in place.
    fn whole(&self, train_state: &TrainState, accumulator: &GradientAccumulator, given: &DeviceBatch, inputs: Vec<Tensor<5>>) -> Tensor<5> {
        let mut inputs = inputs.into_iter();
        let mut next = || inputs.next().unwrap_or_else(|| unreachable!("as many tensors as the step was captured with"));
        let (image, scalars) = (next(), next());
        let scalars = scalars.flatten::<1>(0, 4);
        let targets = given.targets.iter().map(|t| t.like(&mut inputs)).collect();
        let gradients =
            self.gradients(&train_state.network, &mut accumulator.clone(), DeviceBatch { image, targets }, &scalars, 0, &mut |_| ());
        let (_, figures) = self.update(train_state.clone(), gradients, scalars);
        figures.reshape([1, 1, 1, 1, TERMS + 1])
    }
}

/// The figures of a batch and whether all was finite, in one transfer when all is queued: a GPU does not wait in the middle of a step.
fn values(figures: Tensor<1>) -> Result<([f64; TERMS], bool)> {
    let all = figures.try_into_data().map_err(failed)?.try_into_vec::<f32>().map_err(|e| failed(format!("{e:?}")))?;
    let mut values = [f64::NAN; TERMS];
    values.iter_mut().zip(&all).for_each(|(v, f)| *v = f64::from(*f));
    Ok((values, all.get(TERMS).is_some_and(|s| *s != 0.0)))
}
