//! Medical volumes, data sets and metrics: NIfTI files and their grids ([`volume`]), layouts of data sets, preparation, augmentation
//! ([`data`]), overlap, surface distances and lesions ([`metric`]). Knows nothing of networks.

pub mod data;
pub mod metric;
pub mod volume;

pub use lmsc_text as text;
