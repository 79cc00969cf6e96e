"""Runs `lmsc bench` and the peers side by side and writes RESULTS.md; `benches/run` prepares what it needs.

Every peer is a process of its own that waits for its turn. In each round each takes its turn, in an order that moves on from round
to round, so that a machine that slows down slows all of them. One run of each turn is not counted.
"""
import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PEERS = ["eager", "compiled", "onnxruntime", "openvino"]
NAMES = {"ours": "lmsc", "eager": "PyTorch", "compiled": "PyTorch, compiled", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}
# Name, size of the input, batch, parameters of the graph, whether it is a training step.
CASES = [
    ("forward 4x128x128x128, batch 1", "4x128x128x128", 1, [], False),
    ("forward 4x96x96x96, batch 1", "4x96x96x96", 1, [], False),
    ("forward 1x48x64x48, batch 4", "1x48x64x48", 4, ["modalities=1"], False),
    ("training step 4x64x64x64, batch 1", "4x64x64x64", 1, [], True),
    ("training step 1x48x64x48, batch 4", "1x48x64x48", 4, ["modalities=1"], True),
]
QUICK = [("forward 4x64x64x64, batch 1", "4x64x64x64", 1, [], False), ("training step 4x32x32x32, batch 1", "4x32x32x32", 1, [], True)]
# A peer whose outputs differ by more than this share of their norm computes something else. ONNX Runtime's sums over the voxels of a
# norm cost it four digits at 128^3.
SAME = 1e-3


def say(text):
    print(text, file=sys.stderr, flush=True)


def median(numbers):
    return sorted(numbers)[(len(numbers) - 1) // 2]


class Peer:
    """A process that waits for its turn."""

    def __init__(self, name, folder, threads, step):
        command = [sys.executable, str(HERE / "peers.py"), name, str(folder), "--threads", str(threads), "--serve"]
        self.name = name
        self.process = subprocess.Popen(command + ["--step"] * step, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        stderr=subprocess.DEVNULL)
        self.ready = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended with {self.process.wait()}; run benches/peers.py by itself to see why")
        return json.loads(line)

    def turn(self, runs):
        self.process.stdin.write(f"run {runs}\n")
        self.process.stdin.flush()
        return self.answer()["seconds"]

    def end(self):
        self.process.stdin.close()
        self.process.wait()


class Ours:
    """`lmsc bench`, started anew for each turn."""

    def __init__(self, lmsc, graph, size, batch, sets, step, threads):
        self.command = [lmsc, "bench", graph, "--input", size, "--batch", str(batch), "--threads", str(threads), "--device", "cpu", "--json"]
        self.command += [word for s in sets for word in ("--set", s)] + ["--step"] * step
        self.step = step
        self.results = []

    def run(self, *more):
        done = subprocess.run(self.command + list(more), stdout=subprocess.PIPE, text=True, check=True)
        result = json.loads(done.stdout)
        self.results.append(result)
        return result["step" if self.step else "forward"]

    def turn(self, runs):
        return self.run("--runs", str(runs))["runs"]


def compare(case, options, folder):
    """One case: seconds of every run by name, and what each said of itself."""
    name, size, batch, sets, step = case
    say(f"{name}: preparing")
    folder.mkdir(parents=True, exist_ok=True)
    ours = Ours(options.lmsc, options.graph, size, batch, sets, step, options.threads)
    ours.run("--runs", "1", "--export", str(folder))
    if not step:
        subprocess.run([sys.executable, str(HERE / "peers.py"), "onnx", str(folder)], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
    peers = []
    for peer in options.peers:
        if not (step and peer in ("onnxruntime", "openvino")):
            say(f"  {NAMES[peer]}")
            peers.append(Peer(peer, folder, options.threads, step))
    turns = [("ours", ours)] + [(p.name, p) for p in peers]
    seconds = {who: [] for who, _ in turns}
    rounds, runs = options.rounds or (2 if options.quick else 5), 2
    for number in range(rounds):
        say(f"  round {number + 1} of {rounds}")
        for who, runner in turns[number % len(turns):] + turns[:number % len(turns)]:
            seconds[who] += runner.turn(runs)
            # Threads that still wait in a loop for more work should not cost the next one anything.
            time.sleep(0.3)
    for p in peers:
        p.end()
    return {"name": name, "step": step, "seconds": seconds, "ours": ours.results, "peers": {p.name: p.ready for p in peers}}


def parts(result):
    """Per contestant: median, spread, memory, first run, difference."""
    table = {}
    first = [r["step" if result["step"] else "forward"]["first"] for r in result["ours"]]
    peaks = [r["peak_bytes"] / 1e6 for r in result["ours"] if r["peak_bytes"]]
    # With --export a run holds more than it needs: that one does not count.
    table["ours"] = {"peak": max(peaks[1:], default=None), "libraries": None, "first": median(first), "difference": None, "same": True}
    losses = [p["loss"] for p in result["ours"][0]["parts"]] if result["step"] else []
    for name, ready in result["peers"].items():
        if result["step"]:
            pairs = list(zip(losses, ready["losses"]))
            difference = max(abs(a - b) / abs(a) for a, b in pairs)
        else:
            difference = ready["difference"]["relative"]
        table[name] = {"peak": ready["peak_mb"], "libraries": ready["libraries_mb"], "first": ready["first"], "difference": difference,
                       "same": difference <= SAME}
        if not result["step"]:
            table[name]["largest"] = ready["difference"]["largest"]
    for name, row in table.items():
        all_runs = result["seconds"][name]
        row |= {"median": median(all_runs), "least": min(all_runs), "most": max(all_runs), "runs": len(all_runs)}
    return table


def number(x, form="{:.0f}"):
    return "" if x is None else form.format(x)


def case_lines(result):
    table = parts(result)
    best = min((n for n in table if n != "ours" and table[n]["same"]), key=lambda n: table[n]["median"], default=None)
    what = "difference of the losses" if result["step"] else "difference of the outputs"
    lines = [f"### {result['name'][0].upper()}{result['name'][1:]}", "",
             f"| | median ms | least | most | first run | peak MB | without libraries | {what} | ours takes |",
             "|---|--:|--:|--:|--:|--:|--:|--:|--:|"]
    for name, row in table.items():
        difference = number(row["difference"], "{:.1e}")
        if "largest" in row:
            difference += f" of the norm, {row['largest']:.1e} at most"
        if not row["same"]:
            difference += " (computes something else)"
        own = None if row["peak"] is None or row["libraries"] is None else row["peak"] - row["libraries"]
        ratio = "" if name == "ours" else f"{table['ours']['median'] / row['median']:.2f}"
        label = f"**{NAMES[name]}**" if name in ("ours", best) else NAMES[name]
        lines.append(f"| {label} | {row['median'] * 1e3:.1f} | {row['least'] * 1e3:.1f} | {row['most'] * 1e3:.1f} | {row['first'] * 1e3:.0f} | "
                     f"{number(row['peak'])} | {number(own)} | {difference} | {ratio} |")
    if best:
        peer = table[best]
        memory = ""
        if table["ours"]["peak"] and peer["peak"]:
            memory = f", memory {table['ours']['peak'] / peer['peak']:.2f} of its"
        lines += ["", f"Against the best peer, {NAMES[best]}: time {table['ours']['median'] / peer['median']:.2f}{memory}; "
                      f"our first run takes {table['ours']['first'] / table['ours']['median']:.2f} of a warm one."]
    return lines + [""]


def operations(options, folder):
    """Every single operation, ours and PyTorch's, in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    rounds, runs = options.rounds or (1 if options.quick else 3), 3 if options.quick else 5
    more = ["--shrink", "2"] if options.quick else []
    ours, theirs = [], []
    for i in range(rounds):
        say(f"operations: round {i + 1} of {rounds}")
        command = [options.lmsc, "bench", "--ops", "--threads", str(options.threads), "--runs", str(runs), "--device", "cpu", "--json", *more]
        file = folder / "operations.json"
        file.write_text(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
        ours.append(json.loads(file.read_text()))
        command = [sys.executable, str(HERE / "ops.py"), str(file), "--threads", str(options.threads), "--runs", str(runs)]
        theirs.append(json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout))
    flops = max(o["machine"]["flops"] for o in ours) / 1e9
    bandwidth = max(o["machine"]["bandwidth"] for o in ours) / 1e9
    lines = ["## Single operations", "",
             f"Median ms of {rounds * runs} runs; ceilings measured in the same runs: {flops:.0f} GFLOP/s and {bandwidth:.1f} GB/s. GFLOP/s counts "
             "2 x MACs, GB/s the input and the weights read and the output written once. \"of ceiling\" is the time at the ceiling that binds for the "
             "time taken. \"both\" is forward, sum of products with fixed numbers, and the gradients of input and weights.", "",
             "| operation | input | lmsc ms | GFLOP/s | GB/s | of ceiling | PyTorch ms | GFLOP/s | GB/s | ratio | lmsc both | PyTorch both | ratio |",
             "|---|---|" + "--:|" * 11]

    def rates(op, seconds):
        least = max(2 * op["macs"] / flops, op["bytes"] / bandwidth) / 1e9
        compute = f"{2 * op['macs'] / seconds / 1e9:.1f}" if op["macs"] else ""
        return compute, f"{op['bytes'] / seconds / 1e9:.1f}", f"{100 * least / seconds:.0f}%"

    for i, op in enumerate(ours[0]["operations"]):
        a, b = (median([o["operations"][i][k] for o in ours]) for k in ("forward", "both"))
        c, d = (median([t[i][k] for t in theirs]) for k in ("forward", "both"))
        compute, bytes_, ceiling = rates(op, a)
        other_compute, other_bytes, _ = rates(op, c)
        shape = "x".join(str(n) for n in op["input"][1:])
        lines.append(f"| {op['name']} | {shape} | {a * 1e3:.2f} | {compute} | {bytes_} | {ceiling} | {c * 1e3:.2f} | {other_compute} | {other_bytes} | "
                     f"{a / c:.2f} | {b * 1e3:.2f} | {d * 1e3:.2f} | {b / d:.2f} |")
    return lines + [""]


def ceilings(results, folder):
    """The machine, with the ceilings of its quietest moment."""
    found = [r["machine"] for result in results for r in result["ours"]]
    if not found:
        found = [json.loads((folder / "operations.json").read_text())["machine"]]
    return found[0] | {k: max(m[k] for m in found) for k in ("flops", "bandwidth")}


def heading(options, machine, load):
    versions = {p: importlib.metadata.version(p) for p in ("torch", "onnxruntime", "openvino", "onnx", "numpy")}
    python = platform.python_version()
    busy = load[0] > 0.25 * os.cpu_count()
    warning = ["**Other programs were running: these figures show that the comparison works, not who is faster.** PyTorch and ONNX Runtime "
               "wait for each other's threads in loops and suffer most from it.", ""] if busy else []
    return ["# Speed beside PyTorch, ONNX Runtime and OpenVINO", "",
            f"Written by `benches/run{' --quick' if options.quick else ''}` on {datetime.date.today()}; `{options.graph}`, same weights and inputs, float32.", "",
            *warning,
            f"- machine: {machine['cpu']}, {os.cpu_count()} processors, {options.threads} threads each, {machine['instructions']}; "
            f"ceilings {machine['flops'] / 1e9:.0f} GFLOP/s and {machine['bandwidth'] / 1e9:.1f} GB/s (copying, read and written)",
            f"- load average at the start {load[0]:.1f}, at the end {os.getloadavg()[0]:.1f} (of {os.cpu_count()} processors; the runs themselves are "
            "part of the latter)",
            f"- versions: lmsc {options.commit}, " + ", ".join(f"{p} {v}" for p, v in versions.items()) + f", Python {python}",
            "- each contestant runs in its own process and they take turns; times are of single runs after a warm-up",
            "- peak MB is the most resident memory of the process (VmHWM), input and output included; \"without libraries\" leaves out what was resident "
            "when the framework had been loaded and the network had not",
            "- \"ours takes\" is our median for theirs: below 1 we are faster; the best peer is in bold", ""]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lmsc", default="target/release/lmsc", help="the program")
    parser.add_argument("--graph", default="graphs/lightmedseg.ron")
    parser.add_argument("--out", type=Path, default=HERE / "RESULTS.md")
    parser.add_argument("--work", type=Path, default=Path("target/bench"), help="where weights, inputs and outputs are put")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS)
    parser.add_argument("--only", default="", help="only cases whose name contains this; `operations` for those alone")
    parser.add_argument("--rounds", type=int, help="turns of each contestant, of two runs each (of operations: of five)")
    parser.add_argument("--commit", default="of an unknown commit")
    parser.add_argument("--quick", action="store_true", help="small sizes and few runs: does everything work?")
    options = parser.parse_args()
    load = os.getloadavg()
    lines, results, single = [], [], []

    def write():
        """What there is so far, so that a run that is broken off leaves what it has found."""
        (options.work / "results.json").write_text(json.dumps(results, indent=1))
        machine = ceilings(results, options.work)
        network = ["## The network", ""] if results else []
        options.out.write_text("\n".join(heading(options, machine, load) + network + lines + single).rstrip() + "\n")

    options.work.mkdir(parents=True, exist_ok=True)
    for i, case in enumerate(QUICK if options.quick else CASES):
        if options.only in case[0]:
            results.append(compare(case, options, options.work / f"case{i}"))
            lines += case_lines(results[-1])
            write()
    if options.only in "operations":
        single += operations(options, options.work)
        write()
    if not (results or single):
        raise SystemExit(f"--only: no case is called `{options.only}`")
    say(f"written to {options.out}")


if __name__ == "__main__":
    main()
