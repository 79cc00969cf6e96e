"""Reading and evaluation beside nibabel, surface-distance, MONAI and MedPy, on one generated 240x240x155 case.

    pip install surface-distance-based-measures monai medpy nibabel scipy torch
    cargo build --release && python benches/metrics.py --lmsc target/release/lmsc

VOLUMES.md has its figures. What is compared is computed from files to numbers: three regions (WT, TC, ET), Dice, HD95, average surface
distance and surface Dice of each. Times are the median of several runs, in one process each for ours (its start is part of it) and in one
warm process for the others; all may use two threads. On a machine that does other work, too, compare the second column: the least processor
time, of all threads, in user and kernel mode. It also prints that the numbers agree: a peer that computes something else is no peer.
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ.setdefault(name, "2")

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tests" / "metrics"))
import compare  # noqa: E402
import nibabel  # noqa: E402
import numpy as np  # noqa: E402

REGIONS = {"WT": (1, 2, 4), "TC": (1, 4), "ET": (4,)}


def tumour(shift):
    """A tumour of three nested, lobed parts, the size of a large glioma (about 110 ml), off by `shift` voxels."""
    size = (240, 240, 155)
    x, y, z = np.ogrid[: size[0], : size[1], : size[2]]
    x, y, z = x - 95 - shift, y - 120, z - 80 - shift
    angle = np.arctan2(y, x)
    lobes = 1 + 0.15 * np.sin(5 * angle) + 0.1 * np.cos(z / 4)
    distance = np.sqrt(x**2 + y**2 + (1.3 * z) ** 2) / lobes
    labels = np.zeros(size, np.uint8)
    labels[distance < 32] = 2
    labels[distance < 20] = 4
    labels[distance < 12] = 1
    return labels


def spent():
    """Processor time of this process and of those that it has waited for."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(r.ru_utime + r.ru_stime for r in both)


def timed(what, repeats):
    walls, processor = [], []
    for _ in range(repeats):
        start, before = time.perf_counter(), spent()
        value = what()
        walls.append(time.perf_counter() - start)
        processor.append(spent() - before)
    return statistics.median(walls), min(processor), value


def line(name, result):
    wall, processor, value = result
    print(f"{name:44} {wall:8.3f} s {processor:8.3f} s of processor", flush=True)
    return wall, processor, value


def ratio(ours, theirs):
    return f"{'':44} {theirs[0] / ours[0]:8.1f} times {theirs[1] / ours[1]:6.1f} times"


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--lmsc", default="target/release/lmsc", help="the program, built for release")
    a.add_argument("--repeats", type=int, default=5)
    a.add_argument("--volume", help="a volume to read, as `lmsc info` does, beside nibabel and a sum over it")
    args = a.parse_args()
    if args.volume:
        print(f"{args.volume}")
        ours = line("lmsc info", timed(lambda: subprocess.run([args.lmsc, "info", args.volume], check=True, capture_output=True), args.repeats))
        theirs = line("nibabel", timed(lambda: np.asarray(nibabel.load(args.volume).dataobj).sum(), args.repeats))
        print(ratio(ours, theirs))
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name, shift in (("p", 2), ("r", 0)):
            image = nibabel.Nifti1Image(tumour(shift), np.eye(4))
            nibabel.save(image, folder / f"{name}.nii.gz")
            nibabel.save(image, folder / f"{name}.nii")
        for end in (".nii.gz", ".nii"):
            p, r = folder / f"p{end}", folder / f"r{end}"
            print(f"\n{end[1:]}: two files of 240x240x155, {p.stat().st_size / 1e6:.2f} MB each on disk, 8.93 MB in memory")
            voxels = lambda: [np.asarray(nibabel.load(f).dataobj) for f in (p, r)]  # noqa: E731
            line("nibabel, reading alone", timed(voxels, args.repeats))
            asked = [args.lmsc, "eval", "--pred", p, "--ref", r, "--json", "-"]
            nothing = asked + ["--labels", "9"]
            counting = lambda: subprocess.run(nothing, check=True, capture_output=True)  # noqa: E731
            line("lmsc eval --labels 9 (reading, counting)", timed(counting, args.repeats))
            for tool, of in compare.installed().items():
                regions = [a for n, v in REGIONS.items() for a in ("--region", f"{n}={','.join(map(str, v))}")]
                command = asked + regions + ["--convention", tool]
                ours = lambda: subprocess.run(command, check=True, capture_output=True).stdout  # noqa: E731
                own = line(f"lmsc eval --convention {tool}", timed(ours, args.repeats))

                def theirs():
                    a, b = voxels()
                    found = {}
                    for name, values in REGIONS.items():
                        one, two = np.isin(a, values), np.isin(b, values)
                        found[name] = {"dice": compare.overlap(one, two)["dice"]} | of(one, two, (1.0, 1.0, 1.0), 1.0)
                    return found

                other = line(f"{tool} (and nibabel)", timed(theirs, max(1, args.repeats // 2)))
                values = other[2]
                got = json.loads(own[2])["cases"][0]["regions"]
                apart = max(abs(got[n][k] - v) / max(abs(v), 1e-12) for n, m in values.items() for k, v in m.items())
                print(f"{ratio(own, other)}; largest relative difference {apart:.1e}")


if __name__ == "__main__":
    main()
