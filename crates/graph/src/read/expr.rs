//! Expressions: `width * 2`, `max(out / 8, 4)`, `if(s == 0, 1, strides[s - 1])`, `8 * 2 ^ (0..5)`, `channels(x) != out`.
//!
//! From loosest to tightest: `..` and `..=` (a range is a list), `||`, `&&`, comparisons (`== != < <= > >=`), `+ -`, `* / %`, `-x` and `!x`,
//! `^`, `l[i]` and `l[a..b]`. Then numbers, `true`, `false`, names, words in single quotes, lists, parentheses, `len(l)`, `sum(l)`, `last(l)`,
//! `rev(l)`, `concat(..)`, `min(..)`, `max(..)`, `if(condition, a, b)`, and what is asked of nodes and inputs: `channels(node)`,
//! `connected(input)`, `len(input)`.
//!
//! This file reads them; `eval` gives them their value.

use super::eval::value;
use super::function::{Function, callable, signs};
use super::habit;
use super::scope::{NodeQuestion, Scope};
use super::value::Value;
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
    /// The list that has no such entry, and where it was written.
    pub list: Option<Box<(String, Place)>>,
    /// The turn of loops in which it stands: `where s = 5`.
    pub turn: Option<String>,
}

impl Wrong {
    /// As the error of an expression that stands at `place`.
    pub fn at(self, place: &Place) -> Diagnostic {
        let here = self.label();
        let d = Diagnostic::error(Code::E0105, self.message).at(place.clone(), here).help(self.help).echo(self.echo);
        match self.list {
            Some(list) => d.also(list.1, format!("`{}` is set here", list.0)),
            None => d,
        }
    }

    /// What to write at its place.
    pub(super) fn label(&self) -> String {
        self.turn.as_ref().map_or_else(|| "here".to_owned(), |turn| format!("here, {turn}"))
    }
}

/// In a scope: that not all of its names could be read. It is no name itself.
pub const OPEN: &str = "?";

/// Message and remedy, while an expression is read.
pub(super) type Fault = (String, String);

/// An expression.
#[derive(Debug)]
pub(super) enum Expr<'a> {
    Value(Value),
    Name(&'a str),
    List(Vec<Expr<'a>>),
    /// A list with the text that it stands in, and places in it, from the outside in.
    Index(Box<Expr<'a>>, &'a str, Vec<Expr<'a>>),
    Call(Function, Vec<Expr<'a>>),
    /// A question with the reference of which it asks, and a place in the list that this is.
    Ask(NodeQuestion, &'a str, Vec<Expr<'a>>),
    /// `a..b`, or with its end.
    Range(Box<Expr<'a>>, Box<Expr<'a>>, bool),
    Negative(Box<Expr<'a>>),
    Not(Box<Expr<'a>>),
    Power(Box<Expr<'a>>, Box<Expr<'a>>),
    /// Sums and products from left to right.
    Row(Box<Expr<'a>>, Vec<(char, Expr<'a>)>),
    Compare(&'static str, Box<Expr<'a>>, Box<Expr<'a>>),
    All(Vec<Expr<'a>>),
    Any(Vec<Expr<'a>>),
}

/// Evaluates an expression.
///
/// # Errors
/// What is wrong with it, and a remedy.
pub fn evaluate(text: &str, scope: &Scope) -> Result<Value, Wrong> {
    let mut p = Parser::new(text);
    let read = p.whole();
    let turn = || scope.turn().map(str::to_owned);
    let told = |(message, help): Fault| Wrong { message, help, echo: false, list: None, turn: None };
    // Of what is no expression it cannot be said which names it has.
    let read = read.map_err(told)?;
    let missing: Vec<&str> = p.used.iter().copied().filter(|name| !scope.contains_key(*name)).collect();
    if !missing.is_empty() {
        return Err(Wrong { echo: scope.contains_key(OPEN), ..told(absent(&missing, text, &p.compared, scope)) });
    }
    let varies = scope.varies() && !p.used.is_empty();
    value(&read, scope).map_err(|wrong| Wrong { turn: turn(), echo: wrong.echo || varies, ..wrong })
}

/// What an expression asks, each with the text of the reference. Of `len(name)` it cannot be seen whether it asks of an input.
pub fn asked(text: &str) -> Vec<(NodeQuestion, &str)> {
    if !text.contains('(') {
        return vec![];
    }
    let mut p = Parser::new(text);
    // What is wrong with it is told when it is evaluated.
    let _ = p.whole();
    p.asked
}

/// The names that an expression uses; none of what is no expression.
pub fn used(text: &str) -> Vec<&str> {
    let mut p = Parser::new(text);
    if p.whole().is_ok() { p.used } else { vec![] }
}

/// That there are no such parameters.
fn absent(names: &[&str], text: &str, compared: &[(&str, &str)], scope: &Scope) -> Fault {
    let is_word = |name: &str| scope.get(name).is_some_and(|v| v.word().is_some());
    let near = |name: &&str| {
        let beside = compared.iter().any(|(a, b)| a == name && is_word(b) || b == name && is_word(a));
        habit::word(name, text.trim() == *name, beside)
            .unwrap_or_else(|| suggestion(name, scope.keys().map(String::as_str).filter(|k| is_name(k)), "parameters"))
    };
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
    depth: usize,
    /// Names of parameters that are used.
    used: Vec<&'a str>,
    /// What is asked of nodes and inputs.
    asked: Vec<(NodeQuestion, &'a str)>,
    /// Names that are compared with each other.
    compared: Vec<(&'a str, &'a str)>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text.trim(), depth: 0, used: vec![], asked: vec![], compared: vec![] }
    }

    fn whole(&mut self) -> Result<Expr<'a>, Fault> {
        if self.rest.is_empty() {
            return Err(("the expression is empty".into(), "write a number or a name".into()));
        }
        let value = self.range()?;
        if self.rest.is_empty() {
            return Ok(value);
        }
        let help = habit::left_over(self.rest, self.used.last().copied()).map_or_else(signs, str::to_owned);
        Err((format!("`{}` is left over after the expression", printable(self.rest)), help))
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

    fn range(&mut self) -> Result<Expr<'a>, Fault> {
        let a = self.or()?;
        let closed = self.rest.starts_with("..=");
        if !self.eat("..=") && !self.eat("..") {
            return Ok(a);
        }
        if self.rest.starts_with(']') {
            return Err(("the range has no end".into(), "write the end, too: `l[1..len(l)]`".into()));
        }
        let b = self.or()?;
        Ok(Expr::Range(a.into(), b.into(), closed))
    }

    fn or(&mut self) -> Result<Expr<'a>, Fault> {
        let mut all = vec![self.and()?];
        while self.eat("||") {
            all.push(self.and()?);
        }
        Ok(one_or(all, Expr::Any))
    }

    fn and(&mut self) -> Result<Expr<'a>, Fault> {
        let mut all = vec![self.comparison()?];
        while self.eat("&&") {
            all.push(self.comparison()?);
        }
        Ok(one_or(all, Expr::All))
    }

    fn comparison(&mut self) -> Result<Expr<'a>, Fault> {
        let a = self.sum()?;
        for sign in ["==", "!=", "<=", ">=", "<", ">"] {
            if self.eat(sign) {
                let b = self.sum()?;
                if let (Expr::Name(a), Expr::Name(b)) = (&a, &b) {
                    self.compared.push((a, b));
                }
                return Ok(Expr::Compare(sign, a.into(), b.into()));
            }
        }
        Ok(a)
    }

    fn sum(&mut self) -> Result<Expr<'a>, Fault> {
        self.row(&['+', '-'], Self::product)
    }

    fn product(&mut self) -> Result<Expr<'a>, Fault> {
        self.row(&['*', '/', '%'], Self::factor)
    }

    fn row(&mut self, signs: &[char], part: fn(&mut Self) -> Result<Expr<'a>, Fault>) -> Result<Expr<'a>, Fault> {
        let first = part(self)?;
        let mut more = vec![];
        while let Some(sign) = signs.iter().copied().find(|s| self.eat(s.encode_utf8(&mut [0; 4]))) {
            more.push((sign, part(self)?));
        }
        Ok(if more.is_empty() { first } else { Expr::Row(first.into(), more) })
    }

    fn factor(&mut self) -> Result<Expr<'a>, Fault> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err((format!("the expression nests more than {DEPTH} deep"), "write it in parts, as parameters".into()));
        }
        let value = if self.eat("-") {
            Expr::Negative(self.factor()?.into())
        } else if self.rest.starts_with('!') && !self.rest.starts_with("!=") && self.eat("!") {
            Expr::Not(self.factor()?.into())
        } else {
            let a = self.element()?;
            if self.eat("^") { Expr::Power(a.into(), self.factor()?.into()) } else { a }
        };
        self.depth -= 1;
        Ok(value)
    }

    /// A leaf with its indices.
    fn element(&mut self) -> Result<Expr<'a>, Fault> {
        let before = self.rest;
        let base = self.leaf()?;
        let text = before[..before.len() - self.rest.len()].trim_end();
        let indices = self.indices()?;
        Ok(if indices.is_empty() { base } else { Expr::Index(base.into(), text, indices) })
    }

    fn indices(&mut self) -> Result<Vec<Expr<'a>>, Fault> {
        let mut all = vec![];
        while self.eat("[") {
            all.push(self.range()?);
            self.close("]")?;
        }
        Ok(all)
    }

    fn leaf(&mut self) -> Result<Expr<'a>, Fault> {
        if self.eat("(") {
            let value = self.range()?;
            return self.close(")").map(|()| value);
        }
        if self.eat("[") {
            return self.separated("]").map(Expr::List);
        }
        if let Some(rest) = self.rest.strip_prefix('\'') {
            let (word, rest) = rest
                .split_once('\'')
                .ok_or_else(|| ("a `'` is missing in the expression".to_owned(), "close the quoted word".to_owned()))?;
            self.rest = rest.trim_start();
            return Ok(Expr::Value(Value::Text(word.to_owned())));
        }
        if self.rest.starts_with(|c: char| c.is_ascii_digit()) {
            return self.literal().map(Expr::Value);
        }
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        match word {
            "" => {
                let found = self.rest.chars().next().map_or("its end".into(), |c| format!("`{}`", printable(&c.to_string())));
                let help = habit::unexpected(self.rest).map_or_else(signs, str::to_owned);
                Err((format!("the expression has {found} where a number or a name is expected"), help))
            }
            "true" => Ok(Expr::Value(Value::Bool(true))),
            "false" => Ok(Expr::Value(Value::Bool(false))),
            "channels" if self.rest.starts_with('(') => self.ask(NodeQuestion::Channels),
            "connected" if self.rest.starts_with('(') => self.ask(NodeQuestion::Connected),
            "size" if self.rest.starts_with('(') => Err((
                "an expression cannot ask for a size: what is trained does not depend on sizes".into(),
                "ask for `channels(x)`, or write the number as a parameter".into(),
            )),
            _ => match Function::named(word) {
                Some(function) if self.eat("(") => self.call(function, word),
                None if self.rest.starts_with('(') => {
                    Err((format!("there is no function `{}`", printable(word)), habit::call(word, callable(), &signs())))
                }
                _ => {
                    if !self.used.contains(&word) {
                        self.used.push(word);
                    }
                    Ok(Expr::Name(word))
                }
            },
        }
    }

    /// `len` of a bare name may ask of an input, so that the name need not be a parameter's.
    fn call(&mut self, function: Function, word: &str) -> Result<Expr<'a>, Fault> {
        let used = self.used.len();
        let all = self.separated(")")?;
        if let (Function::Len, [Expr::Name(name)]) = (function, all.as_slice()) {
            self.used.truncate(used);
            self.asked.push((NodeQuestion::Length, name));
        }
        let (n, enough) = match function {
            Function::Len | Function::Sum | Function::Last | Function::Rev => (1, all.len() == 1),
            Function::Concat => (0, !all.is_empty()),
            Function::Min | Function::Max => (2, !all.is_empty()),
            Function::If => (3, all.len() == 3),
        };
        if !enough {
            let takes = match n {
                0 => "lists".to_owned(),
                1 => "a list".to_owned(),
                n => format!("{n} values"),
            };
            return Err((format!("`{word}` takes {takes}, {} are given", all.len()), format!("write `{}`", function.form())));
        }
        Ok(Expr::Call(function, all))
    }

    /// A question, with the reference in its parentheses as it is written.
    fn ask(&mut self, question: NodeQuestion) -> Result<Expr<'a>, Fault> {
        self.eat("(");
        let mut braces = 0usize;
        let end = self.rest.find(|c: char| {
            braces = match c {
                '{' => braces + 1,
                '}' => braces.saturating_sub(1),
                _ => braces,
            };
            braces == 0 && matches!(c, ')' | '[' | '(')
        });
        let (of, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        let of = of.trim();
        self.rest = rest;
        let indices = self.indices()?;
        self.close(")")?;
        if of.is_empty() {
            return Err((format!("`{}` asks of nothing", question.name()), format!("write `{}(x)`", question.name())));
        }
        self.asked.push((question, of));
        Ok(Expr::Ask(question, of, indices))
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

    /// Values with commas between, up to the bracket that closes.
    fn separated(&mut self, close: &str) -> Result<Vec<Expr<'a>>, Fault> {
        let mut all = vec![];
        while !self.eat(close) {
            all.push(self.range()?);
            if !self.eat(",") {
                self.close(close)?;
                break;
            }
        }
        Ok(all)
    }

    fn close(&mut self, bracket: &str) -> Result<(), Fault> {
        if self.eat(bracket) {
            return Ok(());
        }
        Err((format!("a `{bracket}` is missing in the expression"), "close every bracket".into()))
    }
}

fn one_or<'a>(mut all: Vec<Expr<'a>>, several: impl FnOnce(Vec<Expr<'a>>) -> Expr<'a>) -> Expr<'a> {
    match all.len() {
        1 => all.remove(0),
        _ => several(all),
    }
}

#[cfg(test)]
mod tests;
