//! Expressions: `width * 2`, `max(out / 8, 4)`, `anchors > 0 && lspm`, `if(deep, 4, 3)`.
//!
//! From loosest to tightest: `||`, `&&`, comparisons (`== != < <= > >=`), `+ -`, `* / %`, `-x` and `!x`, `^`. Then numbers, `true`,
//! `false`, names, words in single quotes, parentheses, `min(a, b)`, `max(a, b)` and `if(condition, a, b)`.
//! Whole numbers stay whole: division of two rounds towards zero. Nothing wraps.

use super::value::{Scope, Value};
use crate::text::{Code, Diagnostic, Place, printable, suggestion};

/// Expressions nest at most this deep.
const DEPTH: usize = 64;

/// What is wrong with an expression, and a remedy.
#[derive(Clone, Debug, PartialEq)]
pub struct Wrong {
    pub message: String,
    pub help: String,
    /// Whether it uses a parameter in which an error was found.
    pub echo: bool,
}

impl Wrong {
    /// As the error of an expression that stands at `place`.
    pub fn at(self, place: &Place) -> Diagnostic {
        Diagnostic::error(Code::E0105, self.message).at(place.clone(), "here").help(self.help).echo(self.echo)
    }
}

/// In a scope: that not all of its names could be read. It is no name itself.
pub const OPEN: &str = "?";

/// Message and remedy, while an expression is read.
type Fault = (String, String);

/// Evaluates an expression.
///
/// # Errors
/// What is wrong with it, and a remedy.
pub fn evaluate(text: &str, scope: &Scope) -> Result<Value, Wrong> {
    let mut p = Parser { rest: text.trim(), scope, depth: 0, missing: vec![], unknown: false };
    let read = p.whole();
    let told = |(message, help): Fault| Wrong { message, help, echo: false };
    if !p.missing.is_empty() {
        return Err(Wrong { echo: scope.contains_key(OPEN), ..told(absent(&p.missing, scope)) });
    }
    let value = read.map_err(told)?;
    if p.unknown {
        return Err(Wrong {
            message: "the expression uses a parameter that is not known".into(),
            help: "mend that first".into(),
            echo: true,
        });
    }
    Ok(value)
}

/// That there are no such parameters.
fn absent(names: &[&str], scope: &Scope) -> Fault {
    let near = |name: &&str| suggestion(name, scope.keys().map(String::as_str).filter(|k| is_name(k)), "parameters");
    let all: Vec<String> = names.iter().map(|n| format!("`{}`", printable(n))).collect();
    let mut helps: Vec<String> = names.iter().map(near).collect();
    helps.dedup();
    let message = match all.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("there are no parameters {} and {last}", first.join(", ")),
        _ => format!("there is no parameter {}", all.concat()),
    };
    (message, helps.join(", "))
}

/// Whether the text could be a parameter's name.
pub fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_') && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// The words of an expression that could be names.
pub fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|w| is_name(w))
}

struct Parser<'a> {
    rest: &'a str,
    scope: &'a Scope,
    depth: usize,
    /// Names that are no parameters.
    missing: Vec<&'a str>,
    /// Whether a parameter in which an error was found is used.
    unknown: bool,
}

impl<'a> Parser<'a> {
    fn whole(&mut self) -> Result<Value, Fault> {
        if self.rest.is_empty() {
            return Err(("the expression is empty".into(), "write a number or a name".into()));
        }
        let value = self.or()?;
        if self.rest.is_empty() {
            return Ok(value);
        }
        Err((
            format!("`{}` is left over after the expression", printable(self.rest)),
            "use + - * / % ^ ( ) == < && || min max if, numbers and names of parameters".into(),
        ))
    }

    /// What a name without a value stands for is a guess, so nothing that follows from it is wrong.
    fn sure<T>(&self, result: Result<T, Fault>, otherwise: T) -> Result<T, Fault> {
        if self.unknown || !self.missing.is_empty() { Ok(result.unwrap_or(otherwise)) } else { result }
    }

    fn arithmetic(&self, sign: char, a: &Value, b: &Value) -> Result<Value, Fault> {
        self.sure(arithmetic(sign, a, b), Value::Int(1))
    }

    fn truth(&self, v: &Value) -> Result<bool, Fault> {
        self.sure(truth(v), false)
    }

    fn eat(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn or(&mut self) -> Result<Value, Fault> {
        let mut a = self.and()?;
        while self.eat("||") {
            let b = self.and()?;
            a = Value::Bool(self.truth(&a)? | self.truth(&b)?);
        }
        Ok(a)
    }

    fn and(&mut self) -> Result<Value, Fault> {
        let mut a = self.comparison()?;
        while self.eat("&&") {
            let b = self.comparison()?;
            a = Value::Bool(self.truth(&a)? & self.truth(&b)?);
        }
        Ok(a)
    }

    fn comparison(&mut self) -> Result<Value, Fault> {
        let a = self.sum()?;
        for sign in ["==", "!=", "<=", ">=", "<", ">"] {
            if self.eat(sign) {
                let b = self.sum()?;
                return self.sure(compare(sign, &a, &b), false).map(Value::Bool);
            }
        }
        Ok(a)
    }

    fn sum(&mut self) -> Result<Value, Fault> {
        let mut a = self.product()?;
        loop {
            let Some(sign) = ['+', '-'].into_iter().find(|s| self.eat(s.encode_utf8(&mut [0; 4]))) else { return Ok(a) };
            let b = self.product()?;
            a = self.arithmetic(sign, &a, &b)?;
        }
    }

    fn product(&mut self) -> Result<Value, Fault> {
        let mut a = self.factor()?;
        loop {
            let Some(sign) = ['*', '/', '%'].into_iter().find(|s| self.eat(s.encode_utf8(&mut [0; 4]))) else { return Ok(a) };
            let b = self.factor()?;
            a = self.arithmetic(sign, &a, &b)?;
        }
    }

    fn factor(&mut self) -> Result<Value, Fault> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err((format!("the expression nests more than {DEPTH} deep"), "write it in parts, as parameters".into()));
        }
        let value = if self.eat("-") {
            let x = self.factor()?;
            self.arithmetic('-', &Value::Int(0), &x)?
        } else if self.rest.starts_with('!') && !self.rest.starts_with("!=") && self.eat("!") {
            let x = self.factor()?;
            Value::Bool(!self.truth(&x)?)
        } else {
            let a = self.leaf()?;
            if self.eat("^") {
                let b = self.factor()?;
                self.arithmetic('^', &a, &b)?
            } else {
                a
            }
        };
        self.depth -= 1;
        Ok(value)
    }

    fn leaf(&mut self) -> Result<Value, Fault> {
        if self.eat("(") {
            let value = self.or()?;
            return self.close().map(|()| value);
        }
        if let Some(rest) = self.rest.strip_prefix('\'') {
            let (word, rest) = rest
                .split_once('\'')
                .ok_or_else(|| ("a `'` is missing in the expression".to_owned(), "close the quoted word".to_owned()))?;
            self.rest = rest.trim_start();
            return Ok(Value::Text(word.to_owned()));
        }
        if self.rest.starts_with(|c: char| c.is_ascii_digit()) {
            return self.literal();
        }
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        match word {
            "" => {
                let found = self.rest.chars().next().map_or("its end".into(), |c| format!("`{}`", printable(&c.to_string())));
                Err((
                    format!("the expression has {found} where a number or a name is expected"),
                    "use + - * / % ^ ( ) == < && || min max if".into(),
                ))
            }
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            "min" | "max" if self.eat("(") => {
                let [a, b] = self.arguments(word)?;
                let first = self.sure(compare(if word == "min" { "<=" } else { ">=" }, &a, &b), true)?;
                Ok(if first { a } else { b })
            }
            "if" if self.eat("(") => {
                let [condition, a, b] = self.arguments(word)?;
                Ok(if self.truth(&condition)? { a } else { b })
            }
            _ => Ok(match self.scope.get(word) {
                Some(Value::Unknown) => {
                    self.unknown = true;
                    Value::Int(1)
                }
                Some(value) => value.clone(),
                None => {
                    if !self.missing.contains(&word) {
                        self.missing.push(word);
                    }
                    Value::Int(1)
                }
            }),
        }
    }

    fn literal(&mut self) -> Result<Value, Fault> {
        let whole = self.rest.find(|c: char| !(c.is_ascii_digit() || c == '_')).unwrap_or(self.rest.len());
        let fraction = self.rest[whole..].strip_prefix('.').filter(|f| f.starts_with(|c: char| c.is_ascii_digit()));
        let end = fraction.map_or(whole, |f| whole + 1 + f.find(|c: char| !c.is_ascii_digit()).unwrap_or(f.len()));
        let (text, rest) = self.rest.split_at(end);
        if rest.starts_with(|c: char| c.is_alphanumeric()) {
            let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
            return Err((
                format!("`{}{}` is neither a number nor a name", printable(text), printable(&rest[..end])),
                "a name begins with a letter".into(),
            ));
        }
        self.rest = rest.trim_start();
        let digits = text.replace('_', "");
        if fraction.is_some() {
            return digits
                .parse()
                .map(Value::Float)
                .map_err(|_| (format!("`{}` is not a number", printable(text)), "write it as 0.5".into()));
        }
        digits
            .parse()
            .map(Value::Int)
            .map_err(|_| (format!("`{}` is not a whole number below 2^63", printable(text)), "use a smaller number".into()))
    }

    fn arguments<const N: usize>(&mut self, name: &str) -> Result<[Value; N], Fault> {
        let mut all = vec![];
        loop {
            all.push(self.or()?);
            if !self.eat(",") {
                break;
            }
        }
        self.close()?;
        let found = all.len();
        all.try_into().map_err(|_| {
            let form = if N == 3 { "if(condition, a, b)".to_owned() } else { format!("{name}(a, b)") };
            (format!("`{name}` takes {N} values, {found} are given"), format!("write `{form}`"))
        })
    }

    fn close(&mut self) -> Result<(), Fault> {
        if self.eat(")") { Ok(()) } else { Err(("a `)` is missing in the expression".into(), "close every bracket".into())) }
    }
}

fn truth(v: &Value) -> Result<bool, Fault> {
    match v {
        Value::Bool(b) => Ok(*b),
        other => {
            Err((format!("`{other}` is {}, where `true` or `false` is expected", other.kind()), "compare it, as in `anchors > 0`".into()))
        }
    }
}

fn compare(sign: &str, a: &Value, b: &Value) -> Result<bool, Fault> {
    use std::cmp::Ordering::*;
    let order = match (a, b) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) if matches!(sign, "==" | "!=") => Some(a.cmp(b)),
        (Value::Text(a), Value::Text(b)) if matches!(sign, "==" | "!=") => Some(a.cmp(b)),
        _ => a.number().zip(b.number()).and_then(|(a, b)| a.partial_cmp(&b)),
    };
    let order = order.ok_or_else(|| {
        (format!("`{a}` and `{b}` cannot be compared by `{sign}`"), "compare numbers with numbers and words with words".to_owned())
    })?;
    Ok(match sign {
        "==" => order == Equal,
        "!=" => order != Equal,
        "<" => order == Less,
        "<=" => order != Greater,
        ">" => order == Greater,
        _ => order != Less,
    })
}

fn arithmetic(sign: char, a: &Value, b: &Value) -> Result<Value, Fault> {
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
        return Err((format!("`{a}` and `{b}` cannot be combined by `{sign}`"), "calculate with numbers only".into()));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn eval(text: &str) -> Result<Value, String> {
        let scope = Scope::from([
            ("width".to_owned(), Value::Int(8)),
            ("k".to_owned(), Value::Int(3)),
            ("deep".to_owned(), Value::Bool(true)),
            ("act".to_owned(), Value::Text("relu".into())),
        ]);
        evaluate(text, &scope).map_err(|w| format!("{}; {}", w.message, w.help))
    }

    #[test]
    fn precedence_and_functions() {
        for (text, value) in [
            ("1 + 2 * width - 4 / 2", 15),
            ("(1+2)*-k", -9),
            ("max(width / 16, 4) + min(k, 2) % 2", 4),
            ("10 - 3 - 2", 5),
            ("width * 2 ^ (k - 1)", 32),
            ("-2 ^ 2", -4),
            ("if(deep && k > 2, 1, 0)", 1),
            ("7 / 2", 3),
        ] {
            assert_eq!(eval(text), Ok(Value::Int(value)), "{text}");
        }
        assert_eq!(eval("width / 16.0"), Ok(Value::Float(0.5)));
        for (text, value) in
            [("!deep || k == 3", true), ("k != 3", false), ("act == 'relu'", true), ("deep == true && !(k < 3)", true), ("0.5 <= 1", true)]
        {
            assert_eq!(eval(text), Ok(Value::Bool(value)), "{text}");
        }
    }

    #[test]
    fn every_name_that_is_missing_is_told_and_nothing_of_what_is_unknown() {
        assert_eq!(
            eval("widht + wide * widht"),
            Err("there are no parameters `widht` and `wide`; did you mean `width`?".to_owned()
                + ", parameters: `act`, `deep`, `k`, `width`")
        );
        let scope = Scope::from([("w".to_owned(), Value::Unknown), ("k".to_owned(), Value::Int(3))]);
        for text in ["w", "w * 2", "w == 'a' && w > 1", "1 / (w - 1)", "min(w, 'a')"] {
            assert!(evaluate(text, &scope).expect_err(text).echo, "{text}");
        }
        for text in ["w * ", "w + z", "(w"] {
            assert!(!evaluate(text, &scope).expect_err(text).echo, "{text}");
        }
        assert_eq!(evaluate("k * 2", &scope), Ok(Value::Int(6)));
    }

    #[test]
    fn faults_are_told() {
        for (text, part) in [
            ("widht", "did you mean `width`?"),
            ("1 / (k - 3)", "divides by zero"),
            ("9223372036854775807 + 1", "beyond 64 bits"),
            ("2 ^ 64", "beyond 64 bits"),
            ("2 ^ -1", "beyond 64 bits"),
            ("99999999999999999999", "not a whole number"),
            ("1 +", "where a number or a name is expected"),
            ("", "empty"),
            ("1 2", "left over"),
            ("8x", "neither a number nor a name"),
            ("max(1)", "takes 2 values"),
            ("if(1, 2, 3)", "`true` or `false` is expected"),
            ("act + 1", "cannot be combined"),
            ("act < 'z'", "cannot be compared"),
            ("'relu", "is missing"),
            (&"(".repeat(1000), "nests more than"),
            (&"-".repeat(1000), "nests more than"),
            (&"!".repeat(1000), "nests more than"),
        ] {
            let e = eval(text).expect_err(text);
            assert!(e.contains(part), "{text}: {e}");
        }
    }
}
