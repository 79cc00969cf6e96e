//! Memory of the CPU kernels: reading a Flex tensor as one slice, writing a new one from many threads, scratch space that
//! stays with its thread, and sums whose result does not depend on the number of threads. Uses nothing of the crate.

use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{Bytes, DType, Shape};
use rayon::prelude::*;
use std::cell::RefCell;

/// Below this much work (floats touched) threads cost more than they bring.
const SERIAL: usize = 1 << 14;

/// A tensor of `f32` laid out in order.
pub struct InputBuffer(FlexTensor);

impl InputBuffer {
    /// Copies only if the tensor is a view that is not in order.
    pub fn new(t: FlexTensor) -> Self {
        InputBuffer(if t.as_slice::<f32>().is_some() { t } else { t.to_contiguous() })
    }
    pub fn data(&self) -> &[f32] {
        self.0.as_slice().unwrap_or(&[])
    }
    /// Dimensions of a tensor of any rank.
    pub fn shape(&self) -> Vec<usize> {
        self.0.layout().shape().iter().copied().collect()
    }
    /// Dimensions of a tensor of rank 5: `[N, C, D, H, W]`.
    pub fn dims(&self) -> [usize; 5] {
        self.0.layout().shape().dims()
    }
}

/// A pointer that several threads may write through, each its own part.
#[derive(Clone, Copy)]
pub struct SharedPtr(*mut f32);
// SAFETY: the kernels give every task a part of the buffer that no other task touches.
unsafe impl Send for SharedPtr {}
// SAFETY: as above.
unsafe impl Sync for SharedPtr {}

impl SharedPtr {
    /// # Safety
    /// `offset` lies inside the buffer.
    pub unsafe fn at(self, offset: usize) -> *mut f32 {
        // SAFETY: the caller vouches for it.
        unsafe { self.0.add(offset) }
    }
}

/// A tensor under construction.
pub struct OutputBuffer {
    data: Vec<f32>,
    shape: Vec<usize>,
}

impl OutputBuffer {
    pub fn new(shape: &[usize]) -> Self {
        OutputBuffer { data: Vec::with_capacity(shape.iter().product()), shape: shape.to_vec() }
    }
    pub fn shared(&mut self) -> SharedPtr {
        SharedPtr(self.data.as_mut_ptr())
    }
    /// # Safety
    /// Every element has been written.
    pub unsafe fn finish(mut self) -> FlexTensor {
        // SAFETY: the capacity was reserved in `new`, and the caller vouches for the contents.
        unsafe { self.data.set_len(self.shape.iter().product()) };
        tensor(self.data, &self.shape)
    }
}

/// A Flex tensor of these values.
pub fn tensor(data: Vec<f32>, shape: &[usize]) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(data), Layout::contiguous(Shape::from(shape.to_vec())), DType::F32)
}

/// Runs `f` for every task, in parallel where `work` floats in all are worth it.
pub fn each(tasks: usize, work: usize, f: impl Fn(usize) + Sync + Send) {
    if work < SERIAL || tasks < 2 { (0..tasks).for_each(f) } else { (0..tasks).into_par_iter().for_each(f) }
}

/// What every task gives, in the order of the tasks; parallel as in [`each`].
pub fn collect<R: Send>(tasks: usize, work: usize, f: impl Fn(usize) -> R + Sync + Send) -> Vec<R> {
    if work < SERIAL || tasks < 2 { (0..tasks).map(f).collect() } else { (0..tasks).into_par_iter().map(f).collect() }
}

/// Adds up what the tasks write into their `len` numbers, always in the order of the tasks.
pub fn sum(tasks: usize, len: usize, work: usize, f: impl Fn(usize, &mut [f64]) + Sync + Send) -> Vec<f64> {
    let parts = collect(tasks, work, |task| {
        let mut part = vec![0f64; len];
        f(task, &mut part);
        part
    });
    let mut total = vec![0f64; len];
    for part in parts {
        total.iter_mut().zip(part).for_each(|(t, p)| *t += p);
    }
    total
}

thread_local! {
    static SCRATCH: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Lends `f` a buffer of `len` floats with any contents, kept by the thread for the next call.
pub fn scratch<R>(len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut buffer = SCRATCH.with(|s| s.borrow_mut().pop()).unwrap_or_default();
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    let result = f(&mut buffer[..len]);
    SCRATCH.with(|s| s.borrow_mut().push(buffer));
    result
}
