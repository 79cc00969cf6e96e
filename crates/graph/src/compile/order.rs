//! The order of a graph's nodes: petgraph holds the graph; rings and dead nodes are found here.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use petgraph::Direction;
use petgraph::algo::kosaraju_scc;
use petgraph::stable_graph::{NodeIndex, StableDiGraph};
use petgraph::visit::EdgeRef;

/// The nodes of a scope by their place in the file; an edge leads from a node to one that uses it or asks something of it.
pub type BlockGraph = StableDiGraph<usize, Link>;

/// Why a node follows another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// The value flows.
    Feeds,
    /// A field asks for its channels.
    Asked,
}

/// An order in which every node follows those it uses; among those that are free, the first in the file comes first.
/// Nodes in a ring, and those behind one, are left out.
pub fn order(graph: &BlockGraph) -> Vec<usize> {
    let mut waiting: Vec<usize> = vec![0; graph.node_count()];
    let mut free = BinaryHeap::new();
    for n in graph.node_indices() {
        waiting[n.index()] = graph.edges_directed(n, Direction::Incoming).count();
        if waiting[n.index()] == 0 {
            free.push(Reverse(n.index()));
        }
    }
    let mut all = Vec::with_capacity(graph.node_count());
    while let Some(Reverse(i)) = free.pop() {
        all.push(i);
        for next in graph.neighbors_directed(NodeIndex::new(i), Direction::Outgoing) {
            waiting[next.index()] -= 1;
            if waiting[next.index()] == 0 {
                free.push(Reverse(next.index()));
            }
        }
    }
    all
}

/// Every ring, each as a path in the direction of the edges, its first node being the first in the file.
pub fn rings(graph: &BlockGraph) -> Vec<Vec<usize>> {
    let mut all = vec![];
    let mut member = vec![usize::MAX; graph.node_count()];
    for (k, component) in kosaraju_scc(graph).into_iter().enumerate() {
        let Some(&start) = component.iter().min() else { continue };
        component.iter().for_each(|n| member[n.index()] = k);
        let to_itself = graph.contains_edge(start, start);
        if component.len() == 1 && !to_itself {
            continue;
        }
        all.push(if to_itself { vec![start.index()] } else { shortest_ring(graph, start, &|n| member[n.index()] == k) });
    }
    all.sort();
    all
}

/// The shortest way from a node back to itself through those that are `inside`, by breadth.
fn shortest_ring(graph: &BlockGraph, start: NodeIndex, inside: &dyn Fn(NodeIndex) -> bool) -> Vec<usize> {
    let mut from = std::collections::HashMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(n) = queue.pop_front() {
        for next in graph.neighbors_directed(n, Direction::Outgoing) {
            if next == start {
                let mut path = vec![n.index()];
                let mut at = n;
                while let Some(&before) = from.get(&at) {
                    at = before;
                    path.push(at.index());
                }
                path.reverse();
                return path;
            }
            if inside(next) && !from.contains_key(&next) {
                from.insert(next, n);
                queue.push_back(next);
            }
        }
    }
    vec![start.index()]
}

/// The nodes from which no output can be reached by what flows.
pub fn dead(graph: &BlockGraph, outputs: &[usize]) -> Vec<usize> {
    let mut alive = vec![false; graph.node_count()];
    let mut open: Vec<usize> = outputs.to_vec();
    while let Some(i) = open.pop() {
        if std::mem::replace(&mut alive[i], true) {
            continue;
        }
        open.extend(feeding(graph, i).filter(|from| !alive[*from]));
    }
    (0..alive.len()).filter(|i| !alive[*i]).collect()
}

/// The nodes whose values flow into a node.
pub fn feeding(graph: &BlockGraph, node: usize) -> impl Iterator<Item = usize> + '_ {
    graph.edges_directed(NodeIndex::new(node), Direction::Incoming).filter(|e| *e.weight() == Link::Feeds).map(|e| e.source().index())
}

/// The nodes into which the value of a node flows.
pub fn fed(graph: &BlockGraph, node: usize) -> impl Iterator<Item = usize> + '_ {
    graph.edges_directed(NodeIndex::new(node), Direction::Outgoing).filter(|e| *e.weight() == Link::Feeds).map(|e| e.target().index())
}

/// Whether one node only asks something of the other.
pub fn only_asks(graph: &BlockGraph, from: usize, to: usize) -> bool {
    let (from, to) = (NodeIndex::new(from), NodeIndex::new(to));
    graph.edges_connecting(from, to).all(|e| *e.weight() == Link::Asked)
}
