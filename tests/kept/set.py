"""Writes the data set beside this file: three cases of two channels, two classes, in NIfTI. Needs nibabel and numpy."""
import json, pathlib
import nibabel as nib
import numpy as np

root = pathlib.Path(__file__).parent / "set"
for name in ("imagesTr", "labelsTr"):
    (root / name).mkdir(parents=True, exist_ok=True)
random = np.random.default_rng(7)
size = (16, 18, 17)
grid = np.stack(np.meshgrid(*[np.arange(n) for n in size], indexing="ij"), -1)
affine = np.diag([1.0, 1.0, 1.0, 1.0])
training = []
for case in range(3):
    centre = np.array(size) / 2 + random.uniform(-2, 2, 3)
    distance = np.linalg.norm(grid - centre, axis=-1)
    label = (distance < 6).astype(np.uint8) + (distance < 3).astype(np.uint8)
    channels = [20 + 30 * label + 6 * (grid[..., 0] % 3), 90 - 20 * (label == 1) + 5 * (grid[..., 1] % 2)]
    image = np.stack(channels, -1).astype(np.uint8)
    image[:1] = 0  # cut away
    label[:1] = 0
    name = f"kept_{case}.nii.gz"
    nib.save(nib.Nifti1Image(image, affine), root / "imagesTr" / name)
    nib.save(nib.Nifti1Image(label, affine), root / "labelsTr" / name)
    training.append({"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"})
(root / "dataset.json").write_text(json.dumps({
    "name": "kept", "modality": {"0": "T1", "1": "T2"}, "labels": {"0": "background", "1": "rim", "2": "core"},
    "numTraining": 3, "training": training, "numTest": 0, "test": [],
}, indent=1) + "\n")
