//! Numbers for people, and the formats of results.

use serde_json::{Map, Value as Json};

use crate::text::thousands;

/// How rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Table,
    Json,
    Csv,
    Markdown,
}

/// `14301610000` as `14,301.61`: millions with two decimals, rounded.
pub fn millions(n: u64) -> String {
    let hundredths = (n / 10_000).saturating_add(u64::from(n % 10_000 >= 5_000));
    format!("{}.{:02}", thousands(hundredths / 100), hundredths % 100)
}

/// `1685003264` as `1,685.0`: millions with one decimal, rounded.
pub fn tenths(n: u64) -> String {
    let tenths = (n / 100_000).saturating_add(u64::from(n % 100_000 >= 50_000));
    format!("{}.{}", thousands(tenths / 10), tenths % 10)
}

/// `14641413360` as `14.641`: thousands of millions with three decimals, rounded.
pub fn billions(n: u64) -> String {
    let thousandths = (n / 1_000_000).saturating_add(u64::from(n % 1_000_000 >= 500_000));
    format!("{}.{:03}", thousands(thousandths / 1000), thousandths % 1000)
}

/// Bytes as MiB with one decimal, rounded.
pub fn mebibytes(bytes: u64) -> String {
    let tenths = (u128::from(bytes) * 10 + (1 << 19)) >> 20;
    format!("{}.{}", thousands((tenths / 10) as u64), tenths % 10)
}

/// A bar of `share` of `width` places, in eighths of a place.
pub fn bar(share: f64, width: usize) -> String {
    let eighths = (share.clamp(0.0, 1.0) * (width * 8) as f64).round() as usize;
    let part = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8];
    let whole = "█".repeat(eighths / 8);
    if eighths.is_multiple_of(8) { whole } else { format!("{whole}{part}") }
}

/// `leaky_relu` of `LeakyRelu`.
pub fn snake(name: &str) -> String {
    let mut out = String::new();
    for (i, c) in name.char_indices() {
        if c.is_uppercase() && i > 0 {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

/// A value as a graph's file has it: `1e-5`, `(1, 2, 2)`, `silu`, `relu(slope: 0.1)`.
pub fn written(value: &Json) -> String {
    let fields = |all: &Map<String, Json>| all.iter().map(|(k, v)| format!("{k}: {}", written(v))).collect::<Vec<_>>().join(", ");
    match value {
        Json::Null => "none".into(),
        Json::String(s) => s.clone(),
        Json::Number(n) if n.is_f64() => n.as_f64().map_or_else(String::new, |f| format!("{f:?}")),
        Json::Array(all) => format!("({})", all.iter().map(written).collect::<Vec<_>>().join(", ")),
        Json::Object(all) => match all.iter().next() {
            Some((name, Json::Object(inner))) if all.len() == 1 => format!("{name}({})", fields(inner)),
            _ => fields(all),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(482_778), "482,778");
        assert_eq!(thousands(1_000_000), "1,000,000");
        assert_eq!(millions(14_301_605_000), "14,301.61");
        assert_eq!(millions(4_999), "0.00");
        assert_eq!(millions(u64::MAX), "18,446,744,073,709.55");
        assert_eq!(tenths(1_685_003_264), "1,685.0");
        assert_eq!(tenths(49_999), "0.0");
        assert_eq!(billions(14_641_413_360), "14.641");
        assert_eq!(billions(999_500_000), "1.000");
        assert_eq!(mebibytes((3 << 20) + (1 << 19)), "3.5");
        assert_eq!(mebibytes(0), "0.0");
        assert_eq!(mebibytes(u64::MAX), "17,592,186,044,416.0");
    }

    #[test]
    fn bars_have_eighths() {
        assert_eq!(bar(0.0, 8), "");
        assert_eq!(bar(1.0, 4), "████");
        assert_eq!(bar(0.5, 1), "▌");
        assert_eq!(bar(0.3125, 4), "█▎");
        assert_eq!(bar(7.0, 2), "██");
        assert_eq!(bar(f64::NAN, 2), "");
    }
}
