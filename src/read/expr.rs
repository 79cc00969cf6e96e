//! Integer expressions: `width * 2`, `max(out / 8, 4)`.
//!
//! Grammar: sums of products of numbers, names, `(...)`, `-x`, `min(a, b)` and `max(a, b)`; `+ - * / %` with the usual precedence.
//! Division rounds towards zero.

use std::collections::BTreeMap;

use crate::text::{printable, suggestion};

/// The names that an expression may use.
pub type Scope = BTreeMap<String, i64>;

/// Expressions nest at most this deep.
const DEPTH: usize = 64;

/// Evaluates an expression.
///
/// # Errors
/// A sentence that says what is wrong with it, and a remedy.
pub fn evaluate(text: &str, scope: &Scope) -> Result<i64, (String, String)> {
    let mut p = Parser { rest: text.trim(), scope, depth: 0 };
    if p.rest.is_empty() {
        return Err(("the expression is empty".into(), "write a number or a name".into()));
    }
    let n = p.sum()?;
    if p.rest.is_empty() {
        return Ok(n);
    }
    Err((format!("`{}` is left over after the expression", printable(p.rest)), "use + - * / % ( ) min max, numbers and names of parameters".into()))
}

/// Whether the text could be a parameter's name.
pub fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_') && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

struct Parser<'a> {
    rest: &'a str,
    scope: &'a Scope,
    depth: usize,
}

type Part = Result<i64, (String, String)>;

impl Parser<'_> {
    fn eat(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn sum(&mut self) -> Part {
        let mut n = self.product()?;
        loop {
            n = if self.eat('+') {
                let m = self.product()?;
                checked(n.checked_add(m))?
            } else if self.eat('-') {
                let m = self.product()?;
                checked(n.checked_sub(m))?
            } else {
                return Ok(n);
            };
        }
    }

    fn product(&mut self) -> Part {
        let mut n = self.factor()?;
        loop {
            n = if self.eat('*') {
                let m = self.factor()?;
                checked(n.checked_mul(m))?
            } else if self.eat('/') {
                let m = self.factor()?;
                n.checked_div(m).ok_or_else(by_zero)?
            } else if self.eat('%') {
                let m = self.factor()?;
                n.checked_rem(m).ok_or_else(by_zero)?
            } else {
                return Ok(n);
            };
        }
    }

    fn factor(&mut self) -> Part {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err((format!("the expression nests more than {DEPTH} deep"), "write it in parts, as parameters".into()));
        }
        let n = self.leaf();
        self.depth -= 1;
        n
    }

    fn leaf(&mut self) -> Part {
        if self.eat('-') {
            let n = self.factor()?;
            return checked(n.checked_neg());
        }
        if self.eat('(') {
            let n = self.sum()?;
            return self.close().map(|()| n);
        }
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            return word.parse().map_err(|_| (format!("`{}` is not an integer below 2^63", printable(word)), "write a whole number".into()));
        }
        if word.is_empty() {
            let found = self.rest.chars().next().map_or("its end".into(), |c| format!("`{}`", printable(&c.to_string())));
            return Err((format!("the expression has {found} where a number or a name is expected"), "use + - * / % ( ) min max".into()));
        }
        if matches!(word, "min" | "max") && self.eat('(') {
            let a = self.sum()?;
            if !self.eat(',') {
                return Err((format!("`{word}` takes two values, with a comma between"), format!("write `{word}(a, b)`")));
            }
            let b = self.sum()?;
            self.close()?;
            return Ok(if word == "min" { a.min(b) } else { a.max(b) });
        }
        self.scope.get(word).copied().ok_or_else(|| {
            (format!("there is no parameter `{}`", printable(word)), suggestion(word, self.scope.keys().map(String::as_str), "parameters"))
        })
    }

    fn close(&mut self) -> Result<(), (String, String)> {
        if self.eat(')') { Ok(()) } else { Err(("a `)` is missing in the expression".into(), "close every bracket".into())) }
    }
}

fn checked(n: Option<i64>) -> Part {
    n.ok_or_else(|| ("the expression's value is beyond 64 bits".into(), "use smaller numbers".into()))
}

fn by_zero() -> (String, String) {
    ("the expression divides by zero".into(), "check the parameters that it uses".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eval(text: &str) -> Result<i64, String> {
        let scope = Scope::from([("width".to_owned(), 8), ("k".to_owned(), 3)]);
        evaluate(text, &scope).map_err(|(m, h)| format!("{m}; {h}"))
    }

    #[test]
    fn precedence_and_functions() {
        assert_eq!(eval("1 + 2 * width - 4 / 2"), Ok(15));
        assert_eq!(eval("(1+2)*-k"), Ok(-9));
        assert_eq!(eval("max(width / 16, 4) + min(k, 2) % 2"), Ok(4));
        assert_eq!(eval("10 - 3 - 2"), Ok(5));
    }

    #[test]
    fn faults_are_told() {
        for (text, part) in [
            ("widht", "did you mean `width`?"),
            ("1 / (k - 3)", "divides by zero"),
            ("9223372036854775807 + 1", "beyond 64 bits"),
            ("99999999999999999999", "not an integer"),
            ("1 +", "where a number or a name is expected"),
            ("", "empty"),
            ("1 2", "left over"),
            ("max(1)", "takes two values"),
            (&"(".repeat(1000), "nests more than"),
        ] {
            let e = eval(text).expect_err(text);
            assert!(e.contains(part), "{text}: {e}");
        }
    }
}
