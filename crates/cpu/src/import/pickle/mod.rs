//! An interpreter of Python's pickles that builds plain data and runs nothing.
//!
//! Part of `import`; may use `text`. A pickle is a program for a small stack machine (Python's `pickletools` lists its operations) that may name any
//! function and have it called. Here the names that PyTorch and numpy use for tensors and numbers stand for data; any other name is kept as a name, and
//! what it would have made is an object of which only the state is looked at.
//! Values lie in one list and name each other by their places in it, so that neither depth nor rings can do harm.

mod value;

use std::collections::HashMap;

use crate::text::printable;

use value::known;
pub use value::{Id, Kind, Known, Pickle, Storage, Tensor, Value};

/// No pickle has more values.
const MOST: usize = 1 << 23;
/// So many unknown names are told.
const MOST_UNKNOWN: usize = 64;

/// Reads a pickle.
///
/// # Errors
/// What is wrong with it, in words: an operation that no checkpoint has, an end before its time.
pub fn read(bytes: &[u8]) -> Result<Pickle, String> {
    read_first(bytes).map(|(pickle, _)| pickle)
}

/// Reads the pickle at the beginning of some bytes, and says how many it takes.
///
/// # Errors
/// As [`read`].
pub fn read_first(bytes: &[u8]) -> Result<(Pickle, usize), String> {
    let mut machine = Machine { bytes, at: 0, values: vec![], stack: vec![], marks: vec![], memo: HashMap::new(), unknown: vec![] };
    let root = machine.run()?;
    Ok((Pickle { values: machine.values, root, unknown: machine.unknown }, machine.at))
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
    unknown: Vec<String>,
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
            Value::Other | Value::Object { .. } => {}
            _ => return Err("its pickle adds to what is no list".into()),
        }
        Ok(())
    }

    fn set(&mut self, items: &[Id]) -> Done<()> {
        match self.top()? {
            Value::Dict(dict) => dict.extend(items.as_chunks::<2>().0.iter().map(|[k, v]| (*k, *v))),
            Value::Other | Value::Object { .. } => {}
            _ => return Err("its pickle adds to what is no dictionary".into()),
        }
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Done<()> {
        let class = match known(module, name) {
            Some(known) => return self.push(Value::Global(known)),
            None => printable(&format!("{module}.{name}")),
        };
        self.push(Value::Class(class))
    }

    /// What an unknown name would have made.
    fn object(&mut self, class: String) -> Value {
        if self.unknown.len() < MOST_UNKNOWN && !self.unknown.contains(&class) {
            self.unknown.push(class.clone());
        }
        Value::Object { class, state: None }
    }

    /// Sets the state of the object on top; of other values (the versions of a network's parts) it is of no use here.
    fn build(&mut self) -> Done<()> {
        let state = self.pop()?;
        if let Value::Object { state: own, .. } = self.top()? {
            own.get_or_insert(state);
        }
        Ok(())
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
                b'b' => self.build()?,
                b'Q' => {
                    let id = self.pop()?;
                    let storage = self.storage(id)?;
                    self.push(storage)?;
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

    /// What a name makes of its arguments.
    fn made(&mut self, function: Id, arguments: Id) -> Done<Value> {
        let known = match &self.values[function] {
            Value::Global(known) => *known,
            Value::Class(class) => {
                let class = class.clone();
                return Ok(self.object(class));
            }
            _ => return Err("its pickle calls what is no function".into()),
        };
        let arguments = self.items(arguments);
        Ok(match known {
            Known::Dict if arguments.is_empty() => Value::Dict(vec![]),
            Known::First => arguments.first().map_or(Value::Other, |first| self.values[*first].clone()),
            Known::Retyped => match arguments {
                // A name that makes a tensor of its arguments; one that itself retypes would have no end.
                [make, _, own, ..] if matches!(self.values[*make], Value::Global(Known::RebuildTensor | Known::First)) => {
                    let (make, own) = (*make, *own);
                    self.made(make, own)?
                }
                _ => Value::Other,
            },
            Known::RebuildTensor => {
                let [storage, offset, shape, strides, ..] = arguments else { return Err("a tensor in it is not whole".into()) };
                let all = |id: Id| self.items(id).iter().map(|i| self.size(*i)).collect::<Option<Vec<usize>>>();
                match (&self.values[*storage], self.size(*offset), all(*shape), all(*strides)) {
                    (Value::Storage(storage), Some(offset), Some(shape), Some(strides)) => {
                        Value::Tensor(tensor(storage.clone(), offset, shape, strides).ok_or("a tensor in it is larger than its storage")?)
                    }
                    // Its numbers are of a type that is not read.
                    (Value::Other, ..) => Value::Other,
                    _ => return Err("a tensor in it is not whole".into()),
                }
            }
            Known::Dict | Known::Storage(_) | Known::Other => Value::Other,
        })
    }

    /// `("storage", torch.FloatStorage, key, place, count)`, in files of before 1.6 with a part of it at the end; `Other` of numbers that are not read.
    fn storage(&mut self, id: Id) -> Done<Value> {
        let odd = "a storage in it is not whole";
        let (kind, key, count) = match self.items(id) {
            [_, kind, key, _, count] => (*kind, *key, *count),
            [_, kind, key, _, count, part] if self.values[*part] == Value::None => (*kind, *key, *count),
            [_, _, _, _, _, _] => return Err("it holds parts of storages, as PyTorch before 0.4 wrote them".into()),
            _ => return Err(odd.into()),
        };
        if let Value::Class(class) = &self.values[kind] {
            let class = class.clone();
            self.object(class);
            return Ok(Value::Other);
        }
        match (&self.values[kind], &self.values[key], self.size(count)) {
            (Value::Global(Known::Storage(kind)), Value::Text(key), Some(count)) => {
                Ok(Value::Storage(Storage { kind: *kind, key: key.clone(), count }))
            }
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
    fn names_that_are_not_known_make_nothing_but_are_told() {
        let p = read(b"\x80\x02cos\nsystem\n(X\x01\x00\x00\x00xtR.").unwrap();
        assert_eq!(
            (p.get(p.root), &p.unknown[..]),
            (&Value::Object { class: "os.system".into(), state: None }, &["os.system".to_owned()][..])
        );
        let p = read(b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.").unwrap();
        assert_eq!((p.get(p.root), p.unknown.len()), (&Value::Class("builtins.eval".into()), 0), "a name that nobody calls");
        // An object with a state: what `torch.save` of a whole network and TorchScript write.
        let p = read(b"\x80\x02cnet\nUNet\n)\x81}X\x01\x00\x00\x00aK\x01sb.").unwrap();
        let Value::Object { class, state: Some(state) } = p.get(p.root) else { panic!("{p:?}") };
        assert_eq!((class.as_str(), p.entry(*state, "a").map(|id| p.get(id))), ("net.UNet", Some(&Value::Int(1))));
    }

    #[test]
    fn what_is_no_checkpoint_is_told() {
        for (bytes, words) in [
            (&b"ios\nsystem\n."[..], "operation 0x69"),
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
