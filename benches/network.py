"""A graph of `lmsc` as a PyTorch module, written out from the list of operations that `lmsc bench --export DIR` gives.

Each operation becomes one line of straight Python with PyTorch's own functions, as one would write it by hand, and a value is let
go after its last use. Weights are those of the folder, under their names.
"""
import json
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

ACTIVATIONS = {
    "silu": "F.silu({})",
    "relu": "F.relu({})",
    "leaky_relu": "F.leaky_relu({}, {parameter})",
    "elu": "F.elu({}, {parameter})",
    "gelu": "F.gelu({})",
    "sigmoid": "torch.sigmoid({})",
    "tanh": "torch.tanh({})",
    "abs": "torch.abs({})",
}


def position_map(anchors, size):
    """Anchors [N, 3K, 1, 1, 1] to [N, K, D, H, W]: the sum over the axes of a voxel's place less the anchor's."""
    n, c = anchors.shape[:2]
    anchors = anchors.reshape(n, c // 3, 3, 1, 1)
    total = 0
    for axis, length in enumerate(size):
        shape = [1, 1, 1, 1, 1]
        shape[2 + axis] = length
        places = torch.arange(length, dtype=torch.float32, device=anchors.device).reshape(shape) / length
        total = total + (places - anchors[:, :, axis : axis + 1])
    return total


# What an activation takes where its graph says nothing.
USUAL = {"leaky_relu": 0.01, "elu": 1.0}


def attention(q, k, v, heads, scale):
    """Of volumes `[N, C, D, H, W]`, whose voxels are tokens and whose channels are heads after heads."""
    tokens = lambda x: x.flatten(2).unflatten(1, (heads, -1)).transpose(2, 3)
    y = F.scaled_dot_product_attention(tokens(q), tokens(k), tokens(v), scale=scale)
    return y.transpose(2, 3).reshape(q.shape[0], -1, *q.shape[2:])


def padded(x, before, after, mode, like):
    """Zeros or copies of the last voxels around a volume, or as many behind it as another one has more."""
    triple = lambda n: list(n) if isinstance(n, (list, tuple)) else [n] * 3
    before, after = triple(before), triple(after)
    if like is not None:
        after = [b - a for a, b in zip(x.shape[2:], like.shape[2:])]
    sides = [n for axis in (2, 1, 0) for n in (before[axis], after[axis])]
    return F.pad(x, sides, mode="replicate") if mode == "replicate" else F.pad(x, sides)


def scaled(x, scale, shift):
    """The shortest way to write scale * x + shift."""
    if scale == -1.0:
        return f"{shift} - {x}"
    text = x if scale == 1.0 else f"{scale} * {x}"
    return text if shift == 0.0 else f"{text} + {shift}"


def expression(op, shapes):
    """One operation as an expression over v0, v1, ... and its weights w[name]."""
    (kind, field), = op["op"].items()
    x = [f"v{i}" for i in op["inputs"]]
    # The numbers of weights are filled in by the caller.
    w = op["place"].get("weight")
    b = op["place"].get("bias")
    bias = "None" if b is None else f"w[{b}]"
    n, c, d, h, wide = op["shape"]
    def plain(v):
        return tuple(v) if isinstance(v, list) else v

    if kind == "Conv3d":
        return (f"F.conv3d({x[0]}, w[{w}], {bias}, stride={plain(field['stride'])}, padding={plain(field['padding'])}, "
                f"dilation={plain(field['dilation'])}, groups={field['groups']})")
    if kind == "ConvTranspose3d":
        more = "".join(f", {name}={plain(field[name])}" for name in ("padding", "output_padding", "groups") if name in field)
        return f"F.conv_transpose3d({x[0]}, w[{w}], {bias}, stride={plain(field['stride'])}{more})"
    if kind == "Linear":
        return f"F.linear({x[0]}.movedim(1, -1), w[{w}], {bias}).movedim(-1, 1)"
    if kind == "LayerNorm":
        scale = "None" if w is None else f"w[{w}]"
        return f"F.layer_norm({x[0]}.movedim(1, -1), ({c},), {scale}, {bias}, {field['eps']!r}).movedim(-1, 1)"
    if kind == "GroupNorm":
        scale = "None" if w is None else f"w[{w}]"
        if field.get("instance"):
            return f"F.instance_norm({x[0]}, weight={scale}, bias={bias}, eps={field['eps']!r})"
        return f"F.group_norm({x[0]}, {field['groups']}, {scale}, {bias}, {field['eps']!r})"
    if kind == "BatchNorm":
        # Drawn networks have running means of 0 and variances of 1.
        return f"F.batch_norm({x[0]}, *self.running({c}), w[{w}], {bias}, self.training, {field['momentum']!r}, {field['eps']!r})"
    if kind == "Activation":
        return ACTIVATIONS[field["function"]].format(x[0], parameter=field.get("parameter", USUAL.get(field["function"])))
    if kind == "PRelu":
        return f"F.prelu({x[0]}, w[{w}])"
    if kind == "Attention" and not set(field) - {"heads", "scale", "bias"} and field["bias"] == "none":
        return f"attention({', '.join(x)}, {field['heads']}, {field['scale']!r})"
    if kind == "Pad":
        like = x[1] if field.get("like") else None
        return f"padded({x[0]}, {plain(field['before'])}, {plain(field['after'])}, {field['mode']!r}, {like})"
    if kind == "Softmax":
        return f"torch.softmax({x[0]}, 1)"
    if kind == "MaxPool3d":
        more = "".join(f", {name}={plain(field[name])}" for name in ("stride", "padding") if name in field)
        return f"F.max_pool3d({x[0]}, {plain(field['kernel'])}{more})"
    if kind == "AvgPool3d":
        more = "".join(f", {name}={plain(field[name])}" for name in ("stride", "padding") if name in field)
        return f"F.avg_pool3d({x[0]}, {plain(field['kernel'])}{more})"
    if kind == "GlobalAvgPool":
        return f"{x[0]}.mean((2, 3, 4), keepdim=True)"
    if kind == "Resize":
        if shapes[op["inputs"][0]] == op["shape"]:
            return x[0]
        return f"F.interpolate({x[0]}, size=({d}, {h}, {wide}), mode='trilinear', align_corners=False)"
    if kind == "Concat":
        return f"torch.cat([{', '.join(x)}], 1)"
    if kind == "Slice":
        return f"{x[0]}[:, {field['start']}:{field['start'] + field['channels']}]"
    if kind in ("Add", "Sub", "Mul"):
        return f"{x[0]} {dict(Add='+', Sub='-', Mul='*')[kind]} {x[1]}"
    if kind == "ScaleShift":
        return scaled(x[0], field["scale"], field["shift"])
    if kind == "PositionMap":
        return f"position_map({x[0]}, ({d}, {h}, {wide}))"
    raise NotImplementedError(f"{op['path']}: there is no PyTorch form of {kind}")


def source(graph):
    """The forward function as Python text, and the names of its weights in their order."""
    ops = graph["ops"]
    shapes = {op["value"]: op["shape"] for op in ops}
    inputs = [i["value"] for i in graph["inputs"]]
    outputs = [o["value"] for o in graph["outputs"]]
    last = {v: op["value"] for op in ops for v in op["inputs"]}
    names = []
    lines = [f"def forward(self, {', '.join(f'v{i}' for i in inputs)}):", "    w = self.weights"]
    for op in ops:
        if op["value"] in inputs:
            continue
        op["place"] = {}
        for short, weight in op["weights"].items():
            if weight["name"] not in names:
                names.append(weight["name"])
            op["place"][short] = names.index(weight["name"])
        lines.append(f"    v{op['value']} = {expression(op, shapes)}")
        done = [f"v{v}" for v in dict.fromkeys(op["inputs"]) if last[v] == op["value"] and v not in outputs and v not in inputs]
        if done:
            lines.append(f"    del {', '.join(done)}")
    result = ", ".join(f"v{o}" for o in outputs)
    lines.append(f"    return {result}")
    return "\n".join(lines) + "\n", names


def build(graph, weights):
    """A module that computes the graph; `weights` are tensors by name."""
    text, names = source(graph)
    scope = {"torch": torch, "F": F, "position_map": position_map, "attention": attention, "padded": padded}
    exec(compile(text, graph["name"], "exec"), scope)

    class Network(torch.nn.Module):
        forward = scope["forward"]

        def __init__(self):
            super().__init__()
            self.weights = torch.nn.ParameterList([torch.nn.Parameter(weights[n].clone()) for n in names])
            self.statistics = {}

        def running(self, channels):
            """Running mean and variance of a batch norm: one pair for all of a width will do for timing."""
            if channels not in self.statistics:
                self.statistics[channels] = (torch.zeros(channels), torch.ones(channels))
            return self.statistics[channels]

    return Network()


def load(folder):
    """The module of an exported folder, and its inputs in their order."""
    folder = Path(folder)
    graph = json.loads((folder / "graph.json").read_text())
    given = load_file(folder / "input.safetensors")
    return build(graph, load_file(folder / "weights.safetensors")), [given[i["name"]] for i in graph["inputs"]], given["labels"]


def objective(logits, truth):
    """Dice plus cross-entropy, every class that occurs alike: what `lmsc bench --step` minimises. `truth` is one-hot."""
    e = 1e-5
    log_p = torch.log_softmax(logits, 1)
    p = log_p.exp()
    axes = (0, 2, 3, 4)
    overlap, size, count = (p * truth).sum(axes), p.sum(axes) + truth.sum(axes), truth.sum(axes)
    there = (count > 0).float()
    each = there / there.sum()
    dice = 1 - (each * (2 * overlap + e) / (size + e)).sum()
    return dice - (log_p * truth).sum() / count.sum()
