//! The validation scores of every case at the best epoch: `cases.csv` with a line for each case and class, `cases.jsonl` with an object
//! for each case.
//!
//! Part of `train`; may use `metric`, `show` and `text`.

use std::path::Path;

use serde_json::{Map, json};

use crate::metric::ScoreSummary;
use crate::show::quoted;
use crate::text::{Result, write_text};

/// The scores for programs, an object for each case.
pub const CASES: &str = "cases.jsonl";
/// The same for tables, a line for each case and class.
pub const CASES_TABLE: &str = "cases.csv";

/// Writes both files whole. `classes` are the foreground classes, in the order of the scores.
///
/// # Errors
/// E0603 when they cannot be written.
pub fn write(folder: &Path, epoch: usize, classes: &[String], scores: &ScoreSummary) -> Result<()> {
    let mut lines = String::new();
    let mut table = String::from("epoch,case,class,dice,reference_voxels,predicted_voxels\n");
    for case in &scores.cases {
        let mut of = Map::new();
        for ((class, dice), counts) in classes.iter().zip(&case.dice).zip(&case.counts) {
            let (reference, predicted) = (counts.reference(), counts.predicted());
            of.insert(class.clone(), json!({ "dice": dice, "reference_voxels": reference, "predicted_voxels": predicted }));
            // Empty where the class is in neither map.
            let shown = dice.map_or(String::new(), |d| format!("{d:.6}"));
            table.push_str(&format!("{epoch},{},{},{shown},{reference},{predicted}\n", quoted(&case.id), quoted(class)));
        }
        lines.push_str(&format!("{}\n", json!({ "epoch": epoch, "case": case.id, "dice_mean": case.mean, "classes": of })));
    }
    write_text(&folder.join(CASES), &lines)?;
    Ok(write_text(&folder.join(CASES_TABLE), &table)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{Counts, summarise};

    #[test]
    fn both_files_say_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let classes = ["core, \"hot\"".to_owned(), "edema".to_owned()];
        // By hand: class 1 has one voxel of two and one of one, Dice 2/3; class 2 is in neither map.
        let first = Counts { true_positives: 1, false_positives: 1, false_negatives: 0 };
        let scores = summarise(&classes, vec![("a,b".into(), vec![first, Counts::default()])]);
        write(dir.path(), 7, &classes, &scores).unwrap();
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(
            read(CASES_TABLE),
            "epoch,case,class,dice,reference_voxels,predicted_voxels\n\
             7,\"a,b\",\"core, \"\"hot\"\"\",0.666667,1,2\n7,\"a,b\",edema,,0,0\n"
        );
        let case: serde_json::Value = serde_json::from_str(read(CASES).trim_end()).unwrap();
        assert_eq!((case["epoch"].as_u64(), case["case"].as_str()), (Some(7), Some("a,b")));
        assert_eq!(case["classes"]["core, \"hot\""]["predicted_voxels"], 2);
        assert!(case["classes"]["edema"]["dice"].is_null());
        assert!((case["dice_mean"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-12);
    }
}
