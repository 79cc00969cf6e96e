"""Whole predictions of the reference network on volumes of your own: time and peak memory, from files to files.

    cargo build --release
    python benches/predictions.py --lmsc target/release/lmsc FLAIR.nii.gz,T1.nii.gz,T1c.nii.gz,T2.nii.gz

Each argument is a case: four images that lie on one grid, joined by commas (an image may stand for one that is missing). The model is made
here, by one step on a generated volume: what it paints means nothing, but it takes as long as a trained one. Windows of 128x128x128 that
overlap by half, one pass each. Time is the median of the runs, peak memory the most; both are what `lmsc predict` reports of a case.
VOLUMES.md has figures.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile

CONFIG = pathlib.Path(__file__).parent.parent / "configs" / "phantom.ron"
SETS = ["patch=(128,128,128)", "data.cases=2", "data.size=(128,128,128)", "split.validation=0.5", "batch=1", "epochs=1", "steps=1"]


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--lmsc", default="target/release/lmsc", help="the program, built for release")
    a.add_argument("--repeats", type=int, default=3)
    a.add_argument("--device", default="cpu")
    a.add_argument("case", nargs="+", help="FILE,FILE,FILE,FILE")
    args = a.parse_args()

    def lmsc(*words):
        subprocess.run([args.lmsc, *words], check=True, capture_output=True)

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        sets = [word for s in SETS for word in ("--set", s)]
        lmsc("train", CONFIG, *sets, "--out", folder / "run", "--device", args.device)
        print("| case | windows | time, s | peak memory, MB |\n|---|--:|--:|--:|")
        for case in args.case:
            reports = []
            for i in range(args.repeats):
                out = folder / f"out{i}.json"
                lmsc("predict", folder / "run", case, "--out", folder / f"out{i}", "--json", out, "--device", args.device, "--again")
                reports += json.loads(out.read_text())["cases"]
            first = reports[0]
            size = "x".join(str(n) for n in first["size"])
            time = statistics.median(r["seconds"] for r in reports)
            memory = max(r["peak_bytes"] for r in reports) / 1e6
            print(f"| {size} | {first['windows']} | {time:.1f} | {memory:.0f} |", flush=True)


if __name__ == "__main__":
    main()
