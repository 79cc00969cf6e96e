//! Transposed convolution: forward is the data gradient of a convolution, and the other way round.

use super::conv3d::Geometry;
#[cfg(feature = "gpu")]
use super::gpu;
use super::{blocked, dense, on_cpu, reduce};
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use burn::tensor::ops::ConvTransposeOptions;

/// How a transposed convolution lays its kernels beside each other, per axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransposeWindow {
    pub stride: [usize; 3],
    /// Places of the result that are left out on both sides.
    pub padding: [usize; 3],
    /// Places that it has behind them.
    pub output_padding: [usize; 3],
    pub groups: usize,
}

impl TransposeWindow {
    /// With nothing left out or put on, and one group.
    pub fn of(stride: [usize; 3]) -> Self {
        Self { stride, padding: [0; 3], output_padding: [0; 3], groups: 1 }
    }

    /// The convolution whose data gradient this is, for weights of these dimensions.
    fn convolution(&self, w: [usize; 5]) -> Geometry {
        let [_, _, kernel @ ..] = w;
        Geometry { kernel, stride: self.stride, padding: self.padding, dilation: [1; 3] }
    }

    /// The dimensions of the result; none where nothing would be left, or what is put on reaches into another kernel's place.
    fn result(&self, x: [usize; 5], w: [usize; 5]) -> Option<[usize; 5]> {
        let size = |a: usize| {
            let whole = (x[a + 2].checked_sub(1)? * self.stride[a]) + w[a + 2] + self.output_padding[a];
            whole.checked_sub(2 * self.padding[a]).filter(|n| *n > 0 && self.output_padding[a] < self.stride[a])
        };
        Some([x[0], w[1] * self.groups, size(0)?, size(1)?, size(2)?])
    }
}

/// `torch.nn.functional.conv_transpose3d`: `x [N, C_in, D, H, W]`, `w [C_in, C_out / groups, kD, kH, kW]`, `bias [C_out]`.
///
/// # Panics
/// As Burn's does if the shapes do not fit together.
pub fn conv_transpose3d(x: Tensor<5>, w: Tensor<5>, bias: Option<Tensor<1>>, window: TransposeWindow) -> Tensor<5> {
    let [inputs, outputs, ..] = w.dims();
    let numbers = [window.groups].into_iter().chain(x.dims()).chain(w.dims()).chain(window.stride);
    let sound = numbers.min() > Some(0) && x.dims()[1] == inputs && inputs.is_multiple_of(window.groups);
    #[cfg(feature = "gpu")]
    if window == TransposeWindow::of(window.stride) {
        let geometry = window.convolution(w.dims());
        if sound && gpu::convolves(&geometry) && gpu::takes(&x) && w.dtype() == x.dtype() {
            return gpu::conv_transpose3d(x, w, bias, geometry);
        }
    }
    let own = bias.as_ref().is_none_or(|b| on_cpu(b) && b.dims()[0] == outputs * window.groups);
    if sound && own && on_cpu(&x) && on_cpu(&w) && window.result(x.dims(), w.dims()).is_some() {
        let (x, w) = (x.into_dispatch(), w.into_dispatch());
        Tensor::from_dispatch(match bias {
            Some(bias) => Dispatch::transpose_biased(x, w, bias.into_dispatch(), window),
            None => Dispatch::transpose(x, w, window),
        })
    } else {
        portable(x, w, bias, window)
    }
}

/// Burn's own.
pub(super) fn portable(x: Tensor<5>, w: Tensor<5>, bias: Option<Tensor<1>>, window: TransposeWindow) -> Tensor<5> {
    let TransposeWindow { stride, padding, output_padding, groups } = window;
    burn::tensor::module::conv_transpose3d(x, w, bias, ConvTransposeOptions::new(stride, padding, output_padding, [1; 3], groups))
}

#[backend_extension(Flex, Autodiff)]
pub trait ConvTransposeExt: Backend {
    fn transpose(x: FloatTensor<Self>, w: FloatTensor<Self>, window: TransposeWindow) -> FloatTensor<Self>;
    fn transpose_biased(x: FloatTensor<Self>, w: FloatTensor<Self>, bias: FloatTensor<Self>, window: TransposeWindow) -> FloatTensor<Self>;
}

impl ConvTransposeExt for Flex {
    fn transpose(x: FlexTensor, w: FlexTensor, window: TransposeWindow) -> FlexTensor {
        forward(x, w, None, window)
    }
    fn transpose_biased(x: FlexTensor, w: FlexTensor, bias: FlexTensor, window: TransposeWindow) -> FlexTensor {
        forward(x, w, Some(bias), window)
    }
}

fn forward(x: FlexTensor, w: FlexTensor, bias: Option<FlexTensor>, window: TransposeWindow) -> FlexTensor {
    let (x_dims, w_dims): ([usize; 5], [usize; 5]) = (x.layout().shape().dims(), w.layout().shape().dims());
    let Some(dims) = window.result(x_dims, w_dims) else { unreachable!("the window was looked at before") };
    let geometry = window.convolution(w_dims);
    if blocked::fits(x_dims[1] / window.groups, w_dims[1], x_dims[4]) {
        blocked::grad_input(dims, w, x, bias, &geometry)
    } else {
        dense::conv_transpose(dims, w, x, bias, &geometry)
    }
}

impl<C: CheckpointStrategy> ConvTransposeExt for Autodiff<Flex, C> {
    fn transpose(x: FloatTensor<Self>, w: FloatTensor<Self>, window: TransposeWindow) -> FloatTensor<Self> {
        with_autodiff::<C>(x, w, None, window)
    }
    fn transpose_biased(x: FloatTensor<Self>, w: FloatTensor<Self>, bias: FloatTensor<Self>, window: TransposeWindow) -> FloatTensor<Self> {
        with_autodiff::<C>(x, w, Some(bias), window)
    }
}

type AutodiffTensor<C> = FloatTensor<Autodiff<Flex, C>>;

fn with_autodiff<C: CheckpointStrategy>(
    x: AutodiffTensor<C>,
    w: AutodiffTensor<C>,
    bias: Option<AutodiffTensor<C>>,
    window: TransposeWindow,
) -> AutodiffTensor<C> {
    // Without a bias, the input's node stands in its place and gets nothing.
    let nodes = [x.node(), w.node(), bias.as_ref().map_or_else(|| x.node(), |b| b.node())];
    let has_bias = bias.is_some();
    match ConvTransposeBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(mut prep) => {
            let state = (prep.checkpoint(&x), prep.checkpoint(&w), has_bias, window);
            prep.finish(state, forward(x.into_primitive(), w.into_primitive(), bias.map(|b| b.into_primitive()), window))
        }
        OpsKind::UnTracked(prep) => prep.finish(forward(x.into_primitive(), w.into_primitive(), bias.map(|b| b.into_primitive()), window)),
    }
}

#[derive(Debug)]
struct ConvTransposeBackward;

impl Backward<Flex, 3> for ConvTransposeBackward {
    type State = (NodeId, NodeId, bool, TransposeWindow);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let [x_node, w_node, bias_node] = ops.parents;
        let (x, w, has_bias, window) = ops.state;
        let gy: FlexTensor = grads.consume::<Flex>(&ops.node);
        let x: FlexTensor = checkpointer.retrieve_node_output(x);
        let w: FlexTensor = checkpointer.retrieve_node_output(w);
        let (x_dims, w_dims): ([usize; 5], [usize; 5]) = (x.layout().shape().dims(), w.layout().shape().dims());
        let geometry = window.convolution(w_dims);
        if let Some(node) = bias_node.filter(|_| has_bias) {
            grads.register::<Flex>(node.id, reduce::channel_sums(gy.clone()));
        }
        let many = blocked::fits(w_dims[0] / window.groups, w_dims[1], x_dims[4]);
        if let Some(node) = w_node {
            let grad_weight = if many { blocked::grad_weight } else { dense::grad_weight };
            grads.register::<Flex>(node.id, grad_weight(gy.clone(), w_dims, x, &geometry));
        }
        if let Some(node) = x_node {
            let forward = if many { blocked::forward } else { dense::forward };
            grads.register::<Flex>(node.id, forward(gy, w, None, &geometry));
        }
    }
}
