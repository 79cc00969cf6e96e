//! A network with what is needed to use it: its device and its card.
//!
//! Part of `infer`; may use `store` and `text`.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ndarray::{Array3, Array5, ArrayView4, ArrayView5, s};

use super::prepare::Prepared;
use super::window::{Window, Windows};
use super::{Card, CpuEngine, Engine};
use crate::store::{self, Trained};
use crate::text::{Code, Diagnostic, Result, several};

/// The best checkpoint of a run folder.
pub const BEST: &str = "best.safetensors";

/// A trained network, ready to segment. Copies share what runs it.
#[derive(Clone, Debug)]
pub struct Model {
    engine: Arc<Mutex<dyn Engine>>,
    card: Card,
}

impl Model {
    /// With what computes its probabilities.
    pub fn new(engine: impl Engine + 'static, card: Card) -> Self {
        Self { engine: Arc::new(Mutex::new(engine)), card }
    }

    /// From a checkpoint, for the CPU.
    ///
    /// # Errors
    /// As [`Model::read`], and as [`CpuEngine::new`].
    pub fn load(path: &Path) -> Result<Self> {
        let (trained, card) = Self::read(path)?;
        Ok(Self::new(CpuEngine::new(&trained.program, &trained.weights)?, card))
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
        if !fits || card.patch.iter().zip(program.multiple()).any(|(p, m)| p % m != 0) {
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
            .help("its metadata was changed after training; use the checkpoint as `lmsc train` wrote it")
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
        self.engine().probabilities(patches, self.card.answer())
    }

    /// Bytes that so many patches at once take on this machine, what is held from one time to the next included; 0 on another device.
    ///
    /// # Errors
    /// As [`Engine::bytes`].
    pub fn bytes(&self, batch: usize) -> Result<u64> {
        self.engine().bytes(batch, self.card.patch)
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

    fn engine(&self) -> MutexGuard<'_, dyn Engine + 'static> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
