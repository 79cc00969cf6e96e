//! A network with what is needed to use it: its device and its card.
//!
//! Part of `infer`; may use `net` and `text`.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::Device;
use ndarray::{Array3, Array4, ArrayView4};

use super::window::{self, Window};
use super::{Card, Runner};
use crate::net::{self, Network};
use crate::text::{Code, Diagnostic, Result};

/// A trained network, ready to segment. Copies share what runs it.
#[derive(Clone, Debug)]
pub struct Model {
    runner: Arc<Mutex<Runner>>,
    classes: usize,
    card: Card,
}

impl Model {
    /// From a network that was just trained. Gradients are not kept.
    ///
    /// # Errors
    /// As [`Runner::new`].
    pub fn new(network: &Network, card: Card) -> Result<Self> {
        let classes = network.program().classes();
        Ok(Self { runner: Arc::new(Mutex::new(Runner::new(network)?)), classes, card })
    }

    /// From a checkpoint.
    ///
    /// # Errors
    /// E0801, E0802 when the file is no checkpoint or does not fit together.
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        let (network, entries) = net::load(path, device)?;
        let card = Card::from_entries(path, &entries)?;
        let program = network.program();
        let fits = program.input_channels() == card.modalities.len() && program.classes() == card.labels.len();
        if !fits || card.patch.iter().zip(program.multiple()).any(|(p, m)| p % m != 0) {
            return Err(Diagnostic::error(
                Code::E0802,
                format!(
                    "`{}` describes {} modalities, {} labels and patches of {:?}, which its graph does not take",
                    path.display(),
                    card.modalities.len(),
                    card.labels.len(),
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

    /// Class probabilities `[K, D, H, W]` of a normalised image `[C, D, H, W]` of any size, on its own grid.
    ///
    /// # Errors
    /// E0901 when the device gives the result up.
    pub fn probabilities(&self, image: ArrayView4<f32>) -> Result<Array4<f32>> {
        let window = Window { patch: self.card.patch, overlap: self.card.overlap };
        let mut runner = self.runner.lock().unwrap_or_else(PoisonError::into_inner);
        window::slide(image, &window, self.classes, |patch| runner.probabilities(patch))
    }

    /// The class of every voxel `[D, H, W]` of a normalised image `[C, D, H, W]`.
    ///
    /// # Errors
    /// As [`Model::probabilities`].
    pub fn segment(&self, image: ArrayView4<f32>) -> Result<Array3<u8>> {
        Ok(window::argmax(self.probabilities(image)?.view()))
    }
}
