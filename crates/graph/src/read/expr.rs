//! Expressions: `width * 2`, `max(out / 8, 4)`, `if(s == 0, 1, strides[s - 1])`, `8 * 2 ^ (0..5)`, `channels(x) != out`.
//!
//! From loosest to tightest: `..` and `..=` (a range is a list), `||`, `&&`, comparisons (`== != < <= > >=`), `+ -`, `* / %`, `-x` and `!x`,
//! `^`, `l[i]`. Then numbers, `true`, `false`, names, words in single quotes, lists, parentheses, `len(l)`, `sum(l)`, `last(l)`, `rev(l)`,
//! `min(..)`, `max(..)`, `if(condition, a, b)`, and what is asked of nodes and inputs: `channels(node)`, `connected(input)`, `len(input)`.
//!
//! This file reads them; `eval` gives them their value.

use super::eval::value;
use super::scope::{Question, Scope};
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
    Ask(Question, &'a str, Vec<Expr<'a>>),
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

/// What an expression can call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Len,
    Sum,
    Last,
    Rev,
    Min,
    Max,
    If,
}

impl Function {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "len" => Self::Len,
            "sum" => Self::Sum,
            "last" => Self::Last,
            "rev" => Self::Rev,
            "min" => Self::Min,
            "max" => Self::Max,
            "if" => Self::If,
            _ => return None,
        })
    }

    /// How it is called.
    fn form(self) -> &'static str {
        match self {
            Self::Len => "len(list)",
            Self::Sum => "sum(list)",
            Self::Last => "last(list)",
            Self::Rev => "rev(list)",
            Self::Min => "min(a, b)",
            Self::Max => "max(a, b)",
            Self::If => "if(condition, a, b)",
        }
    }
}

/// Evaluates an expression.
///
/// # Errors
/// What is wrong with it, and a remedy.
pub fn evaluate(text: &str, scope: &Scope) -> Result<Value, Wrong> {
    let mut p = Parser::new(text);
    let read = p.whole();
    let told = |(message, help): Fault| Wrong { message, help, echo: false };
    let missing: Vec<&str> = p.used.into_iter().filter(|name| !scope.contains_key(*name)).collect();
    if !missing.is_empty() {
        return Err(Wrong { echo: scope.contains_key(OPEN), ..told(absent(&missing, scope)) });
    }
    value(&read.map_err(told)?, scope)
}

/// What an expression asks, each with the text of the reference. Of `len(name)` it cannot be seen whether it asks of an input.
pub fn asked(text: &str) -> Vec<(Question, &str)> {
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
    depth: usize,
    /// Names of parameters that are used.
    used: Vec<&'a str>,
    /// What is asked of nodes and inputs.
    asked: Vec<(Question, &'a str)>,
}

const SIGNS: &str = "use + - * / % ^ ( ) == < && || min max if, numbers and names of parameters";

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text.trim(), depth: 0, used: vec![], asked: vec![] }
    }

    fn whole(&mut self) -> Result<Expr<'a>, Fault> {
        if self.rest.is_empty() {
            return Err(("the expression is empty".into(), "write a number or a name".into()));
        }
        let value = self.range()?;
        if self.rest.is_empty() {
            return Ok(value);
        }
        Err((format!("`{}` is left over after the expression", printable(self.rest)), SIGNS.into()))
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
                Err((
                    format!("the expression has {found} where a number or a name is expected"),
                    "use + - * / % ^ ( ) == < && || min max if".into(),
                ))
            }
            "true" => Ok(Expr::Value(Value::Bool(true))),
            "false" => Ok(Expr::Value(Value::Bool(false))),
            "channels" if self.rest.starts_with('(') => self.ask(Question::Channels),
            "connected" if self.rest.starts_with('(') => self.ask(Question::Connected),
            "size" if self.rest.starts_with('(') => Err((
                "an expression cannot ask for a size: what is trained does not depend on sizes".into(),
                "ask for `channels(x)`, or write the number as a parameter".into(),
            )),
            _ => match Function::named(word) {
                Some(function) if self.eat("(") => self.call(function, word),
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
            self.asked.push((Question::Length, name));
        }
        let (n, enough) = match function {
            Function::Len | Function::Sum | Function::Last | Function::Rev => (1, all.len() == 1),
            Function::Min | Function::Max => (2, !all.is_empty()),
            Function::If => (3, all.len() == 3),
        };
        if !enough {
            let takes = if n == 1 { "a list".to_owned() } else { format!("{n} values") };
            return Err((format!("`{word}` takes {takes}, {} are given", all.len()), format!("write `{}`", function.form())));
        }
        Ok(Expr::Call(function, all))
    }

    /// A question, with the reference in its parentheses as it is written.
    fn ask(&mut self, question: Question) -> Result<Expr<'a>, Fault> {
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
mod tests {
    use super::*;

    fn eval(text: &str) -> Result<Value, String> {
        let scope = Scope::from([
            ("width".to_owned(), Value::Int(8)),
            ("k".to_owned(), Value::Int(3)),
            ("deep".to_owned(), Value::Bool(true)),
            ("act".to_owned(), Value::Text("relu".into())),
            ("f".to_owned(), Value::list([32, 64, 128].map(Value::Int).to_vec())),
            ("s".to_owned(), Value::Int(0)),
            ("stride".to_owned(), Value::list([1, 2, 2].map(Value::Int).to_vec())),
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
                + ", parameters: `act`, `deep`, `f`, `k`, `s`, `stride`, `width`")
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
    fn lists_are_calculated_entry_by_entry() {
        for (text, shown) in [
            ("8 * 2 ^ (0..3)", "[8, 16, 32]"),
            ("0..=2", "[0, 1, 2]"),
            ("rev(0..3)", "[2, 1, 0]"),
            ("stride / 2", "[0, 1, 1]"),
            ("-stride", "[-1, -2, -2]"),
            ("f + [1, 2, 3]", "[33, 66, 131]"),
            ("max(stride, 2)", "[2, 2, 2]"),
            ("min(f, [64, 64, 64])", "[32, 64, 64]"),
            ("[1, (1, 2)[0]]".replace("(1, 2)[0]", "stride[1]").as_str(), "[1, 2]"),
            ("[1, stride]", "[1, [1, 2, 2]]"),
            ("[1, stride][1][2]", "2"),
            ("f[len(f) - 1] + last(f) + sum(f)", "480"),
            ("if(s == 0, 1, f[s - 1])", "1"),
            ("s > 0 && f[s - 1] > 1", "false"),
            ("s == 0 || f[s - 1] > 1", "true"),
            ("max(stride) > 1 && max(k) == 3", "true"),
            ("stride == [1, 2, 2] && stride != f", "true"),
            ("['silu', 'tanh']", "[silu, tanh]"),
            ("[]", "[]"),
            ("1..1", "[]"),
        ] {
            assert_eq!(eval(text).map(|v| v.to_string()), Ok(shown.to_owned()), "{text}");
        }
    }

    #[test]
    fn questions_are_answered_by_the_scope() {
        let answers = [
            ((Question::Channels, "x".to_owned()), Ok(Value::Int(8))),
            ((Question::Channels, "xs".to_owned()), Ok(Value::list(vec![Value::Int(4), Value::Int(16)]))),
            ((Question::Connected, "skip".to_owned()), Ok(Value::Bool(false))),
            ((Question::Channels, "skip".to_owned()), Err(("nothing flows into `skip`".into(), "ask first".into()))),
            ((Question::Length, "xs".to_owned()), Ok(Value::Int(2))),
        ];
        let scope = Scope::from([("n".to_owned(), Value::Int(3))]).answering(answers, Some(vec!["x".into(), "skip".into(), "xs".into()]));
        for (text, shown) in
            [("2 * channels(x)", "16"), ("channels(xs[len(xs) - 1])", "16"), ("connected(skip) && channels(skip) > 4", "false")]
        {
            assert_eq!(evaluate(text, &scope).map(|v| v.to_string()), Ok(shown.to_owned()), "{text}");
        }
        for (text, part) in [
            ("channels(skip)", "nothing flows into"),
            ("channels(conv1) > 4", "only its inputs `x`, `skip` and `xs`"),
            ("size(x)", "does not depend on sizes"),
            ("channels()", "asks of nothing"),
            ("channels(xs[2])", "0 to 1"),
        ] {
            assert!(evaluate(text, &scope).expect_err(text).message.contains(part), "{text}");
        }
        assert_eq!(asked("if(n > 0, channels(enc{s - 1}.y | x), len(xs))").len(), 2);
    }

    #[test]
    fn lists_stay_within_their_limits() {
        for text in
            ["0..1000000000", "[0..100000, 0..100000]", "(0..9223372036854775807)[0]", "-9223372036854775807 .. 9223372036854775807"]
        {
            assert!(eval(text).is_err(), "{text}");
        }
        let long = format!("sum(0..100000){}", " + sum(0..100000)".repeat(2000));
        assert!(eval(&long).expect_err("too much work").contains("too many entries"));
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
            ("max()", "takes 2 values"),
            ("if(1, 2, 3)", "`true` or `false` is expected"),
            ("act + 1", "cannot be combined"),
            ("act < 'z'", "cannot be compared"),
            ("'relu", "is missing"),
            ("f[3]", "`f` has 3 entries, 0 to 2, and entry 3"),
            ("f[0 - 1]", "entry -1"),
            ("k[0]", "has no entries"),
            ("f[0.5]", "no whole number"),
            ("f[0", "`]` is missing"),
            ("stride == 1", "max(stride)"),
            ("stride < f", "max(stride)"),
            ("[1, 2] + [1, 2, 3]", "2 and 3 entries"),
            ("[1, 'relu']", "one kind"),
            ("last([])", "empty"),
            ("max([])", "empty"),
            ("len(k)", "takes a list"),
            ("if(s == 0, 1, g[0])", "no parameter `g`"),
            (&"[".repeat(1000), "nests more than"),
            (&"(".repeat(1000), "nests more than"),
            (&"-".repeat(1000), "nests more than"),
            (&"!".repeat(1000), "nests more than"),
        ] {
            let e = eval(text).expect_err(text);
            assert!(e.contains(part), "{text}: {e}");
        }
    }
}
