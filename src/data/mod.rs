//! Data sets: cases on disk or made up, loaded and checked, split, cut into patches, brought together in batches.
//!
//! Level 2: may use `text` and `volume`. Every random choice is drawn from (seed, epoch, index), never from a shared generator, so that
//! neither threads nor the order of calls can change it.

mod augment;
mod batch;
mod dataset;
mod draw;
mod fold;
mod load;
mod msd;
mod patch;
pub mod phantom;
mod sample;
mod split;

pub use augment::Augment;
pub use batch::{Batch, assemble};
pub use dataset::{Case, Dataset, Description, Spec};
pub use draw::{Purpose, draw};
pub use fold::fold;
pub use load::{CANONICAL, Labels, Loaded, read_image, read_labels};
pub use patch::{Patch, crop};
pub use sample::Sample;
pub use split::split;
