//! What machines run: one file per operation, each with its shape rule, its cost and its weights.
//!
//! Level 2: may use `text` and `ir`.
//!
//! Adding an operation: one file, its `mod` line, and its name in the list below.

mod activation;
mod add;
mod affine;
mod arity;
mod attention;
mod avg_pool3d;
mod batch_norm;
mod channel_affine;
mod channel_attention;
mod concat;
mod conv3d;
mod conv_transpose3d;
mod crop;
mod deformable_attention;
mod dropout;
mod global_avg_pool;
mod global_reduce;
mod group_norm;
mod input;
mod layer_norm;
mod learned_volume;
mod linear;
mod max_pool3d;
mod mul;
mod pad;
mod position_map;
mod prelu;
mod reduce_channels;
mod resize;
mod response_norm;
mod scale_shift;
mod sequence;
mod sine_position;
mod slice;
mod slice_heads;
mod softmax;
mod space_to_depth;
mod standardised_conv3d;
mod sub;
mod voxel_linear;

pub use activation::Function;
pub use attention::{AttentionBias, MASKED};
pub use deformable_attention::SampleCorners;
pub use dropout::DropScope;
pub use global_reduce::Statistic;
pub use pad::PadMode;
pub use reduce_channels::Reduction;
pub use resize::Interpolation;
pub(crate) use standardised_conv3d::standardised;

use std::any::Any;
use std::sync::Arc;

use crate::ir::{
    Access, Cost, Expansion, Fact, Fault, Length, OnnxBuilder, OnnxValue, Operator, SavedForBackward, Volume64, Weight, Weights64,
};
use serde::{Deserialize, Serialize};

/// A worked example of an operation: the laws are checked on it and on mutations of it.
pub struct Example {
    pub op: Op,
    pub inputs: Vec<Fact>,
}

/// What each operation's file provides beside [`Operator`].
trait Examples: Sized + Into<Op> {
    /// Specs and inputs that fit, odd sizes and batch 2 among them.
    fn examples() -> Vec<(Self, Vec<Fact>)>;
}

macro_rules! ops {
    ($($module:ident :: $name:ident,)*) => {
        $(pub use $module::$name;)*

        /// Any operation.
        #[derive(Clone, Debug, Serialize, Deserialize)]
        pub enum Op {
            $($name($name),)*
            /// One that is not in the list: of another crate, or of a test. It runs as what it expands to.
            #[serde(skip)]
            Other(Arc<dyn Operator>),
        }

        $(impl From<$name> for Op {
            fn from(op: $name) -> Op { Op::$name(op) }
        })*

        impl From<Arc<dyn Operator>> for Op {
            fn from(op: Arc<dyn Operator>) -> Op {
                let any: &dyn Any = op.as_ref();
                $(if let Some(o) = any.downcast_ref::<$name>() {
                    return Op::$name(o.clone());
                })*
                Op::Other(op)
            }
        }

        impl Op {
            /// What it is.
            fn inner(&self) -> &dyn Operator {
                match self {
                    $(Op::$name(o) => o,)*
                    Op::Other(o) => o.as_ref(),
                }
            }
        }

        impl Op {
            /// The worked examples of every operation: what the laws walk.
            pub fn examples() -> Vec<Example> {
                let mut all = vec![];
                $(all.extend(<$name as Examples>::examples().into_iter().map(|(op, inputs)| Example { op: op.into(), inputs }));)*
                all
            }

            /// The names of all operations.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name),)*];
        }
    };
}

impl PartialEq for Op {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

/// Everything that can be asked is asked of what it is.
macro_rules! forward {
    ($($name:ident($($arg:ident: $t:ty),*) -> $r:ty;)*) => {
        impl Operator for Op {
            $(fn $name(&self, $($arg: $t),*) -> $r {
                self.inner().$name($($arg),*)
            })*
        }
    };
}

forward! {
    kind() -> &'static str;
    infer(x: &[Fact]) -> Result<Fact, Fault>;
    weights(x: &[Fact]) -> Vec<Weight>;
    buffers(x: &[Fact]) -> Vec<Weight>;
    work(x: &[Fact], y: &Fact) -> Result<Cost, Fault>;
    saved(x: &[Fact], learns: &[bool]) -> SavedForBackward;
    fuses_epilogue(next: &str) -> bool;
    fuses_producer(before: &str) -> bool;
    access() -> Access;
    reads(slot: usize) -> bool;
    commutes() -> bool;
    is_pure() -> bool;
    length(x: &[Length], axis: usize) -> Option<Length>;
    ptflops(x: &[Fact], y: &Fact) -> Result<u64, Fault>;
    thop(x: &[Fact], y: &Fact) -> Result<Option<u64>, Fault>;
    reference(weights: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64>;
    expand(x: &[Fact]) -> Option<Expansion>;
    onnx(n: &mut OnnxBuilder<'_>) -> Option<OnnxValue>;
    fixed_in_onnx() -> Option<&'static str>;
}

ops! {
    input::Input,
    conv3d::Conv3d,
    conv_transpose3d::ConvTranspose3d,
    linear::Linear,
    group_norm::GroupNorm,
    activation::Activation,
    softmax::Softmax,
    max_pool3d::MaxPool3d,
    global_avg_pool::GlobalAvgPool,
    resize::Resize,
    concat::Concat,
    slice::Slice,
    add::Add,
    sub::Sub,
    mul::Mul,
    scale_shift::ScaleShift,
    position_map::PositionMap,
    avg_pool3d::AvgPool3d,
    pad::Pad,
    crop::Crop,
    batch_norm::BatchNorm,
    layer_norm::LayerNorm,
    response_norm::ResponseNorm,
    prelu::PRelu,
    channel_affine::ChannelAffine,
    reduce_channels::ReduceChannels,
    global_reduce::GlobalReduce,
    dropout::Dropout,
    attention::Attention,
    channel_attention::ChannelAttention,
    learned_volume::LearnedVolume,
    voxel_linear::VoxelLinear,
    voxel_linear::NormaliseVoxels,
    channel_attention::Reread,
    space_to_depth::SpaceToDepth,
    space_to_depth::DepthToSpace,
    sequence::Regrid,
    sequence::ConcatVoxels,
    sequence::ClassToken,
    slice_heads::SliceHeads,
    standardised_conv3d::StandardisedConv3d,
    sine_position::SinePosition,
    deformable_attention::DeformableAttention,
}
