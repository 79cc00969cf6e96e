"""The networks that `benches/run --networks` times, and the table of what was found: a line each, forward passes and training steps."""
import copy
import math

from contest import NAMES, prepared
from tables import OWN, number, parts

# Graph, its changes, the input of a forward pass and of a training step, each of a size that takes seconds.
NETWORKS = {
    "lightmedseg": ("lightmedseg.ron", [], "4x128x128x128", "4x96x96x96"),
    "unet": ("unet.ron", ["num_res_units=2"], "4x128x128x128", "4x96x96x96"),
    "nnunet": ("nnunet.ron", ["deep_supervision=false"], "4x96x96x96", "4x64x64x64"),
    "nnunet-resenc": ("nnunet-resenc.ron", ["deep_supervision=false"], "4x96x96x96", "4x64x64x64"),
    "segresnet": ("segresnet.ron", [], "4x96x96x96", "4x64x64x64"),
    "vnet": ("vnet.ron", ["in_channels=1"], "1x96x96x96", "1x64x64x64"),
    "mednext": ("mednext.ron", ["deep_supervision=false"], "4x96x96x96", "4x64x64x64"),
    "meshnet": ("meshnet.ron", [], "1x128x128x128", "1x96x96x96"),
    "unetr": ("unetr.ron", [], "4x96x96x96", "4x96x96x96"),
    "segformer3d": ("segformer3d.ron", [], "4x128x128x128", "4x96x96x96"),
}

# Ratio to the best float32 peer: geometric mean over the list, and no network above.
MARKS = {("forward", "time"): (0.4, 0.7), ("step", "time"): (0.5, 0.8), ("forward", "memory"): (0.6, 0.9), ("step", "memory"): (0.6, 0.9)}


def contests(names, options, folder):
    """Each network's two contests, with its name, one after the other."""
    for name in names:
        graph, sets, forward, step = NETWORKS[name]
        for size, is_step in ((forward, False), (step, True)):
            own = copy.copy(options)
            own.graph, own.work = str(folder / graph), options.work / name
            for contest in prepared([(int(is_step), (size, 1, sets, is_step, "f32"))], own):
                yield name, size, contest


def line(name, size, result):
    """One row: ours and the best peer's time and memory, and the ratios."""
    table = parts(result)
    peers = [n for n in table if n not in OWN and table[n]["same"]]
    ours = table["ours"]
    kind = "step" if result["step"] else "forward"
    if not peers:
        return f"| {name} | {kind} {size} | {ours['least'] * 1e3:.0f} | | | | {number(ours['peak'])} | | | |", None
    best = min(peers, key=lambda n: table[n]["least"])
    peer = table[best]
    time = ours["least"] / peer["least"]
    memory = ours["peak"] / peer["peak"] if ours["peak"] and peer["peak"] else None
    text = (f"| {name} | {kind} {size} | {ours['least'] * 1e3:.0f} | {NAMES[best]} | {peer['least'] * 1e3:.0f} | **{time:.2f}** | {number(ours['peak'])} | "
            f"{number(peer['peak'])} | {number(memory, '{:.2f}')} | {ours['first'] / ours['median']:.2f} |")
    return text, {"kind": kind, "time": time, "memory": memory}


HEAD = ["| network | | lmsc ms | best peer | its ms | ours takes | lmsc MB | its MB | of its memory | first run, of a warm one |", "|---|---|--:|---|--:|--:|--:|--:|--:|--:|"]


def means(found):
    """Geometric means and greatest ratios, beside the marks."""
    lines = ["", "| | geometric mean | mark | greatest | mark |", "|---|--:|--:|--:|--:|"]
    for (kind, what), (mean, most) in MARKS.items():
        all_of = [f[what] for f in found if f["kind"] == kind and f[what]]
        if all_of:
            g = math.exp(sum(map(math.log, all_of)) / len(all_of))
            lines.append(f"| {kind}, {what} | {g:.2f} | {mean} | {max(all_of):.2f} | {most} |")
    return lines
