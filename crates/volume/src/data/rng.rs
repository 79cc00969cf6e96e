//! Random number generators, one independent stream for each purpose.
//!
//! Depends on nothing of this crate.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// What a generator is for: each purpose has a stream of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum RngStream {
    Split = 1,
    Order = 2,
    Patch = 3,
    Phantom = 4,
    Warp = 5,
    Intensity = 6,
    Validation = 7,
}

/// The generator of `(seed, purpose, epoch, index)`.
pub fn draw(seed: u64, purpose: RngStream, epoch: u64, index: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (place, word) in key.chunks_exact_mut(8).zip([seed, purpose as u64, epoch, 0]) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(index);
    rng
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    #[test]
    fn each_place_has_its_own_numbers_and_keeps_them() {
        let first = |s, p, e, i| draw(s, p, e, i).random::<u64>();
        let all = [
            first(1, RngStream::Patch, 0, 0),
            first(2, RngStream::Patch, 0, 0),
            first(1, RngStream::Order, 0, 0),
            first(1, RngStream::Patch, 1, 0),
            first(1, RngStream::Patch, 0, 1),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b));
        }
        assert_eq!(all[0], first(1, RngStream::Patch, 0, 0));
    }
}
