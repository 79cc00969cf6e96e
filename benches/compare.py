"""Runs `lmsc bench` and the peers side by side and writes RESULTS.md (RESULTS-gpu.md with --device); `benches/run` prepares what it needs.

Every peer is a process of its own that waits for its turn. In each round each takes its turn, in an order that moves on from round
to round, so that a machine that slows down slows all of them. One run of each turn is not counted.
"""
import argparse
import datetime
import functools
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

HERE = Path(__file__).resolve().parent
PEERS = ["eager", "compiled", "onnxruntime", "openvino"]
NAMES = {"ours": "lmsc", "sparing": "lmsc, checkpointing", "eager": "PyTorch", "compiled": "PyTorch, compiled", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}
OWN = ["ours", "sparing"]
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
# A peer whose outputs differ by more than this share of their norm computes something else. ONNX Runtime's sums over the voxels of a
# norm cost it four digits at 128^3; half precision has three digits at most, and not all operations of an autocast are in it.
SAME = {"f32": 1e-3, "bf16": 5e-2, "f16": 1e-2}


def say(text):
    print(text, file=sys.stderr, flush=True)


def median(numbers):
    return sorted(numbers)[(len(numbers) - 1) // 2]


class Peer:
    """A process that waits for its turn. Between its start and `get_ready` it loads and compiles."""

    def __init__(self, name, folder, options, precision, step):
        command = [sys.executable, str(HERE / "peers.py"), name, str(folder), "--threads", str(options.threads), "--serve"]
        command += ["--device", options.device, "--precision", precision]
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command + ["--step"] * step, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, stderr=log)

    def get_ready(self):
        self.ready = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended with {self.process.wait()}; {self.log} says why")
        return json.loads(line)

    def turn(self, runs):
        self.process.stdin.write(f"run {runs}\n")
        self.process.stdin.flush()
        answer = self.answer()
        self.ready["gpu_mb"] = answer["gpu_mb"]
        return answer["seconds"]

    def end(self):
        self.process.stdin.close()
        self.process.wait()


class Ours:
    """`lmsc bench`, started anew for each turn."""

    def __init__(self, options, size, batch, sets, precision, step, *more):
        self.command = [options.lmsc, "bench", options.graph, "--input", size, "--batch", str(batch), "--threads", str(options.threads), "--json"]
        self.command += ["--device", options.device, "--precision", precision] + [word for s in sets for word in ("--set", s)]
        self.command += ["--step"] * step + list(more)
        self.step = step
        self.results = []

    def run(self, *more):
        done = subprocess.run(self.command + list(more), stdout=subprocess.PIPE, text=True, check=True)
        result = json.loads(done.stdout)
        self.results.append(result)
        return result["step" if self.step else "forward"]

    def turn(self, runs):
        return self.run("--runs", str(runs))["runs"]


class Waiting(Ours):
    """`lmsc bench` on a GPU: started once, since what it compiles takes long, and waits for its turn."""

    def start(self, folder, runs):
        """Its outputs are in the folder when it is ready."""
        self.log = folder / "ours.log"
        export = [] if self.step else ["--export", str(folder)]
        self.process = subprocess.Popen(self.command + ["--whole", "--wait", "--runs", str(runs), *export], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        said = []
        for line in self.process.stderr:
            if line.strip() == "ready":
                return
            said.append(line)
        raise SystemExit(f"lmsc bench ended with {self.process.wait()}: {''.join(said)}")

    def turn(self, runs):
        out, said = self.process.communicate("\n")
        if self.process.returncode:
            raise SystemExit(f"lmsc bench ended with {self.process.returncode}: {said}")
        self.results.append(json.loads(out))
        return self.results[-1]["step" if self.step else "forward"]["runs"]


class Contest:
    """One case: those who take part, and the seconds of their runs."""

    def __init__(self, case, options, folder):
        size, batch, sets, self.step, self.precision = case
        self.case, self.options, self.folder = case, options, folder
        self.ours = (Waiting if on_gpu(options) else Ours)(options, size, batch, sets, self.precision, self.step)
        # A step that keeps less for the way back, on a GPU.
        self.sparing = Waiting(options, *case[:3], self.precision, True, "--checkpointing") if self.step and on_gpu(options) else None
        self.peers, self.started = [], []
        # To begin anew takes long on a GPU, where nothing else disturbs: one turn of many runs.
        self.rounds, self.runs = (1, 30) if on_gpu(options) else (options.rounds or (2 if options.quick else 5), 2)

    def prepare(self):
        """Writes what the peers are given."""
        folder, options = self.folder, self.options
        say(f"{called(self.case)}: preparing")
        folder.mkdir(parents=True, exist_ok=True)
        if on_gpu(options):
            if self.step:
                # The weights, the input and the labels are the same wherever they are drawn.
                command = [word if word != options.device else "cpu" for word in self.ours.command if word != "--step"]
                command[command.index("--precision") + 1] = "f32"
                subprocess.run([*command, "--runs", "1", "--whole", "--export", str(folder)], check=True, stdout=subprocess.DEVNULL)
            else:
                self.ours.start(folder, self.runs)
            return
        self.ours.run("--runs", "1", "--export", str(folder))
        if not self.step and {"onnxruntime", "openvino"} & set(options.peers):
            subprocess.run([sys.executable, str(HERE / "peers.py"), "onnx", str(folder)], check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)

    def call(self, name):
        """Starts a peer and waits until it is ready."""
        if not (self.step and name in ("onnxruntime", "openvino")):
            peer = Peer(name, self.folder, self.options, self.precision, self.step)
            self.started.append(peer)
            peer.get_ready()
            say(f"  {NAMES[name]}: {called(self.case)}")
            self.peers.append(peer)

    def run(self):
        """What was found: seconds of every run by name, and what each said of itself."""
        options = self.options
        self.peers.sort(key=lambda p: PEERS.index(p.name))
        turns = [("ours", self.ours)] + [("sparing", self.sparing)] * bool(self.sparing) + [(p.name, p) for p in self.peers]
        seconds = {who: [] for who, _ in turns}
        for number in range(self.rounds):
            say(f"{called(self.case)}: round {number + 1} of {self.rounds}")
            for who, runner in turns[number % len(turns):] + turns[:number % len(turns)]:
                seconds[who] += runner.turn(self.runs)
                # Threads that still wait in a loop for more work should not cost the next one anything.
                time.sleep(0.3)
        for p in self.peers:
            p.end()
        return {"name": called(self.case), "step": self.step, "seconds": seconds, "ours": self.ours.results,
                "sparing": self.sparing.results if self.sparing else [],
                "peers": {p.name: p.ready for p in self.peers}, "precision": self.precision, "gpu": on_gpu(options),
                "late": [p.name for p in self.started if p not in self.peers]}


class Room:
    """Lets peers get ready side by side as long as they fit into a GPU's memory, in parts of about a gigabyte."""

    def __init__(self, parts, most):
        self.free, self.places, self.changed = parts, most, threading.Condition()

    def take(self, parts):
        with self.changed:
            self.changed.wait_for(lambda: self.places > 0 and self.free >= parts)
            self.free, self.places = self.free - parts, self.places - 1

    def give(self, parts):
        with self.changed:
            self.free, self.places = self.free + parts, self.places + 1
            self.changed.notify_all()


def prepared(cases, options):
    """The contests, in turn. On a GPU all peers are ready before the first begins, since what takes long there is PyTorch's compiler, which
    runs on the processors; elsewhere those of a contest get ready before it, one after the other."""
    if not on_gpu(options):
        for i, case in cases:
            contest = Contest(case, options, options.work / f"case{i}")
            contest.prepare()
            for name in options.peers:
                contest.call(name)
            yield contest
        return
    room = Room(options.room, max(1, (os.cpu_count() or 1) // 2))
    contests = [Contest(case, options, options.work / f"case{i}") for i, case in cases]

    def within(contest, what):
        parts = contest.case[1] * (3 if contest.step else 1)
        room.take(parts)
        try:
            what()
        finally:
            room.give(parts)

    def all_of(contest):
        within(contest, contest.prepare)
        names = list(options.peers)
        calls = [pool.submit(within, contest, functools.partial(contest.call, name)) for name in names]
        if contest.step:
            starts = [functools.partial(own.start, contest.folder, contest.runs) for own in (contest.ours, contest.sparing)]
            calls += [pool.submit(within, contest, start) for start in starts]
        wait(calls)
        for each in calls:
            each.result()

    pool = ThreadPoolExecutor(max_workers=64)
    calls = {pool.submit(all_of, contest): contest for contest in contests}
    done, late = wait(calls, timeout=options.patience)
    for each in done:
        each.result()
    for each in late:
        for peer in calls[each].started:
            if peer not in calls[each].peers:
                say(f"  {NAMES[peer.name]}: {called(calls[each].case)}: not ready after {options.patience} s, left out")
                peer.process.kill()
    yield from contests


def called(case):
    """What a case is called."""
    size, batch, _, step, precision = case
    return f"{'training step' if step else 'forward'} {size}, batch {batch}" + ("" if precision == "f32" else f", {precision}")


def on_gpu(options):
    return options.device != "cpu"


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
    parser.add_argument("--quick", action="store_true", help="small sizes and few runs: does everything work?")
    options = parser.parse_args()
    if options.device != "cpu" and not options.device.startswith("cuda"):
        parser.error(f"--device {options.device}: PyTorch is the peer, and it computes on cpu or cuda")
    cases = [(*case, "f32") for case in (QUICK if options.quick else CASES)]
    if on_gpu(options):
        options.peers = [p for p in options.peers if p in ("eager", "compiled")]
        cases = [(*case, precision) for case in (QUICK if options.quick else GPU_CASES) for precision in options.precisions]
    options.out = options.out or HERE / ("RESULTS-gpu.md" if on_gpu(options) else "RESULTS.md")
    load = os.getloadavg()
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


if __name__ == "__main__":
    main()
