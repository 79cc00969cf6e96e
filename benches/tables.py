"""What was found, as the lines of a page."""
import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys

from contest import HERE, NAMES, on_gpu, say

OWN = ["ours", "sparing"]
# A peer whose outputs differ by more than this share of their norm computes something else. ONNX Runtime's sums over the voxels of a
# norm cost it four digits at 128^3; half precision has three digits at most, and not all operations of an autocast are in it.
SAME = {"f32": 1e-3, "bf16": 5e-2, "f16": 1e-2}


def median(numbers):
    return sorted(numbers)[(len(numbers) - 1) // 2]


def parts(result):
    """Per contestant: median, spread, memory, first run, difference."""
    table = {}
    memory = "gpu_bytes" if result["gpu"] else "peak_bytes"
    for own in [name for name in OWN if result[name]]:
        first = [r["step" if result["step"] else "forward"]["first"] for r in result[own]]
        peaks = [r[memory] / 1e6 for r in result[own] if r[memory]]
        # With --export a process holds more than it needs: that run does not count on the CPU.
        peak = max(peaks[0 if result["gpu"] else 1:], default=None)
        table[own] = {"peak": peak, "libraries": None, "first": median(first), "difference": None, "same": True}
    losses = result["ours"][0]["losses"] if result["step"] else []
    for name, ready in result["peers"].items():
        if result["step"]:
            pairs = list(zip(losses, ready["losses"]))
            difference = max(abs(a - b) / max(abs(a), 1e-9) for a, b in pairs)
        else:
            difference = ready["difference"]["relative"]
        peak, libraries = (ready["gpu_mb"], None) if result["gpu"] else (ready["peak_mb"], ready["libraries_mb"])
        same = difference <= SAME[result["precision"]]
        table[name] = {"peak": peak, "libraries": libraries, "first": ready["first"], "difference": difference, "same": same}
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
    best = min((n for n in table if n not in OWN and table[n]["same"]), key=lambda n: table[n]["median"], default=None)
    what = "difference of the losses" if result["step"] else "difference of the outputs"
    peak = "GPU memory, MB" if result["gpu"] else "peak MB"
    lines = [f"### {result['name'][0].upper()}{result['name'][1:]}", "",
             f"| | median ms | least | most | first run | {peak} | without libraries | {what} | ours takes |",
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
        against = {}
        for own in [name for name in OWN if name in table]:
            against[own] = f"time {table[own]['median'] / peer['median']:.2f}"
            if table[own]["peak"] and peer["peak"]:
                against[own] += f", memory {table[own]['peak'] / peer['peak']:.2f} of its"
        lines += ["", f"Against the best peer, {NAMES[best]}: {against['ours']}; "
                      f"our first run takes {table['ours']['first'] / table['ours']['median']:.2f} of a warm one."]
        if "sparing" in against:
            lines[-1] += f" With activation checkpointing: {against['sparing']}."
    if result["late"]:
        lines += ["", f"Not ready in time and left out: {', '.join(NAMES[name] for name in result['late'])}."]
    return lines + [""]


def operations(options, folder):
    """Every single operation, ours and PyTorch's, in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    rounds, runs = options.rounds or (1 if options.quick else 3), 3 if options.quick else 5
    more = ["--shrink", "2"] if options.quick else []
    ours, theirs = [], []
    for i in range(rounds):
        say(f"operations: round {i + 1} of {rounds}")
        command = [options.lmsc, "bench", "--ops", "--threads", str(options.threads), "--runs", str(runs), "--device", options.device, "--json", *more]
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
    return found[0] | {k: max(m[k] or 0.0 for m in found) for k in ("flops", "bandwidth")}


def heading(options, machine, load):
    used = ["torch", "numpy"] + [p for p in ("onnxruntime", "openvino") if p in options.peers]
    versions = {p: importlib.metadata.version(p) for p in used + ["onnx"] * (len(used) > 2)}
    python = platform.python_version()
    busy = load[0] > 0.25 * os.cpu_count()
    warning = ["**Other programs were running: these figures show that the comparison works, not who is faster.** PyTorch and ONNX Runtime "
               "wait for each other's threads in loops and suffer most from it.", ""] if busy else []
    title, how = "Speed beside PyTorch, ONNX Runtime and OpenVINO", " --quick" if options.quick else ""
    gpu = []
    limits = f"; ceilings {machine['flops'] / 1e9:.0f} GFLOP/s and {machine['bandwidth'] / 1e9:.1f} GB/s (copying, read and written)"
    if on_gpu(options):
        limits = ""
        title, how, warning = "Speed on a GPU beside PyTorch", how + f" --device {options.device}", []
        gpu = [f"- GPU: {card()}; GPU memory is what each program's allocator holds for tensors; bf16 and f16 are PyTorch's autocast, and PyTorch's "
               "float32 may use TF32 where it does so unasked"]
    return [f"# {title}", "",
            f"Written by `benches/run{how}` on {datetime.date.today()}; `{options.graph}`, same weights and inputs, float32 where nothing else is said.", "",
            *warning,
            *gpu,
            f"- machine: {machine['cpu']}, {os.cpu_count()} processors, {options.threads} threads each, {machine['instructions']}{limits}",
            f"- load average at the start {load[0]:.1f}, at the end {os.getloadavg()[0]:.1f} (of {os.cpu_count()} processors; the runs themselves are "
            "part of the latter)",
            f"- versions: lmsc {options.commit}, " + ", ".join(f"{p} {v}" for p, v in versions.items()) + f", Python {python}",
            "- each contestant runs in its own process and they take turns; times are of single runs after a warm-up",
            "- peak MB is the most resident memory of the process (VmHWM), input and output included; \"without libraries\" leaves out what was resident "
            "when the framework had been loaded and the network had not",
            "- \"ours takes\" is our median for theirs: below 1 we are faster; the best peer is in bold", ""]


def card():
    """The first GPU and its driver, as its maker's tool names them."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "of an unknown name"
