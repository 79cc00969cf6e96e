//! From image files to labels by the steps of a card, and the memory that this takes.
//!
//! Part of `infer::pipeline`; may use `data`, `volume`, `text`, and what runs networks around it.

use std::path::PathBuf;

use ndarray::{Array3, Array4, ArrayView4, Axis, CowArray, s};

use super::step::{AxisOrder, BoxRule, Decision, Pipeline, PipelineStep, ResizeRule};
use super::work::Work;
use crate::data::{self, Extent};
use crate::infer::{Flips, Model, Need, Prediction, Predictor};
use crate::text::{Code, Diagnostic, Result, printable};
use crate::volume::Grid;

/// As [`Predictor::predict`], of a model with a pipeline.
pub fn predict(p: &Predictor, pipeline: &Pipeline, files: &[PathBuf], mut tick: impl FnMut()) -> Result<Prediction> {
    let data::Image { volume: image, mut warnings } = data::read_image(files, p.card().nan.into())?;
    p.fits(files, image.data.dim().0)?;
    let (card, models) = (p.card(), p.models().collect::<Vec<_>>());
    let mut work = Work::new(CowArray::from(image.data.view()), image.grid());
    if let Some(first) = models.first() {
        walk(first, pipeline, &mut work, &mut warnings)?;
    }
    let numbers = p.options().probabilities || pipeline.is_soft();
    let said = answer(&models, p.flips(), pipeline, &work, numbers)?;
    tick();
    let mut all = None;
    let mut labels = match said {
        Answer::Labels(labels) => work.labels_back(labels, true),
        Answer::Numbers(said) => {
            if p.options().probabilities {
                all = Some(home(&said, |class| outside(card.regions.is_none(), pipeline, class), &work));
            }
            let first = models.first().copied();
            match first {
                Some(model) if pipeline.is_soft() => softly(model, pipeline, &said, &work),
                Some(model) => work.labels_back(decided(model, pipeline, said.view()), true),
                None => Array3::zeros(image.size()),
            }
        }
    };
    // 1 mm in a conformed volume.
    let voxel = if work.is_conformed() { 1.0 } else { image.spacing.iter().product() };
    let cleared = p.postprocess().apply(&mut labels, &card.values(), voxel);
    let labels = work.labels_home(labels);
    drop(work);
    Ok(Prediction { labels, probabilities: all, classes: card.classes(), windows: 1, cleared, warnings, image })
}

/// What a network says of a volume, on the volume's grid.
enum Answer {
    /// Places in the card's labels.
    Labels(Array3<u8>),
    /// Probabilities `[K, D, H, W]`.
    Numbers(Array4<f32>),
}

/// Does the steps of a model.
fn walk(model: &Model, pipeline: &Pipeline, work: &mut Work<'_>, warnings: &mut Vec<Diagnostic>) -> Result<()> {
    for step in &pipeline.steps {
        let PipelineStep::Box(rule) = step else {
            work.step(step);
            continue;
        };
        let kept = match (rule.above, &rule.model) {
            (Some(part), _) => work.box_above(part, rule),
            (None, Some(name)) => found(model, name, rule, work, warnings)?,
            (None, None) => None,
        };
        match kept {
            Some(kept) => work.cut(kept),
            None => {
                let message = "nothing was found around which the image could be cut: all of it goes through the network";
                warnings.push(Diagnostic::warning(Code::E0702, message).help("look at the image: it may be empty"));
            }
        }
    }
    Ok(())
}

/// The box of what the model of this name in the file finds.
fn found(model: &Model, name: &str, rule: &BoxRule, work: &Work<'_>, warnings: &mut Vec<Diagnostic>) -> Result<Option<Extent>> {
    let Some((finder, pipeline)) = model.attached(name).and_then(|f| Some((f, f.card().pipeline.as_ref()?))) else {
        let message = format!("the model has no other one called `{}` within it", printable(name));
        return Err(Diagnostic::error(Code::E0802, message).help("use the file as `lmsc import` wrote it").into());
    };
    let mut there = work.as_it_is();
    walk(finder, pipeline, &mut there, warnings)?;
    let mut labels = match answer(&[finder], Flips::default(), pipeline, &there, false)? {
        Answer::Labels(labels) => labels,
        Answer::Numbers(said) => decided(finder, pipeline, said.view()),
    };
    // On the grid on which the network has answered, as the box is.
    let post = finder.card().postprocess.clone().unwrap_or_default();
    post.apply(&mut labels, &finder.card().values(), 1.0);
    // Its memory is free for the network that follows.
    (0..finder.sets()).for_each(|set| finder.release(set));
    Ok(work.box_of(labels.view(), &there, rule))
}

/// What the models say of a volume, together; labels at once where nobody asks for `numbers`.
fn answer(models: &[&Model], flips: Flips, pipeline: &Pipeline, work: &Work<'_>, numbers: bool) -> Result<Answer> {
    let Some(first) = models.first() else { return Ok(Answer::Labels(Array3::zeros(work.size()))) };
    let (seen, kept) = fitted(work.image.view(), pipeline.axes, first.multiple()?);
    let back = back(pipeline.axes);
    let alone = models.len() == 1 && first.sets() == 1 && flips.ways().count() == 1;
    if alone && !numbers && pipeline.decision == Decision::Argmax && first.card().regions.is_none() {
        let labels = first.classes(seen.view())?;
        same(labels.dim().into(), seen.view())?;
        return Ok(Answer::Labels(kept.seen(labels.view()).permuted_axes(back).as_standard_layout().into_owned()));
    }
    let patches = seen.view().insert_axis(Axis(0));
    let mut sum = flips.average(patches, |patches| first.patches(patches))?;
    for other in &models[1..] {
        sum += &flips.average(patches, |patches| other.patches(patches))?;
    }
    if models.len() > 1 {
        sum.mapv_inplace(|v| v / models.len() as f32);
    }
    let said = sum.index_axis_move(Axis(0), 0);
    let (classes, d, h, w) = said.dim();
    same([d, h, w], seen.view())?;
    let [z, y, x] = work.size();
    let mut all = Array4::zeros((classes, z, y, x));
    for (mut to, from) in all.axis_iter_mut(Axis(0)).zip(said.axis_iter(Axis(0))) {
        to.assign(&kept.seen(from).permuted_axes(back));
    }
    Ok(Answer::Numbers(all))
}

/// Refuses the answer of a network that has another size than what it was given.
fn same(said: [usize; 3], seen: ArrayView4<f32>) -> Result<()> {
    let (_, d, h, w) = seen.dim();
    if said == [d, h, w] {
        return Ok(());
    }
    let message = format!("the network's answer has {said:?} voxels and the volume {:?}: which voxel is which is not known", [d, h, w]);
    Err(Diagnostic::error(Code::E0802, message).help("give the graph an output of its input's size").into())
}

/// For axes z, y, x of a volume the place of each among D, H, W of the network.
fn back(axes: AxisOrder) -> [usize; 3] {
    let of = axes.of_array();
    // Every axis is one of the network's.
    [0, 1, 2].map(|a| of.iter().position(|o| *o == a).unwrap_or(a))
}

/// A volume `[C, z, y, x]` along the network's axes, with as many zeros around as its sizes ask for; and where it lies in them.
fn fitted(image: ArrayView4<f32>, axes: AxisOrder, multiple: [usize; 3]) -> (Array4<f32>, Extent) {
    let [d, h, w] = axes.of_array();
    let image = image.permuted_axes([0, d + 1, h + 1, w + 1]);
    let (c, d, h, w) = image.dim();
    let mut kept = Extent::whole([d, h, w]);
    let padded = [0, 1, 2].map(|a| kept.size[a].next_multiple_of(multiple[a].max(1)));
    kept.start = [0, 1, 2].map(|a| (padded[a] - kept.size[a]) / 2);
    let mut seen = Array4::zeros((c, padded[0], padded[1], padded[2]));
    let [z, y, x] = [0, 1, 2].map(|a| kept.start[a]..kept.start[a] + kept.size[a]);
    seen.slice_mut(s![.., z, y, x]).assign(&image);
    (seen, kept)
}

/// Labels from probabilities `[K, D, H, W]`.
fn decided(model: &Model, pipeline: &Pipeline, said: ArrayView4<f32>) -> Array3<u8> {
    match pipeline.decision {
        Decision::Softmax { channel, above } | Decision::Sigmoid { channel, above } if channel < said.dim().0 => {
            said.index_axis(Axis(0), channel).mapv(|p| u8::from(f64::from(p) > above))
        }
        _ => model.card().decide(said),
    }
}

/// Labels from probabilities that are brought back first.
fn softly(model: &Model, pipeline: &Pipeline, said: &Array4<f32>, work: &Work<'_>) -> Array3<u8> {
    let brought = |class: usize| {
        let fill = outside(model.card().regions.is_none(), pipeline, class);
        work.numbers_back(said.index_axis(Axis(0), class).to_owned(), fill, true)
    };
    match pipeline.decision {
        Decision::Softmax { channel, above } | Decision::Sigmoid { channel, above } if channel < said.dim().0 => {
            brought(channel).mapv(|p| u8::from(f64::from(p) > above))
        }
        _ => {
            let all: Vec<_> = (0..said.dim().0).map(|class| brought(class).insert_axis(Axis(0))).collect();
            let views: Vec<_> = all.iter().map(|a| a.view()).collect();
            // Of one size, all of them.
            ndarray::concatenate(Axis(0), &views).map(|all| model.card().decide(all.view())).unwrap_or_default()
        }
    }
}

/// Probabilities on the image's own grid.
fn home(said: &Array4<f32>, outside: impl Fn(usize) -> f32, work: &Work<'_>) -> Array4<f32> {
    let mut all = Array4::zeros((0, 0, 0, 0));
    for (class, numbers) in said.axis_iter(Axis(0)).enumerate() {
        let back = work.numbers_back(numbers.to_owned(), outside(class), false);
        if class == 0 {
            let (d, h, w) = back.dim();
            all = Array4::zeros((said.dim().0, d, h, w));
        }
        all.index_axis_mut(Axis(0), class).assign(&back);
    }
    all
}

/// The probability of a channel where nothing was looked at: there is the background, and no region.
fn outside(classes: bool, pipeline: &Pipeline, class: usize) -> f32 {
    let sigmoid = matches!(pipeline.decision, Decision::Sigmoid { .. });
    f32::from(u8::from(classes && !sigmoid && class == 0))
}

impl Pipeline {
    /// Whether probabilities are brought back to the image, and not labels: between voxels there are no labels.
    fn is_soft(&self) -> bool {
        self.steps.iter().any(|s| matches!(s, PipelineStep::Resize { by, .. } if *by != ResizeRule::Nearest))
    }

    /// D, H, W of what the network sees of an image on a grid, at the most: what a box cuts away is not known before.
    fn most(&self, grid: &Grid) -> [usize; 3] {
        self.steps.iter().fold(grid.size, |size, step| match step {
            PipelineStep::Conform => grid.conformed().size,
            PipelineStep::Orient(to) => Grid { size, ..*grid }.reoriented(*to).size,
            PipelineStep::Resize { size: [x, y, z], .. } => [*z, *y, *x],
            _ => size,
        })
    }
}

/// The memory that a case takes at the most, from its grid.
///
/// # Errors
/// As [`Model::bytes_of`].
pub fn need(p: &Predictor, pipeline: &Pipeline, grid: &Grid, channels: u64) -> Result<Need> {
    let count = |n: [usize; 3]| n.iter().fold(1u64, |all, n| all.saturating_mul(*n as u64));
    let seen = |pipeline: &Pipeline, model: &Model| -> Result<[usize; 3]> {
        let (size, axes, multiple) = (pipeline.most(grid), pipeline.axes.of_array(), model.multiple()?);
        Ok([0, 1, 2].map(|a| size[axes[a]].next_multiple_of(multiple[a].max(1))))
    };
    let (card, size) = (p.card(), pipeline.most(grid));
    let numbers = p.options().probabilities || pipeline.is_soft() || p.passes() > 1 || pipeline.decision != Decision::Argmax;
    let mut network = 0u64;
    for model in p.models() {
        let size = seen(pipeline, model)?;
        network = network.saturating_add(model.bytes_of(size, !numbers)?);
        for finder in pipeline.models().filter_map(|name| model.attached(name)) {
            if let Some(own) = &finder.card().pipeline {
                let labels = own.decision == Decision::Argmax;
                network = network.max(finder.bytes_of(seen(own, finder)?, labels)?);
            }
        }
    }
    let classes = card.channels() as u64;
    let held = if numbers { (8 * classes).saturating_mul(count(size)) } else { 0 };
    Ok(Need {
        size,
        windows: 1,
        program: 0,
        picture: 0,
        // As read, between two steps, and along the network's axes.
        image: (4 * channels).saturating_mul(count(grid.size).saturating_add(count(size).saturating_mul(3))),
        labels: 2 * count(grid.size) + 2 * count(size),
        slab: held,
        probabilities: if p.options().probabilities { (4 * classes).saturating_mul(count(grid.size)) } else { 0 },
        network,
    })
}
