//! A prediction that gets worse never scores better, whatever is absent where.

use ndarray::Array3;
use proptest::prelude::*;

use super::{
    Counts, Empty, Evaluation, LabelPair, LesionRule, Metric, Region, ScoreSummary, Scored, Settings, SurfaceConvention, summarise,
};

const SHAPE: (usize, usize, usize) = (2, 4, 5);
const SIZE: usize = 40;
/// Shares of voxels: what a voxel that is right can only lose.
const SHARES: [Metric; 4] = [Metric::Dice, Metric::Iou, Metric::Precision, Metric::Recall];

/// Regions within each other, one that no map has, and one of a label that is often in few maps only.
fn regions() -> Vec<Region> {
    ["1=1", "2=2", "3=3", "all=1,2,3", "core=2,3", "never=9", "rare=4"].map(|r| Region::parse(r).unwrap()).to_vec()
}

/// A map in which most labels are rare.
fn map() -> impl Strategy<Value = Vec<u8>> {
    let label = prop_oneof![12 => Just(0u8), 3 => Just(1u8), 2 => Just(2u8), 1 => Just(3u8)];
    prop_oneof![4 => prop::collection::vec(label, SIZE), 1 => Just(vec![0; SIZE]), 1 => prop::collection::vec(0u8..5, SIZE)]
}

/// Cases of a prediction and a reference.
fn cases() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
    // A prediction is the reference with some voxels of another map.
    let case = (map(), map(), prop::collection::vec(any::<bool>(), SIZE)).prop_map(|(reference, other, taken)| {
        let prediction = reference.iter().zip(&other).zip(&taken).map(|((r, o), taken)| if *taken { *o } else { *r }).collect();
        (prediction, reference)
    });
    prop::collection::vec(case, 1..5)
}

/// Voxels that are turned from right to wrong, if they are right: case, place, label.
fn faults() -> impl Strategy<Value = Vec<(usize, usize, u8)>> {
    prop::collection::vec((0..5usize, 0..SIZE, prop_oneof![3 => 0u8..5, 1 => Just(9u8)]), 1..6)
}

fn worse(cases: &[(Vec<u8>, Vec<u8>)], faults: &[(usize, usize, u8)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all = cases.to_vec();
    for (case, at, label) in faults {
        let case = case % cases.len();
        let (prediction, reference) = &mut all[case];
        if prediction[*at] == reference[*at] {
            prediction[*at] = *label;
        }
    }
    all
}

fn evaluated(cases: &[(Vec<u8>, Vec<u8>)], empty: Empty) -> (Evaluation, ScoreSummary) {
    let settings = Settings {
        convention: SurfaceConvention::DeepMind,
        tolerance: 1.0,
        lesions: Some(LesionRule { dilation: 0, smallest: 0.0 }),
        empty,
    };
    let regions = regions();
    let (mut scored, mut counted): (Vec<Scored>, Vec<(String, Vec<Counts>)>) = (vec![], vec![]);
    for (i, (p, r)) in cases.iter().enumerate() {
        let [p, r] = [p, r].map(|m| Array3::from_shape_vec(SHAPE, m.clone()).unwrap());
        let pair = LabelPair::new(&p, &r, [1.0; 3]).unwrap();
        scored.push(Scored { id: i.to_string(), scores: regions.iter().map(|r| pair.score(r, &settings)).collect() });
        counted.push((i.to_string(), regions.iter().map(|r| pair.counts(r)).collect()));
    }
    let names: Vec<String> = regions.iter().map(|r| r.name.clone()).collect();
    (Evaluation { regions, cases: scored }, summarise(&names, counted))
}

/// Whether a value has not risen, and a mean that there was not has not come up.
fn has_not_risen(before: Option<f64>, after: Option<f64>) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => after <= before + 1e-12,
        (None, after) => after.is_none(),
        (Some(_), None) => false,
    }
}

proptest! {
    #[test]
    fn a_worse_prediction_scores_no_better(cases in cases(), faults in faults(), one in any::<bool>()) {
        let empty = if one { Empty::One } else { Empty::Absent };
        let (before, trained) = evaluated(&cases, empty);
        let (after, retrained) = evaluated(&worse(&cases, &faults), empty);
        for figure in SHARES {
            let (a, b) = (before.values(figure), after.values(figure));
            for i in 0..before.regions.len() {
                prop_assert!(has_not_risen(a.region(i), b.region(i)), "{:?} of {}: {:?} {:?}", figure, before.regions[i].name, a.region(i), b.region(i));
            }
            prop_assert!(has_not_risen(a.mean(), b.mean()), "mean {figure:?}: {:?} {:?}", a.mean(), b.mean());
            for (row, own, other) in before.rows().iter().enumerate().map(|(i, name)| (name, before.column(i, figure), after.column(i, figure))) {
                // A case that did not count may come to count, with 0.
                let fine = |(a, b): (&Option<f64>, &Option<f64>)| has_not_risen(a.or(Some(0.0)), b.or(Some(0.0)));
                prop_assert!(own.iter().zip(&other).all(fine), "{figure:?} of {row}: {own:?} {other:?}");
            }
        }
        prop_assert!(has_not_risen(trained.mean, retrained.mean), "{:?} {:?}", trained.mean, retrained.mean);
        for (a, b) in trained.classes.iter().zip(&retrained.classes) {
            prop_assert!(has_not_risen(a.mean, b.mean), "{a:?} {b:?}");
        }
        // Held against what it was, it wins nowhere.
        for c in after.compared(&before, &SHARES, 1) {
            prop_assert!(c.wins == 0, "{c:?}");
        }
        prop_assert!(before.referenced() == after.referenced());
        prop_assert!(!before.referenced()[5] && before.values(Metric::Dice).region(5).is_none());
    }
}
