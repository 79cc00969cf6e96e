//! Operations on Burn tensors: learned tensors, the forward pass of each operation, outputs that are deferred to their only reader.
//!
//! Part of `net`; may use `op` and `kernel`.

mod deformable;
mod expanded;
mod lazy;
mod moves;
mod norms;
mod ops;
mod tokens;
mod training;

use burn::module::{Module, Param, ParamId};
use burn::tensor::{DType, Device, Gradients, Shape, Tensor, TensorData};

pub use lazy::LazyTensor;
pub use training::{Observed, TrainingPass};

use super::device::tracked;
use crate::ir::{Array, WeightView};
use crate::kernel::in_order;
use crate::op::Op;

/// A learned tensor of any rank, in PyTorch's layout. It is held flat, `[n]`, as the optimiser sees it; operations read it in its shape.
#[derive(Module, Debug)]
pub struct Parameter {
    value: Param<Tensor<1>>,
    #[module(skip)]
    dims: Vec<usize>,
    /// The factor of its learning rate; 0 where it is frozen.
    #[module(skip)]
    factor: f64,
}

impl Parameter {
    /// From its numbers. Its id follows from its `name`, so that an optimiser's state fits the same network made again.
    pub(super) fn new(name: &str, array: &Array, device: &Device) -> Self {
        let mut head = [0; 8];
        head.copy_from_slice(&blake3::hash(name.as_bytes()).as_bytes()[..8]);
        let id = ParamId::from(u64::from_le_bytes(head));
        let data = TensorData::new(array.values.clone(), [array.values.len()]);
        let plain = device.clone().inner();
        let tensor = tracked(in_order(Tensor::from_data(data, &plain)), device);
        let (_, tensor, mapper) = Param::from_tensor(tensor).consume();
        Self { value: Param::from_mapped_value(id, tensor, mapper), dims: array.dims.clone(), factor: 1.0 }
    }

    pub fn id(&self) -> ParamId {
        self.value.id
    }

    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// How many numbers it has.
    pub fn len(&self) -> usize {
        self.dims.iter().product()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its numbers, `[n]`; no gradient comes back to them where it is frozen.
    pub fn flat(&self) -> Tensor<1> {
        if self.is_frozen() { self.value.val().detach() } else { self.value.val() }
    }

    /// Learns from now on by the learning rate times a factor, 0 to stay as it is.
    pub fn learn_by(&mut self, factor: f64) {
        self.factor = factor;
    }

    /// The factor of its learning rate, 1 unless it was told otherwise.
    pub fn factor(&self) -> f64 {
        self.factor
    }

    /// Whether it stays as it is.
    pub fn is_frozen(&self) -> bool {
        self.factor == 0.0
    }

    /// Its shape and numbers, in this machine's memory.
    pub fn array(&self) -> Array {
        Array::new(self.dims.clone(), numbers(self.flat()))
    }

    /// The gradient of a backward pass, `[n]`; nothing where none reached it.
    pub fn grad(&self, gradients: &Gradients) -> Option<Tensor<1>> {
        self.flat().grad(gradients)
    }

    /// Takes other numbers, of a function of the ones it has, `[n]`.
    pub fn map_flat(&mut self, change: impl FnOnce(Tensor<1>) -> Tensor<1>) {
        // The numbers are held by nobody else meanwhile, so that `change` may write over them.
        let nothing = Param::uninitialized(
            self.value.id,
            |device: &Device, _| Tensor::zeros([0], device),
            self.value.val().device(),
            false,
            Shape::from([0]),
        );
        let (id, value, mapper) = std::mem::replace(&mut self.value, nothing).consume();
        self.value = Param::from_mapped_value(id, change(value), mapper);
    }
}

/// The numbers of a tensor, in order.
pub(super) fn numbers<const D: usize>(t: Tensor<D>) -> Vec<f32> {
    t.into_data().convert::<f32>().try_into_vec::<f32>().unwrap_or_default()
}

/// An operation's learned tensors by name, in the precision that it computes in.
pub struct Weights<'a> {
    pub all: &'a [(&'static str, &'a Parameter)],
    /// Those of an operation inside an expansion, flat, with their shapes.
    pub views: &'a [(&'static str, Tensor<1>, Vec<usize>)],
    /// Its running statistics, with their places among the network's.
    pub buffers: &'a [(&'static str, usize, &'a Tensor<1>)],
    pub precision: DType,
    /// The pass in training that this is a part of; nothing in prediction.
    pub training: Option<&'a TrainingPass>,
    /// The place of the operation in the graph.
    pub place: usize,
}

impl Weights<'_> {
    /// A learned tensor of rank `D`, if the operation has it. Its gradient comes back in the parameter's own precision.
    pub fn find<const D: usize>(&self, name: &str) -> Option<Tensor<D>> {
        let (flat, dims) = self.flat(name)?;
        let dims: [usize; D] = dims.try_into().ok()?;
        Some(flat.cast(self.precision).reshape(dims))
    }

    /// A learned tensor as it lies in memory, and its shape.
    fn flat(&self, name: &str) -> Option<(Tensor<1>, &[usize])> {
        let own = self.all.iter().find(|(n, _)| *n == name).map(|(_, p)| (p.flat(), p.dims()));
        own.or_else(|| self.views.iter().find(|(n, ..)| *n == name).map(|(_, flat, dims)| (flat.clone(), dims.as_slice())))
    }

    /// What a view shows of a learned tensor, flat.
    fn view(&self, view: &WeightView) -> Option<Tensor<1>> {
        let (flat, dims) = self.flat(view.of)?;
        let wide = dims.iter().skip(1).product::<usize>();
        let part = flat.narrow(0, view.start * wide, view.rows * wide);
        let wanted: usize = view.dims.iter().product();
        Some(if view.rows * wide == 1 && wanted > 1 { part.repeat_dim(0, wanted) } else { part })
    }

    /// A running statistic that the operation declares in [`Operator::buffers`](crate::ir::Operator::buffers), `[C]`, with its place.
    pub fn buffer(&self, name: &str) -> (usize, Tensor<1>) {
        match self.buffers.iter().find(|(n, ..)| *n == name) {
            Some((_, place, t)) => (*place, (*t).clone()),
            None => unreachable!("the network is built from the same list of buffers"),
        }
    }

    /// A learned tensor that the operation declares in [`Operator::weights`](crate::ir::Operator::weights), of the rank that it says there.
    pub fn get<const D: usize>(&self, name: &str) -> Tensor<D> {
        match self.find(name) {
            Some(t) => t,
            None => unreachable!("the network is built from the same list of weights"),
        }
    }
}

/// The only input of an operation that takes one.
fn first<T>(x: Vec<T>) -> T {
    match x.into_iter().next() {
        Some(t) => t,
        None => unreachable!("the graph was inferred with an input here"),
    }
}

/// The inputs of an operation that takes two.
fn pair<T>(x: Vec<T>) -> [T; 2] {
    match x.try_into() {
        Ok(two) => two,
        Err(_) => unreachable!("the graph was inferred with two inputs here"),
    }
}

/// Running an operation on Burn.
pub trait Forward {
    /// Takes tensors `[N, C, D, H, W]` whose shapes `infer` accepts and gives one of the shape that it says.
    fn forward(&self, weights: &Weights, x: Vec<Tensor<5>>) -> Tensor<5>;

    /// Defers the output to the only operation that reads it ([`Operator::fuses_producer`](crate::ir::Operator::fuses_producer)), which fuses the two. `places` are the indices of the
    /// inputs among the values of the graph.
    ///
    /// # Errors
    /// The inputs as they are, where the output is to be computed here.
    fn defer(&self, x: Vec<LazyTensor>, places: &[usize]) -> Result<LazyTensor, Vec<LazyTensor>> {
        let _ = places;
        Err(x)
    }

    /// Its output after an operation that it fuses_epilogue ([`Operator::fuses_epilogue`](crate::ir::Operator::fuses_epilogue)).
    fn forward_with(&self, weights: &Weights, x: Vec<Tensor<5>>, next: &Op) -> Tensor<5> {
        next.forward(&Weights { all: &[], views: &[], buffers: &[], ..*weights }, vec![self.forward(weights, x)])
    }
}

macro_rules! dispatch {
    ($op:expr, $o:ident => $call:expr, $other:expr) => {
        match $op {
            Op::Input($o) => $call,
            Op::Conv3d($o) => $call,
            Op::ConvTranspose3d($o) => $call,
            Op::Linear($o) => $call,
            Op::GroupNorm($o) => $call,
            Op::Activation($o) => $call,
            Op::Softmax($o) => $call,
            Op::MaxPool3d($o) => $call,
            Op::GlobalAvgPool($o) => $call,
            Op::Resize($o) => $call,
            Op::Concat($o) => $call,
            Op::Slice($o) => $call,
            Op::Add($o) => $call,
            Op::Sub($o) => $call,
            Op::Mul($o) => $call,
            Op::ScaleShift($o) => $call,
            Op::PositionMap($o) => $call,
            Op::AvgPool3d($o) => $call,
            Op::Pad($o) => $call,
            Op::Crop($o) => $call,
            Op::BatchNorm($o) => $call,
            Op::LayerNorm($o) => $call,
            Op::ResponseNorm($o) => $call,
            Op::PRelu($o) => $call,
            Op::ChannelAffine($o) => $call,
            Op::ReduceChannels($o) => $call,
            Op::GlobalReduce($o) => $call,
            Op::Dropout($o) => $call,
            Op::Attention($o) => $call,
            Op::ChannelAttention($o) => $call,
            Op::LearnedVolume($o) => $call,
            Op::VoxelLinear($o) => $call,
            Op::NormaliseVoxels($o) => $call,
            Op::Reread($o) => $call,
            Op::SpaceToDepth($o) => $call,
            Op::DepthToSpace($o) => $call,
            Op::Regrid($o) => $call,
            Op::ConcatVoxels($o) => $call,
            Op::ClassToken($o) => $call,
            Op::SliceHeads($o) => $call,
            Op::StandardisedConv3d($o) => $call,
            Op::SinePosition($o) => $call,
            Op::DeformableAttention($o) => $call,
            Op::Other($o) => $other,
        }
    };
}

impl Forward for Op {
    fn forward(&self, weights: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        dispatch!(self, o => o.forward(weights, x), expanded::expanded(o.as_ref(), weights, x))
    }

    fn defer(&self, x: Vec<LazyTensor>, places: &[usize]) -> Result<LazyTensor, Vec<LazyTensor>> {
        dispatch!(self, o => o.defer(x, places), {
            let _ = o;
            Err(x)
        })
    }

    fn forward_with(&self, weights: &Weights, x: Vec<Tensor<5>>, next: &Op) -> Tensor<5> {
        dispatch!(self, o => o.forward_with(weights, x, next), {
            let own = expanded::expanded(o.as_ref(), weights, x);
            next.forward(&Weights { all: &[], views: &[], buffers: &[], ..*weights }, vec![own])
        })
    }
}
