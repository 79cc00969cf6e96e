//! Transposed convolution: forward is the data gradient of a convolution, and the other way round.

use super::conv3d::Geometry;
#[cfg(feature = "gpu")]
use super::gpu;
use super::{dense, on_cpu, reduce};
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use burn::tensor::ops::ConvTransposeOptions;

/// `torch.nn.functional.conv_transpose3d` without padding: `x [N, C_in, D, H, W]`, `w [C_in, C_out, kD, kH, kW]`,
/// `bias [C_out]`.
///
/// # Panics
/// As Burn's does if the shapes do not fit together.
pub fn conv_transpose3d(x: Tensor<5>, w: Tensor<5>, bias: Option<Tensor<1>>, stride: [usize; 3]) -> Tensor<5> {
    let [inputs, outputs, ..] = w.dims();
    let sound = x.dims()[1] == inputs && x.dims().iter().chain(&w.dims()).chain(&stride).all(|n| *n > 0);
    #[cfg(feature = "gpu")]
    {
        let [_, _, kernel @ ..] = w.dims();
        let geometry = Geometry { kernel, stride, padding: [0; 3], dilation: [1; 3] };
        if sound && gpu::convolves(&geometry) && gpu::takes(&x) && w.dtype() == x.dtype() {
            return gpu::conv_transpose3d(x, w, bias, geometry);
        }
    }
    if sound && on_cpu(&x) && on_cpu(&w) && bias.as_ref().is_none_or(|b| on_cpu(b) && b.dims()[0] == outputs) {
        let (x, w) = (x.into_dispatch(), w.into_dispatch());
        Tensor::from_dispatch(match bias {
            Some(bias) => Dispatch::transpose_biased(x, w, bias.into_dispatch(), stride),
            None => Dispatch::transpose(x, w, stride),
        })
    } else {
        portable(x, w, bias, stride)
    }
}

/// Burn's own.
pub(super) fn portable(x: Tensor<5>, w: Tensor<5>, bias: Option<Tensor<1>>, stride: [usize; 3]) -> Tensor<5> {
    burn::tensor::module::conv_transpose3d(x, w, bias, ConvTransposeOptions::new(stride, [0; 3], [0; 3], [1; 3], 1))
}

#[backend_extension(Flex, Autodiff)]
pub trait ConvTransposeExt: Backend {
    fn transpose(x: FloatTensor<Self>, w: FloatTensor<Self>, stride: [usize; 3]) -> FloatTensor<Self>;
    fn transpose_biased(x: FloatTensor<Self>, w: FloatTensor<Self>, bias: FloatTensor<Self>, stride: [usize; 3]) -> FloatTensor<Self>;
}

impl ConvTransposeExt for Flex {
    fn transpose(x: FlexTensor, w: FlexTensor, stride: [usize; 3]) -> FlexTensor {
        forward(x, w, None, stride)
    }
    fn transpose_biased(x: FlexTensor, w: FlexTensor, bias: FlexTensor, stride: [usize; 3]) -> FlexTensor {
        forward(x, w, Some(bias), stride)
    }
}

/// The convolution whose data gradient this is.
fn convolution(w: &FlexTensor, stride: [usize; 3]) -> Geometry {
    let [_, _, kd, kh, kw] = w.layout().shape().dims();
    Geometry { kernel: [kd, kh, kw], stride, padding: [0; 3], dilation: [1; 3] }
}

fn forward(x: FlexTensor, w: FlexTensor, bias: Option<FlexTensor>, stride: [usize; 3]) -> FlexTensor {
    let geometry = convolution(&w, stride);
    let [n, _, d, h, wd] = x.layout().shape().dims();
    let [_, outputs, ..]: [usize; 5] = w.layout().shape().dims();
    let size = |a: usize, n: usize| (n - 1) * stride[a] + geometry.kernel[a];
    dense::conv_transpose([n, outputs, size(0, d), size(1, h), size(2, wd)], w, x, bias, &geometry)
}

impl<C: CheckpointStrategy> ConvTransposeExt for Autodiff<Flex, C> {
    fn transpose(x: FloatTensor<Self>, w: FloatTensor<Self>, stride: [usize; 3]) -> FloatTensor<Self> {
        with_autodiff::<C>(x, w, None, stride)
    }
    fn transpose_biased(x: FloatTensor<Self>, w: FloatTensor<Self>, bias: FloatTensor<Self>, stride: [usize; 3]) -> FloatTensor<Self> {
        with_autodiff::<C>(x, w, Some(bias), stride)
    }
}

type AutodiffTensor<C> = FloatTensor<Autodiff<Flex, C>>;

fn with_autodiff<C: CheckpointStrategy>(
    x: AutodiffTensor<C>,
    w: AutodiffTensor<C>,
    bias: Option<AutodiffTensor<C>>,
    stride: [usize; 3],
) -> AutodiffTensor<C> {
    // Without a bias, the input's node stands in its place and gets nothing.
    let nodes = [x.node(), w.node(), bias.as_ref().map_or_else(|| x.node(), |b| b.node())];
    let has_bias = bias.is_some();
    match ConvTransposeBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(mut prep) => {
            let state = (prep.checkpoint(&x), prep.checkpoint(&w), has_bias, stride);
            prep.finish(state, forward(x.into_primitive(), w.into_primitive(), bias.map(|b| b.into_primitive()), stride))
        }
        OpsKind::UnTracked(prep) => prep.finish(forward(x.into_primitive(), w.into_primitive(), bias.map(|b| b.into_primitive()), stride)),
    }
}

#[derive(Debug)]
struct ConvTransposeBackward;

impl Backward<Flex, 3> for ConvTransposeBackward {
    type State = (NodeId, NodeId, bool, [usize; 3]);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let [x_node, w_node, bias_node] = ops.parents;
        let (x, w, has_bias, stride) = ops.state;
        let gy: FlexTensor = grads.consume::<Flex>(&ops.node);
        let x: FlexTensor = checkpointer.retrieve_node_output(x);
        let w: FlexTensor = checkpointer.retrieve_node_output(w);
        let geometry = convolution(&w, stride);
        if let Some(node) = bias_node.filter(|_| has_bias) {
            grads.register::<Flex>(node.id, reduce::channel_sums(gy.clone()));
        }
        if let Some(node) = w_node {
            grads.register::<Flex>(node.id, dense::grad_weight(gy.clone(), w.layout().shape().dims(), x, &geometry));
        }
        if let Some(node) = x_node {
            grads.register::<Flex>(node.id, dense::forward(gy, w, None, &geometry));
        }
    }
}
