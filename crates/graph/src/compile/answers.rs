//! Answers to what expressions ask of inputs and nodes: channels, whether something is connected, how many there are.
//!
//! May use `flow` and `wire` beside it, `ir`, `op`, `read`.

use std::collections::HashMap;

use super::flow::{Flow, FlowOutput};
use super::wire::{Ask, State, told};
use crate::ir::{Graph, Value};
use crate::op::Op;
use crate::read::{self, Answer, NodeQuestion};

fn channels(v: &Option<Value>, graph: &Graph<Op>) -> read::Value {
    v.map_or(read::Value::Unknown, |v| number(graph.fact(v).channels))
}

fn number(n: usize) -> read::Value {
    i64::try_from(n).map_or(read::Value::Unknown, read::Value::Int)
}

/// What may be asked of the inputs of a scope.
pub fn inputs(flows: &HashMap<String, Flow>, graph: &Graph<Op>) -> Vec<((NodeQuestion, String), Answer)> {
    let mut all = vec![];
    for (name, flow) in flows {
        let mut answer = |question: NodeQuestion, answer: Answer| all.push(((question, name.clone()), answer));
        match flow {
            Flow::Value(v) => {
                answer(NodeQuestion::Channels, Ok(channels(&Some(*v), graph)));
                answer(NodeQuestion::Connected, Ok(read::Value::Bool(true)));
                answer(NodeQuestion::Length, Err(one(name)));
            }
            Flow::Many(list) => {
                answer(NodeQuestion::Channels, Ok(read::Value::list(list.iter().map(|v| channels(v, graph)).collect())));
                answer(NodeQuestion::Connected, Ok(read::Value::Bool(!list.is_empty())));
                answer(NodeQuestion::Length, Ok(number(list.len())));
            }
            Flow::Nothing(absent) => {
                let help = format!("ask first, as in `connected({name}) && channels({name}) > 4`");
                answer(NodeQuestion::Channels, Err((format!("`{name}` {}", told(absent)), help)));
                answer(NodeQuestion::Connected, Ok(read::Value::Bool(false)));
                answer(NodeQuestion::Length, Err(one(name)));
            }
            Flow::Unknown => {
                for question in [NodeQuestion::Channels, NodeQuestion::Connected, NodeQuestion::Length] {
                    answer(question, Ok(read::Value::Unknown));
                }
            }
        }
    }
    all
}

fn one(name: &str) -> (String, String) {
    (format!("`{name}` is no list, so that it has no length"), "an input that takes a list is written `\"xs[]\"`".into())
}

/// The answer to what a field of a node asks, by what was found.
pub fn asked(ask: &Ask, out: FlowOutput, graph: &Graph<Op>) -> Answer {
    let absent = match &ask.state {
        State::There => None,
        State::Absent(absent) => Some(absent),
        State::Unclear => return Ok(read::Value::Unknown),
    };
    match (ask.question, absent, out) {
        (NodeQuestion::Connected, absent, _) => Ok(read::Value::Bool(absent.is_none())),
        (_, Some(absent), _) => {
            Err((format!("`{}` {}", absent.id, told(absent)), "ask of what is there, or name an alternative: `channels(a | b)`".into()))
        }
        (NodeQuestion::Channels, None, FlowOutput::One(v)) => Ok(channels(&v, graph)),
        (NodeQuestion::Channels, None, FlowOutput::Many(all)) => Ok(read::Value::list(all.iter().map(|v| channels(v, graph)).collect())),
        (NodeQuestion::Length, None, FlowOutput::Many(all)) => Ok(number(all.len())),
        (NodeQuestion::Length, None, FlowOutput::One(None)) => Ok(read::Value::Unknown),
        (NodeQuestion::Length, None, FlowOutput::One(Some(_))) => Err(one(&ask.text)),
    }
}
