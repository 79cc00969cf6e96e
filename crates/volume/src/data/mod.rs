//! Data sets: cases on disk or made up, loaded and checked, split, cut into patches, brought together in batches.
//!
//! Level 2: may use `text` and `volume`. Every random choice is drawn from (seed, epoch, index), never from a shared generator, so that
//! neither threads nor the order of calls can change it.

mod augment;
mod batch;
mod cache;
pub mod check;
mod dataset;
mod doubt;
mod fingerprint;
mod fold;
mod foreground;
mod image;
mod labels;
mod layout;
mod load;
mod patch;
pub mod phantom;
mod preprocess;
mod record;
mod rng;
mod sample;
mod slices;
mod spacing;
mod split;
mod survey;
mod taken;

pub use augment::{Augment, Elastic, Flip, Noise, RandomRange, Rotate};
pub use batch::{Batch, assemble};
pub use dataset::{Case, Dataset, DatasetSpec, Description};
pub use fingerprint::{Fingerprint, Intensities, Share, ValueRange};
pub use fold::fold;
pub use foreground::{Foreground, LastPatches};
pub use image::{Image, NotFinite, read_image};
pub use labels::{Labels, on_one_list, read_labels};
pub use layout::{
    CaseEntry, Counterparts, Images, Pairs, Pattern, Want, against, called_together, describe, file_name, guess, images_from, images_in,
    images_of, labels_in, labels_of, matched, split_files,
};
pub use load::{CANONICAL, LoadedCase, MatchedCase};
pub use patch::{Patch, PatchSampling, cut, place};
pub use preprocess::{Extent, Preprocess, channels};
pub use record::{FileRecord, nanoseconds_now};
pub use rng::{RngStream, draw};
pub use sample::Sample;
pub use slices::SlicePlane;
pub use spacing::Spacing;
pub use split::split;
pub use survey::{CaseSurvey, Survey, finding};
pub use taken::LostClass;
