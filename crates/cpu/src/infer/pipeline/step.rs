//! What a card says of the way of a whole volume through its network: steps by name, in order.
//!
//! Part of `infer::pipeline`; may use `text` and `volume`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::text::printable;
use crate::volume::{BUDGET, Orientation};

/// How a whole volume is prepared for a network that sees it in one window, and how the answer becomes labels.
///
/// Numbers of axes are in the order x, y, z of the volume as it lies at that step: i, j, k of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pipeline {
    /// Which axis of the volume each axis of the network is.
    #[serde(default)]
    pub axes: AxisOrder,
    /// What is done to the volume before the network, in order. What changes its grid is undone after it, in reverse order.
    #[serde(default)]
    pub steps: Vec<PipelineStep>,
    /// How the answer becomes labels.
    #[serde(default)]
    pub decision: Decision,
}

/// The axes of a volume that D, H, W of a network are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AxisOrder {
    /// As the voxels of a file lie in memory, and as SimpleITK gives them: D is z.
    #[default]
    Zyx,
    /// As nibabel gives them: D is x.
    Xyz,
    Xzy,
    Yxz,
    Yzx,
    Zxy,
}

impl AxisOrder {
    /// For D, H, W of the network the axis 0, 1, 2 of an array `[z, y, x]`.
    pub fn of_array(self) -> [usize; 3] {
        let (x, y, z) = (2, 1, 0);
        match self {
            Self::Zyx => [z, y, x],
            Self::Xyz => [x, y, z],
            Self::Xzy => [x, z, y],
            Self::Yxz => [y, x, z],
            Self::Yzx => [y, z, x],
            Self::Zxy => [z, x, y],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Zyx => "z y x",
            Self::Xyz => "x y z",
            Self::Xzy => "x z y",
            Self::Yxz => "y x z",
            Self::Yzx => "y z x",
            Self::Zxy => "z x y",
        }
    }
}

/// How the answer of a network becomes labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Decision {
    /// The label of the greatest logit, the first of several.
    #[default]
    Argmax,
    /// The second of two labels where the softmax of a channel is above a number.
    Softmax { channel: usize, above: f64 },
    /// The second of two labels where the sigmoid of a channel is above a number.
    Sigmoid { channel: usize, above: f64 },
}

/// One step. Those that change intensities work on each channel by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum PipelineStep {
    /// Onto 256^3 voxels of 1 mm, axes LIA, whole numbers from 0 to 255, as FreeSurfer and niimath do; an image on such a grid stays as it is.
    /// Postprocessing acts on this grid.
    Conform,
    /// The axes x, y, z turned to the order of this name: `RAS` is nibabel's closest canonical one. Nothing is resampled.
    Orient(Orientation),
    /// The least intensity becomes 0 and the greatest 1.
    MinMax,
    /// One quantile becomes 0 and another one 1.
    Quantiles {
        low: f64,
        high: f64,
        /// Whether what lies beyond them is clipped to 0 and 1.
        #[serde(default)]
        clip: bool,
        /// What is added to the difference before it divides.
        #[serde(default)]
        add: f64,
        /// Which number a quantile is.
        #[serde(default)]
        by: QuantileRule,
        /// The voxels along x, y, z of the nearest-neighbour copy of which they are the quantiles; of the volume itself without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<[usize; 3]>,
    },
    /// Mean 0 and standard deviation 1.
    ZScore {
        /// Whether squares are divided by one less than there are voxels, as PyTorch does.
        #[serde(default)]
        unbiased: bool,
    },
    /// Over the greatest intensity or a number.
    Divide(Divisor),
    /// Times `scale`, plus `shift`.
    Affine {
        #[serde(default = "one")]
        scale: f64,
        #[serde(default)]
        shift: f64,
    },
    /// What lies outside of a box is cut away.
    Box(BoxRule),
    /// To so many voxels along x, y, z; the same way back.
    Resize {
        size: [usize; 3],
        #[serde(default)]
        by: ResizeRule,
    },
}

fn one() -> f64 {
    1.0
}

/// Which number a quantile is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuantileRule {
    /// Linear between the two nearest, as NumPy has it.
    #[default]
    Linear,
    /// Of n sorted numbers that at floor(low n), and that at ceil(high n) - 1.
    NearestRank,
}

/// By what intensities are divided.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Divisor {
    /// The greatest of them.
    Max,
    /// A number.
    By(f64),
}

/// How volumes are brought to another size. Both grids have the same edges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResizeRule {
    /// The voxel in which the new one's centre lies: PyTorch's `nearest-exact`.
    #[default]
    Nearest,
    /// Linear between voxels; at the edge the last one goes on: PyTorch's `trilinear` without `align_corners`.
    Linear,
    /// Smoothed by a Gaussian where voxels grow, then linear, with zeros around: scikit-image's `resize` with `anti_aliasing`.
    Smooth,
}

/// A box along x, y, z, found by intensities or by a network. Where nothing is found all is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoxRule {
    /// What is above this part of the greatest intensity, in the first channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
    /// What another model labels: in a card that is to be imported the model's file, in a model its name within the file. That model gets
    /// the volume as it is at this step, and its own steps go on from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The part of a plane that must be found for the plane to count; any voxel does without it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub filled: f64,
    /// The factor by which the box grows around its centre.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub grow: f64,
    /// Voxels added on each side then.
    #[serde(default, skip_serializing_if = "is_none")]
    pub margin: usize,
}

fn is_zero(v: &f64) -> bool {
    *v == 0.0
}

fn is_one(v: &f64) -> bool {
    *v == 1.0
}

fn is_none(v: &usize) -> bool {
    *v == 0
}

/// A size beyond which no volume is brought, along one axis.
const MOST: usize = 2048;

impl Pipeline {
    /// What makes no sense in it, for so many labels.
    pub fn fault(&self, labels: usize) -> Option<String> {
        let faults =
            self.steps.iter().enumerate().find_map(|(at, step)| Some(format!("step {} ({}): {}", at + 1, step.name(), step.fault()?)));
        if faults.is_some() {
            return faults;
        }
        if self.steps.iter().skip(1).any(|s| *s == PipelineStep::Conform) {
            return Some("`Conform` is the first step or none: it takes an image as it was read".into());
        }
        match self.decision {
            Decision::Argmax => None,
            Decision::Softmax { above, .. } | Decision::Sigmoid { above, .. } => {
                if !(0.0..1.0).contains(&above) {
                    Some(format!("a probability is above a number from 0 to 1, not {above}"))
                } else {
                    (labels != 2).then(|| format!("a threshold tells two labels apart, not {labels}"))
                }
            }
        }
    }

    /// The models that find boxes, by what the steps call them.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(|s| if let PipelineStep::Box(rule) = s { rule.model.as_deref() } else { None })
    }
}

impl PipelineStep {
    /// As it stands in a card.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Conform => "Conform",
            Self::Orient(_) => "Orient",
            Self::MinMax => "MinMax",
            Self::Quantiles { .. } => "Quantiles",
            Self::ZScore { .. } => "ZScore",
            Self::Divide(_) => "Divide",
            Self::Affine { .. } => "Affine",
            Self::Box(_) => "Box",
            Self::Resize { .. } => "Resize",
        }
    }

    fn fault(&self) -> Option<String> {
        let sized = |size: &[usize; 3]| size.iter().all(|n| (1..=MOST).contains(n)) && 4 * size.iter().product::<usize>() as u64 <= BUDGET;
        let wrong = match self {
            Self::Quantiles { low, high, .. } if !(0.0 <= *low && low < high && *high <= 1.0) => {
                format!("quantiles go from 0 to 1 and the lower one comes first, not {low} and {high}")
            }
            Self::Quantiles { add, .. } if !(add.is_finite() && *add >= 0.0) => format!("what is added is 0 or more, not {add}"),
            Self::Quantiles { of: Some(size), .. } | Self::Resize { size, .. } if !sized(size) => {
                let most = format!("a size is from 1 to {MOST} voxels along each axis, and within {} MiB", BUDGET >> 20);
                format!("{most}, not {size:?}")
            }
            Self::Divide(Divisor::By(v)) if !(v.is_finite() && *v != 0.0) => format!("nothing is divided by {v}"),
            Self::Affine { scale, shift } if !(scale.is_finite() && shift.is_finite()) => "its numbers are not finite".into(),
            Self::Box(b) if b.above.is_some() == b.model.is_some() => "either `above` or `model` says what is found".into(),
            Self::Box(b) if b.above.is_some_and(|v| !(0.0..1.0).contains(&v)) => "`above` is from 0 to 1".into(),
            Self::Box(b) if !(0.0..1.0).contains(&b.filled) => "`filled` is from 0 to 1".into(),
            Self::Box(b) if !(1.0..=10.0).contains(&b.grow) => "`grow` is from 1 to 10".into(),
            Self::Box(b) if b.margin > MOST => format!("`margin` is at most {MOST} voxels"),
            Self::Box(b) if b.model.as_ref().is_some_and(|m| m.trim().is_empty()) => "`model` is empty".into(),
            _ => return None,
        };
        Some(wrong)
    }
}

/// `256 x 256 x 128`.
fn sides(size: &[usize; 3]) -> String {
    size.map(|n| n.to_string()).join(" x ")
}

impl fmt::Display for PipelineStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conform => f.write_str("conformed to 256^3 voxels of 1 mm, LIA, 0 to 255"),
            Self::Orient(to) => write!(f, "turned to {to}"),
            Self::MinMax => f.write_str("least and greatest to 0 and 1"),
            Self::Quantiles { low, high, clip, .. } => {
                write!(f, "quantiles {low} and {high} to 0 and 1{}", if *clip { ", clipped" } else { "" })
            }
            Self::ZScore { .. } => f.write_str("to mean 0 and deviation 1"),
            Self::Divide(Divisor::Max) => f.write_str("over the greatest"),
            Self::Divide(Divisor::By(v)) => write!(f, "over {v}"),
            Self::Affine { scale, shift } => write!(f, "times {scale} plus {shift}"),
            Self::Box(b) => {
                match (&b.above, &b.model) {
                    (Some(above), _) => write!(f, "cut to what is above {above} of the greatest")?,
                    (None, model) => write!(f, "cut to what `{}` finds", printable(model.as_deref().unwrap_or_default()))?,
                }
                if b.grow != 1.0 {
                    write!(f, ", times {}", b.grow)?;
                }
                if b.margin > 0 { write!(f, " and {} voxels more", b.margin) } else { Ok(()) }
            }
            Self::Resize { size, by } => {
                let by = match by {
                    ResizeRule::Nearest => "the nearest voxel",
                    ResizeRule::Linear => "linear",
                    ResizeRule::Smooth => "smoothed",
                };
                write!(f, "to {} voxels, {by}", sides(size))
            }
        }
    }
}

impl fmt::Display for AxisOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
