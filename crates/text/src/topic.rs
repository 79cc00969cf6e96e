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
    /// What a trained network needs to segment volumes.
    Card,
}

impl Topic {
    /// Every page, in the order in which they are listed.
    pub const ALL: &'static [Topic] = &[Topic::Language, Topic::Config, Topic::Map, Topic::Card];

    /// As it is asked for.
    pub fn name(self) -> &'static str {
        match self {
            Topic::Language => "language",
            Topic::Config => "config",
            Topic::Map => "map",
            Topic::Card => "card",
        }
    }

    /// What it is about, in a line.
    pub fn summary(self) -> &'static str {
        match self {
            Topic::Language => "the meaning of a graph file, every construct with an example",
            Topic::Config => "the fields of a run config: types, defaults, meaning",
            Topic::Map => "rules from the names of foreign weights to those of a graph",
            Topic::Card => "what a trained network needs to segment volumes: labels, preparation, windows",
        }
    }

    /// Its page, in Markdown. `{name}` alone on a line stands for a table that follows from the code.
    pub fn page(self) -> &'static str {
        match self {
            Topic::Language => include_str!("page/language.md"),
            Topic::Config => include_str!("page/config.md"),
            Topic::Map => include_str!("page/map.md"),
            Topic::Card => part(include_str!("../../../docs/models.md"), "### What a card says\n", "\n## "),
        }
    }
}

/// What stands in a document between two texts.
fn part<'a>(document: &'a str, from: &str, to: &str) -> &'a str {
    document.split_once(from).and_then(|(_, rest)| rest.split_once(to)).map_or("", |(part, _)| part)
}
