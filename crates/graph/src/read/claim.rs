//! What a graph's file says of its own costs.

use super::de::read;
use super::scope::Scope;
use super::set::Set;
use super::tree::{Entry, Kind, Tree};
use crate::text::{Code, Diagnostic, Diagnostics, Place, Result, printable, suggestion};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    Params,
    Macs,
    /// 2 x MACs.
    Flops,
    /// MACs + 5 per normalised element.
    Fvcore,
}

impl Quantity {
    const NAMES: [(&'static str, Quantity); 4] =
        [("params", Quantity::Params), ("macs", Quantity::Macs), ("flops", Quantity::Flops), ("fvcore", Quantity::Fvcore)];

    /// With its convention.
    pub fn title(self) -> &'static str {
        match self {
            Quantity::Params => "parameters",
            Quantity::Macs => "MACs",
            Quantity::Flops => "FLOPs (2 x MACs)",
            Quantity::Fvcore => "FLOPs as fvcore counts (MACs + 5 per normalised element)",
        }
    }
}

/// A number as a paper prints it: exact, or rounded to the digits that stand there (`"0.48M"`).
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    pub value: f64,
    /// The largest difference that rounding explains.
    pub tolerance: f64,
    pub text: String,
}

impl Figure {
    fn read(tree: &Tree) -> std::result::Result<Self, Diagnostic> {
        let refuse = |why: String| {
            Diagnostic::error(Code::E0104, why).at(tree.place.clone(), "here").help("write 482778, or as printed, \"0.48M\" (k, M, G or T)")
        };
        match &tree.kind {
            Kind::Int(n) => Ok(Self { value: *n as f64, tolerance: 0.0, text: n.to_string() }),
            Kind::Str(s) => Self::printed(s).ok_or_else(|| refuse(format!("`{}` is not a figure", printable(s)))),
            _ => Err(refuse(format!("a figure is expected, but {} is given", tree.what()))),
        }
    }

    fn printed(text: &str) -> Option<Self> {
        let t = text.trim().replace([',', '_'], "");
        let (number, scale) = match t.chars().last()? {
            'k' | 'K' => (&t[..t.len() - 1], 1e3),
            'M' => (&t[..t.len() - 1], 1e6),
            'G' | 'B' => (&t[..t.len() - 1], 1e9),
            'T' => (&t[..t.len() - 1], 1e12),
            _ => (t.as_str(), 1.0),
        };
        let number = number.trim();
        if !number.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let value: f64 = number.parse().ok().filter(|v: &f64| v.is_finite())?;
        let decimals = number.split_once('.').map_or(0, |(_, d)| d.len());
        let unit = scale / 10f64.powi(i32::try_from(decimals).ok()?);
        Some(Self { value: value * scale, tolerance: if unit > 1.0 { unit * 0.5 * (1.0 + 1e-9) } else { 0.0 }, text: text.to_owned() })
    }

    /// Whether a count agrees.
    pub fn holds(&self, count: u64) -> bool {
        (count as f64 - self.value).abs() <= self.tolerance
    }
}

/// One claim: figures, of the whole graph or one node, at given parameters and size.
#[derive(Clone, Debug)]
pub struct Claim {
    pub figures: Vec<(Quantity, Figure, Place)>,
    pub node: Option<(String, Place)>,
    pub set: Vec<Set>,
    /// `[D, H, W]`
    pub at: Option<[usize; 3]>,
    pub place: Place,
}

const FIELDS: &[&str] = &["params", "macs", "flops", "fvcore", "node", "set", "at", "source"];

impl Claim {
    /// Reads a claim.
    ///
    /// # Errors
    /// What of it is unknown or has the wrong form.
    pub fn read(tree: &Tree) -> Result<Self> {
        let mut found = Diagnostics::default();
        let Some(entries) = tree.entries() else {
            return Err(Diagnostic::error(Code::E0104, format!("a claim is a group of fields, but {} is given", tree.what()))
                .at(tree.place.clone(), "here")
                .help("write `(params: 482778)`")
                .into());
        };
        let mut claim = Self { figures: vec![], node: None, set: vec![], at: None, place: tree.place.clone() };
        for e in entries {
            if let Some((_, q)) = Quantity::NAMES.iter().find(|(n, _)| *n == e.key) {
                claim.figures.extend(found.keep(Figure::read(&e.value)).map(|f| (*q, f, e.value.place.clone())));
                continue;
            }
            match e.key.as_str() {
                "node" => claim.node = found.keep(text(e)),
                "source" => {
                    found.keep(text(e));
                }
                "at" => claim.at = found.keep(size(&e.value)),
                "set" => match e.value.entries() {
                    Some(sets) => {
                        let set = |s: &Entry| Set { path: s.key.clone(), path_place: s.key_place.clone(), value: s.value.clone() };
                        claim.set = sets.iter().map(set).collect();
                    }
                    None => found.push(
                        Diagnostic::error(Code::E0104, format!("`set` is a map from paths to values, but {} is given", e.value.what()))
                            .at(e.value.place.clone(), "here")
                            .help("write `set: { \"width\": 16 }`"),
                    ),
                },
                other => found.push(
                    Diagnostic::error(Code::E0107, format!("there is no field `{}` in a claim", printable(other)))
                        .at(e.key_place.clone(), "here")
                        .help(suggestion(other, FIELDS.iter().copied(), "fields")),
                ),
            }
        }
        if claim.figures.is_empty() && !found.has_errors() {
            found.push(
                Diagnostic::error(Code::E0106, "the claim claims nothing")
                    .at(tree.place.clone(), "here")
                    .help("add `params`, `macs`, `flops` or `fvcore`"),
            );
        }
        found.or(claim)
    }
}

fn text(e: &Entry) -> std::result::Result<(String, Place), Diagnostic> {
    match &e.value.kind {
        Kind::Str(s) => Ok((s.clone(), e.value.place.clone())),
        _ => Err(Diagnostic::error(Code::E0104, format!("a text is expected, but {} is given", e.value.what()))
            .at(e.value.place.clone(), "here")
            .help("write it in quotes")),
    }
}

/// `(128, 128, 128)`, or with channels before; `(128, 128)` in two dimensions.
fn size(tree: &Tree) -> Result<[usize; 3]> {
    let all: Vec<usize> = read(tree, &Scope::new())?;
    match all.as_slice() {
        [d, h, w] | [_, d, h, w] => Ok([*d, *h, *w]),
        [h, w] => Ok([1, *h, *w]),
        _ => Err(Diagnostic::error(Code::E0104, format!("a size has three numbers, or four with the channels, not {}", all.len()))
            .at(tree.place.clone(), "here")
            .help("write `(128, 128, 128)`, depth, height and width")
            .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::Figure;

    #[test]
    fn a_printed_figure_holds_within_its_digits() {
        let f = |t: &str| Figure::printed(t).expect("a figure");
        assert!(f("0.48M").holds(482_778) && f("0.48M").holds(475_000) && !f("0.48M").holds(485_001));
        assert!(f("14.64G").holds(14_641_410_000) && !f("14.64G").holds(14_302_000_000));
        assert!(f("8.6k").holds(8_640) && f("482,778").holds(482_778) && !f("482,778").holds(482_779));
        assert!(Figure::printed("M").is_none() && Figure::printed("-3k").is_none() && Figure::printed("").is_none());
    }
}
