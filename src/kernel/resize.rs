//! Trilinear resizing, corners not aligned (PyTorch's `interpolate(mode="trilinear", align_corners=False)`), axis after axis.
//! The backward pass gathers by the transposed weights, so no two threads add to one place.

use super::buffer::{InputBuffer, OutputBuffer, each, scratch};
use super::lanes::{Isa, Lanes, SimdKernel, run};
use super::on_cpu;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Tensor, TensorData};

/// `x [N, C, D, H, W]` resized to `[N, C, size]`.
///
/// # Panics
/// If `size` or the volume is empty.
pub fn resize_trilinear(x: Tensor<5>, size: [usize; 3]) -> Tensor<5> {
    let [.., d, h, w] = x.dims();
    assert!(size.iter().chain(&[d, h, w]).all(|n| *n > 0), "resize_trilinear: from {:?} to {size:?}", [d, h, w]);
    #[cfg(feature = "gpu")]
    if size != [d, h, w] && super::gpu::takes(&x) {
        return super::gpu::resize_trilinear(x, size);
    }
    if size == [d, h, w] {
        x
    } else if on_cpu(&x) {
        Tensor::from_dispatch(Dispatch::resize(x.into_dispatch(), size))
    } else {
        portable(x, size)
    }
}

/// Products with constant matrices, which differentiate on every device.
pub(super) fn portable(x: Tensor<5>, size: [usize; 3]) -> Tensor<5> {
    let [n, c, d, h, w] = x.dims();
    let [od, oh, ow] = size;
    let (device, dtype) = (x.device(), x.dtype());
    let matrix =
        |from: usize, to: usize| Tensor::<3>::from_data(TensorData::new(Axis::new(from, to).matrix(), [1, to, from]), &device).cast(dtype);
    let mut x = x.reshape([1, n * c * d * h, w]);
    if ow != w {
        x = x.matmul(matrix(w, ow).swap_dims(1, 2));
    }
    let mut x = x.reshape([n * c * d, h, ow]);
    if oh != h {
        x = matrix(h, oh).expand([n * c * d, oh, h]).matmul(x);
    }
    let mut x = x.reshape([n * c, d, oh * ow]);
    if od != d {
        x = matrix(d, od).expand([n * c, od, d]).matmul(x);
    }
    x.reshape([n, c, od, oh, ow])
}

#[backend_extension(Flex, Autodiff)]
pub trait ResizeExt: Backend {
    fn resize(x: FloatTensor<Self>, size: [usize; 3]) -> FloatTensor<Self>;
}

impl ResizeExt for Flex {
    fn resize(x: FlexTensor, size: [usize; 3]) -> FlexTensor {
        forward(&InputBuffer::new(x), size)
    }
}

impl<C: CheckpointStrategy> ResizeExt for Autodiff<Flex, C> {
    fn resize(x: FloatTensor<Self>, size: [usize; 3]) -> FloatTensor<Self> {
        let dims = x.shape().dims();
        match ResizeBackward.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(dims, Flex::resize(x.into_primitive(), size)),
            OpsKind::UnTracked(prep) => prep.finish(Flex::resize(x.into_primitive(), size)),
        }
    }
}

#[derive(Debug)]
struct ResizeBackward;

impl Backward<Flex, 1> for ResizeBackward {
    /// The input's dimensions.
    type State = [usize; 5];

    fn backward(self, ops: Ops<[usize; 5], 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gy: FlexTensor = grads.consume::<Flex>(&ops.node);
        if let [Some(node)] = ops.parents {
            grads.register::<Flex>(node.id, backward(&InputBuffer::new(gy), ops.state));
        }
    }
}

/// For every place of an output axis: its two sources and the weight of the second.
struct Axis {
    from: usize,
    taps: Vec<(usize, usize, f32)>,
}

impl Axis {
    fn new(from: usize, to: usize) -> Self {
        let scale = from as f64 / to as f64;
        let tap = |i: usize| {
            let place = ((i as f64 + 0.5) * scale - 0.5).max(0.0);
            let low = (place as usize).min(from - 1);
            (low, (low + 1).min(from - 1), (place - low as f64) as f32)
        };
        Axis { from, taps: (0..to).map(tap).collect() }
    }

    /// `[to, from]`, row by row.
    fn matrix(&self) -> Vec<f32> {
        let mut matrix = vec![0.0; self.taps.len() * self.from];
        for (row, (low, high, weight)) in matrix.chunks_exact_mut(self.from).zip(&self.taps) {
            row[*low] += 1.0 - weight;
            row[*high] += weight;
        }
        matrix
    }

    /// For every source, the outputs that use it and their weights, in order.
    fn transposed(&self) -> Vec<Vec<(usize, f32)>> {
        let mut users: Vec<Vec<(usize, f32)>> = vec![Vec::new(); self.from];
        for (i, (low, high, weight)) in self.taps.iter().enumerate() {
            users[*low].push((i, 1.0 - weight));
            if *weight != 0.0 {
                users[*high].push((i, *weight));
            }
        }
        users
    }
}

fn forward(x: &InputBuffer, size: [usize; 3]) -> FlexTensor {
    let [n, c, d, h, w] = x.dims();
    let [od, oh, ow] = size;
    let axes = [Axis::new(d, od), Axis::new(h, oh), Axis::new(w, ow)];
    let mut out = OutputBuffer::new(&[n, c, od, oh, ow]);
    let to = out.shared();
    each(n * c * od, n * c * od * oh * ow, |task| {
        let (channel, plane) = (task / od, task % od);
        let plane_at = |d_in: usize| &x.data()[(channel * d + d_in) * h * w..][..h * w];
        scratch(h * w + w, |buffer| {
            let (blend, row) = buffer.split_at_mut(h * w);
            let (low, high, weight) = axes[0].taps[plane];
            mix(blend, &[(plane_at(low), 1.0 - weight), (plane_at(high), weight)]);
            for (i, (low, high, weight)) in axes[1].taps.iter().enumerate() {
                mix(row, &[(&blend[low * w..][..w], 1.0 - weight), (&blend[high * w..][..w], *weight)]);
                // SAFETY: this task's own row.
                let out = unsafe { std::slice::from_raw_parts_mut(to.at((task * oh + i) * ow), ow) };
                interpolate_row(row, &axes[2], out);
            }
        });
    });
    // SAFETY: the tasks cover every row.
    unsafe { out.finish() }
}

/// A row along the axis.
fn interpolate_row(row: &[f32], axis: &Axis, out: &mut [f32]) {
    if axis.taps.len() == 2 * row.len() {
        // Twice as many: the weights are 1/4 and 3/4 throughout.
        let last = row.len() - 1;
        for (i, out) in out.chunks_exact_mut(2).enumerate() {
            let (before, here, after) = (row[i.saturating_sub(1)], row[i], row[(i + 1).min(last)]);
            out[0] = 0.25 * before + 0.75 * here;
            out[1] = 0.75 * here + 0.25 * after;
        }
    } else {
        for (out, (low, high, weight)) in out.iter_mut().zip(&axis.taps) {
            *out = (1.0 - weight) * row[*low] + weight * row[*high];
        }
    }
}

fn backward(gy: &InputBuffer, dims: [usize; 5]) -> FlexTensor {
    let [n, c, d, h, w] = dims;
    let [_, _, od, oh, ow] = gy.dims();
    let users = [Axis::new(d, od), Axis::new(h, oh)].map(|axis| axis.transposed());
    let columns = Axis::new(w, ow);
    let mut out = OutputBuffer::new(&dims);
    let to = out.shared();
    each(n * c * d, n * c * od * oh * ow, |task| {
        let (channel, plane) = (task / d, task % d);
        scratch(oh * ow + ow, |buffer| {
            let (blend, row) = buffer.split_at_mut(oh * ow);
            let planes: Vec<_> =
                users[0][plane].iter().map(|(i, weight)| (&gy.data()[(channel * od + i) * oh * ow..][..oh * ow], *weight)).collect();
            mix(blend, &planes);
            for (i, users) in users[1].iter().enumerate() {
                let rows: Vec<_> = users.iter().map(|(i, weight)| (&blend[i * ow..][..ow], *weight)).collect();
                mix(row, &rows);
                // SAFETY: this task's own row.
                let out = unsafe { std::slice::from_raw_parts_mut(to.at((task * h + i) * w), w) };
                interpolate_row_transposed(row, &columns, out);
            }
        });
    });
    // SAFETY: the tasks cover every row.
    unsafe { out.finish() }
}

/// The transposed of [`interpolate_row`].
fn interpolate_row_transposed(row: &[f32], axis: &Axis, out: &mut [f32]) {
    if row.len() == 2 * out.len() && out.len() > 1 {
        // What stands left of the first and right of the last is the first and the last.
        let last = out.len() - 1;
        out[0] = row[0] + 0.75 * row[1] + 0.25 * row[2];
        out[last] = 0.25 * row[2 * last - 1] + 0.75 * row[2 * last] + row[2 * last + 1];
        for (out, row) in out[1..last].iter_mut().zip(row[1..].windows(4).step_by(2)) {
            *out = 0.25 * (row[0] + row[3]) + 0.75 * (row[1] + row[2]);
        }
        return;
    }
    out.fill(0.0);
    for (v, (low, high, weight)) in row.iter().zip(&axis.taps) {
        out[*low] += (1.0 - weight) * v;
        out[*high] += weight * v;
    }
}

/// `out = sum of weight * part`.
fn mix(out: &mut [f32], parts: &[(&[f32], f32)]) {
    match parts {
        [] => out.fill(0.0),
        [(part, weight)] if *weight == 1.0 => out.copy_from_slice(part),
        [(a, u), (_, v)] if *u == 1.0 && *v == 0.0 => out.copy_from_slice(a),
        // SAFETY: the job reads and writes slices of one length.
        [a, b] => unsafe { run(Isa::widest(), Mix { out, a: *a, b: Some(*b), add: false }) },
        [a, rest @ ..] => {
            // SAFETY: as above.
            unsafe { run(Isa::widest(), Mix { out, a: *a, b: None, add: false }) };
            for part in rest {
                // SAFETY: as above.
                unsafe { run(Isa::widest(), Mix { out, a: *part, b: None, add: true }) };
            }
        }
    }
}

struct Mix<'a> {
    out: &'a mut [f32],
    a: (&'a [f32], f32),
    b: Option<(&'a [f32], f32)>,
    add: bool,
}

impl SimdKernel for Mix<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let n = self.out.len().min(self.a.0.len()).min(self.b.map_or(usize::MAX, |b| b.0.len()));
        let (a, u) = (self.a.0.as_ptr(), self.a.1);
        let out = self.out.as_mut_ptr();
        // SAFETY: whole vectors and a head, inside the slices.
        unsafe {
            let u = L::splat(u);
            for i in (0..n).step_by(L::N) {
                let live = (n - i).min(L::N);
                let load = |p: *const f32| if live == L::N { L::load(p.add(i)) } else { L::load_head(p.add(i), live) };
                let mixed = match (self.b, self.add) {
                    (Some((b, v)), _) => load(a).mul_add(u, load(b.as_ptr()).mul(L::splat(v))),
                    (None, false) => load(a).mul(u),
                    (None, true) => load(a).mul_add(u, load(out)),
                };
                if live == L::N { mixed.store(out.add(i)) } else { mixed.store_head(out.add(i), live) }
            }
        }
    }
}
