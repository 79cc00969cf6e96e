//! The page of run configs: its text, and the fields as the files say that define them.
//!
//! May use `show`, `train`, `text`.

use crate::show::reference::{WrittenType, config_fields, config_names};
use crate::text::{Result, Source, Topic, rounded};
use crate::train::RunConfig;

const CONFIG: &str = include_str!("../../train/config.rs");
const AUGMENT: &str = include_str!("../../../crates/volume/src/data/augment.rs");
const LOSS: &str = include_str!("../../train/loss/mod.rs");
const OBJECTIVE: &str = include_str!("../../train/loss/objective.rs");

/// The types of a config by the fields that have them.
const TYPES: &[(&str, &str, &str)] = &[
    ("", "RunConfig", CONFIG),
    ("recipe", "Recipe", include_str!("../../train/config/recipe.rs")),
    ("data", "DatasetSpec", include_str!("../../../crates/volume/src/data/dataset.rs")),
    ("split", "SplitSpec", CONFIG),
    ("slices", "SlicePlane", include_str!("../../../crates/volume/src/data/slices.rs")),
    ("normalise", "Normalise", include_str!("../../../crates/volume/src/volume/normalise.rs")),
    ("augment", "Augment", AUGMENT),
    ("augment.rotate", "Rotate", AUGMENT),
    ("augment.scale", "RandomRange", AUGMENT),
    ("augment.elastic", "Elastic", AUGMENT),
    ("foreground", "LastPatches", include_str!("../../../crates/volume/src/data/foreground.rs")),
    ("loss", "Objective", OBJECTIVE),
    ("loss.norm", "DistanceNorm", OBJECTIVE),
    ("loss.anneal", "Anneal", OBJECTIVE),
    ("loss.frequency_of", "FrequencyOf", OBJECTIVE),
    ("optimiser", "OptimiserConfig", CONFIG),
    ("optimiser.kind", "OptimiserKind", CONFIG),
    ("schedule", "ScheduleConfig", CONFIG),
    ("schedule.kind", "LrSchedule", include_str!("../../train/schedule.rs")),
    ("validate", "Validate", include_str!("../../train/config/validate.rs")),
    ("postprocess", "PostprocessSearch", include_str!("../../train/postprocess_search.rs")),
    ("precision", "Precision", include_str!("../../../crates/graph/src/compile/memory/mod.rs")),
];

/// A config with nothing in it that need not be.
const LEAST: &str = "(graph: \"net.ron\", data: Phantom(cases: 4), patch: (32, 32, 32), epochs: 1)";

/// The page, in Markdown.
///
/// # Errors
/// None while the least config can be read, which tests see to.
pub fn page() -> Result<String> {
    let least = RunConfig::read(&Source::new("config", LEAST), &[])?;
    let mut defaults = serde_json::to_value(&least).unwrap_or_default();
    // It is given above, and no default.
    if let Some(fields) = defaults.as_object_mut() {
        fields.remove("epochs");
    }
    let types: Vec<WrittenType> = TYPES.iter().map(|(field, name, source)| WrittenType { field, name, source }).collect();
    brief(&mut defaults);
    Ok(Topic::Config.page().replace("{fields}", &config_fields(&types, &defaults)).replace("{formulas}", &formulas()))
}

/// Every field by its dotted name with its type: those of a choice are not among them.
pub fn names() -> Vec<(String, String)> {
    let types: Vec<WrittenType> = TYPES.iter().map(|(field, name, source)| WrittenType { field, name, source }).collect();
    config_names(&types)
}

/// Numbers to six digits: 1/3 says no more in sixteen.
fn brief(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Number(n) if n.is_f64() => *value = rounded(n.as_f64().unwrap_or_default()).into(),
        serde_json::Value::Array(all) => all.iter_mut().for_each(brief),
        serde_json::Value::Object(all) => all.values_mut().for_each(brief),
        _ => {}
    }
}

/// What the file of the loss says of its formulas.
fn formulas() -> String {
    let lines = LOSS.lines().map_while(|line| line.strip_prefix("//!")).map(|line| line.strip_prefix(' ').unwrap_or(line));
    let lines = lines.skip_while(|line| *line != "# The formula");
    lines.map(|line| line.strip_prefix("# ").map_or(line.to_owned(), |title| format!("## Loss: {}", title.to_lowercase())) + "\n").collect()
}
