//! A network with what is needed to use it: its device and its card.
//!
//! Part of `infer`; may use `net` and `text`.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::tensor::Device;
use ndarray::{Array3, Array5, ArrayView4, ArrayView5, s};

use super::prepare::Prepared;
use super::window::{Window, Windows};
use super::{Card, Runner};
use crate::net::{self, Network};
use crate::text::{Code, Diagnostic, Result, several};

/// A trained network, ready to segment. Copies share what runs it.
#[derive(Clone, Debug)]
pub struct Model {
    runner: Arc<Mutex<Runner>>,
    card: Card,
}

impl Model {
    /// From a network that was just trained. Gradients are not kept.
    ///
    /// # Errors
    /// As [`Runner::new`].
    pub fn new(network: &Network, card: Card) -> Result<Self> {
        Ok(Self { runner: Arc::new(Mutex::new(Runner::new(network, card.answer())?)), card })
    }

    /// From a checkpoint.
    ///
    /// # Errors
    /// E0801, E0802 when the file is no checkpoint or does not fit together.
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        let (network, entries) = net::load(path, device)?;
        let card = Card::from_entries(path, &entries)?;
        let program = network.program();
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
        Self::new(&network, card)
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
    /// As [`Runner::probabilities`].
    pub fn patches(&self, patches: ArrayView5<f32>) -> Result<Array5<f32>> {
        self.runner().probabilities(patches)
    }

    /// Bytes that so many patches at once take on this machine, what is held from one time to the next included; 0 on another device.
    ///
    /// # Errors
    /// As [`Runner::bytes`].
    pub fn bytes(&self, batch: usize) -> Result<u64> {
        self.runner().bytes(batch, self.card.patch)
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

    fn runner(&self) -> MutexGuard<'_, Runner> {
        self.runner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
