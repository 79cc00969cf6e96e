//! What `plans.json` says of one configuration, in either of the forms that nnU-Net v2 has written.
//!
//! Part of `import::nnunet`; may use `text`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::folder::{ModelFolder, json};
use super::refused;
use crate::text::{Diagnostic, Result, a_few, printable};

/// The most configurations that are named in a line.
const NAMED: usize = 12;
/// No chain of configurations that inherit from each other is longer.
const MOST_PARENTS: usize = 16;
/// The one function that resamples by the rules that are known here.
const RESAMPLING: &str = "resample_data_or_seg_to_shape";

/// What is read of the file; it may hold more.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    dataset_name: String,
    #[serde(default)]
    plans_name: String,
    image_reader_writer: String,
    transpose_forward: [usize; 3],
    transpose_backward: [usize; 3],
    #[serde(default)]
    label_manager: Option<String>,
    #[serde(default, alias = "foreground_intensity_properties_by_modality")]
    foreground_intensity_properties_per_channel: BTreeMap<String, IntensityProperties>,
    configurations: Map<String, Value>,
}

/// Numbers of a channel's intensities in the foreground of the training data.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct IntensityProperties {
    pub mean: f64,
    pub std: f64,
    pub percentile_00_5: f64,
    pub percentile_99_5: f64,
}

/// The plans of all configurations.
#[derive(Debug)]
pub struct Plans {
    pub path: PathBuf,
    pub dataset: String,
    pub name: String,
    pub reader: String,
    pub transpose: [usize; 3],
    pub intensities: BTreeMap<String, IntensityProperties>,
    configurations: Map<String, Value>,
}

/// The plans of one.
#[derive(Debug, Deserialize)]
pub struct Configuration {
    #[serde(skip)]
    pub name: String,
    /// Transposed; two numbers for a 2D network.
    pub spacing: Vec<f64>,
    pub patch_size: Vec<usize>,
    pub normalization_schemes: Vec<String>,
    pub use_mask_for_norm: Vec<bool>,
    resampling_fn_data: String,
    pub resampling_fn_data_kwargs: Arguments,
    resampling_fn_probabilities: String,
    pub resampling_fn_probabilities_kwargs: Arguments,
    #[serde(default)]
    preprocessor_name: Option<String>,
    #[serde(default)]
    previous_stage: Option<String>,
    #[serde(default)]
    pub architecture: Option<Architecture>,
    #[serde(flatten)]
    pub old: Option<OldArchitecture>,
}

/// Arguments of the function that resamples.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    #[serde(default, rename = "is_seg")]
    _labels: bool,
    #[serde(default = "three")]
    pub order: u8,
    #[serde(default)]
    pub order_z: u8,
    #[serde(default)]
    pub force_separate_z: Option<bool>,
}

fn three() -> u8 {
    3
}

/// The network, from release 2.3 on.
#[derive(Clone, Debug, Deserialize)]
pub struct Architecture {
    pub network_class_name: String,
    pub arch_kwargs: Map<String, Value>,
}

/// The network, up to release 2.2.1.
#[derive(Clone, Debug, Deserialize)]
pub struct OldArchitecture {
    #[serde(rename = "UNet_class_name")]
    pub class: String,
    #[serde(rename = "UNet_base_num_features")]
    pub base: usize,
    #[serde(rename = "unet_max_num_features")]
    pub most: usize,
    pub n_conv_per_stage_encoder: Value,
    pub n_conv_per_stage_decoder: Value,
    pub pool_op_kernel_sizes: Value,
    pub conv_kernel_sizes: Value,
}

impl Plans {
    /// Reads the file.
    ///
    /// # Errors
    /// E0804 where it is not as nnU-Net has it, or asks for what is not known here.
    pub fn read(path: &Path) -> Result<Self> {
        let file: File = json(path)?;
        let plans = Self {
            path: path.to_owned(),
            dataset: file.dataset_name,
            name: file.plans_name,
            reader: file.image_reader_writer,
            transpose: file.transpose_forward,
            intensities: file.foreground_intensity_properties_per_channel,
            configurations: file.configurations,
        };
        if let Some(manager) = file.label_manager.filter(|m| m != "LabelManager") {
            let message = format!("its labels are kept by `{}`, which is not nnU-Net's own LabelManager", printable(&manager));
            return Err(plans.refuse(message, "there is no way round that").into());
        }
        let (to, back) = (file.transpose_forward, file.transpose_backward);
        if !(0..3).all(|axis| back.get(axis).and_then(|b| to.get(*b)) == Some(&axis)) {
            let message = format!("its `transpose_forward` {to:?} and `transpose_backward` {back:?} are not each other's inverse");
            return Err(plans.refuse(message, "take it from the model's source again").into());
        }
        Ok(plans)
    }

    /// What is said of something that cannot be imported.
    pub fn refuse(&self, why: String, help: &str) -> Diagnostic {
        refused(format!("`{}`: {why}", self.path.display())).help(help.to_owned())
    }

    /// The configuration that the checkpoint names; where it names none, that in the folder's name.
    ///
    /// # Errors
    /// E0804 where it is not there, or asks for what is not known here.
    pub fn configuration(&self, named: Option<&str>, folder: &ModelFolder, trainer: &str) -> Result<Configuration> {
        let called = folder.path.file_name().and_then(|n| n.to_str()).and_then(|n| n.rsplit_once("__")).map(|(_, name)| name);
        let known = || a_few(&self.configurations.keys().map(|k| printable(k)).collect::<Vec<_>>(), NAMED);
        let Some(name) = named.or(called) else {
            let help = format!("it has {}; give the folder its name back, TRAINER__PLANS__CONFIGURATION", known());
            return Err(self.refuse("neither the checkpoint nor the folder's name says which configuration it is".into(), &help).into());
        };
        let Some(fields) = self.inherited(name) else {
            let message = format!("it has no configuration `{}`", printable(name));
            return Err(self.refuse(message, &format!("it has {}; look whether its files belong together", known())).into());
        };
        let mut found: Configuration = serde_json::from_value(Value::Object(fields)).map_err(|e| {
            self.refuse(
                format!("its configuration `{}`: {}", printable(name), printable(&e.to_string())),
                "take it from the model's source again",
            )
        })?;
        found.name = name.to_owned();
        self.look(&found, trainer)?;
        Ok(found)
    }

    /// The fields of a configuration over those of its parents.
    fn inherited(&self, name: &str) -> Option<Map<String, Value>> {
        let mut chain = vec![self.configurations.get(name)?.as_object()?];
        while let Some(parent) = chain.last()?.get("inherits_from").and_then(Value::as_str) {
            if chain.len() > MOST_PARENTS {
                return None;
            }
            chain.push(self.configurations.get(parent)?.as_object()?);
        }
        let mut all = Map::new();
        chain.into_iter().rev().for_each(|fields| all.extend(fields.clone()));
        Some(all)
    }

    /// What is not done here as nnU-Net does it.
    fn look(&self, c: &Configuration, trainer: &str) -> Result<()> {
        let name = printable(&c.name);
        if let Some(stage) = &c.previous_stage {
            let message = format!("`{name}` is the second stage of a cascade: it also sees what `{}` made of the image", printable(stage));
            return Err(self.refuse(message, "import that configuration, or another one without `previous_stage`").into());
        }
        for function in [&c.resampling_fn_data, &c.resampling_fn_probabilities] {
            if function != RESAMPLING {
                let message = format!("`{name}` resamples by `{}`, and only `{RESAMPLING}` is known", printable(function));
                return Err(self.refuse(message, "train it with plans that resample by that function").into());
            }
        }
        if let Some(other) = c.preprocessor_name.as_ref().filter(|p| *p != "DefaultPreprocessor") {
            let message = format!("`{name}` prepares images by `{}`, and only DefaultPreprocessor is known", printable(other));
            return Err(self.refuse(message, "there is no way round that").into());
        }
        let dims = c.patch_size.len();
        if !(matches!(dims, 2 | 3) && c.spacing.len() == dims) || c.patch_size.contains(&0) {
            let message = format!("`{name}` has a patch of {:?} and a spacing of {:?}", c.patch_size, c.spacing);
            return Err(self.refuse(message, "both have two numbers, or three").into());
        }
        if c.architecture.is_none() && c.old.is_none() {
            let message = format!("`{name}` says nothing of its network, which `{}` has built", printable(trainer));
            return Err(self.refuse(message, "only PlainConvUNet and ResidualEncoderUNet are known").into());
        }
        Ok(())
    }
}
