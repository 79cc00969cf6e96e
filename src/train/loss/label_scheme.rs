//! How labels become channels: exclusive classes with a softmax, or overlapping regions with sigmoids.
//!
//! Part of `train::loss`; depends on nothing of this crate.

/// What the channels of the network's output stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelScheme {
    /// Each voxel is of one class: so many channels, softmax over them.
    Classes(usize),
    /// Each channel is a region, the class indices of which it consists; regions may lie within each other. Sigmoid of each channel.
    Regions(Vec<Vec<u8>>),
}

impl LabelScheme {
    /// Channels of the output.
    pub fn channels(&self) -> usize {
        match self {
            Self::Classes(count) => *count,
            Self::Regions(all) => all.len(),
        }
    }

    /// The channels that hold a class.
    fn channels_of(&self, class: u8) -> Vec<usize> {
        match self {
            Self::Classes(count) => Some(usize::from(class)).filter(|c| c < count).into_iter().collect(),
            Self::Regions(all) => (0..all.len()).filter(|r| all[*r].contains(&class)).collect(),
        }
    }

    /// For every class the channels that hold it.
    pub(super) fn table(&self) -> Vec<Vec<usize>> {
        (0..=u8::MAX).map(|class| self.channels_of(class)).collect()
    }

    /// For every class the first one that is in the same channels: a border lies between those that differ. Classes of which
    /// each has its own channel are themselves.
    pub(super) fn kinds(&self) -> Option<Vec<u8>> {
        let Self::Regions(_) = self else { return None };
        let table = self.table();
        Some(table.iter().map(|own| table.iter().position(|other| other == own).unwrap_or_default() as u8).collect())
    }

    /// Voxels of each channel, from those of each class.
    pub fn counts(&self, classes: &[u64]) -> Vec<u64> {
        let mut counts = vec![0; self.channels()];
        for (class, n) in (0..=u8::MAX).zip(classes) {
            self.channels_of(class).into_iter().for_each(|c| counts[c] += n);
        }
        counts
    }
}
