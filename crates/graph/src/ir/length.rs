//! The length of an axis for every size that a program takes at once.
//!
//! The first input's axis is `m k`, with the multiple `m` that the program asks for and any `k` from 1 on. Strides that divide
//! keep lengths of the form `per k + plus`; what does not is unknown, but still equal to itself.

/// A length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// `per k + plus`, `k` counting the multiples of the first input's axis.
    Line { per: i128, plus: i128 },
    /// That of another place, of which nothing is known.
    Unknown(usize),
}

impl Length {
    pub const ONE: Self = Length::Line { per: 0, plus: 1 };

    /// `floor((self + grown) / stride) + 1`: of a window that moves by `stride`. `None` where nothing is known.
    pub fn windowed(self, grown: i128, stride: i128) -> Option<Self> {
        match self {
            same if (grown, stride) == (-1, 1) => Some(same),
            Length::Line { per, plus } if stride > 0 && per % stride == 0 => {
                Some(Length::Line { per: per / stride, plus: (plus + grown).div_euclid(stride) + 1 })
            }
            _ => None,
        }
    }

    /// `self * factor + plus`. `None` where nothing is known.
    pub fn scaled(self, factor: i128, more: i128) -> Option<Self> {
        match self {
            same if (factor, more) == (1, 0) => Some(same),
            Length::Line { per, plus } => Some(Length::Line { per: per * factor, plus: plus * factor + more }),
            Length::Unknown(_) => None,
        }
    }

    /// Of an operation on two values, where a length of 1 is repeated.
    pub fn broadcast(self, other: Self) -> Option<Self> {
        match (self, other) {
            (a, b) if a == b => Some(a),
            (Self::ONE, b) => Some(b),
            (a, Self::ONE) => Some(a),
            _ => None,
        }
    }
}
