//! Prediction by named steps, for networks that see a whole volume in one window: conformed, scaled, cut to a box, resized, and back.
//!
//! Part of `infer`. [`Pipeline`] is what the card says (`step`). A volume goes through the steps (`work`, with `scale` for intensities and
//! `resize` for sizes), through the network, and its labels go back over the same steps (`run`). Steps are composable: each takes the volume as
//! the one before has left it.

mod resize;
mod run;
mod scale;
mod step;
mod work;

pub use resize::resize;
pub(super) use run::{need, predict};
pub use scale::scale;
pub use step::{AxisOrder, BoxRule, Decision, Divisor, Pipeline, PipelineStep, QuantileRule, ResizeRule};
