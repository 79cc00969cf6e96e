//! The value of an expression: arithmetic, lists entry by entry, and only what `if`, `&&` and `||` take.

use std::cmp::Ordering;

use super::calculate::{arithmetic, one_kind, short};
use super::expr::{Expr, Fault, Wrong};
use super::function::Function;
use super::scope::{NodeQuestion, Scope};
use super::value::Value;
use crate::text::{printable, several};

/// A list has at most so many entries, those of lists in it among them.
pub const MOST: usize = 100_000;

/// Why there is no value.
enum Stop {
    Fault(Fault),
    /// A list has no such entry: its name.
    Entry(Fault, String),
    /// A parameter in which an error was found is used.
    Unknown,
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::Fault(fault)
    }
}

type Result<T> = std::result::Result<T, Stop>;

/// The value of an expression all of whose names are known.
///
/// # Errors
/// What is wrong with it; an echo where it uses what is not known.
pub(super) fn value(e: &Expr, scope: &Scope) -> std::result::Result<Value, Wrong> {
    let wrong = |message: String, help: String, echo: bool| Wrong { message, help, echo, list: None, turn: None };
    Eval { scope }.value(e).map_err(|stop| match stop {
        Stop::Fault((message, help)) => wrong(message, help, false),
        Stop::Entry((message, help), list) => {
            let list = scope.place(&list).cloned().map(|place| Box::new((list, place)));
            Wrong { list, ..wrong(message, help, false) }
        }
        Stop::Unknown => wrong("the expression uses a parameter that is not known".into(), "mend that first".into(), true),
    })
}

fn fault<T>(message: impl Into<String>, help: impl Into<String>) -> Result<T> {
    Err(Stop::Fault((message.into(), help.into())))
}

struct Eval<'s> {
    scope: &'s Scope,
}

impl Eval<'_> {
    fn value(&self, e: &Expr) -> Result<Value> {
        match e {
            Expr::Value(v) => Ok(v.clone()),
            Expr::Name(name) => match self.scope.get(*name) {
                Some(v) if !matches!(v, Value::Unknown) => Ok(v.clone()),
                _ => Err(Stop::Unknown),
            },
            Expr::List(all) => {
                let all = all.iter().map(|e| self.value(e)).collect::<Result<Vec<_>>>()?;
                one_kind(&all)?;
                self.list(all)
            }
            Expr::Index(list, text, places) => self.at(self.value(list)?, text, places),
            Expr::Call(Function::If, all) => match all.as_slice() {
                [condition, a, b] => self.value(if self.truth(condition)? { a } else { b }),
                _ => Err(Stop::Unknown),
            },
            Expr::Call(Function::Len, all) => match all.first() {
                Some(Expr::Name(name)) if !self.scope.contains_key(*name) => self.answer(NodeQuestion::Length, name),
                Some(e) => self.listed(e, "len").map(|l| Value::Int(i64::try_from(l.len()).unwrap_or(i64::MAX))),
                None => Err(Stop::Unknown),
            },
            Expr::Call(function, all) => self.call(*function, all),
            Expr::Ask(question, of, places) => self.at(self.answer(*question, of)?, of, places),
            Expr::Range(a, b, closed) => self.range(a, b, *closed),
            Expr::Negative(a) => self.arithmetic('-', &Value::Int(0), &self.value(a)?),
            Expr::Not(a) => Ok(Value::Bool(!self.truth(a)?)),
            Expr::Power(a, b) => {
                let a = self.value(a)?;
                self.arithmetic('^', &a, &self.value(b)?)
            }
            Expr::Row(first, more) => {
                let mut a = self.value(first)?;
                for (sign, b) in more {
                    a = self.arithmetic(*sign, &a, &self.value(b)?)?;
                }
                Ok(a)
            }
            Expr::Compare(sign, a, b) => {
                let a = self.value(a)?;
                compare(sign, &a, &self.value(b)?).map(Value::Bool)
            }
            Expr::All(all) => self.until(all, false),
            Expr::Any(all) => self.until(all, true),
        }
    }

    /// Looks at conditions until one is `found`.
    fn until(&self, all: &[Expr], found: bool) -> Result<Value> {
        for e in all {
            if self.truth(e)? == found {
                return Ok(Value::Bool(found));
            }
        }
        Ok(Value::Bool(!found))
    }

    fn truth(&self, e: &Expr) -> Result<bool> {
        match self.value(e)? {
            Value::Bool(b) => Ok(b),
            other => fault(
                format!("`{}` is {}, where `true` or `false` is expected", short(&other), other.kind()),
                "compare it, as in `anchors > 0`",
            ),
        }
    }

    /// A list of its entries, if it is not too long.
    fn list(&self, all: Vec<Value>) -> Result<Value> {
        let list = Value::list(all);
        self.spend(list.entries())?;
        if list.entries() > MOST {
            return fault(format!("a list has at most {MOST} entries"), "use a shorter one");
        }
        Ok(list)
    }

    fn spend(&self, entries: usize) -> Result<()> {
        if self.scope.spend(entries) {
            return Ok(());
        }
        fault("the expressions of this graph go through too many entries of lists", "use shorter lists, or fewer expressions over them")
    }

    fn listed(&self, e: &Expr, function: &str) -> Result<std::sync::Arc<Vec<Value>>> {
        match self.value(e)? {
            Value::List(all) => {
                self.spend(all.len())?;
                Ok(all)
            }
            other => fault(
                format!("`{function}` takes a list, but `{}` is {}", short(&other), other.kind()),
                "give it a list, as in `len([1, 2])`",
            ),
        }
    }

    fn answer(&self, question: NodeQuestion, of: &str) -> Result<Value> {
        match self.scope.answer(question, of) {
            Some(Ok(Value::Unknown)) => Err(Stop::Unknown),
            Some(Ok(v)) => Ok(v.clone()),
            Some(Err(told)) => Err(Stop::Fault(told.clone())),
            None => {
                let (name, of) = (question.name(), printable(of));
                match self.scope.inputs() {
                    Some([]) => fault(
                        format!("`{name}({of})` asks of `{of}`, but there are no inputs to ask of here"),
                        "ask in a composite of its inputs, or in a field of any node",
                    ),
                    Some(inputs) => fault(
                        format!("`{name}({of})` asks of `{of}`, but which nodes there are can depend on {} of its scope", only(inputs)),
                        "ask of an input; a field of a node may ask of any node",
                    ),
                    None => fault(format!("`{name}({of})`: nothing can be asked here"), "ask in a composite, or in a field of a node"),
                }
            }
        }
    }

    fn at(&self, list: Value, text: &str, places: &[Expr]) -> Result<Value> {
        let mut list = list;
        for e in places {
            let Value::List(all) = &list else {
                return fault(
                    format!("`{}` is {}, and has no entries", printable(text), list.kind()),
                    "leave out the `[...]`, or use a list",
                );
            };
            list = match self.value(e)? {
                Value::List(places) => self.list(places.iter().map(|place| entry(all, text, place)).collect::<Result<_>>()?)?,
                place => entry(all, text, &place)?,
            };
        }
        if matches!(list, Value::Unknown) { Err(Stop::Unknown) } else { Ok(list) }
    }

    fn call(&self, function: Function, all: &[Expr]) -> Result<Value> {
        let Some((first, more)) = all.split_first() else { return Err(Stop::Unknown) };
        match function {
            Function::Sum => {
                let all = self.listed(first, "sum")?;
                all.iter().try_fold(Value::Int(0), |sum, v| self.arithmetic('+', &sum, v))
            }
            Function::Last => match self.listed(first, "last")?.last() {
                Some(v) => Ok(v.clone()),
                None => fault("`last` takes a list with entries, and this one is empty", "use a longer list"),
            },
            Function::Rev => {
                let all = self.listed(first, "rev")?;
                self.list(all.iter().rev().cloned().collect())
            }
            Function::Concat => {
                let mut joined = vec![];
                for e in std::iter::once(first).chain(more) {
                    match self.value(e)? {
                        Value::List(all) => {
                            self.spend(all.len())?;
                            joined.extend(all.iter().cloned());
                        }
                        other => {
                            let shown = short(&other);
                            return fault(
                                format!("`concat` takes lists, but `{shown}` is {}", other.kind()),
                                format!("put it in brackets: `[{shown}]`"),
                            );
                        }
                    }
                }
                one_kind(&joined)?;
                self.list(joined)
            }
            Function::Min | Function::Max => {
                let sign = if function == Function::Min { "<=" } else { ">=" };
                let mut best = self.value(first)?;
                if let (Value::List(entries), []) = (&best, more) {
                    self.spend(entries.len())?;
                    let Some((first, more)) = entries.split_first() else {
                        return fault("the list is empty: it has no least and no greatest entry", "use a longer list");
                    };
                    return more.iter().try_fold(first.clone(), |best, v| self.better(sign, best, v.clone()));
                }
                for e in more {
                    best = self.better(sign, best, self.value(e)?)?;
                }
                Ok(best)
            }
            Function::If | Function::Len => Err(Stop::Unknown),
        }
    }

    /// The lesser or greater of two, entry by entry.
    fn better(&self, sign: &str, a: Value, b: Value) -> Result<Value> {
        if let Some(pairs) = self.pairs(&a, &b)? {
            return self.list(pairs.into_iter().map(|(a, b)| self.better(sign, a, b)).collect::<Result<_>>()?);
        }
        Ok(if compare(sign, &a, &b)? { a } else { b })
    }

    /// The entries of two lists of one length side by side, or of a list with what is no list.
    fn pairs(&self, a: &Value, b: &Value) -> Result<Option<Vec<(Value, Value)>>> {
        let pairs: Vec<(Value, Value)> = match (a, b) {
            (Value::List(a), Value::List(b)) if a.len() != b.len() => {
                return fault(
                    format!("these lists have {} and {}", a.len(), several_entries(b.len())),
                    "calculate with lists of one length, or a list and a number",
                );
            }
            (Value::List(a), Value::List(b)) => a.iter().cloned().zip(b.iter().cloned()).collect(),
            (Value::List(a), b) => a.iter().map(|a| (a.clone(), b.clone())).collect(),
            (a, Value::List(b)) => b.iter().map(|b| (a.clone(), b.clone())).collect(),
            _ => return Ok(None),
        };
        self.spend(pairs.len())?;
        Ok(Some(pairs))
    }

    fn range(&self, from: &Expr, to: &Expr, closed: bool) -> Result<Value> {
        let bound = |e: &Expr| match self.value(e)? {
            Value::Int(n) => Ok(n),
            other => fault(format!("a range goes over whole numbers, but `{}` is {}", short(&other), other.kind()), "write whole numbers"),
        };
        let (from, to) = (bound(from)?, bound(to)?);
        let end = to.checked_add(i64::from(closed)).filter(|end| i64::try_from(MOST).is_ok_and(|most| end.saturating_sub(from) <= most));
        let Some(end) = end else { return fault(format!("the range from {from} to {to} is longer than {MOST}"), "use a shorter one") };
        self.list((from..end).map(Value::Int).collect())
    }

    fn arithmetic(&self, sign: char, a: &Value, b: &Value) -> Result<Value> {
        if matches!(a, Value::Unknown) || matches!(b, Value::Unknown) {
            return Err(Stop::Unknown);
        }
        if let Some(pairs) = self.pairs(a, b)? {
            return self.list(pairs.iter().map(|(a, b)| self.arithmetic(sign, a, b)).collect::<Result<_>>()?);
        }
        Ok(arithmetic(sign, a, b)?)
    }
}

/// The entry of a list at a place; `text` is how the list is written.
fn entry(all: &[Value], text: &str, place: &Value) -> Result<Value> {
    let shown = printable(text);
    let Value::Int(i) = *place else {
        return fault(
            format!("an entry of `{shown}` is asked for by `{}`, which is no whole number", short(place)),
            "write a whole number, counted from 0, or a list of them, as in `l[0..2]`",
        );
    };
    if let Some(entry) = usize::try_from(i).ok().and_then(|i| all.get(i)) {
        return Ok(entry.clone());
    }
    let has = match all.len() {
        0 => "no entries".to_owned(),
        1 => "1 entry, 0 alone".to_owned(),
        n => format!("{}, 0 to {}", several_entries(n), n - 1),
    };
    let help = match (all.len(), i) {
        (0, _) => "use a longer list".to_owned(),
        (_, -1) => format!("the last entry is `last({shown})`"),
        (_, i) if i < 0 => format!("entries are counted from 0: from the end write `{shown}[len({shown}) - {}]`", i.unsigned_abs()),
        _ => "entries are counted from 0: use a longer list, or ask for less".to_owned(),
    };
    Err(Stop::Entry((format!("`{shown}` has {has}, and entry {i} is asked for"), help), text.to_owned()))
}

/// `its inputs x and skip`
fn only(inputs: &[String]) -> String {
    let all: Vec<String> = inputs.iter().map(|i| format!("`{i}`")).collect();
    match all.as_slice() {
        [one] => format!("only its input {one}"),
        [first @ .., last] => format!("only its inputs {} and {last}", first.join(", ")),
        [] => "nothing".into(),
    }
}

fn several_entries(n: usize) -> String {
    several(n, "entry")
}

fn compare(sign: &str, a: &Value, b: &Value) -> Result<bool> {
    use Ordering::{Equal, Greater, Less};
    if a.unknown() || b.unknown() {
        return Err(Stop::Unknown);
    }
    let equals = matches!(sign, "==" | "!=");
    let order = match (a, b) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) if equals => Some(a.cmp(b)),
        (Value::Form(a), Value::Form(b)) if equals => Some(if a == b { Equal } else { Less }),
        (Value::Text(_) | Value::Form(_), Value::Text(_) | Value::Form(_)) if equals => Some(a.word().cmp(&b.word())),
        (Value::List(a), Value::List(b)) if equals => Some(if a == b { Equal } else { Less }),
        (Value::List(_), _) | (_, Value::List(_)) => {
            return fault(
                format!("`{}` and `{}` cannot be compared by `{sign}`: one is a list", short(a), short(b)),
                "compare an entry, the greatest by `max(stride)`, or whole lists by `==`",
            );
        }
        _ => a.number().zip(b.number()).and_then(|(a, b)| a.partial_cmp(&b)),
    };
    let Some(order) = order else {
        return fault(
            format!("`{}` and `{}` cannot be compared by `{sign}`", short(a), short(b)),
            "compare numbers with numbers and words with words",
        );
    };
    Ok(match sign {
        "==" => order == Equal,
        "!=" => order != Equal,
        "<" => order == Less,
        "<=" => order != Greater,
        ">" => order == Greater,
        _ => order != Less,
    })
}
