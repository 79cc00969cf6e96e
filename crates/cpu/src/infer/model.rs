//! A network with what is needed to use it: its device and its card.
//!
//! Part of `infer`; may use `store` and `text`.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ndarray::{Array3, Array5, ArrayView4, ArrayView5, s};

use super::prepare::Prepared;
use super::window::{Window, Windows};
use super::{Card, CpuEngine, Engine, OutputActivation};
use crate::store::{self, Trained};
use crate::text::{Code, Diagnostic, Result, several};

/// The best checkpoint of a run folder.
pub const BEST: &str = "best.safetensors";

/// A trained network, ready to segment, with one or several sets of weights whose answers are averaged. Copies share what runs it.
#[derive(Clone, Debug)]
pub struct Model {
    engines: Vec<Arc<Mutex<dyn Engine>>>,
    card: Card,
}

impl Model {
    /// With what computes its probabilities.
    pub fn new(engine: impl Engine + 'static, card: Card) -> Self {
        Self { engines: vec![Arc::new(Mutex::new(engine))], card }
    }

    /// Adds a further set of weights of the same network.
    pub fn and(mut self, engine: impl Engine + 'static) -> Self {
        self.engines.push(Arc::new(Mutex::new(engine)));
        self
    }

    /// From a checkpoint, for the CPU.
    ///
    /// # Errors
    /// As [`Model::read`], and as [`CpuEngine::new`].
    pub fn load(path: &Path) -> Result<Self> {
        let (trained, card) = Self::read(path)?;
        let model = Self::new(CpuEngine::new(&trained.program, &trained.weights)?, card);
        trained.more.iter().try_fold(model, |model, weights| Ok(model.and(CpuEngine::new(&trained.program, weights)?)))
    }

    /// A checkpoint's graph, weights and card, which fit together.
    ///
    /// # Errors
    /// E0801, E0802 when the file is no checkpoint or does not fit together.
    pub fn read(path: &Path) -> Result<(Trained, Card)> {
        let trained = store::load(path)?;
        let card = Card::from_entries(path, &trained.metadata)?;
        let program = &trained.program;
        let fits = program.input_channels() == card.modalities.len() && program.classes() == card.channels();
        if !fits || program.fits(card.patch).is_err() {
            return Err(Diagnostic::error(
                Code::E0802,
                format!(
                    "`{}` describes {}, {} and patches of {:?}, which its graph does not take",
                    path.display(),
                    several(card.modalities.len(), "modality"),
                    several(card.channels(), if card.regions.is_some() { "region" } else { "label" }),
                    card.patch
                ),
            )
            .help("its metadata was changed after training; use the file as `lmsc train` or `lmsc import` wrote it")
            .into());
        }
        Ok((trained, card))
    }

    /// What the checkpoint says of itself.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// How many probabilities a voxel has: of the classes, the background among them, or of the regions.
    pub fn channels(&self) -> usize {
        self.card.channels()
    }

    /// How windows lie for it.
    pub fn window(&self) -> Window {
        Window { patch: self.card.patch, overlap: self.card.overlap }
    }

    /// Probabilities `[N, K, d, h, w]` of patches `[N, C, d, h, w]`, in its axis order and on its scale.
    ///
    /// # Errors
    /// As [`Engine::probabilities`].
    pub fn patches(&self, patches: ArrayView5<f32>) -> Result<Array5<f32>> {
        let mut sum = self.engine(0)?.probabilities(patches, self.card.answer())?;
        for set in 1..self.sets() {
            sum += &self.engine(set)?.probabilities(patches, self.card.answer())?;
        }
        if self.sets() > 1 {
            sum.mapv_inplace(|v| v / self.sets() as f32);
        }
        Ok(sum)
    }

    /// How many sets of weights it has.
    pub fn sets(&self) -> usize {
        self.engines.len()
    }

    /// Logits `[N, K, d, h, w]` that one set of weights gives for patches `[N, C, d, h, w]`.
    ///
    /// # Errors
    /// As [`Engine::probabilities`].
    pub fn logits(&self, set: usize, patches: ArrayView5<f32>) -> Result<Array5<f32>> {
        self.engine(set)?.probabilities(patches, OutputActivation::Logits)
    }

    /// Gives back the memory that a set of weights keeps from one time to the next.
    pub fn release(&self, set: usize) {
        if let Ok(mut engine) = self.engine(set) {
            engine.release();
        }
    }

    /// Bytes that so many patches at once take on this machine, what is held from one time to the next included; 0 on another device.
    ///
    /// # Errors
    /// As [`Engine::bytes`].
    pub fn bytes(&self, batch: usize) -> Result<u64> {
        self.engine(0)?.bytes(batch, self.card.patch)
    }

    /// The class of every voxel `[D, H, W]`, a place in the card's labels, of an image `[C, D, H, W]` of any size that is prepared: in the network's axis order, normalised.
    ///
    /// # Errors
    /// As [`Model::patches`].
    pub fn segment(&self, image: ArrayView4<f32>) -> Result<Array3<u8>> {
        let (_, d, h, w) = image.dim();
        let mut labels = Array3::zeros((d, h, w));
        let windows = Windows::new([d, h, w], &self.window());
        windows.sweep(
            &Prepared::ready(image),
            (self.channels(), 1),
            |patches| self.patches(patches),
            |first, planes| {
                labels.slice_mut(s![first..first + planes.dim().1, .., ..]).assign(&self.card.decide(planes));
                Ok(())
            },
        )?;
        Ok(labels)
    }

    fn engine(&self, set: usize) -> Result<MutexGuard<'_, dyn Engine + 'static>> {
        let none =
            || Diagnostic::error(Code::E0901, format!("the model has no set of weights {set}")).help("this is a fault of the program");
        let engine = self.engines.get(set).ok_or_else(none)?;
        Ok(engine.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
