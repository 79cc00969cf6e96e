//! An interpreter of Python's pickles that builds plain data and runs nothing.
//!
//! Part of `import`; may use `text`. A pickle is a program for a small stack machine (Python's `pickletools` lists its operations) that may name any
//! function and have it called. Here the names that PyTorch and numpy use for tensors and numbers stand for data, and any other name is an error.
//! Values lie in one list and name each other by their places in it, so that neither depth nor rings can do harm.

use std::collections::HashMap;

use crate::text::printable;

/// No pickle has more values.
const MOST: usize = 1 << 23;

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
    /// Gives its first argument back.
    First,
    Storage(Kind),
    /// Makes what is of no use here.
    Other,
}

/// What a name of a module stands for.
fn known(module: &str, name: &str) -> Option<Known> {
    Some(match (module, name) {
        ("collections", "OrderedDict") => Known::Dict,
        ("torch._utils", "_rebuild_tensor_v2") => Known::RebuildTensor,
        ("torch._utils", "_rebuild_parameter") | ("torch", "Size") => Known::First,
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
    values: Vec<Value>,
    pub root: Id,
}

impl Pickle {
    pub fn get(&self, id: Id) -> &Value {
        // Every place that is given out is one of the list.
        &self.values[id]
    }

    /// The value of a text in a dictionary, where it stands last.
    pub fn entry(&self, dict: Id, key: &str) -> Option<Id> {
        let Value::Dict(entries) = self.get(dict) else { return None };
        entries.iter().rev().find(|(k, _)| matches!(self.get(*k), Value::Text(text) if text == key)).map(|(_, v)| *v)
    }
}

/// Reads a pickle.
///
/// # Errors
/// What is wrong with it, in words: a name that is not known, an operation that no checkpoint has, an end before its time.
pub fn read(bytes: &[u8]) -> Result<Pickle, String> {
    let mut machine = Machine { bytes, at: 0, values: vec![], stack: vec![], marks: vec![], memo: HashMap::new() };
    let root = machine.run()?;
    Ok(Pickle { values: machine.values, root })
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

type Done<T> = Result<T, String>;

impl<'a> Machine<'a> {
    fn take(&mut self, count: usize) -> Done<&'a [u8]> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let bytes = &self.bytes[self.at..end.ok_or("its pickle ends before its time")?];
        self.at += count;
        Ok(bytes)
    }

    /// A little-endian number of some bytes, up to 8.
    fn number(&mut self, bytes: usize) -> Done<u64> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
    }

    /// So many bytes as a number of some bytes says.
    fn counted(&mut self, bytes: usize) -> Done<&'a [u8]> {
        let count = self.number(bytes)?;
        self.take(usize::try_from(count).unwrap_or(usize::MAX))
    }

    fn line(&mut self) -> Done<&'a str> {
        let length = self.bytes[self.at..].iter().position(|b| *b == b'\n').ok_or("its pickle ends before its time")?;
        let line = self.take(length + 1)?;
        std::str::from_utf8(&line[..length]).map_err(|_| "a name in it is no text".into())
    }

    fn push(&mut self, value: Value) -> Done<()> {
        if self.values.len() >= MOST {
            return Err(format!("its pickle holds more than {MOST} values"));
        }
        self.stack.push(self.values.len());
        self.values.push(value);
        Ok(())
    }

    fn text(&mut self, bytes: &[u8]) -> Done<()> {
        self.push(Value::Text(String::from_utf8_lossy(bytes).into_owned()))
    }

    fn pop(&mut self) -> Done<Id> {
        let least = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= least {
            return Err("its pickle takes what is not there".into());
        }
        self.stack.pop().ok_or_else(|| "its pickle takes what is not there".into())
    }

    /// What lies above the last mark, which goes.
    fn above(&mut self) -> Done<Vec<Id>> {
        let mark = self.marks.pop().ok_or("its pickle takes what is not there")?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    /// The value on top, which stays.
    fn top(&mut self) -> Done<&mut Value> {
        let id = *self.stack.last().ok_or("its pickle takes what is not there")?;
        Ok(&mut self.values[id])
    }

    fn append(&mut self, items: Vec<Id>) -> Done<()> {
        match self.top()? {
            Value::List(list) => list.extend(items),
            // A set, or a list of somebody's own.
            Value::Other => {}
            _ => return Err("its pickle adds to what is no list".into()),
        }
        Ok(())
    }

    fn set(&mut self, items: &[Id]) -> Done<()> {
        match self.top()? {
            Value::Dict(dict) => dict.extend(items.as_chunks::<2>().0.iter().map(|[k, v]| (*k, *v))),
            Value::Other => {}
            _ => return Err("its pickle adds to what is no dictionary".into()),
        }
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Done<()> {
        match known(module, name) {
            Some(known) => self.push(Value::Global(known)),
            None => Err(format!(
                "it names `{}`, which is none of the names that tensors and numbers need",
                printable(&format!("{module}.{name}"))
            )),
        }
    }

    fn keep(&mut self, place: u64) -> Done<()> {
        let id = *self.stack.last().ok_or("its pickle takes what is not there")?;
        self.memo.insert(place, id);
        Ok(())
    }

    fn fetch(&mut self, place: u64) -> Done<()> {
        let id = *self.memo.get(&place).ok_or("its pickle takes what is not there")?;
        self.stack.push(id);
        // A value may be fetched again and again: the stack is bounded as the list is.
        if self.stack.len() > MOST { Err(format!("its pickle holds more than {MOST} values")) } else { Ok(()) }
    }

    fn run(&mut self) -> Done<Id> {
        loop {
            let operation = self.take(1)?[0];
            match operation {
                b'.' => return self.pop(),
                0x80 => drop(self.take(1)?),
                0x95 => drop(self.take(8)?),
                b'(' => self.marks.push(self.stack.len()),
                b'0' => drop(self.pop()?),
                b'1' => drop(self.above()?),
                b'2' => {
                    let id = self.pop()?;
                    self.stack.extend([id, id]);
                }
                b'N' => self.push(Value::None)?,
                0x88 | 0x89 => self.push(Value::Bool(operation == 0x88))?,
                b'J' => {
                    let value = self.number(4)? as u32;
                    self.push(Value::Int(i64::from(value.cast_signed())))?;
                }
                b'K' | b'M' => {
                    let value = self.number(if operation == b'K' { 1 } else { 2 })?;
                    self.push(Value::Int(value.cast_signed()))?;
                }
                0x8a | 0x8b => {
                    let bytes = self.counted(if operation == 0x8a { 1 } else { 4 })?;
                    self.push(long(bytes))?;
                }
                b'G' => {
                    let value = f64::from_bits(self.number(8)?.swap_bytes());
                    self.push(Value::Float(value))?;
                }
                b'X' | 0x8c | 0x8d => {
                    let bytes = self.counted(match operation {
                        b'X' => 4,
                        0x8c => 1,
                        _ => 8,
                    })?;
                    self.text(bytes)?;
                }
                b'T' | b'U' => {
                    let bytes = self.counted(if operation == b'T' { 4 } else { 1 })?;
                    self.text(bytes)?;
                }
                b'B' | b'C' | 0x8e => {
                    self.counted(match operation {
                        b'B' => 4,
                        b'C' => 1,
                        _ => 8,
                    })?;
                    self.push(Value::Other)?;
                }
                b']' | b')' => self.push(Value::List(vec![]))?,
                b'}' => self.push(Value::Dict(vec![]))?,
                0x8f => self.push(Value::Other)?,
                0x90 => drop(self.above()?),
                b't' | b'l' => {
                    let items = self.above()?;
                    self.push(Value::List(items))?;
                }
                0x85..=0x87 => {
                    let mut items = (0..operation - 0x84).map(|_| self.pop()).collect::<Done<Vec<Id>>>()?;
                    items.reverse();
                    self.push(Value::List(items))?;
                }
                b'd' => {
                    let items = self.above()?;
                    self.push(Value::Dict(vec![]))?;
                    self.set(&items)?;
                }
                b'a' => {
                    let item = self.pop()?;
                    self.append(vec![item])?;
                }
                b'e' => {
                    let items = self.above()?;
                    self.append(items)?;
                }
                b's' => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.set(&[key, value])?;
                }
                b'u' => {
                    let items = self.above()?;
                    self.set(&items)?;
                }
                b'q' | b'r' => {
                    let place = self.number(if operation == b'q' { 1 } else { 4 })?;
                    self.keep(place)?;
                }
                0x94 => self.keep(self.memo.len() as u64)?,
                b'h' | b'j' => {
                    let place = self.number(if operation == b'h' { 1 } else { 4 })?;
                    self.fetch(place)?;
                }
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.global(module, name)?;
                }
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    match (self.values[module].clone(), self.values[name].clone()) {
                        (Value::Text(module), Value::Text(name)) => self.global(&module, &name)?,
                        _ => return Err("a name in it is no text".into()),
                    }
                }
                b'R' | 0x81 => {
                    let (arguments, function) = (self.pop()?, self.pop()?);
                    let made = self.made(function, arguments)?;
                    self.push(made)?;
                }
                // What is set beside a value (the versions of a network's parts) is of no use here.
                b'b' => drop(self.pop()?),
                b'Q' => {
                    let id = self.pop()?;
                    let storage = self.storage(id)?;
                    self.push(Value::Storage(storage))?;
                }
                other => return Err(format!("its pickle has the operation 0x{other:02x}, which no checkpoint needs")),
            }
        }
    }

    fn items(&self, id: Id) -> &[Id] {
        match &self.values[id] {
            Value::List(items) => items,
            _ => &[],
        }
    }

    fn size(&self, id: Id) -> Option<usize> {
        match self.values[id] {
            Value::Int(v) => usize::try_from(v).ok(),
            _ => None,
        }
    }

    /// What a known name makes of its arguments.
    fn made(&self, function: Id, arguments: Id) -> Done<Value> {
        let Value::Global(known) = self.values[function] else { return Err("its pickle calls what is no function".into()) };
        let arguments = self.items(arguments);
        Ok(match known {
            Known::Dict if arguments.is_empty() => Value::Dict(vec![]),
            Known::First => arguments.first().map_or(Value::Other, |first| self.values[*first].clone()),
            Known::RebuildTensor => {
                let [storage, offset, shape, strides, ..] = arguments else { return Err("a tensor in it is not whole".into()) };
                let all = |id: Id| self.items(id).iter().map(|i| self.size(*i)).collect::<Option<Vec<usize>>>();
                let parts = (&self.values[*storage], self.size(*offset), all(*shape), all(*strides));
                let (Value::Storage(storage), Some(offset), Some(shape), Some(strides)) = parts else {
                    return Err("a tensor in it is not whole".into());
                };
                Value::Tensor(tensor(storage.clone(), offset, shape, strides).ok_or("a tensor in it is larger than its storage")?)
            }
            Known::Dict | Known::Storage(_) | Known::Other => Value::Other,
        })
    }

    /// `("storage", torch.FloatStorage, key, place, count)`
    fn storage(&self, id: Id) -> Done<Storage> {
        let odd = "a storage in it is not whole";
        let [_, kind, key, _, count] = self.items(id) else { return Err(odd.into()) };
        match (&self.values[*kind], &self.values[*key], self.size(*count)) {
            (Value::Global(Known::Storage(kind)), Value::Text(key), Some(count)) => Ok(Storage { kind: *kind, key: key.clone(), count }),
            _ => Err(odd.into()),
        }
    }
}

/// A tensor, if it lies within its storage.
fn tensor(storage: Storage, offset: usize, shape: Vec<usize>, strides: Vec<usize>) -> Option<Tensor> {
    if shape.len() != strides.len() {
        return None;
    }
    if !shape.contains(&0) {
        let last = shape.iter().zip(&strides).try_fold(offset, |at, (n, step)| at.checked_add((n - 1).checked_mul(*step)?))?;
        shape.iter().try_fold(1usize, |all, n| all.checked_mul(*n))?;
        if last >= storage.count {
            return None;
        }
    }
    Some(Tensor { storage, offset, shape, strides })
}

/// A whole number of any length; what is beyond 64 bits is of no use here.
fn long(bytes: &[u8]) -> Value {
    if bytes.len() > 8 {
        return Value::Other;
    }
    let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
    let mut all = [if negative { 0xff } else { 0 }; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_python_wrote() {
        // pickle.dumps({"a": [1, -2, 300, 1 << 40, 0.5, None, True], "b": ("x",)}, 2)
        let bytes = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01]q\x02(K\x01J\xfe\xff\xff\xffM,\x01\x8a\x06\x00\x00\x00\x00\x00\x01G?\xe0\x00\x00\x00\x00\x00\x00N\x88eX\x01\x00\x00\x00bq\x03X\x01\x00\x00\x00xq\x04\x85q\x05u.";
        let p = read(bytes).unwrap();
        let Some(Value::List(items)) = p.entry(p.root, "a").map(|id| p.get(id)) else { panic!("{p:?}") };
        let all: Vec<Value> = items.iter().map(|id| p.get(*id).clone()).collect();
        let ints = [1, -2, 300, 1 << 40].map(Value::Int);
        assert_eq!(all, [&ints[..], &[Value::Float(0.5), Value::None, Value::Bool(true)]].concat());
        assert!(matches!(p.entry(p.root, "b").map(|id| p.get(id)), Some(Value::List(x)) if x.len() == 1));
    }

    #[test]
    fn names_that_are_not_known_are_told() {
        for (bytes, words) in [
            (&b"\x80\x02cos\nsystem\n(X\x01\x00\x00\x00xtR."[..], "`os.system`"),
            (b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.", "`builtins.eval`"),
            (b"ios\nsystem\n.", "operation 0x69"),
            (b"\x80\x02X\xff\xff\xff\xffx.", "ends before its time"),
            (b"\x80\x02.", "what is not there"),
            (b"\x80\x02(0.", "what is not there"),
            (b"\x80\x02K\x01K\x02a.", "no list"),
            (b"\x80\x02h\x05.", "what is not there"),
            (b"ctorch._utils\n_rebuild_tensor_v2\n)R.", "not whole"),
            (b"K\x01)R.", "no function"),
        ] {
            let said = read(bytes).unwrap_err();
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn a_list_within_itself_and_a_deep_one_do_no_harm() {
        assert!(read(b"]q\x00h\x00a.").is_ok());
        let mut deep = b"]".repeat(100_000);
        deep.extend(b"a".repeat(99_999));
        deep.push(b'.');
        assert!(read(&deep).is_ok());
    }
}
