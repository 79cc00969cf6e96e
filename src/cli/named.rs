//! Which cases of a data set a verb takes, as an option says it.
//!
//! May use `train`.

use crate::train::Part;

/// Parts of a run config's cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Cases {
    #[default]
    All,
    Training,
    Validation,
}

impl From<Cases> for Part {
    fn from(cases: Cases) -> Self {
        match cases {
            Cases::All => Self::All,
            Cases::Training => Self::Training,
            Cases::Validation => Self::Validation,
        }
    }
}
