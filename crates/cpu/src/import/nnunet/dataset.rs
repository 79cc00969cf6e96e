//! What `dataset.json` says of channels and labels.
//!
//! Part of `import::nnunet`; may use `infer` (regions), `metric` and `text`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::folder::json;
use super::refused;
use crate::infer::Regions;
use crate::metric::Region;
use crate::text::{Diagnostic, Result, printable, several};
use crate::volume::MOST_VALUES;

/// The name of voxels that are left out of training: no class, and no channel of the answer.
const IGNORE: &str = "ignore";

/// What is read of the file; it may hold more.
#[derive(Deserialize)]
struct File {
    #[serde(alias = "modality")]
    channel_names: Map<String, Value>,
    labels: Map<String, Value>,
    #[serde(default)]
    regions_class_order: Option<Vec<u32>>,
    #[serde(default = "nifti")]
    file_ending: String,
    #[serde(default, alias = "licence")]
    license: Option<String>,
}

fn nifti() -> String {
    ".nii.gz".into()
}

/// The data set as a model knows it.
#[derive(Clone, Debug)]
pub struct DatasetJson {
    /// Names of the channels, in order.
    pub channels: Vec<String>,
    /// Value and name of every class, the background first.
    pub labels: Vec<(u32, String)>,
    /// Where a label stands for several values.
    pub regions: Option<Regions>,
    pub licence: Option<String>,
}

impl DatasetJson {
    /// Reads the file.
    ///
    /// # Errors
    /// E0804 where it is not as nnU-Net has it.
    pub fn read(path: &Path) -> Result<Self> {
        let file: File = json(path)?;
        let within = Within(path.to_owned());
        if ![".nii.gz", ".nii"].contains(&file.file_ending.as_str()) {
            let message = format!("its images are `{}` files, and only NIfTI is read", printable(&file.file_ending));
            return Err(within.refuse(message, "there is no way round that yet").into());
        }
        let name = |n: usize| Some(file.channel_names.get(&n.to_string())?.as_str()?.to_owned());
        let channels: Option<Vec<String>> = (0..file.channel_names.len()).map(name).collect();
        let Some(channels) = channels.filter(|all| !all.is_empty()) else {
            return Err(within
                .refuse("`channel_names` does not number its channels 0, 1, 2, ...".into(), "look whether it was edited")
                .into());
        };
        let values = file.labels.iter().map(|(name, v)| Ok((name.clone(), within.values(name, v)?)));
        let named: Vec<(String, Vec<u32>)> = values.collect::<std::result::Result<_, Diagnostic>>()?;
        let used = || named.iter().filter(|(name, _)| name != IGNORE);
        let (labels, regions) = match used().any(|(_, values)| values.len() > 1) {
            true => within.regions(used().cloned().collect(), file.regions_class_order)?,
            false => (within.classes(used())?, None),
        };
        if labels.len() > MOST_VALUES {
            let message = format!("it has {}, and at most {MOST_VALUES} are told apart", several(labels.len(), "label"));
            return Err(within.refuse(message, "there is no way round that yet").into());
        }
        Ok(Self { channels, labels, regions, licence: file.license.filter(|l| !l.trim().is_empty()) })
    }
}

type Labels = Vec<(u32, String)>;

/// The file that errors are about.
struct Within(PathBuf);

impl Within {
    fn refuse(&self, why: String, help: &str) -> Diagnostic {
        refused(format!("`{}`: {why}", self.0.display())).help(help.to_owned())
    }

    /// The values of a label: one, or several for a region.
    fn values(&self, name: &str, value: &Value) -> std::result::Result<Vec<u32>, Diagnostic> {
        let number = |v: &Value| v.as_u64().and_then(|v| u32::try_from(v).ok());
        let all: Option<Vec<u32>> = match value {
            Value::Array(values) => values.iter().map(number).collect(),
            one => number(one).map(|v| vec![v]),
        };
        let mut all = all.filter(|all| !all.is_empty()).ok_or_else(|| {
            self.refuse(
                format!("the label `{}` has a value that is no whole number from 0 on", printable(name)),
                "look whether it was edited",
            )
        })?;
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// Labels with one value each; the value is the channel of the answer.
    fn classes<'a>(&self, named: impl Iterator<Item = &'a (String, Vec<u32>)>) -> Result<Labels> {
        let mut labels: Labels = named.filter_map(|(name, values)| Some((*values.first()?, name.clone()))).collect();
        labels.sort();
        let odd = labels.iter().zip(0u32..).find(|((value, _), n)| value != n);
        match odd {
            Some(((value, name), n)) => {
                let message = format!("label {n} is missing: the values of labels go up one by one, and `{}` has {value}", printable(name));
                Err(self.refuse(message, "nnU-Net trains no model with such labels; look whether it was edited").into())
            }
            None if labels.len() < 2 => Err(self.refuse("it has no label but the background".into(), "look whether it was edited").into()),
            None => Ok(labels),
        }
    }

    /// Labels of which some are regions: each is a channel, but the background.
    fn regions(&self, named: Vec<(String, Vec<u32>)>, order: Option<Vec<u32>>) -> Result<(Labels, Option<Regions>)> {
        let background = named.iter().find(|(_, values)| *values == [0]).map_or("background".into(), |(name, _)| name.clone());
        let channels: Vec<Region> =
            named.into_iter().filter(|(_, values)| *values != [0]).map(|(name, values)| Region { name, values }).collect();
        let Some(order) = order else {
            return Err(self.refuse("it has regions but no `regions_class_order`".into(), "look whether it was edited").into());
        };
        let regions = Regions::new(channels, Some(&order)).map_err(|why| self.refuse(why, "look at `labels` and `regions_class_order`"))?;
        let values: BTreeSet<u32> = regions.channels.iter().flat_map(|r| r.values.iter().copied()).collect();
        let name = |value: u32| {
            let alone = regions.channels.iter().find(|r| r.values == [value]);
            alone.map_or_else(|| format!("label {value}"), |r| r.name.clone())
        };
        let labels = std::iter::once((0, background)).chain(values.into_iter().map(|v| (v, name(v)))).collect();
        Ok((labels, Some(regions)))
    }
}
