//! Maps of voxel coordinates relative to anchors.

use super::launch::{GpuExtent, addresses, dims, element, empty, extent, ordered, units};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// The sum over the axes of a voxel's place, a share of the extent, less the anchor's: `anchors [rows, 3]` to `y [rows, to]`.
#[cube(launch_unchecked, address_type = "dynamic")]
fn position_map<E: Float>(anchors: &[E], y: &mut [E], to: GpuExtent, count: usize, #[define(E)] _element: ElemType) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let w = ABSOLUTE_POS % to.w;
    let rest = ABSOLUTE_POS / to.w;
    let h = rest % to.h;
    let rest = rest / to.h;
    let d = rest % to.d;
    let row = 3 * (rest / to.d);
    let along_d = f32::cast_from(d) / f32::cast_from(to.d) - f32::cast_from(anchors[row]);
    let along_h = f32::cast_from(h) / f32::cast_from(to.h) - f32::cast_from(anchors[row + 1]);
    let along_w = f32::cast_from(w) / f32::cast_from(to.w) - f32::cast_from(anchors[row + 2]);
    y[ABSOLUTE_POS] = E::cast_from(along_d + along_h + along_w);
}

/// `anchors [N, 3 K, 1, 1, 1]` to `[N, K, to]`.
pub fn forward(anchors: CubeTensor, to: [usize; 3]) -> CubeTensor {
    let anchors = ordered(anchors);
    let [n, c, ..] = dims(&anchors);
    let y = empty(&anchors, [n, c / 3, to[0], to[1], to[2]], anchors.dtype);
    let count = y.meta.shape().num_elements();
    let (grid, block) = units(&y, count);
    let client = y.client.clone();
    // SAFETY: a thread writes its own place.
    unsafe {
        position_map::launch_unchecked(
            &client,
            grid,
            block,
            addresses(&[&anchors, &y]),
            anchors.into_buffer_arg(),
            y.clone().into_buffer_arg(),
            extent(to),
            count,
            element(&y),
        );
    }
    y
}
