//! What a network learns that tells regions apart.
//!
//! Part of `train`; may use `infer` and `metric`.

use super::loss::LabelScheme;
use crate::infer::Regions;
use crate::metric::Region;

/// What a network learns that tells these labels (value and name of each class) apart, or these regions of them.
pub fn label_scheme(labels: &[(u32, String)], regions: Option<&Regions>) -> LabelScheme {
    let Some(regions) = regions else { return LabelScheme::Classes(labels.len()) };
    let classes = |r: &Region| (0..=u8::MAX).zip(labels).filter(|(_, (v, _))| r.values.contains(v)).map(|(class, _)| class).collect();
    LabelScheme::Regions(regions.channels.iter().map(classes).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::NamedRegions;

    #[test]
    fn the_order_of_the_text_stays() {
        let named: NamedRegions = ron::from_str(r#"{"whole": [2, 1, 4], "core": [1, 4], "a": [4]}"#).unwrap();
        let regions = named.regions(None).unwrap();
        assert_eq!(regions.channels.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["whole", "core", "a"]);
        assert_eq!((regions.channels[0].values.as_slice(), regions.paint.as_slice()), (&[1, 2, 4][..], &[(0, 2), (1, 1), (2, 4)][..]));
        assert_eq!(ron::from_str::<NamedRegions>(&ron::to_string(&named).unwrap()).unwrap(), named);
        // Class indices, where the data set's labels are 0, 1, 2, 4.
        let labels: Vec<(u32, String)> = [0, 1, 2, 4].map(|v| (v, v.to_string())).to_vec();
        assert_eq!(label_scheme(&labels, Some(&regions)), LabelScheme::Regions(vec![vec![1, 2, 3], vec![1, 3], vec![3]]));
        assert_eq!(label_scheme(&labels, None), LabelScheme::Classes(4));
    }
}
