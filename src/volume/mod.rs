//! Volumes: NIfTI in and out, intensity normalisation, pictures.
//!
//! Level 1: may use `text` only.

mod affine;
mod gzip;
mod header;
mod nifti;
mod normalise;
pub mod overlay;
mod plane;
mod refusal;
mod voxels;
mod write;

pub use affine::{Affine, corner_distance};
pub use header::{Datatype, Header};
pub use nifti::{BUDGET, Volume, read, read_within};
pub use normalise::{Normalise, z_score};
pub use write::{write_image, write_labels};
