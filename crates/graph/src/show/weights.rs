//! The weights of a graph by name, as files of weights and maps call them.

use serde_json::json;

use super::format::Format;
use super::table::{Column, csv, fit, left_out, table};
use crate::compile::Program;
use crate::text::{several, thousands};

/// Every weight with its shape, and the running statistics of batch norms, which are kept beside them and do not learn; tables at most `width`
/// wide.
pub fn weights(all: &[Program], format: Format, width: usize) -> String {
    if format == Format::Json {
        let each = all.iter().map(|p| {
            let tensors = tensors(p).into_iter().map(|t| json!({"name": t.name, "shape": t.shape, "learned": t.learned}));
            json!({"graph": p.name, "weights": tensors.collect::<Vec<_>>()})
        });
        return serde_json::to_string_pretty(&each.collect::<Vec<_>>()).unwrap_or_default() + "\n";
    }
    let shape = |t: &Tensor| t.shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
    let learned = |t: &Tensor| if t.learned { "" } else { "running statistic" };
    if format == Format::Csv {
        let rows: Vec<Vec<String>> = all
            .iter()
            .flat_map(|p| tensors(p).into_iter().map(|t| vec![p.name.clone(), t.name.clone(), shape(&t), learned(&t).to_owned()]))
            .collect();
        return csv(&["graph", "weight", "shape", "kind"], &rows);
    }
    let markdown = format == Format::Markdown;
    let pages = all.iter().map(|p| {
        let tensors = tensors(p);
        let numbers: u64 = tensors.iter().filter(|t| t.learned).map(Tensor::numbers).sum();
        let heading =
            format!("{}: {}, {} numbers", p.name, several(tensors.iter().filter(|t| t.learned).count(), "weight"), thousands(numbers));
        let mut columns = vec![
            Column::new("weight", false, 0),
            Column::new("shape", true, 0),
            Column::new("numbers", true, 2),
            Column::new("", false, 1),
        ];
        let mut rows: Vec<Vec<String>> =
            tensors.iter().map(|t| vec![t.name.clone(), shape(t), thousands(t.numbers()), learned(t).to_owned()]).collect();
        let width = if markdown { usize::MAX } else { width };
        let gone = fit(&mut columns, &mut rows, width);
        format!("{heading}\n\n{}{}", table(&columns, rows, markdown), left_out(&gone, width))
    });
    pages.collect::<Vec<_>>().join("\n")
}

struct Tensor {
    name: String,
    shape: Vec<usize>,
    learned: bool,
}

impl Tensor {
    fn numbers(&self) -> u64 {
        self.shape.iter().fold(1, |n, d| n.saturating_mul(*d as u64))
    }
}

/// In the order of the operations.
fn tensors(p: &Program) -> Vec<Tensor> {
    let learned = p.graph.weights().into_iter().map(|w| (w, true));
    let mut all: Vec<_> = learned.chain(p.graph.buffers().into_iter().map(|b| (b, false))).collect();
    all.sort_by_key(|((v, ..), _)| v.0);
    all.into_iter().map(|((_, name, w), learned)| Tensor { name, shape: w.dims.to_vec(), learned }).collect()
}
