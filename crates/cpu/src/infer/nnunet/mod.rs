//! Prediction by nnU-Net's own rules, for models that `lmsc import nnunet` made: the same steps in the same order, so that the same voxels
//! come out.
//!
//! Part of `infer`. [`Nnunet`] is what the card says of it (`plan`). An image is turned, cropped and normalised (`prepare`), brought to the
//! network's spacing (`resample`), gone over in tiles (`tiles`), whose logits are blended (`blend`); finished planes go back to the image's
//! grid (`restore`) and become labels (`decide`). Only the planes that are at work are held, whatever the number of classes.
//!
//! Where nnU-Net rounds to float16 (the sums of tiles, the logits, the logits brought back), `exact` does so too; without it these are
//! float32. The source is nnU-Net v2 (Isensee et al., Nature Methods 18, 2021), release 2.8.1; releases from 2.2.1 on do the same.

mod blend;
mod decide;
mod plan;
mod prepare;
mod resample;
mod restore;
mod run;
mod tiles;

pub use blend::{Blend, Sums, gaussian};
pub use plan::{Nnunet, Resampling, Scheme, Source, VolumeReader};
pub use prepare::{Layout, Seen, prepare};
pub use resample::{resized, separate_axis, target};
pub use restore::NnunetRestore;
pub(super) use run::{need, predict};
pub use tiles::{Tiles, starts};

#[cfg(test)]
mod tests;
