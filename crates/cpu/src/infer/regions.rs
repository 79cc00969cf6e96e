//! Regions as the outputs of a network: what each channel stands for, and how a voxel's probabilities of them become its label.
//!
//! Part of `infer`; may use `metric`.

use ndarray::{Array3, ArrayView4, Axis, Zip};
use serde::{Deserialize, Serialize};

use crate::metric::Region;
use crate::text::several;

/// From this probability on a voxel is in a region.
const INSIDE: f32 = 0.5;

/// Regions that may lie within each other. Label values are those of label files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regions {
    /// What each channel stands for.
    pub channels: Vec<Region>,
    /// Channels with the label that each paints, in the order of painting: a later one paints over an earlier one.
    pub paint: Vec<(usize, u32)>,
}

impl Regions {
    /// With the labels given that the regions paint, in their order, as nnU-Net's `regions_class_order`; without, the regions are painted from
    /// the one with the most labels to the one with the fewest, each with the label that no later one has.
    ///
    /// # Errors
    /// Why that cannot be, in words.
    pub fn new(channels: Vec<Region>, labels: Option<&[u32]>) -> Result<Self, String> {
        let paint = match labels {
            Some(labels) if labels.len() != channels.len() => {
                return Err(format!(
                    "each region needs a label to be painted with, and these are {} and {}",
                    several(channels.len(), "region"),
                    several(labels.len(), "label")
                ));
            }
            Some(labels) => labels.iter().copied().enumerate().collect(),
            None => painted(&channels)?,
        };
        let regions = Self { channels, paint };
        match regions.fault() {
            Some(fault) => Err(fault),
            None => Ok(regions),
        }
    }

    /// What makes no sense in it.
    pub fn fault(&self) -> Option<String> {
        if self.channels.is_empty() {
            return Some("it has no regions".into());
        }
        for (at, region) in self.channels.iter().enumerate() {
            let name = &region.name;
            if name.trim().is_empty() || self.channels.iter().take(at).any(|r| r.name == *name) {
                return Some(format!("region {} has no name of its own: `{}`", at + 1, crate::text::printable(name)));
            }
            if region.values.is_empty() || region.values.contains(&0) || !region.values.is_sorted_by(|a, b| a < b) {
                return Some(format!("the region `{}` does not consist of labels above 0, each once", crate::text::printable(name)));
            }
        }
        let mut seen: Vec<usize> = self.paint.iter().map(|(channel, _)| *channel).collect();
        seen.sort_unstable();
        if !seen.into_iter().eq(0..self.channels.len()) {
            return Some("not every region is painted once".into());
        }
        let outside = self.paint.iter().find(|(channel, label)| !self.channels[*channel].values.contains(label));
        outside
            .map(|(channel, label)| format!("the region `{}` has no label {label}", crate::text::printable(&self.channels[*channel].name)))
    }

    /// The label that a channel paints.
    pub fn label(&self, channel: usize) -> Option<u32> {
        self.paint.iter().find(|(c, _)| *c == channel).map(|(_, label)| *label)
    }

    /// The class of every voxel, the place of its label in `values`, from the probabilities of the regions, `[K, d, h, w]`; 0 where it is in
    /// none.
    pub fn classes(&self, probabilities: ArrayView4<f32>, values: &[u32]) -> Array3<u8> {
        let (count, d, h, w) = probabilities.dim();
        let mut classes = Array3::<u8>::zeros((d, h, w));
        for (channel, label) in self.paint.iter().filter(|(channel, _)| *channel < count) {
            let own = values.iter().position(|v| v == label).and_then(|place| u8::try_from(place).ok()).unwrap_or(0);
            Zip::from(&mut classes).and(probabilities.index_axis(Axis(0), *channel)).for_each(|to, p| {
                if *p >= INSIDE {
                    *to = own;
                }
            });
        }
        classes
    }
}

/// The order and the labels of painting that follow from the regions alone.
fn painted(channels: &[Region]) -> Result<Vec<(usize, u32)>, String> {
    let mut order: Vec<usize> = (0..channels.len()).collect();
    order.sort_by_key(|c| std::cmp::Reverse(channels[*c].values.len()));
    let label = |at: usize| -> Result<(usize, u32), String> {
        let later = |v: &u32| order[at + 1..].iter().any(|c| channels[*c].values.contains(v));
        let region = &channels[order[at]];
        let own: Vec<u32> = region.values.iter().copied().filter(|v| !later(v)).collect();
        match own.as_slice() {
            [label] => Ok((order[at], *label)),
            [] => Err(format!("the region `{}` has no label that no smaller region has", crate::text::printable(&region.name))),
            more => Err(format!(
                "the region `{}` has {} labels that no smaller region has ({})",
                crate::text::printable(&region.name),
                more.len(),
                more.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
            )),
        }
    };
    (0..order.len()).map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array4;

    fn region(name: &str, values: &[u32]) -> Region {
        Region { name: name.into(), values: values.to_vec() }
    }

    #[test]
    fn brain_tumours_are_painted_from_the_outside_in() {
        // In the order in which nnU-Net has them, with its labels: (1, 2, 3), regions_class_order of BraTS.
        let channels = vec![region("ET", &[4]), region("WT", &[1, 2, 4]), region("TC", &[1, 4])];
        let regions = Regions::new(channels.clone(), None).unwrap();
        assert_eq!(regions.paint, [(1, 2), (2, 1), (0, 4)]);
        // Of a voxel of each kind: in none, in each alone, in the outer two, in all.
        let p: Vec<[f32; 3]> = vec![[0.4, 0.4, 0.4], [0.6, 0.1, 0.1], [0.1, 0.5, 0.1], [0.1, 0.1, 0.9], [0.2, 0.8, 0.7], [1.0, 1.0, 1.0]];
        let p = Array4::from_shape_fn((3, 1, 1, 6), |(c, _, _, x)| p[x][c]);
        let values = [0, 1, 2, 4];
        let painted = |r: &Regions| r.classes(p.view(), &values).iter().map(|c| values[usize::from(*c)]).collect::<Vec<_>>();
        assert_eq!(painted(&regions), [0, 4, 2, 1, 1, 4]);
        // Given labels are painted in the order of the regions.
        let given = Regions::new(channels, Some(&[4, 2, 1])).unwrap();
        assert_eq!(painted(&given), [0, 4, 2, 1, 1, 1]);
        assert_eq!((given.label(1), given.label(3)), (Some(2), None));
    }

    #[test]
    fn what_cannot_be_painted_says_why() {
        let said = |channels: &[Region], labels: Option<&[u32]>| Regions::new(channels.to_vec(), labels).unwrap_err();
        let [a, b] = [region("a", &[1, 2, 3]), region("b", &[3])];
        assert!(said(&[a.clone(), b.clone()], None).contains("`a` has 2 labels that no smaller region has (1, 2)"));
        assert!(said(&[region("a", &[3]), b.clone()], None).contains("`a` has no label that"));
        assert!(said(&[a.clone(), b.clone()], Some(&[1])).contains("2 regions and 1 label"));
        assert!(said(&[a.clone(), b.clone()], Some(&[1, 2])).contains("`b` has no label 2"));
        assert!(said(&[a.clone(), region("a", &[3])], Some(&[1, 3])).contains("no name of its own"));
        assert!(said(&[region("c", &[])], None).contains("no label") && said(&[], None).contains("no regions"));
        assert!(said(&[region("c", &[0, 1])], Some(&[1])).contains("labels above 0"));
        let twice = Regions { channels: vec![a, b], paint: vec![(0, 1), (0, 1)] };
        assert!(twice.fault().unwrap().contains("painted once"));
    }
}
