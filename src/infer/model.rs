//! A network with what is needed to use it: its device and its card.
//!
//! Part of `infer`; may use `net` and `text`.

use std::path::Path;

use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, TensorData};
use ndarray::{Array3, Array4, ArrayView4};

use super::Card;
use super::window::{self, Window};
use crate::net::{self, Network};
use crate::text::{Code, Diagnostic, Result};

/// A trained network, ready to segment.
#[derive(Clone, Debug)]
pub struct Model {
    network: Network,
    card: Card,
}

impl Model {
    /// From a network that was just trained. Gradients are not kept.
    pub fn new(network: &Network, card: Card) -> Self {
        Self { network: network.valid(), card }
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
        Ok(Self { network, card })
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
        probabilities(&self.network, image, &window)
    }

    /// The class of every voxel `[D, H, W]` of a normalised image `[C, D, H, W]`.
    ///
    /// # Errors
    /// As [`Model::probabilities`].
    pub fn segment(&self, image: ArrayView4<f32>) -> Result<Array3<u8>> {
        Ok(window::argmax(self.probabilities(image)?.view()))
    }
}

/// Class probabilities `[K, D, H, W]` of a normalised image `[C, D, H, W]`, window by window, on the network's device.
///
/// # Errors
/// E0901 when the device gives the result up.
pub fn probabilities(network: &Network, image: ArrayView4<f32>, window: &Window) -> Result<Array4<f32>> {
    // Every network here has parameters, and they are all on one device.
    let device = network.devices().into_iter().next().unwrap_or_default();
    let classes = network.program().classes();
    window::slide(image, window, classes, |patch| {
        let (c, d, h, w) = patch.dim();
        let values: Vec<f32> = patch.iter().copied().collect();
        let input = Tensor::<5>::from_data(TensorData::new(values, [1, c, d, h, w]), &device);
        let output = softmax(network.forward(input), 1);
        let values = output.try_into_data().map_err(|e| lost(&e.to_string()))?;
        let values = values.try_into_vec::<f32>().map_err(|e| lost(&format!("{e:?}")))?;
        Array4::from_shape_vec((classes, d, h, w), values).map_err(|e| lost(&e.to_string()).into())
    })
}

fn lost(why: &str) -> Diagnostic {
    Diagnostic::error(Code::E0901, format!("the device did not give the network's output back: {why}"))
        .help("try a smaller patch, or --device cpu")
}
