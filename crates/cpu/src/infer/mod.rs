//! Prediction: a trained network applied to volumes of any size.
//!
//! Level 7: may use everything below.
//!
//! [`Predictor`] turns an image to the axis order and spacing of its models (`prepare`), goes over it in windows (`window`), averages over mirror
//! images (`flips`) and models, brings the probabilities back to the image's grid plane by plane (`restore`), and cleans the labels
//! (`postprocess`). What it holds at most is known before (`need`). Models that were imported from nnU-Net go their own way ([`nnunet`]).

mod card;
mod engine;
mod flips;
mod model;
pub mod need;
pub mod nnunet;
mod origin;
mod postprocess;
mod predict;
mod prepare;
mod regions;
mod restore;
pub mod window;

pub use card::Card;
pub use engine::{CpuEngine, Engine, OutputActivation};
pub use flips::Flips;
pub use model::{BEST, Model, belongs};
pub use need::Need;
pub use origin::Origin;
pub use postprocess::Postprocess;
pub use predict::{Options, Prediction, Predictor};
pub use prepare::Prepared;
pub use regions::Regions;

#[cfg(test)]
mod tests;

/// TEMPORARY
pub fn read_card(_: &std::path::Path) -> crate::text::Result<Card> {
    Ok(Card::new(vec!["image".into()], vec![(0, "background".into()), (1, "brain".into())], [16; 3]))
}
