//! What people write: one file per block, with its fields, its ports, its documentation and its one function, `lower`.
//!
//! Level 3: may use `text`, `ir`, `op`. Knows nothing of RON, places, costs or Burn.
//!
//! Adding a block: one file, its `mod` line, and its name in the list below.

mod activation;
mod add;
mod anchor_detector;
mod anchor_film;
mod attention;
mod avg_pool3d;
mod axes;
mod builder;
mod channel_pool;
mod channel_scale;
mod class_token;
mod concat;
mod concat_voxels;
mod conv3d;
mod crop;
mod deformable_attention;
mod depth_to_space;
mod depthwise_conv3d;
mod drop_path;
mod dropout;
mod flatten;
mod foreign;
mod forms;
mod ghost_conv3d;
mod global_pool;
mod group_norm;
mod init;
mod learned_volume;
mod linear;
mod lspm;
mod max_pool3d;
mod multi_path_gate;
mod multiply;
mod norm;
mod pad;
mod paired_attention;
mod pointwise_conv3d;
mod ports;
mod position_bias;
mod repeat;
mod resize;
mod scale;
mod seg_head;
mod sine_position;
mod skip_router;
mod slice;
mod softmax;
mod space_to_depth;
mod split;
mod split_heads;
mod squeeze_excite;
mod subsample;
mod subtract;
mod texture_routing;
mod unflatten;
mod up_conv3d;

pub use attention::AttentionBiasKind;
pub use axes::Axes;
pub use builder::Builder;
pub use foreign::{field_meant, no_such_block, word_meant};
pub use forms::{FunctionForm, NormForm};
pub use global_pool::GlobalStatistic;
pub use init::InitForm;
pub use ports::{Arity, Connected, Port};

use crate::ir::{Fault, Value};
use serde::{Deserialize, Serialize};

/// A block: a typed spec that draws itself from operations.
pub trait Block {
    /// As written in a graph: `GhostConv3D`.
    const NAME: &'static str;
    /// The name that it had before, which is still read.
    const OLDER: Option<&'static str> = None;
    /// What flows in.
    const INPUTS: &'static [Port];
    /// A node that uses it, in RON, for `size`-free inputs that [`Block::SHAPES`] gives.
    const EXAMPLE: &'static str;
    /// For each connection of the example its name, channels and size relative to the input (0: a vector).
    const SHAPES: &'static [(&'static str, usize, usize)];
    /// Whether its one output is a list of values, as many as [`Block::lower`] gives.
    const LIST: bool = false;

    /// What flows out; one output needs no name.
    fn outputs(&self) -> Vec<String> {
        vec![String::new()]
    }

    /// Adds its operations and says which values are its outputs, in the order of [`Block::outputs`].
    ///
    /// # Errors
    /// A fault that names the field or port that does not fit.
    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault>;
}

/// What is known of a block without a node of it: a row of the list.
pub struct Entry {
    pub name: &'static str,
    /// The name that it had before, which is still read.
    pub older: Option<&'static str>,
    /// The struct that holds its fields.
    pub spec: &'static str,
    pub inputs: &'static [Port],
    pub example: &'static str,
    pub shapes: &'static [(&'static str, usize, usize)],
    /// Whether its one output is a list.
    pub list: bool,
    /// The file that defines it: its documentation and the types of its fields.
    pub source: &'static str,
}

impl Entry {
    /// The block that is called so, or was.
    pub fn find(name: &str) -> Option<&'static Entry> {
        Spec::LIST.iter().find(|e| e.name == name || e.older == Some(name))
    }

    /// A block's name where it is one that a block had before; else the name itself.
    pub fn current(name: &str) -> &str {
        Self::find(name).map_or(name, |e| e.name)
    }
}

macro_rules! blocks {
    ($($module:ident :: $name:ident,)*) => {
        $(pub use $module::$name;)*

        /// The spec of any block.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub enum Spec { $($name($name),)* }

        impl Spec {
            /// Every block, in the order of the documentation.
            pub const LIST: &'static [Entry] = &[$(Entry {
                name: <$name as Block>::NAME,
                older: <$name as Block>::OLDER,
                spec: stringify!($name),
                inputs: <$name as Block>::INPUTS,
                example: <$name as Block>::EXAMPLE,
                shapes: <$name as Block>::SHAPES,
                list: <$name as Block>::LIST,
                source: include_str!(concat!(stringify!($module), ".rs")),
            },)*];

            /// Reads the fields of the block called `name`; `None` when there is no such block.
            ///
            /// # Errors
            /// The deserializer's.
            pub fn read<'de, D: serde::Deserializer<'de>>(name: &str, fields: D) -> Option<Result<Spec, D::Error>> {
                match name {
                    $(_ if name == <$name as Block>::NAME || Some(name) == <$name as Block>::OLDER => Some($name::deserialize(fields).map(Spec::$name)),)*
                    _ => None,
                }
            }

            /// As written in a graph.
            pub fn name(&self) -> &'static str {
                match self { $(Spec::$name(_) => <$name as Block>::NAME,)* }
            }

            /// What flows in.
            pub fn inputs(&self) -> &'static [Port] {
                match self { $(Spec::$name(_) => <$name as Block>::INPUTS,)* }
            }

            /// What flows out.
            pub fn outputs(&self) -> Vec<String> {
                match self { $(Spec::$name(b) => b.outputs(),)* }
            }

            /// Adds the block's operations.
            ///
            /// # Errors
            /// A fault that names the field or port that does not fit.
            pub fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
                match self { $(Spec::$name(s) => s.lower(b, x),)* }
            }
        }
    };
}

blocks! {
    ghost_conv3d::GhostConv3D,
    anchor_detector::AnchorDetector,
    anchor_film::AnchorFiLM,
    lspm::LSPM,
    texture_routing::TextureRouting,
    squeeze_excite::SqueezeExcite,
    skip_router::SkipRouter,
    position_bias::PositionBias,
    multi_path_gate::MultiPathGate,
    conv3d::Conv3D,
    depthwise_conv3d::DepthwiseConv3D,
    pointwise_conv3d::PointwiseConv3D,
    up_conv3d::UpConv3D,
    group_norm::GroupNorm,
    activation::Activation,
    max_pool3d::MaxPool3D,
    resize::Resize,
    concat::Concat,
    add::Add,
    linear::Linear,
    seg_head::SegHead,
    avg_pool3d::AvgPool3D,
    norm::Norm,
    pad::Pad,
    crop::Crop,
    multiply::Multiply,
    subtract::Subtract,
    scale::Scale,
    channel_scale::ChannelScale,
    slice::Slice,
    split::Split,
    repeat::Repeat,
    softmax::Softmax,
    global_pool::GlobalPool,
    channel_pool::ChannelPool,
    dropout::Dropout,
    drop_path::DropPath,
    attention::Attention,
    paired_attention::PairedAttention,
    split_heads::SplitHeads,
    learned_volume::LearnedVolume,
    class_token::ClassToken,
    space_to_depth::SpaceToDepth,
    depth_to_space::DepthToSpace,
    flatten::Flatten,
    unflatten::Unflatten,
    concat_voxels::ConcatVoxels,
    subsample::Subsample,
    sine_position::SinePosition,
    deformable_attention::DeformableAttention,
}
