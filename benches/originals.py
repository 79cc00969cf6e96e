#!/usr/bin/env python3
"""Graphs of public networks beside the modules they stand for, in configurations drawn at random: outputs and the gradient of every weight.

    pip install torch monai einops dynamic_network_architectures safetensors numpy
    benches/originals.py [--lmsc target/release/lmsc] [--runs 3] [--seed 0] [NETWORK ...]

Each run builds the original with random weights, saves its state dict as it is, and has `lmsc forward --probe` run the graph with the map of the
project. Compared are the norms of the differences over the norms of what the original gives in float64; gradients below 1e-4 of the largest, which may be
rounding alone, are left out. Exit code 1 where one is above 1e-4, and above three times what the original itself gives in float32.
"""
import argparse, copy, json, os, random, subprocess, sys, tempfile

import numpy as np
import torch
from safetensors.numpy import load_file
from safetensors.torch import save_file

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def ron(value):
    """A value as `--set` takes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "(" + ", ".join(map(ron, value)) + ")"
    if isinstance(value, list):
        return "[" + ", ".join(map(ron, value)) + "]"
    return str(value)


def unet(r):
    from monai.networks.nets import UNet
    n = r.randint(2, 4)
    strides = [r.choice([1, 2, 2, (1, 2, 2)]) for _ in range(n)]
    c = dict(in_channels=r.randint(1, 3), out_channels=r.randint(2, 5), channels=[r.randint(3, 9) for _ in range(n + 1)], strides=strides,
             kernel_size=r.choice([3, 3, 5]), up_kernel_size=r.choice([3, 3, 5]), num_res_units=r.randint(0, 3))
    norm, ours = r.choice([("INSTANCE", "instance(affine: false)"), ("BATCH", "batch"), (("GROUP", {"num_groups": 1}), "group(1)")])
    act, mine = r.choice([("PRELU", "prelu"), ("RELU", "relu"), (("LEAKYRELU", {"negative_slope": 0.2}), "leaky_relu(slope: 0.2)"), ("GELU", "gelu")])
    net = UNet(spatial_dims=3, norm=norm, act=act, **c)
    return net, "unet", "unet", {**c, "norm": ours, "act": mine}, c["in_channels"], size(r, strides)


def basicunet(r):
    from monai.networks.nets import BasicUNet
    c = dict(in_channels=r.randint(1, 3), out_channels=r.randint(2, 4), features=[r.randint(1, 4) * 2 for _ in range(6)])
    return BasicUNet(spatial_dims=3, **c), "basicunet", "basicunet", c, c["in_channels"], [r.randint(32, 41) for _ in range(3)]


def dynunet(r):
    from monai.networks.nets import DynUNet
    n = r.randint(3, 5)
    kernel = [r.choice([3, (3, 3, 1), (1, 3, 3)]) for _ in range(n)]
    strides = [1] + [r.choice([2, (2, 2, 1), (1, 2, 2)]) for _ in range(n - 1)]
    c = dict(in_channels=r.randint(1, 3), out_channels=r.randint(2, 4), kernel_size=kernel, strides=strides, upsample_kernel_size=strides[1:],
             filters=[r.randint(3, 9) for _ in range(n)], res_block=r.random() < 0.5)
    return DynUNet(spatial_dims=3, **c), "dynunet", "dynunet", c, c["in_channels"], size(r, strides)


def attentionunet(r):
    from monai.networks.nets import AttentionUnet
    n = r.randint(2, 4)
    c = dict(in_channels=r.randint(1, 3), out_channels=r.randint(2, 4), channels=[r.randint(2, 5) * 2 for _ in range(n + 1)], strides=[2] * n,
             kernel_size=r.choice([3, 5]), up_kernel_size=3)
    return AttentionUnet(spatial_dims=3, **c), "attention-unet", "attention-unet", c, c["in_channels"], size(r, c["strides"])


def segresnet(r):
    from monai.networks.nets import SegResNet
    n = r.randint(2, 4)
    c = dict(in_channels=r.randint(1, 3), out_channels=r.randint(2, 4), init_filters=r.choice([4, 8]), blocks_down=[r.randint(1, 3) for _ in range(n)],
             blocks_up=[r.randint(1, 2) for _ in range(n - 1)])
    groups = r.choice([2, 4])
    net = SegResNet(spatial_dims=3, norm=("GROUP", {"num_groups": groups}), **c)
    return net, "segresnet", "segresnet", {**c, "norm": f"group({groups})"}, c["in_channels"], size(r, [2] * (n - 1))


def mednext(r):
    from monai.networks.nets import MedNeXt
    n = r.randint(2, 4)
    c = dict(in_channels=r.randint(1, 3), out_channels=r.randint(2, 4), init_filters=r.choice([4, 6]), kernel_size=r.choice([3, 5]),
             blocks_down=[r.randint(1, 2) for _ in range(n)], blocks_bottleneck=r.randint(1, 2), blocks_up=[r.randint(1, 2) for _ in range(n)],
             encoder_expansion_ratio=[r.randint(2, 4) for _ in range(n)], decoder_expansion_ratio=[r.randint(2, 4) for _ in range(n)],
             bottleneck_expansion_ratio=r.randint(2, 4), use_residual_connection=r.random() < 0.7, global_resp_norm=r.random() < 0.4)
    return MedNeXt(spatial_dims=3, **c), "mednext", "mednext", c, c["in_channels"], size(r, [2] * n)


def plans(r):
    n = r.randint(3, 5)
    kernel = [r.choice([(3, 3, 3), (1, 3, 3)]) for _ in range(n)]
    strides = [(1, 1, 1)] + [r.choice([(2, 2, 2), (1, 2, 2)]) for _ in range(n - 1)]
    return n, dict(input_channels=r.randint(1, 3), features_per_stage=[r.randint(3, 9) for _ in range(n)], kernel_sizes=kernel, strides=strides,
                   num_classes=r.randint(2, 4), n_conv_per_stage_decoder=[r.randint(1, 2) for _ in range(n - 1)], deep_supervision=r.random() < 0.5)


NNUNET = dict(conv_op=torch.nn.Conv3d, conv_bias=True, norm_op=torch.nn.InstanceNorm3d, norm_op_kwargs={"eps": 1e-5, "affine": True},
              nonlin=torch.nn.LeakyReLU, nonlin_kwargs={"inplace": True})


def nnunet(r):
    from dynamic_network_architectures.architectures.unet import PlainConvUNet
    n, c = plans(r)
    c["n_conv_per_stage"] = [r.randint(1, 3) for _ in range(n)]
    return PlainConvUNet(n_stages=n, **c, **NNUNET), "nnunet", "nnunet", c, c["input_channels"], size(r, c["strides"])


def resenc(r):
    from dynamic_network_architectures.architectures.unet import ResidualEncoderUNet
    n, c = plans(r)
    c["n_blocks_per_stage"] = [r.randint(1, 3) for _ in range(n)]
    return ResidualEncoderUNet(n_stages=n, **c, **NNUNET), "nnunet-resenc", "nnunet", c, c["input_channels"], size(r, c["strides"])


def unetr(r):
    from monai.networks.nets import UNETR
    heads = r.choice([2, 3])
    c = dict(in_channels=r.randint(1, 3), out_channels=r.randint(2, 4), img_size=tuple(16 * r.randint(1, 3) for _ in range(3)), feature_size=r.choice([2, 4]),
             hidden_size=6 * heads * r.randint(1, 3), mlp_dim=r.randint(10, 40), num_heads=heads)
    return UNETR(**c), "unetr", "unetr", c, c["in_channels"], list(c["img_size"])


def swinunetr(r):
    from monai.networks.nets import SwinUNETR
    c = dict(in_channels=r.randint(1, 3), out_channels=r.randint(2, 4), feature_size=12, depths=[r.choice([1, 2, 3]) for _ in range(4)],
             num_heads=r.choice([[1, 2, 4, 8], [3, 3, 6, 12], [2, 2, 4, 4]]), window_size=r.choice([2, 3, 4, 7]))
    return SwinUNETR(**c), "swinunetr", "swinunetr", c, c["in_channels"], [32 * r.randint(1, 2) for _ in range(3)]


NETWORKS = dict(unet=unet, basicunet=basicunet, dynunet=dynunet, attentionunet=attentionunet, segresnet=segresnet, mednext=mednext, nnunet=nnunet,
                resenc=resenc, unetr=unetr, swinunetr=swinunetr)


def size(r, strides):
    """Extents that the strides divide, a few voxels at the bottom."""
    total = np.prod([s if isinstance(s, tuple) else (s,) * 3 for s in strides], axis=0)
    return [int(t) * r.randint(max(2, 6 // int(t)), max(2, 10 // int(t))) for t in total]


def randomised(net, seed):
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in net.named_parameters():
            if p.dim() <= 1 or "norm" in name:
                p.add_(0.2 * torch.randn(p.shape, generator=g))
        for name, b in net.named_buffers():
            if name.endswith("running_mean"):
                b.copy_(0.3 * torch.randn(b.shape, generator=g))
            elif name.endswith("running_var"):
                b.copy_(0.5 + torch.rand(b.shape, generator=g))
    # What is written is what is compared with: float32.
    return net.float().double().eval()


def relative(a, b):
    return float(np.linalg.norm(a.astype(np.float64) - b) / max(np.linalg.norm(b), 1e-12))


def run(name, seed, lmsc, folder):
    r = random.Random(f"{name} {seed}")
    torch.manual_seed(r.randrange(1 << 31))
    net, graph, rules, config, channels, extent = NETWORKS[name](r)
    net = randomised(net, seed)
    # A value that is 0 but for rounding may lie on either side of an activation's corner, which changes gradients: such an input is drawn again.
    for attempt in range(3):
        good, shown = compare(net, graph, rules, config, channels, extent, lmsc, folder)
        print(f"{name} {seed}: {shown}" + ("" if good else f"\n  {json.dumps({k: ron(v) for k, v in config.items()})} {extent}"), flush=True)
        if good:
            return True
    return False


def own_rounding(net, x, probe):
    """How far the gradients in float32 are from those in float64, at most."""
    exact = [p.grad for p in net.parameters() if p.grad is not None]
    largest = max(float(g.norm()) for g in exact)
    other = copy.deepcopy(net).float()
    other.zero_grad()
    y = other(x.float())
    y = y[0] if isinstance(y, (list, tuple)) else y
    (y * probe.float()).mean().backward()
    rounded = [p.grad.double() for p in other.parameters() if p.grad is not None]
    return max(float((a - b).norm() / b.norm()) for a, b in zip(rounded, exact) if float(b.norm()) > 1e-4 * largest)


def compare(net, graph, rules, config, channels, extent, lmsc, folder):
    """Whether the graph gives what the module does on some input, and a line that says how near it is."""
    net.zero_grad()
    single = lambda *shape: torch.randn(*shape).double()
    x = single(1, channels, *extent)
    y = net(x)
    y = y[0] if isinstance(y, (list, tuple)) else y
    probe = single(*y.shape)
    (y * probe).mean().backward()
    state = {k: v.detach().float().contiguous().clone() if v.is_floating_point() else v.clone() for k, v in net.state_dict().items()}
    at = lambda f: os.path.join(folder, f)
    save_file(state, at("weights.safetensors"))
    save_file({"input": x.float(), "probe": probe.float()}, at("input.safetensors"))
    command = [lmsc, "forward", f"{ROOT}/graphs/{graph}.ron", "--weights", at("weights.safetensors"), "--map", f"{ROOT}/maps/{rules}.map",
               "--input", at("input.safetensors"), "--out", at("out.safetensors"), "--probe", "--overwrite", "--device", "cpu"]
    for k, v in config.items():
        command += ["--set", f"{k}={ron(v)}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return False, done.stdout + done.stderr
    got = load_file(at("out.safetensors"))
    outputs = [k for k in got if not k.startswith("grad") and got[k].shape == tuple(y.shape)]
    error = min(relative(got[k], y.detach().numpy()) for k in outputs)
    # The maps give ours other names: each gradient of the original is compared with the nearest of ours that has as many numbers.
    theirs = [p.grad.numpy().ravel() for p in net.parameters() if p.grad is not None]
    largest = max(float(np.linalg.norm(g)) for g in theirs)
    theirs = [g for g in theirs if float(np.linalg.norm(g)) > 1e-4 * largest]
    # A transposed convolution of one voxel is a convolution, whose weights lie the other way round.
    ours = [w.ravel() for k, v in got.items() if k.startswith("grad") for w in ([v, v.swapaxes(0, 1)] if v.ndim == 5 else [v])]
    off = max(min((relative(o, g) for o in ours if o.size == g.size), default=float("nan")) for g in theirs)
    good = error < 1e-4 and off < 1e-4
    if error < 1e-4 and not good:
        # Many activations, many corners: what the original itself gives in float32 says how much of it is rounding.
        single = own_rounding(net, x, probe)
        good, off = off < 3 * single, f"{off:.1e} (the original's own in float32 {single:.1e})"
    else:
        off = f"{off:.1e}"
    parameters = sum(p.numel() for p in net.parameters())
    return good, f"{parameters} parameters, output {error:.1e}, gradients {off} ({len(theirs)} tensors)"


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("networks", nargs="*", default=list(NETWORKS))
    a.add_argument("--lmsc", default=f"{ROOT}/target/release/lmsc")
    a.add_argument("--runs", type=int, default=3)
    a.add_argument("--seed", type=int, default=0)
    a = a.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in a.networks:
            for seed in range(a.seed, a.seed + a.runs):
                try:
                    bad += not run(name, seed, a.lmsc, folder)
                except (ValueError, RuntimeError) as e:
                    print(f"{name} {seed}: the original itself refuses: {e}")
    print(f"{bad} differ" if bad else "all agree")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
