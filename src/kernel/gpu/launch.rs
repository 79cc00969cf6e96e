//! What every kernel's start needs: tensors in order, new ones, the number of blocks, and sums over a block.

use burn::backend::cubecl::dtype_to_storage_type;
use burn::tensor::{DType, Shape};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// Threads of a block.
pub const UNITS: usize = 256;

/// The extent of a volume, in voxels.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub struct Extent {
    pub d: usize,
    pub h: usize,
    pub w: usize,
}

/// How a kernel takes an extent.
pub fn extent([d, h, w]: [usize; 3]) -> ExtentLaunch {
    ExtentLaunch::new(d, h, w)
}

/// Dimensions of a tensor of rank 5: `[N, C, D, H, W]`.
pub fn dims(x: &CubeTensor) -> [usize; 5] {
    x.meta.shape().dims()
}

/// The same values laid out in order.
pub fn ordered(x: CubeTensor) -> CubeTensor {
    into_contiguous(x)
}

/// A tensor with any contents on the device of `like`, laid out in order: CUDA's own choice would leave gaps between short rows.
pub fn empty<const D: usize>(like: &CubeTensor, shape: [usize; D], dtype: DType) -> CubeTensor {
    empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), Shape::from(shape), dtype)
}

/// The type of the values, for a kernel.
pub fn element(x: &CubeTensor) -> ElemType {
    dtype_to_storage_type(x.dtype)
}

/// The width of addresses that all the tensors need.
pub fn addresses(tensors: &[&CubeTensor]) -> AddressType {
    tensors.iter().map(|x| x.required_address_type()).max().unwrap_or_default()
}

/// Blocks of [`UNITS`] threads, one thread for each of `count` things. There may be some more blocks.
pub fn units(x: &CubeTensor, count: usize) -> (CubeCount, CubeDim) {
    let block = CubeDim::new_1d(UNITS as u32);
    (calculate_cube_count_elemwise(&x.client, count, block), block)
}

/// `count` blocks of [`UNITS`] threads. There may be some more.
pub fn blocks(x: &CubeTensor, count: usize) -> (CubeCount, CubeDim) {
    units(x, count * UNITS)
}

/// The sum of every thread's `value` over the block, for all of its threads.
#[cube]
pub fn over_block(shared: &mut Shared<[f32]>, value: f32) -> f32 {
    let me = UNIT_POS as usize;
    sync_cube();
    shared[me] = value;
    sync_cube();
    let mut half = comptime!(UNITS / 2).runtime();
    while half > 0 {
        if me < half {
            let other = shared[me + half];
            shared[me] += other;
        }
        half /= 2;
        sync_cube();
    }
    shared[0]
}

/// Adds up blocks' results: `parts [count, len]` to `out [len, repeat]` times `scale`, one block for each of `len`.
#[cube(launch_unchecked, address_type = "dynamic")]
fn fold_parts<E: Float>(
    parts: &[f32],
    out: &mut [E],
    count: usize,
    len: usize,
    scale: f32,
    repeat: usize,
    #[define(E)] _element: ElemType,
) {
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    if CUBE_POS >= len {
        terminate!();
    }
    let mut sum = 0.0f32;
    let mut part = UNIT_POS as usize;
    while part < count {
        sum += parts[part * len + CUBE_POS];
        part += UNITS;
    }
    let total = over_block(&mut shared, sum);
    let me = UNIT_POS as usize;
    if me < repeat {
        out[CUBE_POS * repeat + me] = E::cast_from(total * scale);
    }
}

/// The sums of `parts [count, ...]` (`f32`) over the first axis, times `scale`, each `repeat` times (at most [`UNITS`]), as a tensor of this
/// shape and type.
pub fn fold<const D: usize>(parts: CubeTensor, count: usize, (scale, repeat): (f32, usize), shape: [usize; D], dtype: DType) -> CubeTensor {
    let len = shape.iter().product::<usize>() / repeat;
    let out = empty(&parts, shape, dtype);
    let (count_of_blocks, block) = blocks(&out, len);
    let client = out.client.clone();
    // SAFETY: a block reads its column of `parts` and writes its own number.
    unsafe {
        fold_parts::launch_unchecked(
            &client,
            count_of_blocks,
            block,
            addresses(&[&parts, &out]),
            parts.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            count,
            len,
            scale,
            repeat,
            element(&out),
        );
    }
    out
}
