//! What an imported model says of its preparation and prediction: the part of nnU-Net's plans that inference reads.
//!
//! Part of `infer::nnunet`; may use `data`.

use serde::{Deserialize, Serialize};

use crate::data::Spacing;
use crate::infer::Flips;
use crate::text::printable;

/// nnU-Net's rules for one configuration. Axes are D, H, W of the array that the network sees: the file's k, j, i (or those of the image turned
/// to RAS), transposed. The patch, the step, the channels and the labels stand in the card itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Nnunet {
    /// `2d`, `3d_fullres`.
    pub configuration: String,
    /// How files become arrays.
    pub reader: VolumeReader,
    /// `transpose_forward`: the axis of the file's array that each axis of the network's is.
    pub transpose: [usize; 3],
    /// The spacing in mm to which images are brought; `keep` for the axis across the slices of a 2D network.
    pub spacing: Spacing,
    /// How each channel is brought to its scale.
    pub normalise: Vec<Scheme>,
    /// How images are resampled.
    pub image: Resampling,
    /// How logits are resampled.
    pub logits: Resampling,
    /// The axes along which images are mirrored; none for models that were trained without.
    pub mirror: Flips,
    /// Where it came from.
    pub source: Source,
}

/// The classes of nnU-Net that read files, by their names there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VolumeReader {
    #[serde(rename = "SimpleITKIO")]
    SimpleItk,
    #[serde(rename = "SimpleITKIOWithReorient")]
    SimpleItkReoriented,
    #[serde(rename = "NibabelIO")]
    Nibabel,
    #[serde(rename = "NibabelIOWithReorient")]
    NibabelReoriented,
}

impl VolumeReader {
    /// Whether images are turned to RAS first; else they stay in the order of their file.
    pub fn reorients(self) -> bool {
        matches!(self, Self::SimpleItkReoriented | Self::NibabelReoriented)
    }

    /// Whether a file's unit of length is heeded; nibabel takes its numbers as they are.
    pub fn heeds_units(self) -> bool {
        matches!(self, Self::SimpleItk | Self::SimpleItkReoriented)
    }
}

/// How the numbers of a channel are brought to their scale, before they are resampled.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Scheme {
    /// Mean 0 and standard deviation 1; with `masked` those of the voxels that are not 0 (or enclosed by such), which alone are changed.
    ZScore { masked: bool },
    /// Clipped to `[low, high]`, less `mean`, over `deviation`: numbers of the training data's foreground.
    Ct { low: f64, high: f64, mean: f64, deviation: f64 },
    /// The least becomes 0 and the most 1.
    RescaleTo01,
    /// Over 255.
    RgbTo01,
    /// As they are.
    None,
}

/// How arrays are brought to another size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resampling {
    /// 1 for linear, 3 for cubic splines.
    pub order: u8,
    /// Along an axis that is resampled by itself: 0 for the nearest slice, 1 for linear.
    pub order_across: u8,
    /// Whether the axis of the largest spacing is resampled by itself; without a word where the spacings differ by more than a factor of 3.
    #[serde(default)]
    pub separate: Option<bool>,
}

/// From which files a model was imported.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// The data set's and the plans' names.
    pub dataset: String,
    pub plans: String,
    /// nnU-Net's class that trained it.
    pub trainer: String,
    /// `final` or `best`.
    pub checkpoint: String,
    /// The folds whose weights the file holds, in order: `0`, `1`, `all`.
    pub folds: Vec<String>,
    /// The BLAKE3 hash of each file that was read, by its place in the model's folder.
    pub files: Vec<(String, String)>,
    /// The terms under which the weights may be used, where the importer was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
}

impl Nnunet {
    /// Says what makes no sense in it, for so many channels and that patch.
    pub fn fault(&self, channels: usize, patch: [usize; 3]) -> Option<String> {
        let mut seen = self.transpose;
        seen.sort_unstable();
        let finite = |s: &Scheme| match s {
            Scheme::Ct { low, high, mean, deviation } => [low, high, mean, deviation].iter().all(|v| v.is_finite()),
            _ => true,
        };
        let order = |r: &Resampling| matches!(r.order, 1 | 3) && matches!(r.order_across, 0 | 1);
        if seen != [0, 1, 2] {
            Some(format!("its transposition is {:?}", self.transpose))
        } else if !self.spacing.is_sound() {
            Some(format!("its spacing is {} mm", self.spacing))
        } else if self.is_2d() && patch[0] != 1 {
            Some(format!("its slices are segmented one by one, and its patch is {patch:?}"))
        } else if self.normalise.len() != channels {
            Some(format!("it normalises {} channels of {channels}", self.normalise.len()))
        } else if !self.normalise.iter().all(finite) {
            Some("it normalises by numbers that are not finite".into())
        } else if !(order(&self.image) && order(&self.logits)) {
            Some("images and logits are resampled with order 1 or 3, and across thick slices with 0 or 1".into())
        } else {
            None
        }
    }

    /// Whether slices along D are segmented one by one.
    pub fn is_2d(&self) -> bool {
        self.spacing.0[0].is_none()
    }

    /// Whether both prepare images in the same way, wherever they came from.
    pub fn same_rules(&self, other: &Self) -> bool {
        Self { source: other.source.clone(), ..self.clone() } == *other
    }
}

impl std::fmt::Display for Scheme {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ZScore { masked: false } => f.write_str("to mean 0 and deviation 1"),
            Self::ZScore { masked: true } => f.write_str("to mean 0 and deviation 1 over voxels that are not 0"),
            Self::Ct { low, high, mean, deviation } => write!(f, "within {low:.4} to {high:.4}, less {mean:.4}, over {deviation:.4}"),
            Self::RescaleTo01 => f.write_str("from least and most to 0 and 1"),
            Self::RgbTo01 => f.write_str("over 255"),
            Self::None => f.write_str("as they are"),
        }
    }
}

impl std::fmt::Display for Source {
    /// `Dataset004_Hippocampus, nnUNetTrainer, nnUNetPlans, folds 0 and 1, checkpoint final`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let folds = if self.folds.len() == 1 { "fold" } else { "folds" };
        let all = [&self.dataset, &self.trainer, &self.plans].map(|name| printable(name));
        let numbers: Vec<String> = self.folds.iter().map(|fold| printable(fold)).collect();
        write!(f, "{}, {folds} {}, checkpoint {}", all.join(", "), numbers.join(" "), printable(&self.checkpoint))
    }
}
