//! Exported networks run by tract, beside what the executor of lmsc makes of the same numbers.
//!
//! The example `onnx` of the folder above writes both; this crate knows nothing of lmsc, so that neither is built again for the other:
//!
//!     cargo build --release --no-default-features --features predict --example onnx
//!     cargo test --release -p lmsc-engines -- --nocapture

use std::error::Error;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use tract_onnx::prelude::*;

/// A tensor of float32 numbers: its shape, and the numbers in row-major order.
pub type Numbers = (Vec<usize>, Vec<f32>);

/// What the executor was given and has made, by the names of the network's inputs and outputs.
#[derive(Debug)]
pub struct Pass {
    pub inputs: Vec<(String, Numbers)>,
    pub outputs: Vec<(String, Numbers)>,
}

impl Pass {
    /// Reads a file of the example.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        let bytes = std::fs::read(path)?;
        let (mut inputs, mut outputs) = (vec![], vec![]);
        for (name, t) in SafeTensors::deserialize(&bytes)?.tensors() {
            let numbers = t.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            let own = (t.shape().to_vec(), numbers);
            match name.split_once('/') {
                Some(("in", name)) => inputs.push((name.to_owned(), own)),
                Some(("out", name)) => outputs.push((name.to_owned(), own)),
                _ => return Err(format!("{name} is neither an input nor an output").into()),
            }
        }
        Ok(Self { inputs, outputs })
    }

    /// The outputs that tract makes of the inputs, by name.
    ///
    /// # Errors
    /// What tract refuses.
    pub fn by_tract(&self, file: &Path) -> TractResult<Vec<(String, Numbers)>> {
        let mut model = tract_onnx::onnx().model_for_path(file)?;
        let named = |model: &InferenceModel, outlets: &[OutletId]| -> Vec<String> {
            outlets.iter().map(|o| model.outlet_label(*o).unwrap_or(&model.nodes[o.node].name).to_owned()).collect()
        };
        let (inputs, outputs) = (named(&model, &model.inputs), named(&model, &model.outputs));
        let mut values = tvec![];
        for (slot, name) in inputs.iter().enumerate() {
            let Some((_, (dims, numbers))) = self.inputs.iter().find(|(own, _)| own == name) else {
                return Err(TractError::msg(format!("nothing was given for {name}")));
            };
            model.set_input_fact(slot, f32::fact(dims.as_slice()).into())?;
            values.push(Tensor::from_shape(dims, numbers)?.into());
        }
        let made = model.into_optimized()?.into_runnable()?.run(values)?;
        let read = |(name, t): (String, &TValue)| {
            let view = t.to_plain_array_view::<f32>()?;
            Ok((name, (view.shape().to_vec(), view.iter().copied().collect())))
        };
        outputs.into_iter().zip(&made).map(read).collect()
    }

    /// The greatest difference of outputs to those of the executor, as a part of the greatest value of each; infinite where one is missing or
    /// has another shape.
    pub fn difference(&self, made: &[(String, Numbers)]) -> f32 {
        let one = |(name, (dims, own)): &(String, Numbers)| match made.iter().find(|(other, _)| other == name) {
            Some((_, (other, values))) if other == dims => {
                let most = own.iter().fold(1e-6f32, |m, v| m.max(v.abs()));
                own.iter().zip(values).fold(0f32, |m, (a, b)| if (a - b).is_nan() { f32::INFINITY } else { m.max((a - b).abs()) }) / most
            }
            _ => f32::INFINITY,
        };
        self.outputs.iter().map(one).fold(0.0, f32::max)
    }
}

/// The example that writes exports: `LMSC_ONNX_WRITER`, or where it is built.
pub fn writer() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let built = ["release", "debug"].map(|profile| root.join("target").join(profile).join("examples/onnx"));
    std::env::var_os("LMSC_ONNX_WRITER").map(PathBuf::from).or_else(|| built.into_iter().find(|p| p.exists()))
}
