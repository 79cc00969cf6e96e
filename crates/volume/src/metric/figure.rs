//! The figures by name: heading, unit, which way is better, and what is meant.
//!
//! May use `score`, `surface` beside it.

use serde::Serialize;

use super::score::{Empty, Scores, Settings};
use super::surface::SurfaceConvention;

/// Which way a figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    Higher,
    Lower,
    /// Either sign is an error.
    NearerZero,
}

macro_rules! figures {
    ($($variant:ident $key:ident $heading:literal $digits:literal $better:ident [$($of:tt)*];)*) => {
        /// One of the figures of [`Scores`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Metric { $($variant,)* }

        impl Metric {
            /// All, in the order in which they are shown.
            pub const ALL: &'static [Metric] = &[$(Metric::$variant,)*];

            /// Its name in JSON and CSV, and for `--figures`; the unit is its last word.
            pub fn key(self) -> &'static str {
                match self { $(Metric::$variant => stringify!($key),)* }
            }

            /// Its name in a table.
            pub fn heading(self) -> &'static str {
                match self { $(Metric::$variant => $heading,)* }
            }

            /// Decimals in a table.
            pub fn digits(self) -> usize {
                match self { $(Metric::$variant => $digits,)* }
            }

            /// Which way it is better.
            pub fn better(self) -> Better {
                match self { $(Metric::$variant => Better::$better,)* }
            }

            /// Its value; none where there is nothing to score, and for a lesion-wise one that was not asked for.
            pub fn of(self, scores: &Scores) -> Option<f64> {
                match self { $(Metric::$variant => figures!(@ scores $key $($of)*),)* }
            }
        }
    };
    (@ $s:ident $key:ident case) => { $s.$key };
    (@ $s:ident $key:ident lesion) => { $s.lesions.and_then(|l| l.$key) };
}

figures! {
    Dice dice "Dice" 4 Higher [case];
    Iou iou "IoU" 4 Higher [case];
    Precision precision "precision" 4 Higher [case];
    Recall recall "recall" 4 Higher [case];
    SurfaceDice surface_dice "surface Dice" 4 Higher [case];
    Hd95 hd95_mm "HD95 mm" 2 Lower [case];
    Hausdorff hausdorff_mm "Hausdorff mm" 2 Lower [case];
    Assd assd_mm "ASSD mm" 3 Lower [case];
    VolumeDifference volume_difference_ml "volume diff ml" 2 NearerZero [case];
    VolumeError relative_volume_error "volume error" 4 Lower [case];
    LesionDice lesion_dice "lesion Dice" 4 Higher [lesion];
    LesionHd95 lesion_hd95_mm "lesion HD95 mm" 2 Lower [lesion];
    LesionF1 lesion_f1 "lesion F1" 4 Higher [lesion];
}

impl Metric {
    /// The figure of a key, in any case and with or without its unit: `hd95` is `hd95_mm`.
    pub fn parse(text: &str) -> Option<Self> {
        let asked = text.trim().to_ascii_lowercase().replace('-', "_");
        Self::ALL
            .iter()
            .copied()
            .find(|f| f.key() == asked || f.key().rsplit_once('_').is_some_and(|(k, unit)| unit.len() == 2 && k == asked))
    }

    /// Whether it is made lesion by lesion.
    pub fn is_lesion_wise(self) -> bool {
        matches!(self, Self::LesionDice | Self::LesionHd95 | Self::LesionF1)
    }

    /// Its value where all is right.
    pub fn perfect(self) -> f64 {
        if self.better() == Better::Higher { 1.0 } else { 0.0 }
    }

    /// A value as a table shows it; a dash for none.
    pub fn shown(self, value: impl Into<Option<f64>>) -> String {
        let Some(value) = value.into().filter(|v| v.is_finite()) else { return "-".to_owned() };
        let text = format!("{value:.*}", self.digits());
        // What rounds to nothing has no sign.
        match text.strip_prefix('-') {
            Some(size) if size.bytes().all(|b| matches!(b, b'0' | b'.')) => size.to_owned(),
            _ => text,
        }
    }

    /// By how much a value falls short, to be made small: the order of worst cases and of comparisons.
    pub fn badness(self, value: f64) -> f64 {
        match self.better() {
            Better::Higher => -value,
            Better::Lower => value,
            Better::NearerZero => value.abs(),
        }
    }
}

/// What these figures mean, a sentence each: stands under every table and in the JSON.
pub fn conventions(settings: &Settings, figures: &[Metric]) -> Vec<String> {
    use Metric::*;
    let any = |of: &[Metric]| figures.iter().any(|f| of.contains(f));
    let (surface, percentile) = match settings.convention {
        SurfaceConvention::DeepMind => (
            "surfaces lie between voxels and weigh by their area (as surface-distance)",
            "HD95 is the larger of the two directed percentiles, by area",
        ),
        SurfaceConvention::Monai => (
            "surfaces are the voxels with a face neighbour outside, each counted once (as MONAI)",
            "HD95 is the larger of the two directed percentiles, interpolated",
        ),
        SurfaceConvention::MedPy => (
            "surfaces are the voxels with a face neighbour outside, each counted once (as MedPy)",
            "HD95 is the percentile of both directions together, interpolated",
        ),
    };
    let mut all = vec![
        match settings.empty {
            Empty::Absent => "in neither file: the case does not count for that region (-), as in nnU-Net".to_owned(),
            Empty::One => {
                "in neither file: shares are 1, distances and errors 0, as in the brain tumour challenge (--empty one)".to_owned()
            }
        },
        "in one file only: shares are 0, distances the diagonal of the image, relative volume error 1 (0 predicted, or 0 expected)"
            .to_owned(),
        "a region that no reference has is in no mean; n is the number of cases that count".to_owned(),
        "mean: over the regions that any reference has, of their means; its SD, quartiles and worst are of the cases' own means".to_owned(),
    ];
    let of_some = [
        (any(&[SurfaceDice, Hd95, Hausdorff, Assd, LesionHd95]), surface.to_owned()),
        (any(&[Hd95, LesionHd95]), percentile.to_owned()),
        (any(&[Assd]), "ASSD is the mean over both surfaces together".to_owned()),
        (any(&[SurfaceDice]), format!("surface Dice is the share of both surfaces within {} mm of the other", settings.tolerance)),
        (
            any(&[VolumeDifference, VolumeError]),
            "volume diff is prediction less reference, without a mean over regions (-), in which signs would cancel; volume error is its size \
             relative to the reference"
                .to_owned(),
        ),
    ];
    all.extend(of_some.into_iter().filter(|(shown, _)| *shown).map(|(_, sentence)| sentence));
    if let Some(rule) = settings.lesions {
        all.push(format!(
            "lesions are the reference's 26-connected components, one where dilations by {} touch, larger than {} mm³; missed and false \
             ones have Dice 0 and the image's diagonal (as BraTS 2023)",
            rule.dilation, rule.smallest
        ));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_by_name() {
        assert_eq!(Metric::parse("HD95"), Some(Metric::Hd95));
        assert_eq!(Metric::parse("lesion-hd95_mm"), Some(Metric::LesionHd95));
        assert_eq!(Metric::parse("volume_difference"), Some(Metric::VolumeDifference));
        assert_eq!(Metric::parse("surface"), None);
        for f in Metric::ALL {
            assert_eq!(Metric::parse(f.key()), Some(*f));
        }
    }

    #[test]
    fn nothing_has_no_sign() {
        assert_eq!([-0.0, -0.004, -0.006].map(|v| Metric::VolumeDifference.shown(v)), ["0.00", "0.00", "-0.01"]);
        assert_eq!((Metric::Dice.shown(f64::NAN), Metric::Dice.shown(None)), ("-".into(), "-".into()));
    }

    #[test]
    fn worse_is_larger() {
        assert!(Metric::Dice.badness(0.1) > Metric::Dice.badness(0.9));
        assert!(Metric::Hd95.badness(9.0) > Metric::Hd95.badness(1.0));
        assert!(Metric::VolumeDifference.badness(-9.0) > Metric::VolumeDifference.badness(1.0));
    }
}
