"""Tensors of V-Net and Attention U-Net in training mode: batch norms by the statistics of the batch.

    python tests/given/train_mode.py ../shared/networks tests/given

Reads A-vnet.safetensors and A-attentionunet.safetensors of the first folder (weights, input, probe) and the specification of the networks in its
check/, in which batch norm alone is exchanged. Writes train-mode-NAME.safetensors: the output, the gradients of the loss mean(output * probe) that
the file of evaluation mode has, and the running statistics after the pass, with PyTorch's momentum of 0.1. Two samples: the input, and the input
turned over, so that a batch is more than one.
"""
import json, os, sys

import torch
from safetensors import safe_open
from safetensors.torch import save_file

source, target = sys.argv[1:]
sys.path.insert(0, os.path.join(source, "check"))
import check_a as spec

MOMENTUM = 0.1
running = {}


def batch_norm(w, p, x, eps=1e-5):
    n = x.numel() // x.shape[1]
    mean = x.mean((0, 2, 3, 4))
    variance = (x - mean.view(1, -1, 1, 1, 1)).pow(2).mean((0, 2, 3, 4))
    running[p + ".running_mean"] = (1 - MOMENTUM) * w[p + ".running_mean"] + MOMENTUM * mean.detach()
    running[p + ".running_var"] = (1 - MOMENTUM) * w[p + ".running_var"] + MOMENTUM * variance.detach() * n / (n - 1)
    shaped = lambda v: v.view(1, -1, 1, 1, 1)
    return spec.affine(w, p, (x - shaped(mean)) / (shaped(variance) + eps).sqrt())


spec.bnorm = batch_norm
for name in ("vnet", "attentionunet"):
    with safe_open(os.path.join(source, f"A-{name}.safetensors"), "pt") as f:
        config = json.loads(f.metadata()["config"])
        t = {k: f.get_tensor(k) for k in f.keys()}
    t = {k: v.double() if v.is_floating_point() else v for k, v in t.items()}
    wanted = [k[5:] for k in t if k.startswith("grad.")]
    for k in wanted:
        t[k].requires_grad_(True)
    running.clear()
    twice = lambda v: torch.cat([v, v.flip(2)])
    y = spec.NETS[name](spec.W(t), config, twice(t["input"]))
    y = y[0] if isinstance(y, list) else y
    gradients = torch.autograd.grad((y * twice(t["probe"])).mean(), [t[k] for k in wanted])
    out = {"output": y.detach(), **{f"grad.{k}": g for k, g in zip(wanted, gradients)}, **running}
    out = {k: v.float().contiguous() for k, v in out.items()}
    path = os.path.join(target, f"train-mode-{name}.safetensors")
    save_file(out, path, {"made_by": "tests/given/train_mode.py", "momentum": str(MOMENTUM)})
    print(path, os.path.getsize(path), {k: tuple(v.shape) for k, v in out.items() if k.startswith("grad")})
