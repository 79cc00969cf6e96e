//! The file of an exported network, and the one beside it where its weights are too large for protobuf.
//!
//! May use `ir` and `text`, and `proto` beside it.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use prost::Message;

use super::proto::{
    AttributeProto, AttributeType, DimensionProto, DimensionValue, ElementType, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    StringStringEntryProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use super::{OnnxDimension, OnnxModel, OnnxPort};
use crate::ir::{OnnxAttribute, OnnxNode, OnnxTensor};
use crate::text::{Code, Diagnostic, Result, Staged, printable, unwritable};

/// Protobuf ends at 2 GiB: weights of more bytes lie in a file beside. What else is in the file has the rest.
pub const INLINE_BYTES: u64 = 1_900_000_000;

/// Tensors below so many bytes stay in the file.
const SMALL: usize = 1024;

/// Where each tensor of the file beside begins: engines map pages into memory.
const PAGE: usize = 4096;

/// The numbers of a tensor, which a file has with the least significant byte first.
#[derive(Clone, Copy, Debug)]
enum Numbers<'a> {
    Floats(&'a [f32]),
    Ints(&'a [i64]),
}

impl Numbers<'_> {
    fn element(self) -> ElementType {
        match self {
            Self::Floats(_) => ElementType::Float32,
            Self::Ints(_) => ElementType::Int64,
        }
    }

    /// How many bytes they take.
    fn length(self) -> usize {
        match self {
            Self::Floats(all) => size_of_val(all),
            Self::Ints(all) => size_of_val(all),
        }
    }

    /// Writes them part by part: there is no second copy of large weights.
    fn write(self, to: &mut dyn Write) -> io::Result<()> {
        const PART: usize = 1 << 16;
        match self {
            Self::Floats(all) => {
                all.chunks(PART).try_for_each(|part| to.write_all(&part.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()))
            }
            Self::Ints(all) => {
                all.chunks(PART).try_for_each(|part| to.write_all(&part.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()))
            }
        }
    }
}

/// The file beside, as far as it is written.
struct DataFile<'a> {
    /// What it is called in the file with the graph.
    name: &'a str,
    /// Where it will be, for people.
    path: &'a Path,
    to: &'a mut dyn Write,
    bytes: usize,
}

impl DataFile<'_> {
    /// Adds a tensor at the beginning of a page, and says where that is.
    fn add(&mut self, numbers: Numbers<'_>) -> Result<Vec<StringStringEntryProto>> {
        let at = self.bytes.next_multiple_of(PAGE);
        let padding = vec![0; at - self.bytes];
        self.to.write_all(&padding).and_then(|()| numbers.write(self.to)).map_err(|e| unwritable(self.path, &e))?;
        self.bytes = at + numbers.length();
        Ok(vec![entry("location", self.name), entry("offset", at.to_string()), entry("length", numbers.length().to_string())])
    }
}

/// The version of the format that came with an operator set.
fn ir_version(opset: u32) -> i64 {
    match opset {
        ..=14 => 7,
        15..=18 => 8,
        19..=20 => 9,
        21..=22 => 10,
        _ => 11,
    }
}

fn entry(key: &str, value: impl Into<String>) -> StringStringEntryProto {
    StringStringEntryProto { key: Some(key.to_owned()), value: Some(value.into()) }
}

fn attribute(name: &str, value: &OnnxAttribute) -> AttributeProto {
    let base = AttributeProto { name: Some(name.to_owned()), ..AttributeProto::default() };
    let of = |kind: AttributeType| Some(kind as i32);
    match value {
        OnnxAttribute::Int(i) => AttributeProto { i: Some(*i), r#type: of(AttributeType::Int), ..base },
        OnnxAttribute::Float(f) => AttributeProto { f: Some(*f), r#type: of(AttributeType::Float), ..base },
        OnnxAttribute::Text(s) => AttributeProto { s: Some(s.clone().into_bytes()), r#type: of(AttributeType::String), ..base },
        OnnxAttribute::Ints(ints) => AttributeProto { ints: ints.clone(), r#type: of(AttributeType::Ints), ..base },
    }
}

fn node(n: &OnnxNode) -> NodeProto {
    NodeProto {
        input: n.inputs.iter().map(|v| v.0.clone()).collect(),
        output: vec![n.output.0.clone()],
        name: Some(n.output.0.clone()),
        op_type: Some(n.op_type.to_owned()),
        attribute: n.attributes.iter().map(|(name, value)| attribute(name, value)).collect(),
    }
}

fn port(p: &OnnxPort) -> ValueInfoProto {
    let denotations = ["DATA_BATCH", "DATA_CHANNEL", "DATA_FEATURE", "DATA_FEATURE", "DATA_FEATURE"];
    let dim = |(d, denotation): (&OnnxDimension, &str)| DimensionProto {
        value: Some(match d {
            OnnxDimension::Fixed(n) => DimensionValue::Length(length(*n)),
            OnnxDimension::Free(name) => DimensionValue::Name(name.clone()),
        }),
        denotation: Some(denotation.to_owned()),
    };
    let shape = TensorShapeProto { dim: p.dims.iter().zip(denotations).map(dim).collect() };
    let tensor = TensorTypeProto { elem_type: Some(ElementType::Float32 as i32), shape: Some(shape) };
    ValueInfoProto { name: Some(p.name.clone()), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
}

fn length(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

impl OnnxModel {
    /// Numbers of all weights.
    pub fn parameters(&self) -> u64 {
        let used = self.graph.tensors.iter().filter_map(|(_, t)| match t {
            OnnxTensor::Weight { of, .. } => self.weights.get(of),
            _ => None,
        });
        used.map(|a| a.values.len() as u64).sum()
    }

    /// Whether the weights go into a file beside, where no more than `inline` bytes may be in the one with the graph.
    pub fn needs_data(&self, inline: u64) -> bool {
        self.parameters().saturating_mul(4) > inline
    }

    /// The name of the file beside `path` that holds large weights.
    pub fn data_path(path: &Path) -> PathBuf {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".data");
        path.with_file_name(name)
    }

    /// The bytes of the file; those of the file beside it, called `data`, where the weights have more than `inline` bytes.
    ///
    /// # Errors
    /// E0802 where a weight is missing.
    pub fn encode(&self, data: &str, inline: u64) -> Result<(Vec<u8>, Option<Vec<u8>>)> {
        if !self.needs_data(inline) {
            return Ok((self.graph_file(None)?, None));
        }
        let mut bytes = vec![];
        let model = self.graph_file(Some(&mut DataFile { name: data, path: Path::new(data), to: &mut bytes, bytes: 0 }))?;
        Ok((model, Some(bytes)))
    }

    /// The bytes of the file with the graph; large tensors go into the one beside, where there is one.
    fn graph_file(&self, mut beside: Option<&mut DataFile<'_>>) -> Result<Vec<u8>> {
        let mut initializer = Vec::with_capacity(self.graph.tensors.len());
        for (name, tensor) in &self.graph.tensors {
            initializer.push(self.tensor(name, tensor, beside.as_deref_mut())?);
        }
        let graph = GraphProto {
            node: self.graph.nodes.iter().map(node).collect(),
            name: Some(self.name.clone()),
            initializer,
            input: self.inputs.iter().map(port).collect(),
            output: self.outputs.iter().map(port).collect(),
        };
        let set = OperatorSetIdProto { domain: Some(String::new()), version: Some(self.graph.opset.into()) };
        let model = ModelProto {
            ir_version: Some(ir_version(self.graph.opset)),
            producer_name: Some("lmsc".into()),
            producer_version: Some(env!("CARGO_PKG_VERSION").into()),
            graph: Some(graph),
            opset_import: vec![set],
            metadata_props: self.metadata.iter().map(|(key, value)| entry(key, value.clone())).collect(),
        };
        Ok(model.encode_to_vec())
    }

    fn tensor(&self, name: &str, tensor: &OnnxTensor, beside: Option<&mut DataFile<'_>>) -> Result<TensorProto> {
        let (dims, numbers) = match tensor {
            OnnxTensor::Weight { of, dims } => {
                let array = self.weights.get(of).ok_or_else(|| {
                    let message = format!("the weight `{}` is not there", printable(of));
                    Diagnostic::error(Code::E0802, message).help("the weights belong to another graph or to other parameters of it")
                })?;
                (dims, Numbers::Floats(&array.values))
            }
            OnnxTensor::Floats { dims, values } => (dims, Numbers::Floats(values)),
            OnnxTensor::Ints { dims, values } => (dims, Numbers::Ints(values)),
        };
        let proto = TensorProto {
            dims: dims.iter().map(|n| length(*n)).collect(),
            data_type: Some(numbers.element() as i32),
            name: Some(name.to_owned()),
            ..TensorProto::default()
        };
        Ok(match beside {
            Some(data) if numbers.length() >= SMALL => TensorProto { external_data: data.add(numbers)?, data_location: Some(1), ..proto },
            _ => {
                let mut bytes = Vec::with_capacity(numbers.length());
                numbers.write(&mut bytes).map_err(|e| unwritable(Path::new(name), &e))?;
                TensorProto { raw_data: Some(bytes), ..proto }
            }
        })
    }

    /// Writes the file, with the one beside it ([`OnnxModel::data_path`]) where the weights have more than `inline` bytes: both or neither. Gives
    /// the bytes of both.
    ///
    /// # Errors
    /// E0603 where it cannot be written; E0802 where a weight is missing.
    pub fn write(&self, path: &Path, inline: u64) -> Result<u64> {
        let beside = Self::data_path(path);
        let name = beside.file_name().unwrap_or_default().to_string_lossy();
        let data = self.needs_data(inline).then(|| Staged::new(&beside)).transpose()?;
        let (model, more) = match &data {
            None => (self.graph_file(None)?, 0),
            Some(staged) => {
                let told = |e: io::Error| unwritable(&beside, &e);
                let mut to = BufWriter::new(File::create(staged.path()).map_err(told)?);
                let mut file = DataFile { name: &name, path: &beside, to: &mut to, bytes: 0 };
                let (model, bytes) = (self.graph_file(Some(&mut file))?, file.bytes);
                to.flush().map_err(told)?;
                (model, bytes)
            }
        };
        let staged = Staged::new(path)?;
        std::fs::write(staged.path(), &model).map_err(|e| unwritable(path, &e))?;
        data.map_or(Ok(()), Staged::publish)?;
        staged.publish()?;
        Ok((model.len() + more) as u64)
    }
}
