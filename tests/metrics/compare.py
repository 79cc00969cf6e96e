"""Metrics of `lmsc` beside those of surface-distance, MONAI, MedPy and SciPy.

    pip install surface-distance-based-measures monai medpy connected-components-3d nibabel scipy torch
    python tests/metrics/compare.py --write                            # makes expected.json for tests/metrics.rs
    python tests/metrics/compare.py --lmsc lmsc --pred DIR --ref DIR   # runs `lmsc eval` on two folders and compares
    python tests/metrics/compare.py --lmsc lmsc --labels DIR           # the same, against predictions made from label maps

The masks of expected.json are made from whole numbers alone, so that tests/metrics.rs makes the very same ones.
"""

import argparse
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import scipy.ndimage as ndi
from scipy import stats

warnings.filterwarnings("ignore")
if not hasattr(np, "Inf"):  # surface-distance was written for numpy 1
    np.Inf = np.inf

HERE = pathlib.Path(__file__).parent
TOLERANCE = 1.0
DILATION = 1
# MONAI finds the rank of its percentile in single precision.
LIMITS = {("monai", "hd95_mm"): 1e-5}


def numbers(seed):
    """Whole numbers of 31 bits: the upper ones of a linear congruential generator."""
    state = seed
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield state >> 33


def blobs(size, count, seed):
    """The union of `count` ellipsoids, centre and three half axes drawn for each."""
    draw = numbers(seed)
    z, y, x = np.ogrid[: size[0], : size[1], : size[2]]
    mask = np.zeros(size, bool)
    for _ in range(count):
        centre = [next(draw) % n for n in size]
        half = [1 + next(draw) % max(1, n // 4) for n in size]
        a, b, c = (h * h for h in half)
        square = [(v - m) ** 2 for v, m in zip((z, y, x), centre)]
        mask |= square[0] * b * c + square[1] * a * c + square[2] * a * b <= a * b * c
    return mask


def noise(size, one_in, seed):
    """Each voxel set where the next number is a multiple of `one_in`."""
    draw = numbers(seed)
    values = np.array([next(draw) for _ in range(math.prod(size))]).reshape(size)
    return values % one_in == 0


# name, size, spacing, (kind, parameter, seed) of the prediction and of the reference
CASES = [
    ("one blob", (24, 28, 32), (1.0, 1.0, 1.0), ("blobs", 1, 1), ("blobs", 1, 2)),
    ("five blobs", (30, 34, 38), (1.0, 1.0, 1.0), ("blobs", 5, 3), ("blobs", 5, 4)),
    ("thick slices", (12, 40, 40), (5.0, 0.8, 0.8), ("blobs", 4, 5), ("blobs", 4, 6)),
    ("three spacings", (20, 22, 26), (2.0, 1.3, 0.7), ("blobs", 6, 7), ("blobs", 6, 8)),
    ("many small", (40, 40, 40), (1.0, 1.0, 1.0), ("blobs", 20, 9), ("blobs", 20, 10)),
    ("tiny spacing", (16, 18, 20), (0.05, 0.06, 0.07), ("blobs", 3, 11), ("blobs", 3, 12)),
    ("large spacing", (10, 12, 14), (50.0, 8.0, 9.0), ("blobs", 3, 13), ("blobs", 3, 14)),
    ("every code", (16, 16, 16), (1.0, 1.7, 2.9), ("noise", 2, 15), ("noise", 2, 16)),
    ("sparse", (20, 20, 20), (1.0, 1.0, 3.0), ("noise", 400, 17), ("noise", 300, 18)),
    ("the whole array", (8, 9, 10), (1.0, 2.0, 3.0), ("noise", 1, 19), ("blobs", 2, 20)),
    ("one plane", (1, 24, 24), (4.0, 1.0, 1.0), ("blobs", 3, 21), ("blobs", 3, 22)),
    ("one voxel each", (9, 9, 9), (1.5, 1.0, 2.0), ("voxel", 100, 0), ("voxel", 611, 0)),
    ("the same", (20, 20, 20), (1.0, 1.0, 2.0), ("blobs", 4, 25), ("blobs", 4, 25)),
]


def made(size, what):
    kind, parameter, seed = what
    if kind == "voxel":  # the one with that number in memory order
        return (np.arange(math.prod(size)) == parameter).reshape(size)
    return blobs(size, parameter, seed) if kind == "blobs" else noise(size, parameter, seed)


def deepmind(p, r, spacing, tolerance):
    import surface_distance as sd

    found = sd.compute_surface_distances(r, p, spacing)
    to_p, to_r = sd.compute_average_surface_distance(found)
    area_r, area_p = found["surfel_areas_gt"].sum(), found["surfel_areas_pred"].sum()
    return {
        "hd95_mm": float(sd.compute_robust_hausdorff(found, 95)),
        "hausdorff_mm": float(sd.compute_robust_hausdorff(found, 100)),
        # It gives the two directions; ours is over both surfaces together.
        "assd_mm": float((to_p * area_r + to_r * area_p) / (area_r + area_p)),
        "surface_dice": float(sd.compute_surface_dice_at_tolerance(found, tolerance)),
    }


def monai(p, r, spacing, tolerance):
    import torch
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice

    p, r = (torch.from_numpy(m)[None, None].float() for m in (p, r))
    given = dict(include_background=True, spacing=list(spacing))
    return {
        "hd95_mm": float(compute_hausdorff_distance(p, r, percentile=95, **given)),
        "hausdorff_mm": float(compute_hausdorff_distance(p, r, **given)),
        "assd_mm": float(compute_average_surface_distance(p, r, symmetric=True, **given)),
        "surface_dice": float(compute_surface_dice(p, r, class_thresholds=[tolerance], **given)),
    }


def medpy(p, r, spacing, _):
    from medpy.metric import binary

    return {
        "hd95_mm": float(binary.hd95(p, r, voxelspacing=spacing)),
        "hausdorff_mm": float(binary.hd(p, r, voxelspacing=spacing)),
        "assd_mm": float(binary.assd(p, r, voxelspacing=spacing)),
    }


def overlap(p, r):
    both, n, m = int((p & r).sum()), int(p.sum()), int(r.sum())
    return {
        "dice": 2 * both / (n + m),
        "iou": both / (n + m - both),
        "precision": both / n,
        "recall": both / m,
    }


def lesions(p, r, spacing, dilation, smallest=0.0):
    """The rules of BraTS 2023 in plain steps; distances that there are none of are the diagonal."""
    import cc3d
    import surface_distance as sd

    cross = ndi.generate_binary_structure(3, 2)
    diagonal = math.dist((0, 0, 0), [n * s for n, s in zip(r.shape, spacing)])
    zones = cc3d.connected_components(ndi.binary_dilation(r, cross, dilation) if dilation else r, connectivity=26)
    parts = cc3d.connected_components(p, connectivity=26)
    taken, dice, hd95, found, missed = set(), 0.0, 0.0, 0, 0
    for zone in range(1, zones.max() + 1):
        own = r & (zones == zone)
        met = set(np.unique(parts[zones == zone])) - {0}
        taken |= met
        if own.sum() * math.prod(spacing) <= smallest:
            continue
        if not met:
            missed, hd95 = missed + 1, hd95 + diagonal
            continue
        theirs = np.isin(parts, list(met))
        found += 1
        dice += 2 * (own & theirs).sum() / (own.sum() + theirs.sum())
        hd95 += sd.compute_robust_hausdorff(sd.compute_surface_distances(own, theirs, spacing), 95)
    wrong = int(parts.max()) - len(taken)
    count = found + missed + wrong
    return {
        "lesions_found": found,
        "lesions_missed": missed,
        "lesions_false": wrong,
        "lesion_dice": dice / count if count else 1.0,
        "lesion_hd95_mm": (hd95 + wrong * diagonal) / count if count else 0.0,
        "lesion_f1": 2 * found / (found + count) if count else 1.0,
    }


TOOLS = {"deepmind": deepmind, "monai": monai, "medpy": medpy}
PACKAGES = {"deepmind": "surface_distance", "monai": "monai", "medpy": "medpy"}


def installed():
    """The tools that are there; says which are not."""
    from importlib.util import find_spec

    missing = [tool for tool, package in PACKAGES.items() if not find_spec(package)]
    for tool in missing:
        print(f"{tool}: not installed, not compared")
    return {tool: of for tool, of in TOOLS.items() if tool not in missing}


def expected():
    cases = []
    for name, size, spacing, prediction, reference in CASES:
        p, r = made(size, prediction), made(size, reference)
        assert p.any() and r.any(), name
        case = {"name": name, "size": size, "spacing": spacing, "prediction": prediction, "reference": reference}
        case |= {"voxels": [int(p.sum()), int(r.sum())], "overlap": overlap(p, r)}
        case |= {tool: of(p, r, spacing, TOLERANCE) for tool, of in TOOLS.items()}
        case["lesions"] = lesions(p, r, spacing, DILATION)
        cases.append(case)
    tests = []
    for n, seed, step, why in [
        (5, 1, 0, "few"),
        (12, 2, 0, "no ties"),
        (30, 3, 0, "no ties"),
        (50, 4, 0, "no ties"),
        (10, 5, 8, "ties and zeros"),
        (13, 6, 16, "ties"),
        (60, 7, 0, "many"),
        (80, 8, 16, "many, ties and zeros"),
        (300, 9, 0, "many"),
    ]:
        draw = numbers(seed)
        d = [(next(draw) % 2000001 - 800000) / 1000000 for _ in range(n)]
        if step:
            d = [math.trunc(v * step) / step for v in d]
        kept = np.array([v for v in d if v != 0])
        ties = len(set(np.abs(kept))) < len(kept)
        if len(kept) > 50:
            method = "asymptotic"
        elif ties:
            assert len(kept) <= 13, why
            method = stats.PermutationMethod(n_resamples=np.inf)
        else:
            method = "exact"
        got = stats.wilcoxon(kept, zero_method="wilcox", correction=False, method=method)
        tests.append({"why": why, "differences": d, "statistic": float(got.statistic), "p": float(got.pvalue)})
    versions = {}
    from importlib.metadata import version

    for package in ["surface-distance-based-measures", "monai", "medpy", "connected-components-3d", "scipy", "numpy", "torch"]:
        versions[package] = version(package)
    made_by = "python tests/metrics/compare.py --write"
    return {"made_by": made_by, "versions": versions, "tolerance": TOLERANCE, "dilation": DILATION, "cases": cases, "wilcoxon": tests}


def read(path):
    """A label map as [D, H, W] and its spacing in that order."""
    import nibabel

    image = nibabel.load(path)
    zooms = np.sqrt((image.affine[:3, :3] ** 2).sum(0))
    return np.rint(np.asarray(image.dataobj)).astype(np.uint8).T, tuple(float(z) for z in zooms[::-1])


def named(folder):
    files = [f for f in pathlib.Path(folder).iterdir() if f.name.endswith((".nii", ".nii.gz")) and not f.name.startswith(".")]
    return {f.name.removesuffix(".gz").removesuffix(".nii"): f for f in files}


def compare(lmsc, predictions, references, limit):
    """Prints the largest relative difference of each figure between `lmsc eval` and the tool; whether any is too large."""
    worst, counted, left = {}, 0, 0
    files = sorted(set(named(predictions)) & set(named(references)))[:limit]
    for tool, of in installed().items():
        with tempfile.NamedTemporaryFile(suffix=".json") as out:
            asked = ["eval", "--pred", predictions, "--ref", references, "--convention", tool, "--tolerance", str(TOLERANCE)]
            lesion_wise = ["--lesions", "--lesion-dilation", str(DILATION)] if tool == "deepmind" else []
            subprocess.run([lmsc, *asked, "--partial", *lesion_wise, "--json", out.name], check=True, stdout=subprocess.DEVNULL)
            cases = {c["case"]: c for c in json.load(open(out.name))["cases"]}
        for name in files:
            p, _ = read(named(predictions)[name])
            r, spacing = read(named(references)[name])
            for region, ours in cases[name]["regions"].items():
                a, b = p == int(region), r == int(region)
                if not a.any() or not b.any():
                    left += 1
                    continue
                theirs = of(a, b, spacing, TOLERANCE)
                if tool == "deepmind":
                    theirs |= overlap(a, b) | lesions(a, b, spacing, DILATION)
                for key, value in theirs.items():
                    apart = abs(ours[key] - value) / max(abs(value), 1e-12) if ours[key] != value else 0.0
                    counted += 1
                    if apart >= worst.get((tool, key), (-1.0, ""))[0]:
                        worst[tool, key] = (apart, f"{name}, region {region}: {ours[key]} and {value}")
    for (tool, key), (apart, where) in sorted(worst.items()):
        print(f"{tool:9} {key:15} {apart:.1e}  {where}")
    print(f"{len(files)} cases, {counted} values compared; {left} regions left where a mask is empty: each tool says something else there")
    return any(apart > LIMITS.get(what, 1e-6) for what, (apart, _) in worst.items())


def predicted(labels, folder, limit):
    """Predictions made of label maps: shifted, grown or with a part taken off, by turns."""
    import nibabel

    for i, (name, path) in enumerate(sorted(named(labels).items())[:limit]):
        image = nibabel.load(path)
        data = np.rint(np.asarray(image.dataobj)).astype(np.uint8)
        if i % 3 == 0:
            data = np.roll(data, (1, 2, 0), (0, 1, 2))
        elif i % 3 == 1:
            data = ndi.grey_dilation(data, size=(3, 1, 3))
        else:
            data[: data.shape[0] // 2 :] = np.roll(data, 1, 1)[: data.shape[0] // 2 :]
            data[::9, ::7, ::5] = 1
        nibabel.save(nibabel.Nifti1Image(data, image.affine), pathlib.Path(folder) / f"{name}.nii.gz")


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--write", action="store_true", help="write expected.json")
    a.add_argument("--lmsc", default="lmsc", help="the program")
    a.add_argument("--pred", help="a folder of predictions")
    a.add_argument("--ref", help="a folder of references")
    a.add_argument("--labels", help="a folder of label maps to make predictions from")
    a.add_argument("--limit", type=int, default=1000, help="as many cases")
    args = a.parse_args()
    if args.write:
        values = expected()
        lines = {k: ",\n".join(json.dumps(v) for v in values.pop(k)) for k in ("cases", "wilcoxon")}
        head = json.dumps(values)[:-1]
        text = head + "".join(f',\n"{k}": [\n{v}\n]' for k, v in lines.items()) + "}\n"
        (HERE / "expected.json").write_text(text)
        return
    if args.labels:
        with tempfile.TemporaryDirectory() as folder:
            predicted(args.labels, folder, args.limit)
            differ = compare(args.lmsc, folder, args.labels, args.limit)
    elif args.pred and args.ref:
        differ = compare(args.lmsc, args.pred, args.ref, args.limit)
    else:
        a.error("give --write, --labels, or --pred and --ref")
    sys.exit(differ)


if __name__ == "__main__":
    main()
