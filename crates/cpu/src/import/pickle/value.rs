//! What a pickle holds: plain values, tensors as parts of storages, and names.
//!
//! Part of `import::pickle`.

/// The place of a value.
pub type Id = usize;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Id>),
    /// Keys and values, in order.
    Dict(Vec<(Id, Id)>),
    /// A name that is known.
    Global(Known),
    /// A name that is not known, `module.name`. It stands for nothing and is never called.
    Class(String),
    /// What an unknown name would have made, with the state that was set on it: a network or a part of one, as a dictionary.
    Object {
        class: String,
        state: Option<Id>,
    },
    Storage(Storage),
    Tensor(Tensor),
    /// What was made by a known name and is of no use here: a device, a number of numpy's.
    Other,
}

/// The numbers that tensors lie in.
#[derive(Clone, Debug, PartialEq)]
pub struct Storage {
    pub kind: Kind,
    /// The name of its bytes.
    pub key: String,
    /// How many numbers.
    pub count: usize,
}

/// The types of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    F64,
    F32,
    F16,
    BF16,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
}

impl Kind {
    /// Bytes of one.
    pub fn bytes(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::BF16 | Self::I16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }
}

/// A part of a storage.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub storage: Storage,
    /// Its first number.
    pub offset: usize,
    pub shape: Vec<usize>,
    /// Numbers from one to the next along each axis.
    pub strides: Vec<usize>,
}

/// Names that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// An empty dictionary.
    Dict,
    RebuildTensor,
    /// Calls its first argument, a name, with its third: how PyTorch keeps tensors of somebody's own class.
    Retyped,
    /// Gives its first argument back.
    First,
    Storage(Kind),
    /// Makes what is of no use here.
    Other,
}

/// What a name of a module stands for.
pub(super) fn known(module: &str, name: &str) -> Option<Known> {
    Some(match (module, name) {
        ("collections", "OrderedDict") => Known::Dict,
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Known::RebuildTensor,
        ("torch._tensor", "_rebuild_from_type" | "_rebuild_from_type_v2") => Known::Retyped,
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") | ("torch", "Size") => Known::First,
        ("torch.jit._pickle", "build_intlist" | "build_doublelist" | "build_boollist" | "build_tensorlist") => Known::First,
        ("torch", "DoubleStorage") => Known::Storage(Kind::F64),
        ("torch", "FloatStorage") => Known::Storage(Kind::F32),
        ("torch", "HalfStorage") => Known::Storage(Kind::F16),
        ("torch", "BFloat16Storage") => Known::Storage(Kind::BF16),
        ("torch", "LongStorage") => Known::Storage(Kind::I64),
        ("torch", "IntStorage") => Known::Storage(Kind::I32),
        ("torch", "ShortStorage") => Known::Storage(Kind::I16),
        ("torch", "CharStorage") => Known::Storage(Kind::I8),
        ("torch", "ByteStorage") => Known::Storage(Kind::U8),
        ("torch", "BoolStorage") => Known::Storage(Kind::Bool),
        ("torch", "device" | "float64" | "float32" | "float16" | "bfloat16" | "int64")
        | ("numpy", "dtype" | "ndarray")
        | ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar" | "_reconstruct")
        | ("_codecs", "encode")
        | ("builtins", "set" | "frozenset" | "bytearray")
        | ("pathlib", "PosixPath" | "WindowsPath" | "PurePosixPath") => Known::Other,
        ("numpy.dtypes", name) if name.ends_with("DType") => Known::Other,
        _ => return None,
    })
}

/// A pickle's values.
#[derive(Clone, Debug)]
pub struct Pickle {
    pub(super) values: Vec<Value>,
    pub root: Id,
    /// The unknown names that it would have had called, each once. Nothing of them was run.
    pub unknown: Vec<String>,
}

impl Pickle {
    pub fn get(&self, id: Id) -> &Value {
        // Every place that is given out is one of the list.
        &self.values[id]
    }

    /// The dictionary that is the state of an object; any other value as it is.
    pub fn state(&self, id: Id) -> Id {
        match self.get(id) {
            Value::Object { state: Some(state), .. } => *state,
            _ => id,
        }
    }

    /// All storages that tensors lie in.
    pub fn storages(&self) -> impl Iterator<Item = &Storage> {
        self.values.iter().filter_map(|value| if let Value::Storage(storage) = value { Some(storage) } else { None })
    }

    /// The value of a text in a dictionary, where it stands last.
    pub fn entry(&self, dict: Id, key: &str) -> Option<Id> {
        let Value::Dict(entries) = self.get(dict) else { return None };
        entries.iter().rev().find(|(k, _)| matches!(self.get(*k), Value::Text(text) if text == key)).map(|(_, v)| *v)
    }
}
