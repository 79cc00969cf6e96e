//! The fingerprint of a data set, as nnU-Net calls it: what planning a training run needs to know.
//!
//! May use `volume`, and `dataset`, `survey`, `check` beside it.

use serde::Serialize;

use super::check::median;
use super::dataset::Description;
use super::survey::{CaseSurvey, Survey};
use crate::volume::percentile;

/// Of the cases that can be used. Sizes and spacings are along D, H, W of RAS.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fingerprint {
    pub name: String,
    /// Cases that can be used, and all.
    pub cases: usize,
    pub of: usize,
    /// Voxels of the cropped cases along each axis.
    pub size: [ValueRange; 3],
    /// mm.
    pub spacing: [ValueRange; 3],
    /// Extent of the cropped cases in mm.
    pub extent: [ValueRange; 3],
    /// The median part of a case that cropping leaves.
    pub cropped: f64,
    /// The median part of the cropped voxels that are 0 in all channels.
    pub empty: f64,
    /// Voxels of all cropped cases.
    pub voxels: u64,
    /// Of foreground voxels, channel by channel.
    pub intensities: Vec<Intensities>,
    pub classes: Vec<Share>,
    /// Every case's spacing.
    #[serde(skip)]
    pub spacings: Vec<[f64; 3]>,
}

/// The least, the middle and the most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct ValueRange {
    pub min: f64,
    pub median: f64,
    pub max: f64,
}

/// Intensities of the foreground of one channel, over all cases alike.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Intensities {
    pub modality: String,
    pub mean: f64,
    pub deviation: f64,
    pub median: f64,
    /// The percentiles 0.5 and 99.5.
    pub low: f64,
    pub high: f64,
}

/// How much there is of a class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Share {
    pub value: u32,
    pub name: String,
    /// Cases that have it.
    pub cases: usize,
    /// Of all voxels.
    pub part: f64,
}

impl ValueRange {
    /// Of numbers; zeros of none.
    pub fn of(all: Vec<f64>) -> Self {
        let (min, max) = all.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)));
        if all.is_empty() { Self::default() } else { Self { min, median: median(all), max } }
    }
}

impl Fingerprint {
    /// Of surveyed cases; those with errors have no part in it.
    pub fn of(about: &Description, cases: &[Survey]) -> Self {
        let seen: Vec<&CaseSurvey> = cases.iter().filter(|c| c.is_sound()).filter_map(|c| c.seen.as_ref()).collect();
        let along = |f: &dyn Fn(&CaseSurvey, usize) -> f64| [0, 1, 2].map(|axis| ValueRange::of(seen.iter().map(|s| f(s, axis)).collect()));
        let count = |n: [usize; 3]| n.iter().map(|n| *n as f64).product::<f64>();
        let total: u64 = seen.iter().map(|s| s.classes.iter().sum::<u64>()).sum();
        let channel = |(at, modality): (usize, &String)| {
            let mut all: Vec<f32> = seen.iter().filter_map(|s| s.sampled.get(at)).flatten().copied().collect();
            let n = all.len().max(1) as f64;
            let mean = all.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
            let deviation = (all.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n).sqrt();
            let [low, median, high] = [0.5, 50.0, 99.5].map(|p| f64::from(percentile(&mut all, p)));
            Intensities { modality: modality.clone(), mean, deviation, median, low, high }
        };
        let class = |(at, (value, name)): (usize, &(u32, String))| {
            let own = |s: &&CaseSurvey| s.classes.get(at).copied().unwrap_or_default();
            let (with, voxels) = seen.iter().map(own).fold((0, 0), |(with, all), n| (with + usize::from(n > 0), all + n));
            Share { value: *value, name: name.clone(), cases: with, part: voxels as f64 / total.max(1) as f64 }
        };
        Self {
            name: about.name.clone(),
            cases: seen.len(),
            of: cases.len(),
            size: along(&|s, axis| s.cropped[axis] as f64),
            spacing: along(&|s, axis| s.grid.spacing()[axis]),
            extent: along(&|s, axis| s.cropped[axis] as f64 * s.grid.spacing()[axis]),
            cropped: median(seen.iter().map(|s| count(s.cropped) / count(s.grid.size).max(1.0)).collect()),
            empty: median(seen.iter().map(|s| s.empty).collect()),
            voxels: seen.iter().map(|s| count(s.cropped) as u64).sum(),
            intensities: about.modalities.iter().enumerate().map(channel).collect(),
            classes: about.labels.iter().enumerate().map(class).collect(),
            spacings: seen.iter().map(|s| s.grid.spacing()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Dataset, DatasetSpec, Preprocess};
    use super::*;

    #[test]
    fn a_generated_set_is_known_whole() {
        let set = Dataset::open(
            &DatasetSpec::Phantom { cases: 3, size: [24, 20, 16], seed: 2, channels: 4, classes: 4 },
            Preprocess::default(),
            None,
        )
        .unwrap();
        let f = Fingerprint::of(&set.description, &set.survey(|| ()));
        assert_eq!((f.cases, f.of, f.classes.len(), f.intensities.len()), (3, 3, 4, 4));
        assert!(f.spacing.iter().all(|s| s.min == s.max && s.median == s.min));
        assert!((f.classes.iter().map(|c| c.part).sum::<f64>() - 1.0).abs() < 1e-12);
        // By hand, over the voxels themselves: fewer than are sampled, so that none is left out.
        let all: Vec<f64> = (0..3)
            .flat_map(|at| {
                let m = set.raw(at).unwrap();
                m.label
                    .indexed_iter()
                    .filter(|(_, l)| **l > 0)
                    .map(|((d, h, w), _)| f64::from(m.image.data[[1, d, h, w]]))
                    .collect::<Vec<_>>()
            })
            .collect();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let own = &f.intensities[1];
        assert!((own.mean - mean).abs() < 1e-6 * mean.abs() && own.modality == "t1ce", "{own:?} {mean}");
        assert!(own.low <= own.median && own.median <= own.high);
    }

    #[test]
    fn nothing_gives_zeros() {
        let set =
            Dataset::open(&DatasetSpec::Phantom { cases: 1, size: [16; 3], seed: 2, channels: 4, classes: 4 }, Preprocess::default(), None)
                .unwrap();
        let f = Fingerprint::of(&set.description, &[]);
        assert_eq!((f.cases, f.voxels, f.size[0]), (0, 0, ValueRange::default()));
    }
}
