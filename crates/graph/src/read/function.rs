//! The functions of expressions, and what expressions ask of nodes and inputs: how each is called, and what it gives.
//!
//! May use nothing.

/// What an expression can call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Len,
    Sum,
    Last,
    Rev,
    Concat,
    Min,
    Max,
    If,
}

impl Function {
    /// Every function: its name, how it is called, and what it gives.
    const ALL: [(&'static str, Self, &'static str, &'static str); 8] = [
        ("if", Self::If, "if(condition, a, b)", "`a` where the condition holds, `b` elsewhere; the other is not evaluated"),
        ("len", Self::Len, "len(list)", "how many entries a list has, or values an input that takes a list"),
        ("sum", Self::Sum, "sum(list)", "the sum of the entries"),
        ("last", Self::Last, "last(list)", "the last entry"),
        ("rev", Self::Rev, "rev(list)", "the list backwards"),
        ("concat", Self::Concat, "concat(a, b)", "the entries of any number of lists as one list"),
        ("min", Self::Min, "min(a, b)", "the least of any number of values; of one list its least entry"),
        ("max", Self::Max, "max(a, b)", "the greatest of any number of values; of one list its greatest entry"),
    ];

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(own, ..)| *own == name).map(|(_, f, ..)| *f)
    }

    /// How it is called.
    pub(super) fn form(self) -> &'static str {
        Self::ALL.iter().find(|(_, f, ..)| *f == self).map_or("", |(_, _, form, _)| form)
    }
}

const QUESTIONS: [(&str, &str, &str); 2] = [
    ("channels", "channels(node)", "the channels of a node or an input; of a list one number for each"),
    ("connected", "connected(input)", "whether something is connected to an input that may stay unconnected"),
];

/// How everything is called that an expression can call or ask, and what it gives.
pub fn calls() -> Vec<(&'static str, &'static str)> {
    let functions = Function::ALL.iter().map(|(_, _, form, about)| (*form, *about));
    functions.chain(QUESTIONS.iter().map(|(_, form, about)| (*form, *about))).collect()
}

/// The names of what can be called or asked.
pub(super) fn callable() -> impl Iterator<Item = &'static str> {
    Function::ALL.iter().map(|(name, ..)| *name).chain(QUESTIONS.iter().map(|(name, ..)| *name))
}

/// Everything that an expression may be made of.
pub(super) fn signs() -> String {
    let calls: Vec<&str> = calls().into_iter().map(|(form, _)| form).collect();
    format!(
        "there are `+ - * / % ^`, `== != < <= > >=`, `&& || !`, `a..b`, `a..=b`, `l[i]`, `[a, b]`, `( )`, numbers, `'words'`, parameters; {}",
        calls.join(", ")
    )
}
