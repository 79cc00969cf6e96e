//! Helpers to launch kernels: contiguous tensors, new ones, grid sizes, and reductions over a block.

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
pub struct GpuExtent {
    pub d: usize,
    pub h: usize,
    pub w: usize,
}

/// How a kernel takes an extent.
pub fn extent([d, h, w]: [usize; 3]) -> GpuExtentLaunch {
    GpuExtentLaunch::new(d, h, w)
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

/// Where a kernel writes whose threads read and write the same places, and how it takes that: over the first of what it reads (each with
/// its number among the kernel's arguments) that nobody else holds, or a new tensor of its shape. All lie in order.
pub fn over(read: &[(&CubeTensor, usize)]) -> (CubeTensor, BufferArg) {
    if let Some((x, position)) = read.iter().find(|(x, _)| x.can_mut()) {
        return ((*x).clone(), BufferArg::alias(*position, x.meta.num_elements()));
    }
    let out = empty(read[0].0, dims(read[0].0), read[0].0.dtype);
    (out.clone(), out.into_buffer_arg())
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

/// Adds up blocks' results: `parts [count, len]` to `out [len, repeat]` times `scale`; a block has `lanes` of `len`, its rows of threads a
/// share of `count` each.
#[cube(launch_unchecked, address_type = "dynamic")]
fn fold_parts<E: Float>(
    parts: &[f32],
    out: &mut [E],
    count: usize,
    len: usize,
    scale: f32,
    repeat: usize,
    #[comptime] lanes: usize,
    #[define(E)] _element: ElemType,
) {
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    let rows = comptime!(UNITS / lanes);
    let me = UNIT_POS as usize;
    let column = CUBE_POS * lanes + me % lanes;
    let mut sum = 0.0f32;
    if column < len {
        let mut part = me / lanes;
        while part < count {
            sum += parts[part * len + column];
            part += rows;
        }
    }
    shared[me] = sum;
    sync_cube();
    let mut half = comptime!(UNITS / 2).runtime();
    while half >= lanes {
        if me < half {
            let other = shared[me + half];
            shared[me] += other;
        }
        half /= 2;
        sync_cube();
    }
    if me < lanes && column < len {
        for i in 0..repeat {
            out[column * repeat + i] = E::cast_from(shared[me] * scale);
        }
    }
}

/// Parts that a thread adds up by itself, where there are as many.
const EACH: usize = 8;

/// The sums of `parts [count, ...]` (`f32`) over the first axis, times `scale`, each `repeat` times, as a tensor of this shape and type.
pub fn fold<const D: usize>(parts: CubeTensor, count: usize, (scale, repeat): (f32, usize), shape: [usize; D], dtype: DType) -> CubeTensor {
    if count == 1 && scale == 1.0 && repeat == 1 && dtype == DType::F32 {
        return CubeTensor::new_contiguous(parts.client, parts.device, Shape::from(shape), parts.handle, dtype);
    }
    let len = shape.iter().product::<usize>() / repeat;
    // Neighbours read neighbouring columns, but for so many parts that a column needs more threads.
    let lanes = [32, 8, 2].into_iter().find(|lanes| count * lanes <= EACH * UNITS && *lanes <= len).unwrap_or(1);
    let out = empty(&parts, shape, dtype);
    let (count_of_blocks, block) = blocks(&out, len.div_ceil(lanes));
    let client = out.client.clone();
    // SAFETY: a block reads its columns of `parts` and writes its own numbers; blocks beyond the last column do neither.
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
            lanes,
            element(&out),
        );
    }
    out
}
