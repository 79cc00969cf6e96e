//! Which device models are loaded for: the one choice that differs between a program with Burn and one that only predicts.

use std::path::Path;

use crate::infer::Model;
#[cfg(feature = "train")]
use crate::net;
use crate::text::Result;
#[cfg(not(feature = "train"))]
use crate::text::{Code, Diagnostic};
#[cfg(feature = "train")]
pub use net::{cuda_cards, has_cuda, through_wgpu};

/// Loads models for a device.
pub struct Models {
    #[cfg(feature = "train")]
    device: burn::tensor::Device,
}

#[cfg(feature = "train")]
impl Models {
    /// For the device of this name: `auto`, `cpu`, `cuda:1`.
    ///
    /// # Errors
    /// E0602 when the device is unknown or not there.
    pub fn on(device: &str) -> Result<Self> {
        Ok(Self { device: net::device(device)? })
    }

    /// # Errors
    /// As [`net::load_model`].
    pub fn load(&self, path: &Path) -> Result<Model> {
        net::load_model(path, &self.device)
    }
}

#[cfg(not(feature = "train"))]
impl Models {
    /// For the CPU, by the names `auto` and `cpu`.
    ///
    /// # Errors
    /// E0602 for any other device.
    pub fn on(device: &str) -> Result<Self> {
        match device {
            "auto" | "cpu" => Ok(Self {}),
            other => Err(Diagnostic::error(
                Code::E0602,
                format!("this lmsc predicts on the CPU alone, not on `{}`", crate::text::printable(other)),
            )
            .help("use --device cpu, or the whole lmsc, built with `cargo build --release --features cuda` or `wgpu`")
            .into()),
        }
    }

    /// # Errors
    /// As [`Model::load`].
    pub fn load(&self, path: &Path) -> Result<Model> {
        Model::load(path)
    }
}

/// As where GPUs can be asked for, of which this program knows none.
#[cfg(not(feature = "train"))]
pub fn cuda_cards() -> Option<usize> {
    None
}

#[cfg(not(feature = "train"))]
pub fn has_cuda() -> bool {
    false
}

#[cfg(not(feature = "train"))]
pub fn through_wgpu() -> Vec<String> {
    vec![]
}
