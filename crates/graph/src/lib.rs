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
//! `params` gives names to values: whole numbers, numbers, `true` or `false`, words (`"act": OneOf(silu, relu)`, one of these, the first if
//! nothing else is said), sizes `(1, 2, 2)`, lists `[32, 64, 128]` whose entries are of one kind, and forms. A form is a norm (`instance`,
//! `group(4)`, `layer(eps: 0.000001)`, `none`), a function (`relu`, `leaky_relu(slope: 0.1)`), an initialisation (`kaiming`, `trunc_normal(0.02)`)
//! or a block (`Conv(bias: false, norm: "norm")`); its expressions are evaluated where it is written. A parameter may use others, in any order, and keeps its type or class. `--set anchors=16` changes
//! one from outside, `--set features[1]=48` an entry of a list.
//!
//! Wherever a value is expected, a text is an expression over the parameters. From loosest to tightest: `..` and `..=` (a range is a list),
//! `||`, `&&`, `== != < <= > >=`, `+ -`, `* / %`, `-x !x`, `^`, `l[i]`; then parentheses, lists, words in single quotes, and
//! `if(condition, a, b)`, `min(..)`, `max(..)`, `len(l)`, `sum(l)`, `last(l)`, `rev(l)`. Whole numbers stay whole: division of two rounds towards
//! zero. Nothing wraps. Arithmetic goes entry by entry, `"32 * 2 ^ (0..5)"`; `min` and `max` of one list are its least and greatest entry,
//! so that `max(stride) > 1` holds for 2 and for (1, 2, 2). Entries are counted from 0. `if`, `&&` and `||` evaluate only what they take.
//!
//! # Nodes
//! `"id": Block(input: "node", field: value)`, in any order. An input takes the name of a node or of a graph's input, `"node.port"` for a
//! block with several outputs, `"node.port[2]"` for an entry of a list, and a list where the block takes several values. Nodes that feed each
//! other in a ring, that name what is not there, or that no output needs are refused.
//!
//! `when: "deep && width > 4"` leaves a node out where the condition does not hold; `"a | b"` as an input is the first of the two that is there,
//! and what is left out leaves a list. `for: "i in 1..=4"` makes one node for each `i` (`1..4` stops before 4; any list will do, `rev(0..4)`,
//! `[1, 2, 5]`, `['silu', 'relu']`), and `{i}`, `{i - 1}` stand in names for what they give:
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
//! `for: ["j in 1..4", "i in 0..4 - j"]` nests loops, the first outermost; every variable stands in the name. In a list `{0..j}` makes several
//! names, `"x{i}_{0..j}"`, of several such every combination. `chain: "b in 0..n"` in place of `for` feeds each turn's input `x` from the turn
//! before; `x` as written feeds the first. `"block{last}"` is the last turn that is there: of a chain without turns that is what it begins
//! with, so a stage of depth 0 passes on what it gets.
//!
//! An output may be a list: `"deep": ["head{1..n}"]` gives `deep0`, `deep1`, ... in its order; an empty list gives none.
//!
//! # Blocks
//! The built-in blocks are the structs in [`block`]; each lowers to operations ([`op`]), which know shapes, costs, weights and how to run.
//! `blocks` defines more of them in RON (composites): named inputs (`"x?"` may stay unconnected, `"xs[]"` takes a list, `"xs[]?"` one that may
//! be empty), parameters (`Required`, `Required(block)`, or a default), nodes, and one `output` or several named `outputs`, each a node or a list
//! of nodes. Inside, `"xs"` in a list stands for all of them and `"xs[0]"` for one. A composite sees its own parameters and the graph's. What is
//! connected to an input that is itself not connected counts as not connected: so a block's optional input decides what happens.
//!
//! Fields and parameters may ask: `channels(node)` of any node of the same scope or of an input, `connected(skip)` and `len(xs)` of inputs. Which
//! nodes there are (`when`, loops, names) and defaults of parameters may ask of the composite's own inputs only. Nothing may ask for sizes: what
//! is trained does not depend on them.
//!
//! A parameter that is a block is used as one, under its name; fields at the node win over those of the block:
//!
//! ```ron
//! (
//!     params: { "features": [8, 16, 32], "blocks": [1, 2, 2], "norm": group(4), "conv": Conv(norm: "norm", activation: relu, bias: false), "deep": true },
//!     inputs: { "image": (channels: 1, size: (32, 32, 32)) },
//!     blocks: {
//!         "Residual": (
//!             params: { "out": Required, "stride": 1 },
//!             inputs: ["x"],
//!             nodes: {
//!                 "conv1": conv(x: "x", out: "out", stride: "stride"),
//!                 "conv2": conv(x: "conv1", out: "out", activation: none),
//!                 "project": conv(
//!                     when: "channels(x) != out || max(stride) > 1",
//!                     x: "x",
//!                     out: "out",
//!                     kernel: 1,
//!                     stride: "stride",
//!                     activation: none,
//!                 ),
//!                 "sum": Add(x: ["conv2", "project | x"]),
//!                 "act": Activation(x: "sum", function: relu),
//!             },
//!             output: "act",
//!         ),
//!         "Stage": (
//!             params: { "block": Required(block), "out": Required, "n": 1, "stride": 1 },
//!             inputs: ["x"],
//!             nodes: { "block{b}": block(chain: "b in 0..n", x: "x", out: "out", stride: "if(b == 0, stride, 1)") },
//!             output: "block{last}",
//!         ),
//!         "Up": (
//!             inputs: ["x", "skip"],
//!             nodes: {
//!                 "up": UpConv(x: "x", out: "channels(skip)", bias: false),
//!                 "join": Concat(x: ["up", "skip"]),
//!                 "conv": conv(x: "join", out: "channels(skip)"),
//!             },
//!             output: "conv",
//!         ),
//!     },
//!     nodes: {
//!         "enc{s}": Stage(
//!             chain: "s in 0..len(features)",
//!             x: "image",
//!             block: Residual,
//!             out: "features[s]",
//!             n: "blocks[s]",
//!             stride: "if(s == 0, 1, 2)",
//!         ),
//!         "dec{s}": Up(chain: "s in rev(0..len(features) - 1)", x: "enc{last}", skip: "enc{s}"),
//!         "head{s}": SegHead(for: "s in 0..len(features) - 1", when: "deep || s == 0", x: "dec{s}", classes: 2),
//!     },
//!     outputs: { "logits": "head0", "deep": ["head{1..len(features) - 1}"] },
//! )
//! ```
//!
//! `shares: "first"` lets a node use the weights of another node of the scope, of the same block; fields that are not written are those of `first`.
//! The weights count once. A turn that names itself owns them: `"tower{m}": Encoder(for: "m in 0..4", shares: "tower0", x: "mod{m}")`.
//!
//! `import: ["blocks/stage.ron"]` takes the composites of another file: of a graph, whose nodes are not taken, or of a file with `blocks` alone, which
//! may have `params` and import further ones. They see the parameters of their own file. `(from: "unet.ron", only: ["Up"], rename: { "Up": "UnetUp" },
//! set: { "width": "width" })` takes `Up` and what it uses, under another name, with the importer's value of that file's parameter `width`.
//! `lmsc fmt --freeze` adds `hash: "b3:..."`: another content is then refused. Composites are checked whether they are used or not.
//!
//! # Sizes
//! The size of the graph's input is what `--input` says, else what the file states. The compiler finds which multiples D, H and W must be,
//! and which nodes ask for it: `check` and `stats` say so, and so does the error of a size that does not fit.
//!
//! `size: (H, W)` (or `dims: 2` where no size is stated) makes a graph two-dimensional: the depth of every value is 1, and a field that is a size
//! takes a number or (H, W), with the number along the depth that changes nothing there (a kernel of 1, a padding of 0); (D, H, W) still reads. The
//! same composites serve both. `--input 224x224`, `patch: (224, 224)` and `at: (224, 224)` are written alike.
//!
//! # Weights
//! A weight is named by its path: `enc1.ghost1.primary.weight` is the weight of the operation `primary` of the node `ghost1` in the
//! composite node `enc1`. Layouts and initial values are PyTorch's.
//!
//! `init` lets the weights of a convolution, a linear layer or a head start otherwise: `kaiming(slope: 0.01)` is normal with the variance
//! `2 / (1 + slope^2) / fan in` (`fan_out: true` takes the outputs), `xavier` uniform, `normal(std: 0.02)`, `trunc_normal(0.02)`, `zeros`, `ones` or
//! a number; biases then start at 0. `norm_init` does so for the scale of the norm that follows, and `init` for that of `Norm`; `default` is
//! PyTorch's. An initialisation can be a parameter as a norm can: `"init": kaiming(slope: 0.01)`, `Conv(init: "init")`. It is no part of what the
//! network is: counts, hashes and files of weights are the same.
//!
//! # Variants
//! `extends: "base.ron"` begins with another graph (a path relative to the file). The variant's entries of `params`, `inputs`, `blocks`,
//! `nodes` and `outputs` are added to the base's or take their place. Then
//! `replace: { "GhostConv3D": Conv3D(bias: false, norm: group(4)) }` exchanges a block everywhere, keeping the fields of each node;
//! `set: { "anchors": 16, "enc1.x": "stem", "EncoderStage.se.reduction": 4 }` changes parameters, fields of nodes and fields inside composites;
//! `drop: ["lspm"]` leaves nodes out, and what they fed is not connected; `"Stage.se"` is a node of a composite, `"outputs.deep"` an output.
//! Turns of loops are named like nodes: `"enc2.out"` in `set`, `"enc2"` in `drop`; `"enc{s}.x"` is the entry. A node of the variant that has the
//! name of a turn takes its place. A node is inserted by naming it in `nodes` and setting the input of
//! the one after it. Variants of variants work; a ring of files is refused.
//!
//! # Claims and lints
//! `claims: [(params: "0.48M"), (node: "stem", macs: "141.56M", at: (4, 128, 128, 128)), (params: 493554, set: { "anchors": 16 })]` states
//! what the graph costs, in all, at a node or at all turns of an entry (`node: "enc{s}"`): `params`, `macs`, `flops` (2 x MACs) or `fvcore` (MACs + 5 for each normalised element). A text
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
