//! What is scored: a label value, or several taken together under a name.
//!
//! Depends on nothing of this crate.

use serde::{Deserialize, Serialize};

/// A label value.
pub type LabelValue = u32;

/// Label values that are scored as one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    pub name: String,
    /// Ascending, without repeats, none of them 0.
    pub values: Vec<LabelValue>,
}

impl Region {
    /// One label value, under its own number.
    pub fn label(value: LabelValue) -> Self {
        Self { name: value.to_string(), values: vec![value] }
    }

    /// Reads `NAME=1,2,3`.
    ///
    /// # Errors
    /// What is wrong with the text, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, values) = text.split_once('=').ok_or_else(|| format!("`{text}` is not NAME=VALUE,VALUE"))?;
        if name.trim().is_empty() {
            return Err(format!("`{text}` has no name before the `=`"));
        }
        let mut values = values.split(',').map(|v| value(v, text)).collect::<Result<Vec<u32>, String>>()?;
        values.sort_unstable();
        values.dedup();
        Ok(Self { name: name.trim().to_owned(), values })
    }

    /// Reads `1,2` or `1=anterior,2=posterior`: label values, each scored alone.
    ///
    /// # Errors
    /// What is wrong with the text, in words.
    pub fn labels(text: &str) -> Result<Vec<Self>, String> {
        let one = |part: &str| match part.split_once('=') {
            None => value(part, text).map(Self::label),
            Some((v, name)) if !name.trim().is_empty() => Ok(Self { name: name.trim().to_owned(), values: vec![value(v, text)?] }),
            Some(_) => Err(format!("`{part}` has no name after the `=`")),
        };
        text.split(',').map(one).collect()
    }

    /// Its label values, `1, 2, 4`.
    pub fn listed(&self) -> String {
        self.values.iter().map(LabelValue::to_string).collect::<Vec<_>>().join(", ")
    }

    /// Whether it is one label value under its own number.
    pub fn is_plain(&self) -> bool {
        matches!(self.values.as_slice(), [v] if v.to_string() == self.name)
    }

    /// Whether each of these label values (at most 256) is part of it, by its place.
    pub fn members(&self, values: &[u32]) -> [bool; 256] {
        let mut all = [false; 256];
        all.iter_mut().zip(values).for_each(|(member, v)| *member = self.values.contains(v));
        all
    }
}

fn value(text: &str, whole: &str) -> Result<u32, String> {
    match text.trim().parse::<u32>() {
        Ok(0) => Err(format!("`{whole}` names the label value 0, the background")),
        Ok(v) => Ok(v),
        Err(_) => Err(format!("`{}` in `{whole}` is not a label value: those are whole numbers above 0", text.trim())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_read() {
        let r = Region::parse("TC = 4,1, 1").unwrap();
        assert_eq!((r.name.as_str(), r.values.as_slice()), ("TC", &[1, 4][..]));
        for bad in ["TC", "=1", "TC=", "TC=x", "TC=1,0", "TC=4294967296", "TC=-1", "TC=1.5"] {
            assert!(Region::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn labels_are_read_with_or_without_names() {
        let names = |t: &str| Region::labels(t).map(|r| r.into_iter().map(|r| (r.name, r.values[0])).collect::<Vec<_>>());
        assert_eq!(names("2,1").unwrap(), [("2".to_owned(), 2), ("1".to_owned(), 1)]);
        assert_eq!(names("205=myo,1002").unwrap(), [("myo".to_owned(), 205), ("1002".to_owned(), 1002)]);
        assert_eq!(names("1=anterior,2").unwrap(), [("anterior".to_owned(), 1), ("2".to_owned(), 2)]);
        assert!(names("1=").is_err() && names("").is_err() && names("0").is_err());
    }
}
