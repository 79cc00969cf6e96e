//! Prediction: a trained network applied to volumes of any size.
//!
//! Level 7: may use everything below.

mod card;
mod model;
mod predict;
pub mod window;

pub use card::Card;
pub use model::{Model, probabilities};
pub use predict::Prediction;

#[cfg(test)]
mod tests;
