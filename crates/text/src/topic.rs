//! The pages of `lmsc explain` that are about no error.

/// A page beside those of the codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// The meaning of a graph file.
    Language,
    /// The fields of a run config.
    Config,
    /// Rules from names of weights to names of weights.
    Map,
}

impl Topic {
    /// Every page, in the order in which they are listed.
    pub const ALL: &'static [Topic] = &[Topic::Language, Topic::Config, Topic::Map];

    /// As it is asked for.
    pub fn name(self) -> &'static str {
        match self {
            Topic::Language => "language",
            Topic::Config => "config",
            Topic::Map => "map",
        }
    }

    /// What it is about, in a line.
    pub fn summary(self) -> &'static str {
        match self {
            Topic::Language => "the meaning of a graph file, every construct with an example",
            Topic::Config => "the fields of a run config: types, defaults, meaning",
            Topic::Map => "rules from the names of foreign weights to those of a graph",
        }
    }

    /// Its page, in Markdown. `{name}` alone on a line stands for a table that follows from the code.
    pub fn page(self) -> &'static str {
        match self {
            Topic::Language => include_str!("page/language.md"),
            Topic::Config => include_str!("page/config.md"),
            Topic::Map => include_str!("page/map.md"),
        }
    }
}
