//! A step of training: its batches forward and backward, then the weights.
//!
//! Part of `train`; may use `kernel`, `net` and Burn.
//!
//! On one GPU a batch's part of a step is recorded before the first one is made, and replayed from then on: what changes from batch to
//! batch is all in tensors, and what moves does so in its place.

use std::sync::Arc;

use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use super::config::Optimiser;
use super::loss::Loss;
use super::optimise::{Day, Gathered, Moving, Scaling};
use super::state::TERMS;
use super::workers::{Given, Workers};
use crate::compile::memory::Precision;
use crate::kernel::Joins;
#[cfg(feature = "gpu")]
use crate::kernel::Recording;
use crate::net::{Network, failed};
use crate::text::Result;

/// What a step is made by, the same for all steps.
#[derive(Clone)]
struct Course {
    workers: Workers,
    loss: Arc<Loss>,
    optimiser: Optimiser,
    /// Whether the loss is scaled for half precision.
    scaled: bool,
}

/// A network that is being trained.
pub struct Learner {
    course: Course,
    moving: Moving,
    /// Steps that have moved the weights.
    moves: usize,
    scaling: Option<Scaling>,
    gathered: Gathered,
    /// Batches of the step under way.
    batches: usize,
    #[cfg(feature = "gpu")]
    recording: Option<Recording>,
}

/// What is looked at between the parts of a step.
pub enum Mark {
    Forward,
    Backward,
}

impl Learner {
    /// Before the first step.
    ///
    /// # Errors
    /// E0501 where the weights' copies do not fit into memory.
    pub fn new(workers: Workers, loss: Arc<Loss>, network: Network, optimiser: Optimiser, precision: Precision) -> Result<Self> {
        let moving = Moving::new(network, &optimiser, workers.main())?;
        let scaling = (precision == Precision::F16).then(Scaling::start);
        Ok(Self::resumed(workers, loss, moving, optimiser, 0, scaling))
    }

    /// Going on from where another one was, after so many steps that have moved the weights.
    pub fn resumed(
        workers: Workers,
        loss: Arc<Loss>,
        moving: Moving,
        optimiser: Optimiser,
        moves: usize,
        scaling: Option<Scaling>,
    ) -> Self {
        let gathered = Gathered::new(&moving.network, &optimiser, workers.main());
        Self {
            course: Course { workers, loss, optimiser, scaled: scaling.is_some() },
            moving,
            moves,
            scaling,
            gathered,
            batches: 0,
            #[cfg(feature = "gpu")]
            recording: None,
        }
    }

    /// A batch forward and backward; with the last of a step's batches the weights move. Gives the loss and its terms; where the loss is not
    /// finite nothing has moved.
    ///
    /// # Errors
    /// E0901 when the device has failed.
    pub fn batch(&mut self, given: Given, rate: f64) -> Result<[f64; TERMS]> {
        #[cfg(feature = "gpu")]
        if self.course.recordable(&given) {
            return self.recorded(given, rate);
        }
        self.in_parts(given, rate, |_| ())
    }

    /// The same operation by operation, with a look between its parts.
    ///
    /// # Errors
    /// As [`batch`](Self::batch).
    pub fn in_parts(&mut self, given: Given, rate: f64, mut mark: impl FnMut(Mark)) -> Result<[f64; TERMS]> {
        let course = &self.course;
        let today = self.day(rate);
        let day = today.on(&course.optimiser, &course.workers.main().clone().inner());
        let slopes = course.slopes(&self.moving.network, &mut self.gathered, given, &day, &mut mark);
        if !today.go {
            return self.made(today, slopes.figures);
        }
        let (moving, figures) = course.moved(self.moving.clone(), slopes, day);
        self.moving = moving;
        self.made(today, figures)
    }

    /// What is made of the figures of a batch on its day.
    fn made(&mut self, day: Day, figures: Tensor<1>) -> Result<[f64; TERMS]> {
        let (values, sound) = values(figures)?;
        if day.go {
            self.batches = 0;
            self.moves += usize::from(sound);
            self.scaling = self.scaling.map(|s| s.after(sound));
        } else {
            self.batches += 1;
        }
        Ok(values)
    }

    /// The numbers of the next batch.
    fn day(&self, rate: f64) -> Day {
        let joins = if self.batches == 0 { Joins::First } else { Joins::Next };
        let go = self.batches + 1 >= self.course.optimiser.accumulate;
        Day { rate, moves: self.moves, factor: self.scaling.map_or(1.0, |s| s.factor), joins, go }
    }

    /// What has moved so far.
    pub fn moving(&self) -> &Moving {
        &self.moving
    }

    /// The network that is validated and saved: the moving average where the config asks for one.
    pub fn best(&self) -> &Network {
        self.moving.average.as_ref().unwrap_or(&self.moving.network)
    }

    /// Steps that have moved the weights.
    pub fn moves(&self) -> usize {
        self.moves
    }

    /// How the loss is scaled, where it is.
    pub fn scaling(&self) -> Option<Scaling> {
        self.scaling
    }

    pub fn loss(&self) -> &Arc<Loss> {
        &self.course.loss
    }

    pub fn workers(&self) -> &Workers {
        &self.course.workers
    }

    /// How the device makes a step that has been recorded for it: in one, or operation by operation and why.
    pub fn how(&self) -> Option<String> {
        #[cfg(feature = "gpu")]
        return self.recording.as_ref().map(Recording::how);
        #[cfg(not(feature = "gpu"))]
        None
    }
}

/// A batch after its way forward and back.
struct Slopes {
    /// The loss and its terms, `[6]`.
    figures: Tensor<1>,
    /// `[1]`
    loss: Tensor<1>,
    /// Of the loss times the factor of the day, and of the batches before it in its step.
    gradients: GradientsParams,
}

impl Course {
    /// The slopes of the batches of a step so far.
    fn slopes(&self, network: &Network, gathered: &mut Gathered, given: Given, day: &Tensor<1>, mark: &mut impl FnMut(Mark)) -> Slopes {
        let forward = self.workers.forward(network, given, &self.loss);
        mark(Mark::Forward);
        let t = &forward.terms;
        let loss = t.total.clone().inner();
        let figures = [&t.total, &t.dice, &t.cross_entropy, &t.boundary, &t.tversky, &t.focal].map(|t| t.clone().inner());
        let mut gradients = forward.backward(network, &self.workers, self.scaled.then(|| Day::factor(day)));
        if self.optimiser.accumulate > 1 {
            gradients = gathered.joined(network, gradients, day);
        }
        mark(Mark::Backward);
        Slopes { figures: Tensor::cat(figures.to_vec(), 0), loss, gradients }
    }

    /// What has moved by these slopes, and the figures of the step: the loss, its terms and whether all was sound, `[7]`.
    fn moved(&self, moving: Moving, slopes: Slopes, day: Tensor<1>) -> (Moving, Tensor<1>) {
        let Slopes { figures, loss, gradients } = slopes;
        let (moving, sound) = moving.moved(gradients, loss, day, &self.optimiser, self.scaled);
        (moving, Tensor::cat(vec![figures, sound], 0))
    }
}

#[cfg(feature = "gpu")]
impl Learner {
    fn recorded(&mut self, given: Given, rate: f64) -> Result<[f64; TERMS]> {
        let course = self.course.clone();
        let device = course.workers.main().clone().inner();
        let shape = given.clone();
        let inputs = |given: Given, day: Day| {
            let day = day.on(&course.optimiser, &device);
            let count = day.dims()[0];
            let truths = given.truths.into_iter().flat_map(super::loss::Sent::tensors);
            [given.image, day.reshape([1, 1, 1, 1, count])].into_iter().chain(truths).collect::<Vec<Tensor<5>>>()
        };
        let day = self.day(rate);
        let now = inputs(given.clone(), day);
        let recording = match self.recording.take() {
            Some(recording) if recording.fits(&now) => self.recording.insert(recording),
            // The memory of a recording is free before that of another shape is taken.
            last => {
                drop(last);
                let (moving, gathered, course) = (self.moving.clone(), self.gathered.clone(), self.course.clone());
                let largest = moving.network.largest(given.image.dims());
                let run = move |inputs: Vec<Tensor<5>>| vec![course.whole(&moving, &gathered, &shape, inputs)];
                // Nothing moves until all is recorded.
                let rehearsed = inputs(given, Day { joins: Joins::Not, go: false, ..day });
                self.recording.insert(Recording::new(&device, rehearsed, largest, run))
            }
        };
        let figures = recording.on(now).first().cloned();
        let figures = figures.map_or_else(|| unreachable!("a step has figures"), |f| f.reshape([TERMS + 1]));
        self.made(day, figures)
    }
}

#[cfg(feature = "gpu")]
impl Course {
    /// Whether a step is one piece on one GPU.
    fn recordable(&self, given: &Given) -> bool {
        !crate::net::on_cpu(&given.image.device()) && self.workers.single()
    }

    /// A batch of a step, which comes with its day as tensors; `given` says their shapes. What moves does so in its place.
    fn whole(&self, moving: &Moving, gathered: &Gathered, given: &Given, inputs: Vec<Tensor<5>>) -> Tensor<5> {
        let mut inputs = inputs.into_iter();
        let mut next = || inputs.next().unwrap_or_else(|| unreachable!("as many tensors as the step was recorded with"));
        let (image, day) = (next(), next());
        let day = day.flatten::<1>(0, 4);
        let truths = given.truths.iter().map(|t| t.like(&mut inputs)).collect();
        let slopes = self.slopes(&moving.network, &mut gathered.clone(), Given { image, truths }, &day, &mut |_| ());
        let (_, figures) = self.moved(moving.clone(), slopes, day);
        figures.reshape([1, 1, 1, 1, TERMS + 1])
    }
}

/// The figures of a batch and whether all was sound, in one transfer when all is queued: a GPU does not wait in the middle of a step.
fn values(figures: Tensor<1>) -> Result<([f64; TERMS], bool)> {
    let all = figures.try_into_data().map_err(failed)?.try_into_vec::<f32>().map_err(|e| failed(format!("{e:?}")))?;
    let mut values = [f64::NAN; TERMS];
    values.iter_mut().zip(&all).for_each(|(v, f)| *v = f64::from(*f));
    Ok((values, all.get(TERMS).is_some_and(|s| *s != 0.0)))
}
