use super::*;
use crate::compile::compile;
use crate::text::Source;

/// A fine level of a U-Net's decoder: what is brought up is as large as what it joins.
#[test]
fn what_a_stage_reads_as_it_makes_it_is_not_in_memory() {
    let text = r#"(inputs: { "image": (channels: 32, size: (128, 128, 128)) }, nodes: {
        "down": Conv(x: "image", out: 64, stride: 2, norm: instance),
        "up": UpConv(x: "down", out: 32),
        "join": Concat(x: ["up", "image"]),
        "conv1": Conv(x: "join", out: 32, norm: instance, activation: leaky_relu),
        "conv2": Conv(x: "conv1", out: 32, norm: instance, activation: leaky_relu),
    }, outputs: { "y": "conv2" })"#;
    let program = compile(&Source::new("level.ron", text), &[], None).unwrap();
    let graph = &program.graph;
    let facts = graph.facts();
    let c = choose(graph, &facts);
    let of = |path: &str| graph.values().find(|v| graph.node(*v).path == path).unwrap();
    let (up, conv) = (of("up.conv"), of("conv1.conv"));
    assert!(!c.kept[up.0] && c.kept[conv.0]);
    assert_eq!(c.epoch[up.0], c.epoch[conv.0]);
    assert!(c.stages.values().all(|sinks| !sinks.is_empty() && !sinks.contains(&up)));
}
