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
//! `params` gives names to whole numbers, numbers, `true` or `false`, and words: `"width": 8`, `"share": 0.5`, `"deep": true`,
//! `"act": OneOf("silu", "relu")` (one of these, the first if nothing else is said). A parameter may use those before it, and keeps its type.
//! `--set anchors=16` changes one from outside.
//!
//! Wherever a value is expected, a text is an expression over the parameters. From loosest to tightest: `||`, `&&`, `== != < <= > >=`,
//! `+ -`, `* / %`, `-x !x`, `^`; then parentheses, `min(a, b)`, `max(a, b)`, `if(condition, a, b)` and words in single quotes. Whole numbers
//! stay whole: division of two rounds towards zero. Nothing wraps.
//!
//! # Nodes
//! `"id": Block(input: "node", field: value)`, in any order. An input takes the name of a node or of a graph's input, `"node.port"` for a
//! block with several outputs, and a list where the block takes several values. Nodes that feed each other in a ring, that name what is
//! not there, or that no output needs are refused.
//!
//! `when: "deep && width > 4"` leaves a node out where the condition does not hold; `"a | b"` as an input is the first of the two that is there.
//! `for: "i in 1..=4"` makes one node for each `i` (`1..4` stops before 4), and `{i}`, `{i - 1}` stand in names for what they give:
//!
//! ```ron
//! (
//!     params: { "stages": 3, "width": 8, "classes": 2 },
//!     inputs: { "image": (channels: 1, size: (32, 32, 32)) },
//!     nodes: {
//!         "enc{i}": Conv3D(for: "i in 1..=stages", x: "pool{i - 1} | image", out: "width * 2 ^ (i - 1)"),
//!         "pool{i}": MaxPool3D(for: "i in 1..stages", x: "enc{i}", kernel: 2),
//!         "up{i}": Resize(for: "i in 1..=stages", x: "enc{i}", like: "image"),
//!         "join": Concat(x: ["up{1..=stages}"]),
//!         "head": SegHead(x: "join", classes: "classes"),
//!     },
//!     outputs: { "logits": "head" },
//! )
//! ```
//!
//! # Blocks
//! The built-in blocks are the structs in [`block`]; each lowers to operations ([`op`]), which know shapes, costs, weights and how to run.
//! `blocks` defines more of them in RON (composites): named inputs (`"x?"` may stay unconnected), parameters (`Required`, or a default),
//! nodes, and one `output` or several named `outputs`. A composite sees the graph's parameters and its own, which win. What is connected to an
//! input that is itself not connected counts as not connected: so a block's optional input decides what happens.
//!
//! `import: ["blocks/stage.ron"]` takes the composites of another file, which is `(blocks: { ... })` and may import further ones.
//!
//! # Sizes
//! The size of the graph's input is what `--input` says, else what the file states. The compiler finds which multiples D, H and W must be,
//! and which nodes ask for it: `check` and `stats` say so, and so does the error of a size that does not fit.
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
//! `drop: ["lspm"]` leaves nodes out, and what they fed is not connected. A node is inserted by naming it in `nodes` and setting the input of
//! the one after it. Variants of variants work; a ring of files is refused.
//!
//! # Claims and lints
//! `claims: [(params: "0.48M"), (node: "stem", macs: "141.56M", at: (4, 128, 128, 128)), (params: 493554, set: { "anchors": 16 })]` states
//! what the graph costs, in all or at a node: `params`, `macs`, `flops` (2 x MACs) or `fvcore` (MACs + 5 for each normalised element). A text
//! holds within the digits that stand there. `lmsc check` counts them again; a variant does not inherit them.
//!
//! `lints: { "W0302": allow }` allows, warns of or denies what is sound but rarely meant; `lmsc explain` lists the codes.
//!
//! Nothing in a graph can run code.

pub mod block;
pub mod compile;
pub mod ir;
pub mod op;
pub mod read;
pub mod show;

pub use lmsc_text as text;
