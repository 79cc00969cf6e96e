//! What is scored: a label value, or several taken together under a name.
//!
//! Depends on nothing of this crate.

use serde::{Deserialize, Serialize};

/// Label values that are scored as one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    pub name: String,
    /// Ascending, without repeats, none of them 0.
    pub values: Vec<u8>,
}

impl Region {
    /// One label value, under its own number.
    pub fn label(value: u8) -> Self {
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
        let mut values = values.split(',').map(|v| value(v, text)).collect::<Result<Vec<u8>, String>>()?;
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

    /// The three regions of the brain tumour challenge, whole tumour, tumour core and enhancing tumour, where `used` says which label
    /// values there are: 1 core, 2 oedema, and the enhancing tumour 4 (2017 to 2022) or 3 (since 2023).
    ///
    /// # Errors
    /// When both 3 and 4 are used (2012 to 2015: 3 is core without enhancement), or others beyond 0 to 4.
    pub fn brats(used: &[bool; 256]) -> Result<Vec<Self>, String> {
        if let Some(other) = used.iter().skip(5).position(|u| *u) {
            return Err(format!("label value {} is none of brain tumours: they are 0, 1, 2 and 3 or 4", other + 5));
        }
        let enhancing = match (used[3], used[4]) {
            (true, true) => return Err("both label values 3 and 4 are used, as they were until 2015".to_owned()),
            (true, false) => 3,
            (false, _) => 4,
        };
        let region = |name: &str, values: &[u8]| Self { name: name.to_owned(), values: values.to_vec() };
        Ok(vec![region("WT", &[1, 2, enhancing]), region("TC", &[1, enhancing]), region("ET", &[enhancing])])
    }

    /// Whether each label value is part of it.
    pub fn members(&self) -> [bool; 256] {
        let mut all = [false; 256];
        self.values.iter().for_each(|v| all[usize::from(*v)] = true);
        all
    }
}

fn value(text: &str, whole: &str) -> Result<u8, String> {
    match text.trim().parse::<u8>() {
        Ok(0) => Err(format!("`{whole}` names the label value 0, the background")),
        Ok(v) => Ok(v),
        Err(_) => Err(format!("`{}` in `{whole}` is not a label value of 1 to 255", text.trim())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_read() {
        let r = Region::parse("TC = 4,1, 1").unwrap();
        assert_eq!((r.name.as_str(), r.values.as_slice()), ("TC", &[1, 4][..]));
        for bad in ["TC", "=1", "TC=", "TC=x", "TC=1,0", "TC=256", "TC=-1", "TC=1.5"] {
            assert!(Region::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn labels_are_read_with_or_without_names() {
        let names = |t: &str| Region::labels(t).map(|r| r.into_iter().map(|r| (r.name, r.values[0])).collect::<Vec<_>>());
        assert_eq!(names("2,1").unwrap(), [("2".to_owned(), 2), ("1".to_owned(), 1)]);
        assert_eq!(names("1=anterior,2").unwrap(), [("anterior".to_owned(), 1), ("2".to_owned(), 2)]);
        assert!(names("1=").is_err() && names("").is_err() && names("0").is_err());
    }

    #[test]
    fn brain_tumours_of_either_numbering() {
        let used = |values: &[usize]| std::array::from_fn(|v| values.contains(&v));
        let values = |u: &[usize]| Region::brats(&used(u)).map(|r| r.into_iter().map(|r| r.values).collect::<Vec<_>>());
        assert_eq!(values(&[0, 1, 2, 4]).unwrap(), [vec![1, 2, 4], vec![1, 4], vec![4]]);
        assert_eq!(values(&[0, 1, 2, 3]).unwrap(), [vec![1, 2, 3], vec![1, 3], vec![3]]);
        assert!(values(&[3, 4]).is_err() && values(&[1, 7]).is_err());
    }
}
