//! Recipes: values of a run config that go together, by one name.
//!
//! Part of `train`; may use `read`.

use serde::{Deserialize, Serialize};

use crate::read::{Preset, Presets};

/// Recipes by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(non_camel_case_types)]
pub enum Recipe {
    /// What nnU-Net v2 trains with.
    nnunet,
    /// What LightMedSeg was trained with, and nnU-Net's augmentation.
    paper,
}

/// What each stands for, where a config's `recipe` names it.
pub const RECIPES: Presets = Presets {
    field: "recipe",
    all: &[Preset { name: "nnunet", text: include_str!("nnunet.ron") }, Preset { name: "paper", text: include_str!("paper.ron") }],
    // Regions have no background to leave out.
    fits: |field, own| field != "loss.background" || !own.contains(&"regions"),
};
