"""Tensors of V-Net, Attention U-Net, SegFormer3D and TransBTS in training mode: batch norms by the statistics of the batch.

    python tests/given/train_mode.py ../shared/networks tests/given

Reads the files of the first folder in evaluation mode (weights, input, probe) and the specification of the networks in its check/, in which batch norm
alone is exchanged. Writes train-mode-NAME.safetensors: the output at every fourth voxel along each axis, the gradients of the loss mean(output * probe) that the file of evaluation mode has,
and the running statistics after the pass, with PyTorch's momentum of 0.1. Two samples: the input, and the input turned over, so that a batch is more
than one.
"""
import json, os, sys

import torch
from safetensors import safe_open
from safetensors.torch import save_file

source, target = sys.argv[1:]
sys.path.insert(0, os.path.join(source, "check"))
import b_from_doc
import check_a

MOMENTUM = 0.1
# Of the output every fourth voxel along each axis is enough.
STEP = 4
running = {}
shaped = lambda v: v.view(1, -1, 1, 1, 1)


def normalised(w, p, x, eps=1e-5):
    n = x.numel() // x.shape[1]
    mean = x.mean((0, 2, 3, 4))
    variance = (x - shaped(mean)).pow(2).mean((0, 2, 3, 4))
    running[p + ".running_mean"] = (1 - MOMENTUM) * w[p + ".running_mean"] + MOMENTUM * mean.detach()
    running[p + ".running_var"] = (1 - MOMENTUM) * w[p + ".running_var"] + MOMENTUM * variance.detach() * n / (n - 1)
    y = (x - shaped(mean)) / (shaped(variance) + eps).sqrt()
    return y * shaped(w[p + ".weight"]) + shaped(w[p + ".bias"])


check_a.bnorm = normalised
b_from_doc.Net.bn = lambda net, x, p: normalised(net.t, p, x)


def tensors(path):
    with safe_open(path, "pt") as f:
        t = {k: f.get_tensor(k) for k in f.keys()}
        return {k: v.double() if v.is_floating_point() else v for k, v in t.items()}, json.loads(f.metadata()["config"])


for name in ("A-vnet", "A-attentionunet", "B-segformer3d", "B-transbts"):
    path = os.path.join(source, f"{name}.safetensors")
    t, config = tensors(path)
    wanted = [k[5:] for k in t if k.startswith("grad.")]
    running.clear()
    twice = lambda v: torch.cat([v, v.flip(2)])
    if name.startswith("A"):
        for k in wanted:
            t[k].requires_grad_(True)
        y = check_a.NETS[name[2:]](check_a.W(t), config, twice(t["input"]))
    else:
        net = b_from_doc.Net(path)
        t = net.t
        y = next(run for key, run in b_from_doc.TABLE if name[2:].startswith(key))(net, twice(t["input"]))
    y = y[0] if isinstance(y, list) else y
    gradients = torch.autograd.grad((y * twice(t["probe"])).mean(), [t[k] for k in wanted])
    out = {"output": y.detach()[..., ::STEP, ::STEP, ::STEP], **{f"grad.{k}": g for k, g in zip(wanted, gradients)}, **running}
    out = {k: v.float().contiguous() for k, v in out.items()}
    path = os.path.join(target, f"train-mode-{name[2:]}.safetensors")
    save_file(out, path, {"made_by": "tests/given/train_mode.py", "momentum": str(MOMENTUM)})
    print(path, os.path.getsize(path), "bytes,", len(wanted), "gradients,", len(running) // 2, "batch norms")
