//! Channels of ones and zeros, packed into the bits of fewer volumes.

#[cfg(feature = "gpu")]
use super::gpu;
use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;

/// Channels to a volume: whole numbers of so many bits are exact in an `f32`.
pub(super) const PER: usize = 24;

/// Volumes that so many channels take.
pub fn volumes(channels: usize) -> usize {
    channels.div_ceil(PER).max(1)
}

/// Ones in zeros, `[N, C, volume]`, which take a volume for every `PER` channels.
#[derive(Debug)]
pub struct Packed {
    bits: Vec<u32>,
    parts: usize,
    volume: usize,
}

impl Packed {
    pub fn new(n: usize, channels: usize, volume: usize) -> Self {
        let parts = volumes(channels);
        Self { bits: vec![0; n * parts * volume], parts, volume }
    }

    /// Puts a one.
    ///
    /// # Panics
    /// Where there is no such place.
    pub fn set(&mut self, n: usize, channel: usize, place: usize) {
        assert!(place < self.volume && channel / PER < self.parts, "a packed place is inside");
        self.bits[(n * self.parts + channel / PER) * self.volume + place] |= 1 << (channel % PER);
    }

    /// The bits as numbers, `[N, P, volume]`, and `P`.
    pub fn into_values(self) -> (Vec<f32>, usize) {
        (self.bits.into_iter().map(|b| b as f32).collect(), self.parts)
    }
}

/// `count` channels from the first one on, 1 or 0, of packed ones `[N, P, D, H, W]`: `[N, count, D, H, W]` (`f32`).
///
/// # Panics
/// If there are not so many.
pub fn unpack(bits: Tensor<5>, first: usize, count: usize) -> Tensor<5> {
    let [n, parts, d, h, w] = bits.dims();
    assert!(first + count <= parts * PER, "no more channels are unpacked than were packed");
    #[cfg(feature = "gpu")]
    if gpu::takes(&bits) {
        return gpu::unpack(bits, first, count);
    }
    let device = bits.device();
    let from = bits.into_data().try_into_vec::<f32>().unwrap_or_default();
    let volume = d * h * w;
    let mut all = vec![0f32; n * count * volume];
    all.par_chunks_mut(volume.max(1)).enumerate().for_each(|(row, to)| {
        let channel = first + row % count;
        let at = (row / count * parts + channel / PER) * volume;
        for (to, from) in to.iter_mut().zip(&from[at..at + volume]) {
            *to = (*from as u32 >> (channel % PER) & 1) as f32;
        }
    });
    Tensor::from_data(TensorData::new(all, [n, count, d, h, w]), &device)
}
