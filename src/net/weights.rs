//! Weights between a network on Burn and arrays.
//!
//! Part of `net`; may use `store`.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;

use super::forward::{Parameter, numbers};
use super::network::{Network, vector};
use crate::ir::{Array, Arrays};
use crate::store::{self, check_shapes};
use crate::text::Result;

/// Gives every weight and running statistic of the network its numbers, by name; arrays of other names are left alone.
///
/// # Errors
/// E0802 for every weight that is missing or has another shape, all at once.
pub fn assign(network: &mut Network, arrays: &Arrays, file: &str, device: &Device) -> Result<()> {
    let weights = network.weights().iter().map(|(name, w)| (name.clone(), w.dims().to_vec()));
    let buffers = network.buffers().iter().map(|(name, b)| (name.clone(), b.dims().to_vec()));
    check_shapes(weights.chain(buffers), arrays, file)?;
    for (name, w) in network.weights_mut() {
        if let Some(array) = arrays.get(name.as_str()) {
            let factor = w.factor();
            *w = Parameter::new(name, array, device);
            w.learn_by(factor);
        }
    }
    for (name, b) in network.buffers_mut() {
        if let Some(array) = arrays.get(name.as_str()) {
            *b = vector(array, device);
        }
    }
    Ok(())
}

/// A copy of the network whose weights share no memory with it, on a device.
///
/// # Errors
/// None but those of [`assign`], which a network's own weights do not have.
pub fn deep_clone(network: &Network, device: &Device) -> Result<Network> {
    let mut own = network.clone();
    assign(&mut own, &arrays(network).collect(), "the network itself", device)?;
    Ok(own)
}

/// Every learned tensor of a network by name, in the graph's order, and after them its running statistics.
pub fn arrays(network: &Network) -> impl Iterator<Item = (String, Array)> + '_ {
    let weights = network.weights().iter().map(|(name, w)| (name.clone(), w.array()));
    weights.chain(network.buffers().iter().map(|(name, b)| (name.clone(), Array::new(b.dims(), numbers(b.clone())))))
}

/// Writes a network as a model file, with `meta` beside the graph's own metadata.
///
/// # Errors
/// As [`store::save`].
pub fn save(path: &Path, network: &Network, meta: &BTreeMap<String, String>) -> Result<()> {
    store::save(path, network.program(), arrays(network).collect(), meta)
}
