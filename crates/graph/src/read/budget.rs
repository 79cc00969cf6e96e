//! What a graph may ask for at most: a short text with loops or composites in composites must not become a program of any size.
//!
//! May use `text`.

use crate::text::{Code, Diagnostic, Diagnostics, Place, Span, thousands};

/// Nodes of a whole graph; those inside a composite count at each use.
pub const NODES: usize = 250_000;
/// Operations of a whole graph.
pub const OPERATIONS: usize = 1_000_000;
/// Connections that ranges such as `"enc{1..=4}"` stand for.
pub const CONNECTIONS: usize = 1_000_000;
/// Characters of nodes, as often as loops and composites repeat them.
pub const CHARACTERS: usize = 64 << 20;
/// Composites inside one another.
pub const NESTING: usize = 64;
/// Parameters of a graph or a composite.
pub const PARAMETERS: usize = 256;
/// Inputs or outputs of a graph or a composite.
pub const PORTS: usize = 64;
/// Characters of a name or a word.
pub const NAME: usize = 64;
/// Entries of `set` and of `replace`, and claims.
pub const CHANGES: usize = 1000;
/// Faulty nodes after which the rest is not looked at.
const FAULTS: usize = 200;
/// So many faults of one place count as one.
const TURNS: usize = 100;

/// What is counted while a graph opens up.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    Nodes,
    Operations,
    Connections,
    Characters,
}

impl Limit {
    fn most(self) -> usize {
        match self {
            Limit::Nodes => NODES,
            Limit::Operations => OPERATIONS,
            Limit::Connections => CONNECTIONS,
            Limit::Characters => CHARACTERS,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Limit::Nodes => "nodes",
            Limit::Operations => "operations",
            Limit::Connections => "connections from ranges",
            Limit::Characters => "characters of nodes, as often as they are repeated",
        }
    }
}

/// What is left of the limits.
#[derive(Debug, Default)]
pub struct Budget {
    used: [usize; 4],
    faults: usize,
    /// Where the last fault was, and how many have been there since one was counted.
    last: Option<Span>,
    turns: usize,
    spent: bool,
}

impl Budget {
    /// Takes `n` of a limit. Beyond the limit that is said once, and nothing is given any more.
    pub fn take(&mut self, limit: Limit, n: usize, place: &Place, found: &mut Diagnostics) -> bool {
        let used = &mut self.used[limit as usize];
        *used = used.saturating_add(n);
        if !self.spent && *used > limit.most() {
            self.spent = true;
            let message = format!("the graph has more than {} {}", thousands(limit.most() as u64), limit.name());
            found.push(
                Diagnostic::error(Code::E0501, message)
                    .at(place.clone(), "the limit is reached here")
                    .help("use fewer turns of loops, or fewer composites inside composites"),
            );
        }
        !self.spent
    }

    /// Counts a fault that has been told. Those of one place in a row, as the turns of a loop have, count little.
    pub fn fault(&mut self, place: &Place) {
        self.turns += 1;
        if self.last != Some(place.span) || self.turns == TURNS {
            self.faults += 1;
            self.turns = 0;
        }
        self.last = Some(place.span);
        self.spent |= self.faults >= FAULTS;
    }

    /// Whether an error may still look for the nearest of `names` names: that takes time, and many errors have one cause.
    pub fn suggests(&self, names: usize) -> bool {
        self.faults < 20 || names < 1000
    }

    /// Whether to stop: what is wrong has been told.
    pub fn spent(&self) -> bool {
        self.spent
    }
}

/// Refuses more than `most` of something.
///
/// # Errors
/// E0501 that names the limit.
pub fn at_most(most: usize, n: usize, what: &str, place: &Place) -> Result<(), Diagnostic> {
    if n <= most {
        return Ok(());
    }
    Err(Diagnostic::error(
        Code::E0501,
        format!("{} {what} are more than the {} that are read", thousands(n as u64), thousands(most as u64)),
    )
    .at(place.clone(), "here")
    .help("make the graph smaller, or write it in parts"))
}
