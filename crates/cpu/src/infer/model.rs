//! A network with what is needed to use it: its device and its card.
//!
//! Part of `infer`; may use `store` and `text`.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ndarray::{Array3, Array5, ArrayView4, ArrayView5, s};

use super::last_layer::LastLayer;
use super::pipeline::Pipeline;
use super::prepare::Prepared;
use super::window::{Window, Windows};
use super::{Card, CpuEngine, Engine, OutputActivation};
use crate::compile::Program;
use crate::ir::Arrays;
use crate::store::{self, Trained};
use crate::text::{Code, Diagnostic, Result, printable, several};

/// The best checkpoint of a run folder.
pub const BEST: &str = "best.safetensors";

/// What runs a network with a set of weights, and whether it will be asked for classes alone.
pub type MakeEngine<'a, E> = dyn Fn(&Arc<Program>, &Arrays, bool) -> Result<E> + 'a;

/// Whether a network takes what a card describes.
///
/// # Errors
/// What the card describes, where the network takes something else.
pub fn belongs(program: &Program, card: &Card) -> std::result::Result<(), String> {
    let (own, answers) = (several(card.modalities.len(), "modality"), card.channels());
    let answers = several(answers, if card.regions.is_some() { "region" } else { "label" });
    if program.input_channels() != card.modalities.len() || !card.takes(program.classes()) {
        let (channels, classes) = (several(program.input_channels(), "channel"), several(program.classes(), "channel"));
        return Err(format!("{own} and {answers}, and its graph takes {channels} and gives {classes}"));
    }
    // A whole volume is brought to sizes that the network takes.
    if card.pipeline.is_none() && program.fits(card.patch).is_err() {
        return Err(format!("patches of {:?}, and its graph: {}", card.patch, program.sizes()));
    }
    Ok(())
}

/// A trained network, ready to segment, with one or several sets of weights whose answers are averaged. Copies share what runs it.
#[derive(Clone, Debug)]
pub struct Model {
    engines: Vec<Arc<Mutex<dyn Engine>>>,
    card: Card,
    /// Models that are part of it, by name.
    attached: Vec<(String, Model)>,
}

impl Model {
    /// With what computes its probabilities.
    pub fn new(engine: impl Engine + 'static, card: Card) -> Self {
        Self { engines: vec![Arc::new(Mutex::new(engine))], card, attached: vec![] }
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
        Self::load_with(path, &|program, weights, classes| {
            if classes { CpuEngine::for_classes(program, weights) } else { CpuEngine::new(program, weights) }
        })
    }

    /// From a checkpoint, with what runs each set of its weights, and perhaps will be asked for classes alone.
    ///
    /// # Errors
    /// As [`Model::read`], and what `engine` refuses.
    pub fn load_with<E: Engine + 'static>(path: &Path, engine: &MakeEngine<E>) -> Result<Self> {
        let (trained, card) = Self::read(path)?;
        let model = Self::of(path, &trained, card, engine);
        drop(trained);
        // The file's weights as they were read have no further use, and what follows asks for blocks of other sizes.
        crate::kernel::release_idle();
        model
    }

    fn of<E: Engine + 'static>(path: &Path, trained: &Trained, card: Card, engine: &MakeEngine<E>) -> Result<Self> {
        // Of many classes, what is averaged over windows is what they are made of.
        let many = card.nnunet.is_some() && LastLayer::channels(&trained.program).is_some_and(|own| own < card.channels());
        let classes = card.pipeline.is_some() || many && trained.more.is_empty();
        let mut model = Self::new(engine(&trained.program, &trained.weights, classes)?, card);
        for weights in &trained.more {
            model = model.and(engine(&trained.program, weights, classes)?);
        }
        for (name, other) in &trained.attached {
            let card = described(path, other)?;
            model.attached.push((name.clone(), Self::of(path, other, card, engine)?));
        }
        let unknown = model.card.pipeline.iter().flat_map(Pipeline::models).find(|name| model.attached(name).is_none());
        match unknown {
            None => Ok(model),
            Some(name) => Err(Diagnostic::error(
                Code::E0802,
                format!("`{}` has no model `{}` within it, which its steps ask for", path.display(), printable(name)),
            )
            .help("use the file as `lmsc import` wrote it")
            .into()),
        }
    }

    /// A checkpoint's graph, weights and card, which fit together.
    ///
    /// # Errors
    /// E0801, E0802 when the file is no checkpoint or does not fit together.
    pub fn read(path: &Path) -> Result<(Trained, Card)> {
        let trained = store::load(path)?;
        let card = described(path, &trained)?;
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

    /// The model of this name that is part of it.
    pub fn attached(&self, name: &str) -> Option<&Self> {
        self.attached.iter().find(|(own, _)| own == name).map(|(_, model)| model)
    }

    /// What the depth, height and width of a patch must be multiples of.
    ///
    /// # Errors
    /// E0901 of a model without weights.
    pub fn multiple(&self) -> Result<[usize; 3]> {
        Ok(self.engine(0)?.multiple())
    }

    /// The class of every voxel `[D, H, W]` of one patch `[C, D, H, W]`, by the first set of weights.
    ///
    /// # Errors
    /// As [`Engine::classes`].
    pub fn classes(&self, patch: ArrayView4<f32>) -> Result<Array3<u8>> {
        self.engine(0)?.classes(patch)
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

    /// Channels of what is averaged over windows in the place of logits, where only classes are asked for and these channels are fewer: what the last
    /// layer reads, of a model with one set of weights.
    pub fn feature_channels(&self) -> Option<usize> {
        let few = |own: &usize| *own < self.channels() && self.sets() == 1 && self.card.regions.is_none();
        self.engine(0).ok()?.feature_channels().filter(few)
    }

    /// What the last layer reads, `[N, F, d, h, w]`, of patches `[N, C, d, h, w]`.
    ///
    /// # Errors
    /// As [`Engine::features`].
    pub fn features(&self, patches: ArrayView5<f32>) -> Result<Array5<f32>> {
        self.engine(0)?.features(patches)
    }

    /// The class of every voxel `[d, h, w]` from what the last layer reads, `[F, d, h, w]`.
    ///
    /// # Errors
    /// As [`Engine::classes_of`].
    pub fn classes_of(&self, features: ArrayView4<f32>) -> Result<Array3<u8>> {
        self.engine(0)?.classes_of(features)
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

    /// The same of one patch of `size` D, H, W, and for its classes alone where `classes` says so.
    ///
    /// # Errors
    /// As [`Engine::bytes`].
    pub fn bytes_of(&self, size: [usize; 3], classes: bool) -> Result<u64> {
        let mut engine = self.engine(0)?;
        if classes { engine.bytes_of_classes(size) } else { engine.bytes(1, size) }
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

/// The card of what was read from a file, which fits its graph.
fn described(path: &Path, trained: &Trained) -> Result<Card> {
    let card = Card::from_entries(path, &trained.metadata)?;
    belongs(&trained.program, &card).map_err(|why| {
        Diagnostic::error(Code::E0802, format!("`{}` describes {why}", path.display()))
            .help("its metadata was changed after training; use the file as `lmsc train` or `lmsc import` wrote it")
    })?;
    Ok(card)
}
