"""The operations of `lmsc bench --ops --json` in PyTorch: the same specifications and sizes, forward, and forward with backward.

    python ops.py FILE [--threads 2] [--runs 5]

Prints a JSON list of {name, forward, both}: median seconds, in the file's order.
"""
import argparse
import json
import time
from pathlib import Path

import torch

import network


def median(seconds):
    return sorted(seconds)[(len(seconds) - 1) // 2]


def repeat(work, runs):
    work()
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def measure(op, runs):
    shapes = {w["name"]: w["shape"] for o in op["graph"]["ops"] for w in o["weights"].values()}
    net = network.build(op["graph"], {name: torch.randn(shape) for name, shape in shapes.items()})
    x = torch.randn(op["input"])
    probe = torch.full(op["output"], 0.5)

    def forward():
        with torch.inference_mode():
            net(x)

    learned = list(net.parameters())
    given = x.clone().requires_grad_()

    def both():
        torch.autograd.grad((net(given) * probe).sum(), [given, *learned])

    return {"name": op["name"], "forward": repeat(forward, runs), "both": repeat(both, runs)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    print(json.dumps([measure(op, given.runs) for op in json.loads(given.file.read_text())["operations"]]))


if __name__ == "__main__":
    main()
