//! Volumes: NIfTI in and out, orientation, resampling, normalisation, components, holes, distances, pictures of slices.
//!
//! Level 1: may use `text` only.

mod affine;
mod canvas;
mod components;
mod conform;
mod datatype;
mod distance;
mod doubt;
mod errors;
mod foreign;
mod grid;
mod gzip;
mod header;
mod holes;
mod labels;
mod legend;
mod lettering;
mod name;
mod nifti;
mod normalise;
mod orientation;
pub mod overlay;
mod pair;
mod palette;
mod plane;
mod refusal;
mod resample;
mod summary;
pub mod viewer;
mod voxels;
mod write;

pub use affine::{Affine, corner_distance};
pub use components::{Component, Components, Neighbours, components, drop_small, keep_largest};
pub use conform::conform;
pub use datatype::Datatype;
pub use distance::distance;
pub use doubt::doubts;
pub use grid::Grid;
pub use header::Header;
pub use holes::fill_holes;
pub use labels::{InvalidVoxels, LabelMap, MOST_VALUES, read_label_map};
pub use name::{case_name, is_second, same_ending, split_name};
pub use nifti::{BUDGET, Volume, read, read_grid, read_header, read_within};
pub use normalise::{IntensityScale, Normalise, percentile};
pub use orientation::{Orientation, Side, reorient, turned};
pub use pair::other_half;
pub use palette::{Class, Colour, classes, colours, seen};
pub use resample::{LabelInterpolation, heaviest, resample, resample_labels, respaced, spline_weights, thick};
pub use summary::VoxelSummary;
pub use write::{write_image, write_labels, write_places};
