"""One peer in a process of its own: computes what `lmsc bench --export DIR` wrote, is compared with our outputs, and times runs when told.

    python peers.py onnx FOLDER              writes FOLDER/model.onnx
    python peers.py PEER FOLDER [--threads 2] [--step] [--serve] [--runs 5] [--device cuda] [--precision bf16]

PEER is eager or compiled (PyTorch), onnxruntime or openvino; the last two run FOLDER/model.onnx, on the CPU alone. Prints one JSON line
when it is ready: seconds of loading and of the first run, the peak memory and what of it was there before the network was loaded, and the
difference to our outputs (--step: the losses of the first steps). With --serve it then answers each line `run N` with the seconds of
N runs, until `end`; otherwise it makes --runs runs and prints a summary. On a GPU a run ends when the GPU has done it, half precision is
PyTorch's autocast, cuDNN chooses its algorithms by trying them, and TF32 is allowed where PyTorch allows it unasked.
"""
import argparse
import json
import sys
import time
from pathlib import Path

import numpy


def memory(field):
    """VmHWM (peak) or VmRSS (now) of this process in MB, where the system says."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    return None


def tensors(path):
    from safetensors.numpy import load_file
    return load_file(path)


def difference(folder, outputs):
    """Against our outputs: the largest absolute difference, and the norm of the difference over the norm of ours."""
    graph = json.loads((folder / "graph.json").read_text())
    ours = tensors(folder / "output.safetensors")
    largest = relative = 0.0
    for place, theirs in zip(graph["outputs"], outputs):
        own = ours[place["name"]]
        if own.shape != theirs.shape:
            raise SystemExit(f"{place['name']}: {theirs.shape}, ours is {own.shape}")
        d = theirs.astype("float64") - own
        largest = max(largest, float(abs(d).max()))
        relative = max(relative, float(numpy.linalg.norm(d) / numpy.linalg.norm(own.astype("float64"))))
    return {"largest": largest, "relative": relative}


def as_tuple(y):
    return y if isinstance(y, (tuple, list)) else (y,)


class Torch:
    """PyTorch, as it is or compiled."""

    def __init__(self, folder, given, compiled):
        import torch
        torch.set_num_threads(given.threads)
        torch.set_num_interop_threads(1)
        self.libraries = memory("VmRSS")
        import network
        self.torch = torch
        self.device = torch.device(given.device)
        half = {"f32": None, "bf16": torch.bfloat16, "f16": torch.float16}[given.precision]
        self.autocast = torch.autocast(self.device.type, dtype=half, enabled=half is not None)
        self.network, inputs, _ = network.load(folder)
        self.network.to(self.device).eval()
        self.inputs = [x.to(self.device) for x in inputs]
        self.call = torch.compile(self.network) if compiled else self.network

    def wait(self):
        if self.device.type == "cuda":
            self.torch.cuda.synchronize()

    def settle(self):
        """Gives memory back while others have their turn."""
        if self.device.type == "cuda":
            self.torch.cuda.empty_cache()

    def warm(self):
        """Before the runs of a turn, which are alone on the GPU: now cuDNN may find its fastest algorithms by trying them."""
        cuda = self.torch.cuda
        if self.device.type == "cuda":
            self.torch.backends.cudnn.benchmark = True
            self.run()
            # What the trials took does not count.
            cuda.empty_cache()
            cuda.reset_peak_memory_stats()
        timed(self, 2)

    def gpu(self):
        """MB that PyTorch has held of the GPU's memory for its tensors since it was warm."""
        return self.torch.cuda.max_memory_reserved() / 1e6 if self.device.type == "cuda" else None

    def run(self):
        with self.torch.inference_mode(), self.autocast:
            y = as_tuple(self.call(*self.inputs))
        self.wait()
        return y

    def numbers(self, y):
        return [t.float().cpu().numpy() for t in y]


class TorchStep(Torch):
    """A training step in PyTorch: forward, loss, backward, AdamW."""

    def __init__(self, folder, given, compiled):
        super().__init__(folder, given, False)
        import network
        import torch
        _, _, labels = network.load(folder)
        graph = json.loads((folder / "graph.json").read_text())
        shapes = {op["value"]: op["shape"] for op in graph["ops"]}
        classes = shapes[graph["outputs"][0]["value"]][1]
        truth = torch.nn.functional.one_hot(labels.long(), classes).movedim(-1, 1).float().contiguous().to(self.device)
        self.network.train()
        net, inputs, autocast = self.network, self.inputs, self.autocast

        def forward():
            with autocast:
                y = as_tuple(net(*inputs))[0]
            return network.objective(y.float(), truth)

        self.loss = torch.compile(forward) if compiled else forward
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
        self.losses = []

    def run(self):
        loss = self.loss()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.wait()
        self.losses.append(float(loss))


class OnnxRuntime:
    def __init__(self, folder, given):
        import onnxruntime
        self.libraries = memory("VmRSS")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = given.threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
        held = tensors(folder / "input.safetensors")
        graph = json.loads((folder / "graph.json").read_text())
        names = [i.name for i in self.session.get_inputs()]
        self.feed = dict(zip(names, [held[i["name"]] for i in graph["inputs"]]))

    def run(self):
        return self.session.run(None, self.feed)

    def numbers(self, y):
        return y


class OpenVino:
    """Reads the ONNX file; converted from PyTorch directly the network came out no faster."""

    def __init__(self, folder, given):
        import openvino
        self.libraries = memory("VmRSS")
        # float32 throughout: on processors with bfloat16 instructions the default would be bfloat16.
        settings = {"INFERENCE_NUM_THREADS": given.threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        self.model = openvino.Core().compile_model(str(folder / "model.onnx"), "CPU", settings)
        self.request = self.model.create_infer_request()
        held = tensors(folder / "input.safetensors")
        graph = json.loads((folder / "graph.json").read_text())
        self.feed = [held[i["name"]] for i in graph["inputs"]]

    def run(self):
        # Shared: neither inputs nor outputs are copied.
        found = self.request.infer(self.feed, share_inputs=True, share_outputs=True)
        return [found[o] for o in self.model.outputs]

    def numbers(self, y):
        return y


def write_onnx(folder):
    import torch
    import network
    net, inputs, _ = network.load(folder)
    with torch.inference_mode():
        torch.onnx.export(net.eval(), tuple(inputs), str(folder / "model.onnx"), dynamo=True, optimize=True, external_data=False)


def make(given):
    if given.peer in ("eager", "compiled"):
        return (TorchStep if given.step else Torch)(given.folder, given, given.peer == "compiled")
    if given.step or given.device != "cpu" or given.precision != "f32":
        raise SystemExit(f"{given.peer} runs forward passes, on the CPU, in float32")
    return {"onnxruntime": OnnxRuntime, "openvino": OpenVino}[given.peer](given.folder, given)


def timed(peer, count):
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        peer.run()
        seconds.append(time.perf_counter() - start)
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=["onnx", "eager", "compiled", "onnxruntime", "openvino"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--step", action="store_true")
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:1")
    parser.add_argument("--precision", choices=["f32", "bf16", "f16"], default="f32")
    given = parser.parse_args()
    if given.peer == "onnx":
        return write_onnx(given.folder)

    start = time.perf_counter()
    peer = make(given)
    load = time.perf_counter() - start
    start = time.perf_counter()
    y = peer.run()
    first = time.perf_counter() - start
    timed(peer, 2)
    # Before the comparison, which takes memory of its own.
    ready = {"peer": given.peer, "load": load, "first": first, "peak_mb": memory("VmHWM"), "libraries_mb": peer.libraries}
    if given.step:
        ready["losses"] = list(peer.losses)
    else:
        ready["difference"] = difference(given.folder, peer.numbers(y))
    del y
    torch = peer if isinstance(peer, Torch) else None
    if torch:
        torch.settle()
    print(json.dumps(ready), flush=True)
    if not given.serve:
        seconds = sorted(timed(peer, given.runs))
        print(json.dumps({"median": seconds[(len(seconds) - 1) // 2], "least": seconds[0], "most": seconds[-1]}))
        return None
    for line in sys.stdin:
        word, *count = line.split()
        if word == "end":
            break
        torch.warm() if torch else timed(peer, 1)
        answer = {"seconds": timed(peer, int(count[0])), "gpu_mb": torch.gpu() if torch else None}
        if torch:
            torch.settle()
        print(json.dumps(answer), flush=True)
    return None


if __name__ == "__main__":
    main()
