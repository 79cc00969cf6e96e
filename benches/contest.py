"""Contests: who takes part in a case, how each gets ready, and whose turn it is."""
import functools
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

HERE = Path(__file__).resolve().parent
PEERS = ["eager", "compiled", "onnxruntime", "openvino"]
NAMES = {"ours": "lmsc", "sparing": "lmsc, checkpointing", "eager": "PyTorch", "compiled": "PyTorch, compiled", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}


def say(text):
    print(text, file=sys.stderr, flush=True)


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
