//! Prediction: a trained network applied to volumes of any size.
//!
//! Level 7: may use everything below.

mod card;
mod model;
mod predict;
mod runner;
pub mod window;

pub use card::Card;
pub use model::Model;
pub use predict::Prediction;
pub use runner::Runner;

#[cfg(test)]
mod tests;
