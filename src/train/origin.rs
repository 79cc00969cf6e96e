//! Provenance of a run: its config, its graph and its split, as texts. A run resumes only with the same.
//!
//! Part of `train`; may use `compile` and `text`. Texts are compared by what they mean to this version, so that neither a comment nor a field
//! that a later version adds makes a run another one. A new field must mean, where it is not written, what was done before it was there.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::config::RunConfig;
use super::job::Job;
use crate::compile::compile;
use crate::text::{Result, Source, unwritable};

/// The files of a run folder that hold it.
pub const CONFIG: &str = "config.ron";
pub const GRAPH: &str = "graph.ron";
pub const SPLIT: &str = "split.json";

/// The texts of a run's config, graph and split.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunOrigin {
    pub config: String,
    pub graph: String,
    pub split: String,
}

impl RunOrigin {
    /// Of a job.
    ///
    /// # Errors
    /// E0603 when the config cannot be written as a text.
    pub fn of(job: &Job) -> Result<Self> {
        let config = ron::ser::to_string_pretty(&job.resolved(), ron::ser::PrettyConfig::new().struct_names(false))
            .map_err(|e| unwritable(Path::new(CONFIG), &std::io::Error::other(e)))?;
        Ok(Self { config: config + "\n", graph: job.program.resolved().to_owned(), split: job.split_text() })
    }

    /// As the run folder holds it.
    ///
    /// # Errors
    /// E0101 when a file cannot be read.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        let text = |name: &str| Source::read(&folder.join(name)).map(|source| source.text.clone());
        Ok(Self { config: text(CONFIG)?, graph: text(GRAPH)?, split: text(SPLIT)? })
    }

    /// What is not the same in a job, each in a few words; empty where all is.
    pub fn differences(&self, job: &Job) -> Vec<String> {
        let mut all = vec![];
        match RunConfig::read(&Source::new(CONFIG, self.config.clone()), &[]) {
            Err(_) => all.push("this lmsc cannot read its config".into()),
            Ok(config) => differ("", &meaning(job.settled(config)), &meaning(job.resolved()), &mut all),
        }
        let same = || compile(&Source::new(GRAPH, self.graph.clone()), &[], None).is_ok_and(|own| own.hash() == job.program.hash());
        if self.graph != job.program.resolved() && !same() {
            all.push("its graph is another one".into());
        }
        let parts = |text: &str| serde_json::from_str::<Value>(text).ok().map(|v| [v["training"].clone(), v["validation"].clone()]);
        if parts(&self.split) != parts(&job.split_text()) {
            all.push("the data set has other cases, or they are divided in another way".into());
        }
        all
    }
}

/// The fields of a config that a run's weights follow from: neither where it runs nor where its data lie.
fn meaning(config: RunConfig) -> Value {
    let placed =
        RunConfig { graph: GRAPH.into(), out: None, cache: None, device: String::new(), workers: 1, checkpointing: false, ..config };
    let mut value = serde_json::to_value(placed).unwrap_or_default();
    for (kind, data) in value["data"].as_object_mut().into_iter().flatten() {
        let Some(fields) = data.as_object_mut() else { continue };
        fields.remove("root");
        if kind == "List" {
            // Their names are in the split, their files in the record of files.
            fields.remove("cases");
        }
    }
    value
}

/// The names of what differs between two values, with both.
fn differ(path: &str, then: &Value, now: &Value, all: &mut Vec<String>) {
    match (then, now) {
        (Value::Object(a), Value::Object(b)) => {
            let names = a.keys().chain(b.keys().filter(|name| !a.contains_key(*name)));
            for name in names {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let of = |side: &serde_json::Map<String, Value>| side.get(name).cloned().unwrap_or_default();
                differ(&path, &of(a), &of(b), all);
            }
        }
        _ if then == now => {}
        _ => {
            let shown = |v: &Value| if v.is_null() { "not set".to_owned() } else { v.to_string() };
            all.push(format!("`{path}` was {} and is {}", shown(then), shown(now)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_differs_is_named_with_both_values() {
        let mut all = vec![];
        differ("", &json!({"a": {"b": 1.0, "c": null}, "d": [1]}), &json!({"a": {"b": 2.0}, "d": [1], "e": "x"}), &mut all);
        assert_eq!(all, ["`a.b` was 1.0 and is 2.0", "`e` was not set and is \"x\""]);
    }
}
