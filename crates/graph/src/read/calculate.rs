//! Arithmetic of single values, and of which kind the entries of a list are.
//!
//! May use `expr`, `value` beside it and `text`.

use super::expr::Fault;
use super::value::Value;
use crate::text::printable;

/// A value in a message.
pub(super) fn short(v: &Value) -> String {
    let text = v.to_string();
    let cut: String = text.chars().take(60).collect();
    printable(&if cut.len() < text.len() { format!("{cut}...") } else { cut }).to_string()
}

/// That a list's entries are of one kind; whole numbers, numbers and sizes are one.
pub(super) fn one_kind(all: &[Value]) -> Result<(), Fault> {
    fn kind(v: &Value) -> &'static str {
        match v {
            Value::Int(_) | Value::Float(_) => "a number",
            Value::List(all) => all.first().map_or("a number", kind),
            other => other.kind(),
        }
    }
    let mut known = all.iter().filter(|v| !v.unknown());
    let Some(first) = known.next() else { return Ok(()) };
    let fits = |v: &&Value| match (first, *v) {
        (Value::Form(a), Value::Form(b)) => a.classes().iter().any(|c| b.classes().contains(c)),
        (a, b) => kind(a) == kind(b),
    };
    match known.find(|v| !fits(v)) {
        Some(other) => Err((
            format!(
                "a list's entries are of one kind, but `{}` is {} and `{}` is {}",
                short(first),
                kind(first),
                short(other),
                kind(other)
            ),
            "make a list of each".into(),
        )),
        None => Ok(()),
    }
}

/// The value of a sign between two numbers.
pub(super) fn arithmetic(sign: char, a: &Value, b: &Value) -> Result<Value, Fault> {
    if let (Value::Int(a), Value::Int(b)) = (a, b) {
        if *b == 0 && matches!(sign, '/' | '%') {
            return Err(("the expression divides by zero".into(), "check the parameters that it uses".into()));
        }
        let n = match sign {
            '+' => a.checked_add(*b),
            '-' => a.checked_sub(*b),
            '*' => a.checked_mul(*b),
            '/' => a.checked_div(*b),
            '%' => a.checked_rem(*b),
            _ => u32::try_from(*b).ok().and_then(|b| a.checked_pow(b)),
        };
        return n.map(Value::Int).ok_or_else(|| ("the expression's value is beyond 64 bits".into(), "use smaller numbers".into()));
    }
    let Some((x, y)) = a.number().zip(b.number()) else {
        return Err((format!("`{}` and `{}` cannot be combined by `{sign}`", short(a), short(b)), "calculate with numbers only".into()));
    };
    let f = match sign {
        '+' => x + y,
        '-' => x - y,
        '*' => x * y,
        '/' => x / y,
        '%' => x % y,
        _ => x.powf(y),
    };
    if f.is_finite() {
        Ok(Value::Float(f))
    } else {
        Err(("the expression's value is not a finite number".into(), "check the parameters that it uses".into()))
    }
}
