//! A run's config and the parameters of its graph, flattened to names and values for comparison.
//!
//! May use `run` beside it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::run::Run;
use crate::text::rounded;

/// Names and values.
pub type ConfigFields = Vec<(String, String)>;

/// The graph's name and parameters, then name and value of every field of the config, nested ones as `optimiser.lr`.
///
/// Left out is what says where a run was made, not what it was: `out`, `device`, and the graph's file. `steps` is left out where it
/// only follows from the number of cases, which differs between folds.
pub fn fields(run: &Run) -> ConfigFields {
    let mut all = vec![];
    flatten("", &serde_json::to_value(&run.config).unwrap_or_default(), &mut all);
    let patches = run.config.batch.saturating_mul(run.config.optimiser.accumulate).max(1);
    let usual = run.split[0].div_ceil(patches).max(1);
    all.retain(|(name, value)| match name.as_str() {
        "out" | "device" | "graph" | "set" => false,
        "steps" => *value != usual.to_string(),
        // Without folds it has no say.
        "split.fold" => run.config.split.folds.is_some(),
        _ => true,
    });
    let graph = std::iter::once(("graph".to_owned(), run.program.name.clone()));
    let params = run.program.params.iter().map(|(name, value)| (name.clone(), value.to_string()));
    graph.chain(params).chain(all).collect()
}

/// The names of the fields that are not the same in all of `runs`, in the order of the first that has them.
pub fn differing(runs: &[ConfigFields]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let names = runs.iter().flatten().map(|(name, _)| name).filter(|name| seen.insert((*name).clone()));
    names.filter(|name| runs.windows(2).any(|w| value(&w[0], name) != value(&w[1], name))).cloned().collect()
}

/// A field's value; none where it is not there.
pub fn value<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
}

fn flatten(path: &str, value: &Value, all: &mut ConfigFields) {
    let text = match value {
        Value::Null => return,
        Value::Object(of) => {
            let mut entries = of.iter();
            // An enum with fields: the kind, and the fields beside it.
            if let (Some((kind, inner)), None) = (entries.next(), entries.next())
                && kind.starts_with(|c: char| c.is_ascii_uppercase())
            {
                all.push((path.to_owned(), kind.clone()));
                return flatten(path, inner, all);
            }
            let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            return of.iter().for_each(|(name, v)| flatten(&join(name), v, all));
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            format!("({})", items.join(","))
        }
        Value::String(s) => s.clone(),
        other => plain(other),
    };
    all.push((path.to_owned(), text));
}

/// A value in a line; of a number as many digits as matter.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(n) if n.is_f64() => format!("{:?}", rounded(n.as_f64().unwrap_or_default())),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn flat(value: Value) -> ConfigFields {
        let mut all = vec![];
        flatten("", &value, &mut all);
        all
    }

    #[test]
    fn nested_values_have_dotted_names() {
        let config =
            json!({"data": {"Phantom": {"cases": 5, "size": [1, 2, 3]}}, "loss": {"dice": 1.0}, "patience": null, "normalise": "ZScore"});
        let all: Vec<String> = flat(config).into_iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(all, ["data=Phantom", "data.cases=5", "data.size=(1,2,3)", "loss.dice=1.0", "normalise=ZScore"]);
    }

    #[test]
    fn only_what_differs_is_named() {
        let runs = [
            json!({"a": 1, "b": {"c": 2, "d": 3}}),
            json!({"a": 1, "b": {"c": 2, "d": 4}, "e": 5}),
            json!({"a": 1, "b": {"c": 2, "d": 3}}),
        ];
        assert_eq!(differing(&runs.map(flat)), ["b.d", "e"]);
        assert!(differing(&[flat(json!({"a": 1}))]).is_empty());
    }
}
