//! The page of run configs: its text, and the fields as the files say that define them.
//!
//! May use `show`, `train`, `text`.

use crate::show::reference::{WrittenType, config_fields};
use crate::text::{Result, Source, Topic};
use crate::train::RunConfig;

const CONFIG: &str = include_str!("../../train/config.rs");
const AUGMENT: &str = include_str!("../../../crates/volume/src/data/augment.rs");
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
    Ok(Topic::Config.page().replace("{fields}", &config_fields(&types, &defaults)))
}
