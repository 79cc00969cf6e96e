"""Runs `lmsc bench` and the peers side by side and writes RESULTS.md (RESULTS-gpu.md with --device); `benches/run` prepares what it needs.

Every peer is a process of its own that waits for its turn. In each round each takes its turn, in an order that moves on from round
to round, so that a machine that slows down slows all of them. One run of each turn is not counted.
"""
import argparse
import json
import os
from pathlib import Path

from contest import HERE, PEERS, called, on_gpu, prepared, say
import networks
from tables import SAME, case_lines, ceilings, heading, operations

# Size of the input, batch, parameters of the graph, whether it is a training step.
CASES = [
    ("4x128x128x128", 1, [], False),
    ("4x96x96x96", 1, [], False),
    ("1x48x64x48", 4, ["modalities=1"], False),
    ("4x64x64x64", 1, [], True),
    ("1x48x64x48", 4, ["modalities=1"], True),
]
QUICK = [("4x64x64x64", 1, [], False), ("4x32x32x32", 1, [], True)]
# On a GPU, each in float32 and bfloat16.
GPU_CASES = [("4x128x128x128", batch, [], step) for step in (False, True) for batch in (1, 2, 8)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lmsc", default="target/release/lmsc", help="the program")
    parser.add_argument("--graph", default="graphs/lightmedseg.ron")
    parser.add_argument("--out", type=Path, help="benches/RESULTS.md, or benches/RESULTS-gpu.md")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda: PyTorch is then the only peer")
    parser.add_argument("--precisions", nargs="*", choices=list(SAME), default=["f32", "bf16"], help="on a GPU")
    parser.add_argument("--work", type=Path, default=Path("target/bench"), help="where weights, inputs and outputs are put")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS)
    parser.add_argument("--only", default="", help="only cases whose name contains this; `operations` for those alone")
    parser.add_argument("--rounds", type=int, help="turns of each contestant, of two runs each (of operations: of five)")
    parser.add_argument("--commit", default="of an unknown commit")
    parser.add_argument("--room", type=int, default=60, help="gigabytes of a GPU's memory that PyTorch may take while it gets ready")
    parser.add_argument("--patience", type=float, help="seconds after which peers that are not ready on a GPU are left out")
    parser.add_argument("--networks", nargs="*", choices=list(networks.NETWORKS), metavar="NAME", help="networks of others too, a line each; all where none is named")
    parser.add_argument("--quick", action="store_true", help="small sizes and few runs: does everything work?")
    options = parser.parse_args()
    if options.device != "cpu" and not options.device.startswith("cuda"):
        parser.error(f"--device {options.device}: PyTorch is the peer, and it computes on cpu or cuda")
    cases = [(*case, "f32") for case in (QUICK if options.quick else CASES)]
    if on_gpu(options):
        options.peers = [p for p in options.peers if p in ("eager", "compiled")]
        cases = [(*case, precision) for case in (QUICK if options.quick else GPU_CASES) for precision in options.precisions]
    if options.networks is not None and on_gpu(options):
        parser.error("--networks is of a CPU")
    name = "RESULTS-gpu.md" if on_gpu(options) else "RESULTS.md" if options.networks is None else "RESULTS-networks.md"
    options.out = options.out or HERE / name
    load = os.getloadavg()
    if options.networks is not None:
        return many(options, load)
    lines, results, single = [], [], []

    def write():
        """What there is so far, so that a run that is broken off leaves what it has found."""
        (options.work / "results.json").write_text(json.dumps(results, indent=1))
        machine = ceilings(results, options.work)
        network = ["## The network", ""] if results else []
        options.out.write_text("\n".join(heading(options, machine, load) + network + lines + single).rstrip() + "\n")

    options.work.mkdir(parents=True, exist_ok=True)
    for contest in prepared([(i, case) for i, case in enumerate(cases) if options.only in called(case)], options):
        results.append(contest.run())
        lines += case_lines(results[-1])
        write()
    if options.only in "operations" and not on_gpu(options):
        single += operations(options, options.work)
        write()
    if not (results or single):
        raise SystemExit(f"--only: no case is called `{options.only}`")
    say(f"written to {options.out}")


def many(options, load):
    """A table of networks."""
    options.work.mkdir(parents=True, exist_ok=True)
    names = options.networks or list(networks.NETWORKS)
    lines, found, results = [], [], []
    for name, size, contest in networks.contests(names, options, HERE.parent / "graphs"):
        results.append(contest.run())
        text, ratios = networks.line(name, size, results[-1])
        say(text)
        lines.append(text)
        found += [ratios] * (ratios is not None)
        (options.work / "networks.json").write_text(json.dumps(results, indent=1))
        head = heading(options, ceilings(results, options.work), load)
        head[2] = head[2].replace(f"`{options.graph}`", "each network with drawn weights; least of the runs")
        options.out.write_text("\n".join(head + networks.HEAD + lines + networks.means(found)).rstrip() + "\n")
    say(f"written to {options.out}")


if __name__ == "__main__":
    main()
