"""Exported graphs in other engines: onnx.checker, ONNX Runtime and OpenVINO on the CPU.

    cargo build --release --no-default-features --features predict --example onnx
    python benches/engines.py [--engines onnxruntime,openvino] [--opsets 13,17,21,23] [GRAPH...]

Every worked example of an operation (the row `operations` has the worst) and every graph of graphs/ is written with weights drawn from a seed, at each operator set, as it stands and after the passes (`examples/onnx.rs`), and run
at two sizes: another one than it was written at, and with two samples at once. A cell is the greatest difference to the outputs of the executor, as a part
of their greatest value, over both sizes and both ways of writing; `-` where the engine refuses, and standard error says why. Ends with 1 where a
difference is above 1e-4 or onnx.checker finds fault. Needs onnx, onnxruntime, openvino and numpy.
"""
import argparse
import importlib.metadata
import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy

ROOT = Path(__file__).resolve().parent.parent
TOLERANCE = 1e-4


def read(path):
    """The arrays of a safetensors file of float32 numbers."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    body = data[8 + length :]
    place = lambda entry: body[slice(*entry["data_offsets"])]
    return {name: numpy.frombuffer(place(entry), numpy.float32).reshape(entry["shape"]) for name, entry in header.items()}


def by_onnxruntime(path, inputs, outputs):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    for case in inputs:
        yield dict(zip(outputs, session.run(outputs, case)))


def by_openvino(path, inputs, outputs):
    import openvino

    # Processors with bfloat16 would round to it.
    model = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for case in inputs:
        made = model(case)
        yield {name: made[name] for name in outputs}


ENGINES = {"onnxruntime": by_onnxruntime, "openvino": by_openvino}
NAMES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}


def difference(made, wanted):
    """The greatest difference over all outputs, as a part of the greatest value."""
    if any(made[name].shape != own.shape for name, own in wanted.items()):
        return float("inf")
    return max(float(numpy.abs(made[name] - own).max() / max(numpy.abs(own).max(), 1e-6)) for name, own in wanted.items())


def cell(engine, files, cases):
    inputs = [{name[3:]: a for name, a in case.items() if name.startswith("in/")} for case in cases]
    wanted = [{name[4:]: a for name, a in case.items() if name.startswith("out/")} for case in cases]
    worst = 0.0
    for file in files:
        try:
            for made, own in zip(ENGINES[engine](file, inputs, list(wanted[0])), wanted):
                worst = max(worst, difference(made, own))
        except Exception as e:  # What an engine refuses with is its own.
            print(f"{engine}, {file.name}: {str(e).strip().splitlines()[0][:300]}", file=sys.stderr, flush=True)
            return None
    return worst


def checked(file):
    """What onnx.checker says of a file; nothing where it is sound."""
    import onnx

    try:
        onnx.checker.check_model(str(file), full_check=True)
    except Exception as e:
        return str(e)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("graphs", nargs="*", help="graphs, `operations`, or `folds` (three sets of weights in one file); by default these and all of graphs/")
    parser.add_argument("--writer", type=Path, default=ROOT / "target/release/examples/onnx", help="the example `onnx`, built")
    parser.add_argument("--opsets", default="13,17,21,23")
    parser.add_argument("--engines", default=",".join(ENGINES))
    options = parser.parse_args()
    opsets, engines = options.opsets.split(","), [e for e in options.engines.split(",") if e]
    used = ["onnx", *engines]
    print(", ".join(f"{name} {importlib.metadata.version(name)}" for name in used) + "\n")
    print("| graph | " + " | ".join(f"{NAMES[e]} {opset}" for e in engines for opset in opsets) + " |")
    print("|---" * (1 + len(engines) * len(opsets)) + "|", flush=True)
    wrong = []
    for graph in options.graphs or ["operations", "folds", *sorted((ROOT / "graphs").glob("*.ron"))]:
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            subprocess.run([options.writer, graph, folder, *opsets], check=True, stdout=subprocess.DEVNULL)
            worst = {}
            for own in sorted(p.parent for p in folder.rglob("0.safetensors")):
                name = Path(graph).stem if own == folder else own.name
                cases = [read(own / f"{n}.safetensors") for n in range(2)]
                for opset in opsets:
                    files = [own / f"{opset}.onnx", own / f"{opset}.optimised.onnx"]
                    wrong += [f"{name}, {file.name}: {fault}" for file in files if (fault := checked(file))]
                    for engine in engines:
                        found = cell(engine, files, cases)
                        if found is None:
                            print(f"{name}: refused", file=sys.stderr, flush=True)
                        elif not found <= TOLERANCE:
                            wrong.append(f"{name}, {NAMES[engine]}, operator set {opset}: {found:.2e}")
                        before = worst.get((engine, opset), 0.0)
                        worst[engine, opset] = None if found is None or before is None else max(found, before)
            row = [worst[engine, opset] for engine in engines for opset in opsets]
            print(f"| {Path(graph).stem} | " + " | ".join("-" if found is None else f"{found:.0e}" for found in row) + " |", flush=True)
    print("\n".join(wrong), file=sys.stderr)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
