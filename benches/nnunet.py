"""Times a prediction with a model of nnU-Net: nnunetv2 and lmsc, the same folder and volume, each in a process of its own, in turns.

The network is nnU-Net's PlainConvUNet of 31 million parameters with random weights, the volume noise of clinical size: neither changes what is computed.
    python benches/nnunet.py --lmsc target/release/lmsc [--size 256 256 160] [--patch 128 128 128] [--threads 2] [--runs 2] [--mirror]
Needs nnunetv2 and torch beside this Python. Of nnunetv2, the start (importing it, building the network) is timed apart.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FEATURES = [32, 64, 128, 256, 320, 320]


def plans(patch, spacing):
    resample = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    logits = {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None}
    return {
        "dataset_name": "Dataset999_Bench",
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": spacing,
        "original_median_shape_after_transp": patch,
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": {"max": 3000.0, "mean": 100.0, "median": 100.0, "min": -1000.0, "percentile_00_5": -900.0, "percentile_99_5": 1000.0, "std": 300.0}},
        "configurations": {
            "3d_fullres": {
                "data_identifier": "nnUNetPlans_3d_fullres",
                "preprocessor_name": "DefaultPreprocessor",
                "batch_size": 2,
                "patch_size": patch,
                "median_image_size_in_voxels": patch,
                "spacing": spacing,
                "normalization_schemes": ["CTNormalization"],
                "use_mask_for_norm": [False],
                "resampling_fn_data": "resample_data_or_seg_to_shape",
                "resampling_fn_seg": "resample_data_or_seg_to_shape",
                "resampling_fn_data_kwargs": resample,
                "resampling_fn_seg_kwargs": {**resample, "is_seg": True, "order": 1},
                "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
                "resampling_fn_probabilities_kwargs": logits,
                "batch_dice": False,
                "architecture": {
                    "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
                    "arch_kwargs": {
                        "n_stages": 6,
                        "features_per_stage": FEATURES,
                        "conv_op": "torch.nn.modules.conv.Conv3d",
                        "kernel_sizes": [[3, 3, 3]] * 6,
                        "strides": [[1, 1, 1]] + [[2, 2, 2]] * 5,
                        "n_conv_per_stage": [2] * 6,
                        "n_conv_per_stage_decoder": [2] * 5,
                        "conv_bias": True,
                        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
                        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
                        "dropout_op": None,
                        "dropout_op_kwargs": None,
                        "nonlin": "torch.nn.LeakyReLU",
                        "nonlin_kwargs": {"inplace": True},
                    },
                    "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
                },
            }
        },
    }


def make(folder, size, patch, spacing, own):
    """The model's folder and one case."""
    import nibabel
    import numpy
    import torch
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    torch.manual_seed(0)
    labels = {"background": 0, "organ": 1, "lesion": 2}
    about = plans(patch, spacing)
    dataset = {"channel_names": {"0": "CT"}, "labels": labels, "numTraining": 1, "file_ending": ".nii.gz"}
    kind = about["configurations"]["3d_fullres"]["architecture"]
    network = get_network_from_plans(kind["network_class_name"], kind["arch_kwargs"], kind["_kw_requires_import"], 1, len(labels), deep_supervision=True)
    model = folder / "nnUNetTrainer__nnUNetPlans__3d_fullres"
    (model / "fold_0").mkdir(parents=True)
    (model / "plans.json").write_text(json.dumps(about))
    (model / "dataset.json").write_text(json.dumps(dataset))
    arguments = {"plans": about, "configuration": "3d_fullres", "fold": 0, "dataset_json": dataset}
    torch.save(
        {"network_weights": network.state_dict(), "trainer_name": "nnUNetTrainer", "init_args": arguments, "inference_allowed_mirroring_axes": (0, 1, 2)},
        model / "fold_0" / "checkpoint_final.pth",
    )
    images = folder / "images"
    images.mkdir()
    noise = numpy.random.default_rng(0).normal(0, 300, size).astype(numpy.int16)
    nibabel.save(nibabel.Nifti1Image(noise, numpy.diag([*reversed(own), 1.0])), images / "case_0000.nii.gz")
    parameters = sum(p.numel() for p in network.encoder.parameters()) + sum(p.numel() for n, p in network.decoder.named_parameters() if not n.startswith("encoder"))
    return model, images, parameters


def theirs(model, images, out, threads, mirror):
    """A process of nnunetv2: prints its times, in seconds, and its peak memory in MB."""
    begin = time.perf_counter()
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    torch.set_num_threads(threads)
    predictor = nnUNetPredictor(use_mirroring=mirror, device=torch.device("cpu"), perform_everything_on_device=False, verbose=False, allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(model), use_folds=(0,))
    ready = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    predictor.predict_from_files_sequential([[str(images / "case_0000.nii.gz")]], [str(out / "case")], save_probabilities=False, overwrite=True)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"start": ready - begin, "seconds": time.perf_counter() - ready, "cpu": usage.ru_utime + usage.ru_stime, "mb": usage.ru_maxrss / 1024, "before": before / 1024}))


def timed(command, environment):
    """Wall seconds, processor seconds and peak memory in MB of a process."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{said}")
    return time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, said


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--lmsc", default="target/release/lmsc")
    a.add_argument("--size", nargs=3, type=int, default=[256, 256, 160], help="voxels along x, y, z")
    a.add_argument("--patch", nargs=3, type=int, default=[128, 128, 128])
    a.add_argument("--own", nargs=3, type=float, default=[1.0, 1.0, 1.0], help="the volume's spacing along z, y, x; the model's is 1 mm")
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--runs", type=int, default=2)
    a.add_argument("--mirror", action="store_true")
    a.add_argument("--theirs", nargs=3, help=argparse.SUPPRESS)
    args = a.parse_args()
    environment = {**os.environ, "OMP_NUM_THREADS": str(args.threads), "RAYON_NUM_THREADS": str(args.threads)}
    environment |= {f"nnUNet_{name}": tempfile.gettempdir() for name in ["raw", "preprocessed", "results"]}
    if args.theirs:
        model, images, out = map(Path, args.theirs)
        theirs(model, images, out, args.threads, args.mirror)
        return
    os.environ |= environment
    folder = Path(tempfile.mkdtemp())
    model, images, parameters = make(folder, args.size, args.patch, [1.0, 1.0, 1.0], args.own)
    import_time, *_ = timed([args.lmsc, "import", "nnunet", model, "--out", folder / "m.safetensors"], environment)
    best = {}
    for run in range(args.runs):
        out = folder / f"ours-{run}"
        flips = [] if args.mirror else ["--flips=none"]
        wall, cpu, mb, _ = timed([args.lmsc, "predict", folder / "m.safetensors", images, "--out", out, *flips], environment)
        best["lmsc"] = min(best.get("lmsc", (9e9,)), (wall, cpu, mb))
        out = folder / f"theirs-{run}"
        out.mkdir()
        again = [sys.executable, __file__, "--threads", str(args.threads), "--theirs", model, images, out] + (["--mirror"] if args.mirror else [])
        _, _, _, said = timed(again, environment)
        r = json.loads(said.strip().splitlines()[-1])
        best["nnunetv2"] = min(best.get("nnunetv2", (9e9,)), (r["seconds"], r["cpu"], r["mb"], r["start"]))
        print(f"run {run}: lmsc {wall:.1f} s, {cpu:.1f} CPU s, {mb:.0f} MB; nnunetv2 {r['seconds']:.1f} s and {r['start']:.1f} s to start, {r['cpu']:.1f} CPU s, {r['mb']:.0f} MB; load {os.getloadavg()[0]:.1f}", flush=True)
    compare(folder)
    ours, other = best["lmsc"], best["nnunetv2"]
    print(f"{parameters:,} parameters, volume {args.size}, patch {args.patch}, mirroring {args.mirror}, {args.threads} threads; import once {import_time:.1f} s")
    print(f"lmsc takes {ours[0] / other[0]:.2f} of nnunetv2's time (its start left out), {ours[2] / other[2]:.2f} of its memory")


def compare(folder):
    import nibabel
    import numpy

    read = lambda path: numpy.asarray(nibabel.load(path).dataobj)
    ours, other = read(next((folder / "ours-0").glob("*.nii.gz"))), read(folder / "theirs-0" / "case.nii.gz")
    print(f"{int((ours != other).sum())} of {ours.size} voxels differ, {int((other > 0).sum())} foreground")


if __name__ == "__main__":
    main()
