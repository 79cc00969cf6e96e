//! Convolution of volumes: chooses among the kernels of this folder, or Burn's own where none fits or the tensor does not live
//! on the CPU as `f32`.

#[cfg(feature = "gpu")]
use super::gpu;
use super::{blocked, dense, depthwise, on_cpu, pointwise, reduce};
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::Tensor;
use burn::tensor::ops::ConvOptions;

/// What a convolution does with its places, per axis of `[D, H, W]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Geometry {
    pub kernel: [usize; 3],
    pub stride: [usize; 3],
    pub padding: [usize; 3],
    pub dilation: [usize; 3],
}

impl Geometry {
    /// Whether each place is made of the same place alone.
    pub fn is_pointwise(&self) -> bool {
        self.kernel == [1; 3] && self.stride == [1; 3] && self.padding == [0; 3]
    }

    /// Extent of the output, 0 where the kernel does not fit.
    pub fn output(&self, volume: [usize; 3]) -> [usize; 3] {
        std::array::from_fn(|a| {
            let reach = (self.kernel[a] - 1) * self.dilation[a] + 1;
            (volume[a] + 2 * self.padding[a]).checked_sub(reach).map_or(0, |room| room / self.stride[a] + 1)
        })
    }
}

/// A kernel of this folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    Depthwise,
    /// Few channels: lanes along the width.
    Dense,
    /// Many channels: lanes along the channels.
    Blocked,
    Pointwise,
}

/// Most weights of a pointwise convolution for each voxel; above, voxels are too few to lie along the lanes.
const WEIGHTS_PER_VOXEL: usize = 16;

/// Whether the shapes fit together and nothing is empty.
fn sound(x: [usize; 5], w: [usize; 5], groups: usize, geometry: &Geometry) -> bool {
    let fits = groups > 0 && w[1] * groups == x[1] && w[0].is_multiple_of(groups) && x.iter().chain(&w).all(|n| *n > 0);
    let places = geometry.stride.iter().chain(&geometry.dilation).all(|v| *v > 0);
    fits && places && !geometry.output([x[2], x[3], x[4]]).contains(&0)
}

fn route(x: [usize; 5], w: [usize; 5], groups: usize, geometry: &Geometry) -> Option<Route> {
    let (inputs, outputs) = (x[1], w[0]);
    if !sound(x, w, groups, geometry) {
        return None;
    }
    let voxels = x[0] * x[2] * x[3] * x[4];
    Some(if groups == 1 && geometry.is_pointwise() && inputs * outputs <= WEIGHTS_PER_VOXEL * voxels {
        Route::Pointwise
    } else if groups == inputs && outputs == inputs && depthwise::fits(geometry) {
        Route::Depthwise
    } else if blocked::fits(inputs / groups, outputs / groups, x[4]) {
        Route::Blocked
    } else {
        Route::Dense
    })
}

/// Convolution as `torch.nn.functional.conv3d`: `x [N, C, D, H, W]`, `w [O, C / groups, kD, kH, kW]`, `bias [O]`.
///
/// # Panics
/// As Burn's `conv3d` does if the shapes do not fit together.
pub fn conv3d(
    x: Tensor<5>,
    w: Tensor<5>,
    bias: Option<Tensor<1>>,
    stride: [usize; 3],
    padding: [usize; 3],
    dilation: [usize; 3],
    groups: usize,
) -> Tensor<5> {
    let [.., kd, kh, kw] = w.dims();
    let geometry = Geometry { kernel: [kd, kh, kw], stride, padding, dilation };
    #[cfg(feature = "gpu")]
    if sound(x.dims(), w.dims(), groups, &geometry) && gpu::convolves(&geometry) && gpu::takes(&x) && w.dtype() == x.dtype() {
        return gpu::conv3d(x, w, bias, geometry, groups);
    }
    let ours = on_cpu(&x) && on_cpu(&w) && bias.as_ref().is_none_or(|b| on_cpu(b) && b.dims()[0] == w.dims()[0]);
    let Some(route) = route(x.dims(), w.dims(), groups, &geometry).filter(|_| ours) else {
        return portable(x, w, bias, geometry, groups);
    };
    let (x, w) = (x.into_dispatch(), w.into_dispatch());
    Tensor::from_dispatch(match bias {
        Some(bias) => Dispatch::convolve_biased(x, w, bias.into_dispatch(), route, geometry),
        None => Dispatch::convolve(x, w, route, geometry),
    })
}

/// Burn's own.
pub(super) fn portable(x: Tensor<5>, w: Tensor<5>, bias: Option<Tensor<1>>, geometry: Geometry, groups: usize) -> Tensor<5> {
    let Geometry { stride, padding, dilation, .. } = geometry;
    burn::tensor::module::conv3d(x, w, bias, ConvOptions::new(stride, padding, dilation, groups))
}

#[backend_extension(Flex, Autodiff)]
pub trait Conv3dExt: Backend {
    fn convolve(x: FloatTensor<Self>, w: FloatTensor<Self>, route: Route, geometry: Geometry) -> FloatTensor<Self>;
    fn convolve_biased(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        route: Route,
        geometry: Geometry,
    ) -> FloatTensor<Self>;
}

impl Conv3dExt for Flex {
    fn convolve(x: FlexTensor, w: FlexTensor, route: Route, geometry: Geometry) -> FlexTensor {
        forward(x, w, None, route, geometry)
    }
    fn convolve_biased(x: FlexTensor, w: FlexTensor, bias: FlexTensor, route: Route, geometry: Geometry) -> FlexTensor {
        forward(x, w, Some(bias), route, geometry)
    }
}

fn forward(x: FlexTensor, w: FlexTensor, bias: Option<FlexTensor>, route: Route, geometry: Geometry) -> FlexTensor {
    match route {
        Route::Depthwise => depthwise::forward(x, w, bias, &geometry),
        Route::Dense => dense::forward(x, w, bias, &geometry),
        Route::Blocked => blocked::forward(x, w, bias, &geometry),
        Route::Pointwise => pointwise::forward(x, w, bias),
    }
}

impl<C: CheckpointStrategy> Conv3dExt for Autodiff<Flex, C> {
    fn convolve(x: FloatTensor<Self>, w: FloatTensor<Self>, route: Route, geometry: Geometry) -> FloatTensor<Self> {
        with_autodiff::<C>(x, w, None, route, geometry)
    }
    fn convolve_biased(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        route: Route,
        geometry: Geometry,
    ) -> FloatTensor<Self> {
        with_autodiff::<C>(x, w, Some(bias), route, geometry)
    }
}

type AutodiffTensor<C> = FloatTensor<Autodiff<Flex, C>>;

fn with_autodiff<C: CheckpointStrategy>(
    x: AutodiffTensor<C>,
    w: AutodiffTensor<C>,
    bias: Option<AutodiffTensor<C>>,
    route: Route,
    geometry: Geometry,
) -> AutodiffTensor<C> {
    // Without a bias, the input's node stands in its place and gets nothing.
    let nodes = [x.node(), w.node(), bias.as_ref().map_or_else(|| x.node(), |b| b.node())];
    let has_bias = bias.is_some();
    match Conv3dBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(mut prep) => {
            let state = State { x: prep.checkpoint(&x), w: prep.checkpoint(&w), x_dims: x.shape().dims(), has_bias, route, geometry };
            let y = forward(x.into_primitive(), w.into_primitive(), bias.map(|b| b.into_primitive()), route, geometry);
            prep.finish(state, y)
        }
        OpsKind::UnTracked(prep) => {
            prep.finish(forward(x.into_primitive(), w.into_primitive(), bias.map(|b| b.into_primitive()), route, geometry))
        }
    }
}

#[derive(Debug)]
struct Conv3dBackward;

#[derive(Clone, Debug)]
struct State {
    x: NodeId,
    w: NodeId,
    x_dims: [usize; 5],
    has_bias: bool,
    route: Route,
    geometry: Geometry,
}

impl Backward<Flex, 3> for Conv3dBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 3>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let [x_node, w_node, bias_node] = ops.parents;
        let State { x_dims, has_bias, route, geometry, .. } = ops.state;
        let gy: FlexTensor = grads.consume::<Flex>(&ops.node);
        let x: FlexTensor = checkpointer.retrieve_node_output(ops.state.x);
        let w: FlexTensor = checkpointer.retrieve_node_output(ops.state.w);
        let w_dims: [usize; 5] = w.layout().shape().dims();
        if let Some(node) = w_node {
            let dw = match route {
                Route::Depthwise => depthwise::grad_weight(x, gy.clone(), &geometry),
                Route::Dense => dense::grad_weight(x, w_dims, gy.clone(), &geometry),
                Route::Blocked => blocked::grad_weight(x, w_dims, gy.clone(), &geometry),
                Route::Pointwise => pointwise::grad_weight(x, gy.clone()),
            };
            grads.register::<Flex>(node.id, dw);
        }
        if let Some(node) = bias_node.filter(|_| has_bias) {
            grads.register::<Flex>(node.id, reduce::channel_sums(gy.clone()));
        }
        if let Some(node) = x_node {
            let dx = match route {
                Route::Depthwise => depthwise::grad_input(w, gy, &geometry),
                Route::Dense => dense::grad_input(x_dims, w, gy, &geometry),
                Route::Blocked => blocked::grad_input(x_dims, w, gy, None, &geometry),
                Route::Pointwise => pointwise::grad_input(w, gy),
            };
            grads.register::<Flex>(node.id, dx);
        }
    }
}
