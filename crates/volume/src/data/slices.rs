//! The planes of the patient that a network sees as its slices.
//!
//! May use `volume`.

use serde::{Deserialize, Serialize};

use crate::volume::Orientation;

/// Which planes lie along H and W of a network; D runs across them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SlicePlane {
    /// D to the head, H to the front, W to the right.
    #[default]
    Axial,
    /// D to the front, H to the head, W to the right.
    Coronal,
    /// D to the right, H to the head, W to the front.
    Sagittal,
}

impl SlicePlane {
    /// The axis order in which volumes are seen: D, H, W are its k, j, i.
    pub fn orientation(self) -> Orientation {
        match self {
            SlicePlane::Axial => Orientation::RAS,
            SlicePlane::Coronal => Orientation::RSA,
            SlicePlane::Sagittal => Orientation::ASR,
        }
    }

    /// Whether nothing else is asked for.
    pub fn is_axial(&self) -> bool {
        *self == SlicePlane::Axial
    }
}
