//! Channels of ones and zeros out of the bits of volumes.

use super::launch::{addresses, dims, element, empty, ordered, units};
use crate::kernel::bits::PER;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// A voxel of every channel: `bits [N, P, space]` to `y [N, channels, space]`.
#[cube(launch_unchecked, address_type = "dynamic")]
fn unpack_channels<E: Float>(
    bits: &[E],
    y: &mut [E],
    space: usize,
    parts: usize,
    first: usize,
    channels: usize,
    count: usize,
    #[define(E)] _element: ElemType,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let n = ABSOLUTE_POS / space;
    let place = ABSOLUTE_POS % space;
    for c in 0..channels {
        let channel = first + c;
        let word = u32::cast_from(bits[(n * parts + channel / PER) * space + place]);
        let bit = (word >> u32::cast_from(channel % PER)) & 1u32;
        y[(n * channels + c) * space + place] = E::cast_from(bit);
    }
}

/// See [`crate::kernel::unpack`].
pub fn unpack(bits: CubeTensor, first: usize, channels: usize) -> CubeTensor {
    let bits = ordered(bits);
    let [n, parts, d, h, w] = dims(&bits);
    let y = empty(&bits, [n, channels, d, h, w], bits.dtype);
    let count = n * d * h * w;
    let (grid, block) = units(&bits, count);
    let client = bits.client.clone();
    // SAFETY: a thread writes its voxel's place in each channel, of which there are no more than were packed.
    unsafe {
        unpack_channels::launch_unchecked(
            &client,
            grid,
            block,
            addresses(&[&bits, &y]),
            bits.into_buffer_arg(),
            y.clone().into_buffer_arg(),
            d * h * w,
            parts,
            first,
            channels,
            count,
            element(&y),
        );
    }
    y
}
