//! Copying into a tensor in place, as PyTorch's `copy_`; Burn's own operations do so only for a tensor with a single owner.

use super::launch::{addresses, element, ordered, units};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

#[cube(launch_unchecked, address_type = "dynamic")]
fn copy<E: Float>(from: &[E], to: &mut [E], count: usize, #[define(E)] _element: ElemType) {
    if ABSOLUTE_POS < count {
        to[ABSOLUTE_POS] = from[ABSOLUTE_POS];
    }
}

/// Gives `to`, which must be in order, the values of `from` of the same shape.
pub fn overwrite(to: CubeTensor, from: CubeTensor) -> CubeTensor {
    let from = ordered(from);
    let count = from.meta.shape().num_elements();
    let (grid, block) = units(&to, count);
    let client = to.client.clone();
    // SAFETY: both have `count` values.
    unsafe {
        copy::launch_unchecked(
            &client,
            grid,
            block,
            addresses(&[&from, &to]),
            from.into_buffer_arg(),
            to.clone().into_buffer_arg(),
            count,
            element(&to),
        );
    }
    to
}
