"""Segments a NIfTI volume with an exported network, ONNX Runtime and what the file says of itself: docs/export.md.

    lmsc export onnx MODEL --out model.onnx
    python examples/onnx_runtime.py model.onnx IMAGE.nii.gz labels.nii.gz

For models that go over a volume in windows and keep its spacing. Needs onnxruntime, nibabel and numpy.
"""
import json
import sys

import nibabel
import numpy
import onnxruntime


def scaled(image, normalise):
    """The intensities of one channel on the scale of the network."""
    kind, numbers = next(iter(normalise.items())) if isinstance(normalise, dict) else (normalise, {})
    if kind == "Window":
        return (image.clip(numbers["low"], numbers["high"]) - numbers["mean"]) / numbers["deviation"]
    if kind == "Percentiles":
        low, high = numpy.percentile(image, [numbers["low"], numbers["high"]])
        return (image.clip(low, high) - low) / max(high - low, 1e-12)
    inside = image != 0 if kind == "ZScoreNonZero" else numpy.ones(image.shape, bool)
    result = numpy.zeros(image.shape)
    deviation = image[inside].std()
    result[inside] = (image[inside] - image[inside].mean()) / (deviation if deviation > 0 else 1)
    return result


def starts(size, patch, overlap):
    """The first voxels of the windows along an axis."""
    room = size - patch
    gaps = int(numpy.ceil(room / max(patch * (1 - overlap), 1)))
    return [round(i * room / gaps) for i in range(gaps + 1)] if gaps else [0]


def segment(session, meta, image):
    """Label values [D, H, W] of an image [C, D, H, W] in the network's axis order and on its scale."""
    patch = meta["patch"]
    size = numpy.array(image.shape[1:])
    before = numpy.maximum(patch - size, 0) // 2
    after = numpy.maximum(patch - size, 0) - before
    padded = numpy.pad(image, [(0, 0), *zip(before, after)]).astype(numpy.float32)
    bells = [numpy.exp(-0.5 * ((numpy.arange(p) - (p - 1) / 2) / (p / 8)) ** 2) for p in patch]
    bell = (bells[0][:, None, None] * bells[1][:, None] * bells[2]).astype(numpy.float32)
    total = 0
    for z in starts(padded.shape[1], patch[0], meta["overlap"]):
        for y in starts(padded.shape[2], patch[1], meta["overlap"]):
            for x in starts(padded.shape[3], patch[2], meta["overlap"]):
                place = (slice(None), slice(z, z + patch[0]), slice(y, y + patch[1]), slice(x, x + patch[2]))
                logits = session.run(None, {session.get_inputs()[0].name: padded[place][None]})[0][0]
                odds = numpy.exp(logits - logits.max(axis=0))
                if not isinstance(total, numpy.ndarray):
                    total = numpy.zeros((len(odds), *padded.shape[1:]), numpy.float32)
                total[place] += odds / odds.sum(axis=0) * bell
    inside = tuple(slice(b, b + s) for b, s in zip(before, size))
    values = numpy.array([value for value, _ in meta["labels"]])
    return values[total.argmax(axis=0)[inside]]


def main(model, source, target):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    text = session.get_modelmeta().custom_metadata_map
    meta = {name: json.loads(text[name]) for name in ["labels", "normalise", "orientation", "patch", "overlap"]}
    if any(name in text for name in ["spacing", "nnunet", "pipeline", "regions", "postprocess"]) or text.get("crop") == "true":
        sys.exit("this model asks for more than is done here: " + text["preprocessing"])
    file = nibabel.load(source)
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.io_orientation(file.affine), nibabel.orientations.axcodes2ornt(meta["orientation"])
    )
    turned = nibabel.orientations.apply_orientation(numpy.asarray(file.dataobj, numpy.float32), turn)
    # nibabel has x, y, z; the network's D, H, W are z, y, x.
    image = scaled(turned.transpose(2, 1, 0).astype(numpy.float64), meta["normalise"])
    labels = segment(session, meta, image[None]).transpose(2, 1, 0)
    back = nibabel.orientations.ornt_transform(nibabel.orientations.axcodes2ornt(meta["orientation"]), nibabel.orientations.io_orientation(file.affine))
    labels = nibabel.orientations.apply_orientation(labels, back).astype(numpy.uint16)
    nibabel.save(nibabel.Nifti1Image(labels, file.affine), target)


if __name__ == "__main__":
    main(*sys.argv[1:])
