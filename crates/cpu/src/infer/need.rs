//! The memory that a prediction holds at its most, part by part, known before a voxel is read.
//!
//! Part of `infer`; depends on nothing of this crate.

use std::fmt;

/// Bytes of each part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// D, H, W of the grid on which windows lie.
    pub size: [usize; 3],
    /// Windows.
    pub windows: usize,
    /// What the process holds before it begins: the program and its weights. Known to the caller.
    pub program: u64,
    /// The image as read, and at the network's spacing if that is another.
    pub image: u64,
    /// Labels, twice: in the network's axis order and in the file's.
    pub labels: u64,
    /// The planes of probabilities that are not finished, and those on their way back to the image's spacing.
    pub slab: u64,
    /// Probabilities of the whole volume, where they are asked for.
    pub probabilities: u64,
    /// What runs the network, and a patch with its answer.
    pub network: u64,
    /// A picture of the case, where the caller draws one.
    pub picture: u64,
}

/// What threads with their stacks and scratch, and the allocator's first segments, take whatever the case: 13 to 21 MiB as measured with
/// small volumes on two processors.
const FIXED: u64 = 20 << 20;

/// What drawing a picture takes, its letters and the compressed file among it: 6 to 14 MiB as measured.
pub const PICTURE: u64 = 14 << 20;

impl Need {
    /// All of it. While the files of a case are read and joined, nothing but the image is there, but that up to twice; and the allocator keeps a
    /// quarter of the most for what comes next (`kernel/reuse.rs`).
    pub fn bytes(&self) -> u64 {
        let working = self.working().max(self.image.saturating_mul(2));
        [self.program, FIXED, self.picture, working, working / 4].into_iter().fold(0, u64::saturating_add)
    }

    /// `1 window`, `18 windows`.
    pub fn counted(&self) -> String {
        format!("{} window{}", self.windows, if self.windows == 1 { "" } else { "s" })
    }

    fn working(&self) -> u64 {
        [self.image, self.labels, self.slab, self.probabilities, self.network].into_iter().fold(0, u64::saturating_add)
    }
}

impl fmt::Display for Need {
    /// `760 MiB (program 22 MiB, image 68 MiB, ..., network 210 MiB, reading and reuse 148 MiB)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("program", self.program),
            ("image", self.image),
            ("labels", self.labels),
            ("planes at work", self.slab),
            ("probabilities", self.probabilities),
            ("network", self.network),
            ("picture", self.picture),
            ("reading and reuse", self.bytes().saturating_sub(self.program.saturating_add(self.picture).saturating_add(self.working()))),
        ];
        write!(f, "{} (", size(self.bytes()))?;
        for (n, (name, bytes)) in parts.into_iter().filter(|(_, b)| *b > 0).enumerate() {
            write!(f, "{}{name} {}", if n > 0 { ", " } else { "" }, size(bytes))?;
        }
        write!(f, ")")
    }
}

/// Bytes as `12 KiB`, `612 MiB`, `2.5 GiB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..0x10_0000 => format!("{} KiB", bytes.div_ceil(1 << 10)),
        0x10_0000..0x4000_0000 => format!("{} MiB", bytes.div_ceil(1 << 20)),
        _ => format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_summed_and_told() {
        let need = Need { image: 68 << 20, labels: 17 << 20, slab: 295 << 20, network: 3 << 29, program: 20 << 20, ..Need::default() };
        assert_eq!(need.bytes(), (40 << 20) + ((68 + 17 + 295 + 1536) << 20) / 4 * 5);
        assert_eq!(
            need.to_string(),
            "2.4 GiB (program 20 MiB, image 68 MiB, labels 17 MiB, planes at work 295 MiB, network 1.5 GiB, reading and reuse 499 MiB)"
        );
        assert_eq!(Need { image: 1000, labels: 10, ..Need::default() }.bytes(), FIXED + 2500);
        assert_eq!(Need { image: u64::MAX, slab: 5, ..Need::default() }.bytes(), u64::MAX);
    }
}
