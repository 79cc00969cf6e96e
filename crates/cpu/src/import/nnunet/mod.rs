//! A model folder of nnU-Net v2 made into a model file: `plans.json` and `dataset.json` become a graph and a card, checkpoints become weights.
//!
//! Part of `import`. `folder` finds the files, `plans` and `dataset` read what they say, `network` writes the graph with nnU-Net's name of
//! each weight, `weights` takes them from the checkpoints, `card` says how images are prepared. Whatever nnU-Net would do otherwise is refused by
//! name, before anything is written.

mod card;
mod dataset;
mod folder;
mod network;
mod plans;
mod weights;

use std::path::{Path, PathBuf};

pub use folder::{Checkpoints, Folds};

use crate::compile::{Program, compile};
use crate::infer::Card;
use crate::ir::Arrays;
use crate::store;
use crate::text::{Code, Diagnostic, Result, Source};
use folder::ModelFolder;

/// What is imported of a folder.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    pub folds: Folds,
    pub checkpoint: Checkpoints,
    /// The terms under which the weights may be used, where the folder does not say them.
    pub licence: Option<String>,
}

/// A model that was imported, not yet written.
#[derive(Debug)]
pub struct Imported {
    pub program: Program,
    /// The text of its graph, with remarks.
    pub graph: String,
    /// The weights of each fold.
    pub sets: Vec<(String, Arrays)>,
    pub card: Card,
    /// The files that were read.
    pub files: Vec<PathBuf>,
}

/// What is said of something that cannot be imported.
fn refused(message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(Code::E0804, message)
}

/// Reads a folder with `plans.json`, `dataset.json` and `fold_N`, as nnU-Net's training or `nnUNetv2_export_model_to_zip` makes it.
///
/// # Errors
/// E0804 for what nnU-Net would do otherwise than this program, by name; E0801, E0802, E0803 for a checkpoint that cannot be read or does not
/// fit its plans; what is wrong with the graph that follows, such as a patch that it cannot divide.
pub fn import(folder: &Path, choice: &Choice) -> Result<Imported> {
    let folder = ModelFolder::find(folder)?;
    let checkpoints = folder.checkpoints(&choice.folds, choice.checkpoint)?;
    let first = weights::open(&checkpoints)?;
    let (plans, dataset) = (plans::Plans::read(&folder.plans)?, dataset::DatasetJson::read(&folder.dataset)?);
    let Some(about) = first.first() else { unreachable!("there is one fold at least, or an error") };
    let configuration = plans.configuration(about.configuration.as_deref(), &folder, &about.trainer)?;
    let card = card::card(&plans, &configuration, &dataset, about, &checkpoints, choice)?;
    let network = network::write(&plans, &configuration, &card, about)?;
    let program = compile(&Source::new(format!("{} (its graph)", folder.plans.display()), network.text.clone()), &[], None)?;
    let sets = weights::take(&program, &network, &first, &checkpoints)?;
    let mut files = vec![folder.plans, folder.dataset];
    files.extend(checkpoints.into_iter().map(|c| c.file));
    Ok(Imported { program, graph: network.text, sets, card, files })
}

impl Imported {
    /// Writes the model with `entries` beside the card's: of one fold as a model of ours, of several with a set of weights for each.
    ///
    /// # Errors
    /// E0603 when the file cannot be written.
    pub fn save(self, path: &Path, entries: impl IntoIterator<Item = (String, String)>) -> Result<()> {
        let mut meta = self.card.entries();
        meta.extend(entries);
        let mut sets = self.sets;
        match (sets.pop(), sets.is_empty()) {
            (Some((_, only)), true) => store::save(path, &self.program, only, &meta),
            (last, _) => {
                sets.extend(last);
                store::save_sets(path, &self.program, sets, &meta)
            }
        }
    }
}
