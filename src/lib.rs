//! A compiler for 3D medical image segmentation networks. This page is the meaning of a graph file.
//!
//! A graph is a [RON](https://github.com/ron-rs/ron) file of at most 4 MiB:
//!
//! ```ron
//! (
//!     name: "small",
//!     params: { "modalities": 4, "classes": 4, "width": 8 },
//!     inputs: { "image": (channels: "modalities", size: (64, 64, 64)) },
//!     blocks: {
//!         "Stage": (
//!             params: { "out": Required },
//!             inputs: ["x", "anchors?"],
//!             nodes: {
//!                 "ghost": GhostConv3D(x: "x", out: "out"),
//!                 "film": AnchorFiLM(x: "ghost", anchors: "anchors"),
//!             },
//!             output: "film",
//!         ),
//!     },
//!     nodes: {
//!         "enc": Stage(x: "image", out: "width * 2"),
//!         "head": SegHead(x: "enc", classes: "classes"),
//!     },
//!     outputs: { "logits": "head" },
//! )
//! ```
//!
//! # Values
//! Every value that flows is a volume `[N, C, D, H, W]`; a vector is one with `D = H = W = 1`. Channels and sizes are known when the
//! graph is compiled; the batch is free.
//!
//! # Parameters
//! `params` names whole numbers. Wherever a number is expected, a text is an expression over them: `+ - * / %`, parentheses, `min(a, b)`,
//! `max(a, b)`; division rounds towards zero. A parameter may use those before it. `--set anchors=16` changes one from outside.
//!
//! # Nodes
//! `"id": Block(input: "node", field: value)`, in any order. An input takes the name of a node or of a graph's input, `"node.port"` for a
//! block with several outputs, and a list where the block takes several values. Nodes that feed each other in a ring, that name what is
//! not there, or that no output needs are refused.
//!
//! # Blocks
//! The built-in blocks are the structs in [`block`]; each lowers to operations ([`op`]), which know shapes, costs, weights and how to run.
//! `blocks` defines more of them in RON (composites): named inputs (`"x?"` may stay unconnected), parameters (`Required`, or a default),
//! nodes, and one `output` or several named `outputs`. A composite sees the graph's parameters and its own, which win. What is connected to an
//! input that is itself not connected counts as not connected: so a block's optional input decides what happens.
//!
//! # Weights
//! A weight is named by its path: `enc1.ghost1.primary.weight` is the weight of the operation `primary` of the node `ghost1` in the
//! composite node `enc1`. Layouts and initial values are PyTorch's.
//!
//! # Variants
//! `extends: "base.ron"` begins with another graph (a path relative to the file). The variant's entries of `params`, `inputs`, `blocks`,
//! `nodes` and `outputs` are added to the base's or take their place. Then
//! `replace: { "GhostConv3D": Conv3D(bias: false, norm: 4) }` exchanges a block everywhere, keeping the fields of each node;
//! `set: { "anchors": 16, "enc1.x": "stem", "EncoderStage.se.reduction": 4 }` changes parameters, fields of nodes and fields inside composites;
//! `drop: ["lspm"]` leaves nodes out, and what they fed is not connected.
//!
//! Nothing in a graph can run code.

pub mod block;
pub mod cli;
pub mod compile;
#[cfg(feature = "run")]
pub mod data;
#[cfg(feature = "run")]
pub mod infer;
pub mod ir;
#[cfg(feature = "run")]
pub mod kernel;
#[cfg(feature = "run")]
pub mod metric;
#[cfg(feature = "run")]
pub mod net;
pub mod op;
pub mod read;
pub mod show;
pub mod text;
#[cfg(feature = "run")]
pub mod train;
#[cfg(feature = "run")]
pub mod volume;
