//! Exported networks, read back: every graph and every operation is written soundly at every operator set, the same model as the same bytes, and what
//! cannot be written is refused before a file is there. What engines compute with them: `tests/engines/`, `benches/engines.py`.
#![cfg(feature = "predict")]

mod given;

#[path = "onnx/folds.rs"]
mod folds;
#[path = "onnx/program.rs"]
mod program;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use lmsc::compile::{Program, compile};
use lmsc::export::onnx::proto::{DimensionValue, ModelProto, TensorProto, ValueInfoProto};
use lmsc::export::onnx::{INLINE_BYTES, OPSETS, OnnxModel, OnnxOptions, export};
use lmsc::ir::{Array, Arrays, Cost, Expanded, Expansion, Fact, Fault, Graph, Init, Operator, Weight, WeightView};
use lmsc::op::{self, Op};
use lmsc::text::{Code, Diagnostics, Source};
use prost::Message;

const EDGES: [u32; 5] = [13, 17, 20, 21, 23];

/// Weights that are all 0.5.
fn weights(p: &Program) -> Arrays {
    p.graph.tensors().into_iter().map(|(_, name, w)| (name, Array::new(w.dims.clone(), vec![0.5; w.dims.iter().product()]))).collect()
}

fn small(file: &Path) -> Program {
    let (source, sets) = (Source::read(file).expect("it can be read"), given::small_sets(file));
    let whole = compile(&source, &sets, None).unwrap_or_else(|found| panic!("{}: {found:?}", file.display()));
    let m = whole.multiple();
    let size = std::array::from_fn(|a| if whole.flat() && a == 0 { 1 } else { 32usize.next_multiple_of(m[a]) });
    compile(&source, &sets, Some(size)).unwrap_or(whole)
}

fn at(opset: u32) -> OnnxOptions {
    OnnxOptions { opset, ..OnnxOptions::default() }
}

fn made(p: &Program, options: &OnnxOptions) -> OnnxModel {
    export(p, &weights(p), &BTreeMap::new(), options).unwrap_or_else(|e| panic!("{}: {e:?}", p.name))
}

fn decoded(model: &OnnxModel) -> ModelProto {
    let (bytes, beside) = model.encode("model.onnx.data", INLINE_BYTES).expect("weights are there");
    assert!(beside.is_none());
    ModelProto::decode(bytes.as_slice()).expect("it is read back")
}

/// The operator set in which a node came, of those that came after 13, and one with another meaning before.
fn since(op_type: &str) -> u32 {
    match op_type {
        "HardSwish" => 14,
        "LayerNormalization" => 17,
        "Mish" => 18,
        "Gelu" => 20,
        "GroupNormalization" => 21,
        "Abs"
        | "Add"
        | "AveragePool"
        | "BatchNormalization"
        | "Cast"
        | "Clip"
        | "Concat"
        | "Conv"
        | "ConvTranspose"
        | "Div"
        | "Elu"
        | "Equal"
        | "Erf"
        | "Expand"
        | "Floor"
        | "Gather"
        | "GatherElements"
        | "GlobalAveragePool"
        | "GlobalMaxPool"
        | "HardSigmoid"
        | "Identity"
        | "InstanceNormalization"
        | "LeakyRelu"
        | "MatMul"
        | "Max"
        | "MaxPool"
        | "Mod"
        | "Mul"
        | "PRelu"
        | "Pad"
        | "Range"
        | "Reciprocal"
        | "ReduceL2"
        | "ReduceMax"
        | "ReduceMean"
        | "ReduceSum"
        | "Relu"
        | "Reshape"
        | "Resize"
        | "Shape"
        | "Sigmoid"
        | "Slice"
        | "Softmax"
        | "Softplus"
        | "Sqrt"
        | "Sub"
        | "Tanh"
        | "Transpose"
        | "Where" => 13,
        other => panic!("{other} is not a node of ONNX that is known here"),
    }
}

fn dims(v: &ValueInfoProto) -> Vec<String> {
    let shape = v.r#type.as_ref().and_then(|t| t.tensor_type.as_ref()).and_then(|t| t.shape.as_ref()).expect("a shape");
    let one = |d: &lmsc::export::onnx::proto::DimensionProto| match d.value.clone().expect("a length") {
        DimensionValue::Length(n) => n.to_string(),
        DimensionValue::Name(name) => name,
    };
    shape.dim.iter().map(one).collect()
}

/// That a file's nodes have what they take before they run, names stand once, and tensors hold what their shapes say.
fn sound(name: &str, model: &ModelProto) {
    let graph = model.graph.as_ref().expect("a graph");
    let opset = u32::try_from(model.opset_import[0].version.expect("a version")).expect("a set");
    let mut known: HashSet<&str> = HashSet::new();
    let numbers = |t: &TensorProto| t.dims.iter().product::<i64>() as usize;
    for t in &graph.initializer {
        let width = if t.data_type == Some(1) { 4 } else { 8 };
        assert_eq!(t.raw_data.as_ref().map(Vec::len), Some(numbers(t) * width), "{name}: {:?}", t.name);
    }
    let outside = graph.input.iter().map(|i| i.name.as_deref()).chain(graph.initializer.iter().map(|t| t.name.as_deref()));
    for own in outside {
        assert!(known.insert(own.expect("a name")), "{name}: {own:?} stands twice");
    }
    for n in &graph.node {
        let op_type = n.op_type.as_deref().expect("a type");
        assert!(since(op_type) <= opset, "{name}: {op_type} at operator set {opset}");
        assert!(n.input.iter().all(|i| i.is_empty() || known.contains(i.as_str())), "{name}: {:?} takes {:?}", n.name, n.input);
        assert!(n.output.iter().all(|o| known.insert(o)), "{name}: {:?} stands twice", n.output);
    }
    let read: HashSet<&String> = graph.node.iter().flat_map(|n| &n.input).collect();
    for t in &graph.initializer {
        assert!(read.contains(t.name.as_ref().expect("a name")), "{name}: {:?} is of no use", t.name);
    }
    assert!(!graph.output.is_empty() && graph.output.iter().all(|o| known.contains(o.name.as_deref().expect("a name"))), "{name}");
}

#[test]
fn every_graph_is_written_soundly() {
    for file in given::ron_files("graphs") {
        let p = small(&file);
        let name = &p.name;
        let params = p.cost(0..p.graph.len()).expect("it fits").params;
        // Every operation is written at every set below; large networks take long.
        let sets = if name.starts_with("lightmedseg") { &EDGES[..] } else { &EDGES[1..2] };
        for opset in sets.iter().copied() {
            let model = made(&p, &at(opset));
            let proto = decoded(&model);
            sound(name, &proto);
            let graph = proto.graph.as_ref().expect("a graph");
            // Batch norms hold two numbers a channel beside their parameters.
            let buffers: u64 = p.graph.buffers().iter().map(|(_, _, w)| w.dims.iter().product::<usize>() as u64).sum();
            assert_eq!(model.parameters(), params + buffers, "{name}");
            let shape = dims(&graph.input[0]);
            assert_eq!(shape[0], "N", "{name}");
            for (axis, letter) in ["D", "H", "W"].into_iter().enumerate() {
                assert_eq!(model.sizes.free[axis], shape[axis + 2] == letter, "{name}: {}", model.sizes);
            }
            assert!(model.sizes.free == [true; 3] || !model.sizes.why.is_empty(), "{name}: a fixed length says why");
            let outputs: Vec<&str> = graph.output.iter().filter_map(|o| o.name.as_deref()).collect();
            assert_eq!(outputs, p.graph.outputs.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>(), "{name}");
            assert_eq!(graph.input[0].name, Some(p.inputs[0].0.clone()), "{name}");
            // Before set 17 layer norms are written as what they expand to, whose weights are parts of theirs.
            let own: HashSet<String> = p.graph.tensors().into_iter().map(|(_, name, _)| name).collect();
            let named = |t: &str| own.contains(t) || t.rsplit_once('_').is_some_and(|(t, n)| own.contains(t) && n.parse::<u8>().is_ok());
            let called = graph.initializer.iter().filter_map(|t| t.name.as_deref()).filter(|t| !t.starts_with("constant"));
            called.filter(|_| opset >= 17).for_each(|t| assert!(named(t), "{name}: {t} is no weight of the graph"));
        }
        sound(name, &decoded(&made(&p, &OnnxOptions { optimised: true, ..at(17) })));
        let size = p.graph.fact(p.inputs[0].1).size;
        let fixed = decoded(&made(&p, &OnnxOptions { fixed: Some(size), ..at(17) }));
        sound(name, &fixed);
        let graph = fixed.graph.expect("a graph");
        assert!(graph.input.iter().chain(&graph.output).flat_map(dims).all(|d| d.parse::<usize>().is_ok()), "{name}");
        assert!(graph.node.iter().all(|n| n.op_type.as_deref() != Some("Range")), "{name}: lengths are constants");
    }
}

#[test]
fn every_operation_is_written_at_every_operator_set() {
    let mut kinds: BTreeMap<&str, HashSet<String>> = BTreeMap::new();
    for example in Op::examples() {
        let p = given::alone(&example);
        for opset in OPSETS {
            if matches!(example.op, Op::Input(_)) {
                continue;
            }
            let proto = decoded(&made(&p, &at(opset)));
            sound(example.op.kind(), &proto);
            let nodes = proto.graph.expect("a graph").node.into_iter().filter_map(|n| n.op_type);
            kinds.entry(example.op.kind()).or_default().extend(nodes);
        }
    }
    for (kind, op_type) in [
        ("conv3d", "Conv"),
        ("conv_transpose3d", "ConvTranspose"),
        ("group_norm", "GroupNormalization"),
        ("layer_norm", "LayerNormalization"),
        ("gelu", "Gelu"),
        ("mish", "Mish"),
        ("resize", "Resize"),
        ("pad", "Pad"),
        ("max_pool3d", "MaxPool"),
        ("batch_norm", "BatchNormalization"),
        ("prelu", "PRelu"),
        ("softmax", "Softmax"),
    ] {
        assert!(kinds[kind].contains(op_type), "{kind}: {:?}", kinds[kind]);
    }
}

#[test]
fn equal_models_are_equal_bytes() {
    let p = small(Path::new("graphs/lightmedseg.ron"));
    let metadata = BTreeMap::from([("labels".to_owned(), "[[0,\"background\"]]".to_owned())]);
    let bytes = |w: &Arrays| export(&p, w, &metadata, &at(17)).expect("it fits").encode("x", INLINE_BYTES).expect("there").0;
    let w = weights(&p);
    assert_eq!(bytes(&w), bytes(&w.clone()));
    let proto = ModelProto::decode(bytes(&w).as_slice()).expect("it is read back");
    let said: BTreeMap<String, String> = proto.metadata_props.into_iter().filter_map(|e| Some((e.key?, e.value?))).collect();
    assert_eq!(said["labels"], "[[0,\"background\"]]");
    assert_eq!(said["lmsc.hash"], p.hash().to_string());
    assert_eq!(said["lmsc.sizes"], "D is a multiple of 16, H is a multiple of 16, W is a multiple of 16");
    assert_eq!((proto.producer_name.as_deref(), proto.ir_version), (Some("lmsc"), Some(8)));
}

#[test]
fn large_weights_lie_in_a_file_beside() {
    let p = small(Path::new("graphs/unet.ron"));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("unet.onnx");
    let model = made(&p, &at(17));
    model.write(&path, 1000).expect("written");
    let proto = ModelProto::decode(std::fs::read(&path).expect("a file").as_slice()).expect("it is read back");
    let data = std::fs::read(folder.path().join("unet.onnx.data")).expect("a file beside");
    let mut ends = 0;
    for t in proto.graph.expect("a graph").initializer {
        if t.data_location != Some(1) {
            assert!(t.raw_data.is_some_and(|raw| raw.len() < 1024));
            continue;
        }
        let of =
            |key: &str| t.external_data.iter().find(|e| e.key.as_deref() == Some(key)).and_then(|e| e.value.clone()).expect("an entry");
        let number = |key: &str| of(key).parse::<usize>().expect("a number");
        assert_eq!(of("location"), "unet.onnx.data");
        let (from, length) = (number("offset"), number("length"));
        assert!(from >= ends && from % 4096 == 0 && length == 4 * t.dims.iter().product::<i64>() as usize);
        ends = from + length;
        let constant = t.name.is_some_and(|name| name.starts_with("constant"));
        assert!(constant || data[from..ends].chunks_exact(4).all(|b| b == 0.5f32.to_le_bytes()));
    }
    assert_eq!(ends, data.len());
}

/// `x * sigmoid(w x)`, an operation that is not in the list; without an expansion it cannot be written.
#[derive(Clone, Debug)]
struct LearnedSwish {
    expands: bool,
}

impl Operator for LearnedSwish {
    fn kind(&self) -> &'static str {
        "learned_swish"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        x.first().copied().ok_or_else(|| Fault::new(Code::E0204, "it takes one value"))
    }

    fn weights(&self, x: &[Fact]) -> Vec<Weight> {
        vec![Weight::new("weight", [x[0].channels], Init::Ones)]
    }

    fn work(&self, _: &[Fact], _: &Fact) -> Result<Cost, Fault> {
        Ok(Cost::default())
    }

    fn expand(&self, x: &[Fact]) -> Option<Expansion> {
        let c = x.first().filter(|_| self.expands)?.channels;
        let mut e = Expansion::default();
        let view = WeightView { of: "weight", start: 0, rows: c, dims: vec![c] };
        let scaled = e.with("scale", op::ChannelAffine::SCALE, &[Expanded::Input(0)], vec![("weight", view)]);
        let gate = e.add("gate", op::Activation::SIGMOID, &[scaled]);
        e.add("product", op::Mul, &[Expanded::Input(0), gate]);
        Some(e)
    }
}

fn swish(expands: bool) -> Program {
    let mut g: Graph<Op> = Graph::default();
    let x = g.input("x".into(), op::Input.into(), Fact::new(1, 3, [4, 5, 6]));
    let y = g.add("swish".into(), Op::Other(Arc::new(LearnedSwish { expands })), &[x]).expect("it fits");
    g.outputs = vec![("y".into(), y), ("again".into(), y), ("x".into(), x)];
    Program::from_graph("swish", g, vec![("x".into(), x)])
}

#[test]
fn an_operation_of_ones_own_is_written_as_its_expansion() {
    let proto = decoded(&made(&swish(true), &at(17)));
    sound("swish", &proto);
    let graph = proto.graph.expect("a graph");
    let kinds: Vec<&str> = graph.node.iter().filter_map(|n| n.op_type.as_deref()).collect();
    assert_eq!(kinds, ["Mul", "Sigmoid", "Mul", "Identity", "Identity"]);
    let outputs: Vec<&str> = graph.output.iter().filter_map(|o| o.name.as_deref()).collect();
    assert_eq!(outputs, ["y", "again", "x_2"], "an output that is an input has a name of its own");
    let e = export(&swish(false), &weights(&swish(false)), &BTreeMap::new(), &at(17)).expect_err("it has no node");
    refused(&e, "has no node for `swish` (learned_swish)");
}

#[test]
fn lengths_that_are_fixed_say_why() {
    let text = "(inputs: { \"image\": (channels: 1, size: (8, 8, 8)) }, nodes: { \"place\": LearnedVolume(x: \"image\") }, \
                outputs: { \"y\": \"place\" })";
    let p = compile(&Source::new("a.ron", text), &[], None).unwrap_or_else(|e| panic!("{e:?}"));
    let model = made(&p, &at(17));
    assert_eq!(model.sizes.free, [false; 3]);
    let said = model.sizes.to_string();
    assert!(
        said.starts_with("D is 8, H is 8, W is 8; the depth is fixed: `place.position`: the positions were learned for 8x8x8 voxels"),
        "{said}"
    );
    sound("fixed", &decoded(&model));
}

fn refused(found: &Diagnostics, words: &str) {
    let d = &found.0[0];
    assert!(d.code == Code::E0805 && d.message.contains(words) && !d.help.is_empty(), "{d:?}");
}

#[test]
fn other_operator_sets_are_refused() {
    let p = swish(true);
    for opset in [0, 12, 24, u32::MAX] {
        let e = export(&p, &weights(&p), &BTreeMap::new(), &at(opset)).expect_err("it is refused");
        refused(&e, "only those from 13 to 23");
    }
}
