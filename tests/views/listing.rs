//! The op graph as text and as JSON, as written and after each pass.

use lmsc::compile::{Program, passes};
use lmsc::show::picture::{Picture, Style, draw};
use lmsc::show::{listing, operations, scheduled};
use lmsc::text::Source;

use super::{SMALL, compiled, settings};

fn small() -> Program {
    compiled(&Source::new("small.ron", SMALL), &[])
}

#[test]
fn operations_for_programs_are_those_of_the_graph() {
    let p = small();
    let all: serde_json::Value = serde_json::from_str(&operations(&p)).expect("JSON");
    let each = all["operations"].as_array().expect("a list");
    assert_eq!(each.len(), p.graph.len());
    for (i, o) in each.iter().enumerate() {
        assert_eq!(o["id"].as_u64(), Some(i as u64));
        assert!(o["inputs"].as_array().expect("a list").iter().all(|j| j.as_u64() < Some(i as u64)), "an order that can be run: {o}");
    }
    let names: Vec<&str> = each.iter().flat_map(|o| o["weights"].as_array().expect("a list")).filter_map(|w| w["name"].as_str()).collect();
    let owned: Vec<String> = p.graph.weights().into_iter().map(|(_, name, _)| name).collect();
    assert!(owned.iter().all(|n| names.contains(&n.as_str())));
    assert_eq!(all["outputs"][0]["name"], "logits");
}

#[test]
fn the_graph_as_it_runs_has_every_operation_once_in_its_arena() {
    let o = passes::optimise(&small()).expect("sound");
    let text = scheduled(&o).expect("it fits");
    for v in o.program.graph.values() {
        assert_eq!(text.matches(&format!("%{} {} = ", v.0, o.program.graph.node(v).path)).count(), 1, "%{}\n{text}", v.0);
    }
    settings().bind(|| insta::assert_snapshot!("small.scheduled", text));
}

#[test]
fn every_pass_can_be_looked_at() {
    let p = small();
    for pass in passes::PASSES {
        let after = passes::after(&p, pass.name).expect("a pass").expect("sound").program;
        assert!(!listing(&after).is_empty());
        let picture = Picture::new(&after, &[]).expect("it fits");
        for style in [Style::Text, Style::Mermaid, Style::Dot, Style::Svg, Style::Html] {
            assert!(draw(&picture, &vec![true; picture.items.len()], style).contains("head"), "{} as {style:?}", pass.name);
        }
    }
}
