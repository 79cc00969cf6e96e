"""Odd and broken NIfTI files, and what nibabel says of each: the files and the table of tests/volumes/odd.rs.

    pip install nibabel
    python tests/volumes/odd.py            # writes odd.csv and odd.gz beside this script

odd.gz holds the files one after another: a line with the name and the length, then the bytes. In odd.csv, `refused` is a word of the reason
for which a file is refused here though nibabel reads it, and `more` the sum of the voxels of a file that is read here though nibabel refuses it.
"""

import csv
import gzip
import itertools
import logging
import math
import pathlib
import random
import resource
import struct
import tempfile
import warnings

import nibabel
import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header

HERE = pathlib.Path(__file__).parent
SIZE = (4, 3, 2)
TYPES = {2: "u1", 256: "i1", 512: "u2", 4: "i2", 768: "u4", 8: "i4", 1280: "u8", 1024: "i8", 16: "f4", 64: "f8"}
# Types of which a voxel is not one real number that is read here: bytes and a word of the refusal.
OTHERS = {32: (8, "complex"), 1792: (16, "complex"), 2048: (32, "complex"), 1536: (16, "128-bit"), 128: (3, "RGB"), 2304: (4, "RGBA")}
CASES = []


def floats(version):
    return "f4" if version == 1 else "f8"


def header(version, big=False, pair=False, **fields):
    """The bytes of a header; `fields` replace those of a plain float32 image of SIZE."""
    kind = Nifti1Header if version == 1 else Nifti2Header
    dtype = kind.template_dtype.newbyteorder(">" if big else "<")
    h = np.zeros((), dtype)
    base = {"sizeof_hdr": 348 if version == 1 else 540, "dim": [3, *SIZE], "datatype": 16, "bitpix": None, "pixdim": [1, 1.5, 2, 2.5]}
    base |= {"vox_offset": 0 if pair else 352 if version == 1 else 544, "xyzt_units": 2, "sform_code": 1, "scl_slope": 1}
    base |= {"srow_x": [1.5, 0, 0, -7], "srow_y": [0, 2, 0, 8], "srow_z": [0, 0, 2.5, 9.5]}
    base["magic"] = {(1, False): b"n+1", (1, True): b"ni1", (2, False): b"n+2", (2, True): b"ni2"}[version, pair]
    if version == 2:
        base["eol_check"] = [13, 10, 26, 10]
    base |= fields
    if base["bitpix"] is None:
        code = base["datatype"]
        base["bitpix"] = 8 * (np.dtype(TYPES[code]).itemsize if code in TYPES else OTHERS.get(code, (0,))[0])
    for name, value in base.items():
        if isinstance(value, (list, tuple)):
            whole = np.ones(h[name].shape, h[name].dtype)
            whole[: len(value)] = value
            h[name] = whole
        else:
            h[name] = value
    return h.tobytes()


def voxels(code, count, big=False):
    """Whole numbers, some negative, with the ends of the type among them where a sum of float32 still has them."""
    kind = np.dtype(TYPES[code])
    v = (np.arange(count) * 37 % 101).astype(float)
    if kind.kind != "u":
        v -= 40
    v = v.astype(kind)
    if kind.kind in "iu":
        v[:2] = np.iinfo(kind).max, np.iinfo(kind).min
    return v.astype(kind.newbyteorder(">" if big else "<")).tobytes()


def zipped(body, level=9):
    return gzip.compress(body, level, mtime=0)


def add(name, files, refused="", more="", instead=None):
    """A case; the first of `files` (name and bytes) is the one that is opened. nibabel is asked of the bytes `instead`, if given."""
    assert name not in {c["name"] for c in CASES}, name
    CASES.append({"name": name, "files": files, "refused": refused, "more": more, "instead": instead})


def single(name, head, data, end=".nii", gap=b"\0\0\0\0", **told):
    body = head + gap + data
    add(name + end, [(name + end, zipped(body) if end.endswith("gz") else body)], **told)


def plain(name, version=1, big=False, data=None, **fields):
    told = {k: fields.pop(k) for k in ("refused", "more", "end", "gap") if k in fields}
    code = fields.get("datatype", 16)
    single(name, header(version, big, **fields), data or voxels(code if code in TYPES else 16, math.prod(SIZE), big), **told)


def types():
    for code, big, version in itertools.product([*TYPES, *OTHERS], (False, True), (1, 2)):
        if code in TYPES:
            data, refused = voxels(code, math.prod(SIZE), big), ""
        else:
            data, refused = bytes(range(OTHERS[code][0])) * math.prod(SIZE), OTHERS[code][1]
        name = f"type{code}_{'be' if big else 'le'}_v{version}"
        single(name, header(version, big, datatype=code), data, refused=refused)
        single(name, header(version, big, datatype=code), data, ".nii.gz", refused=refused)
        if code not in TYPES and version == 2:
            continue
        head = header(version, big, True, datatype=code)
        packed = [(".hdr", ".img"), (".hdr.gz", ".img.gz")][big]
        pack = zipped if big else bytes
        add(f"{name}_pair", [(f"{name}_pair{packed[0]}", pack(head)), (f"{name}_pair{packed[1]}", pack(data))], refused=refused)
    for code in (0, 1, 3, 255, 4096, -4):
        plain(f"type_none_{code}", datatype=code, bitpix=32)
    for bits in (0, 1, 8, 64, -32):
        plain(f"bitpix_{bits}", bitpix=bits, refused="" if bits == 0 else "bitpix")


def scales():
    slopes = {"0": 0, "1": 1, "half": 0.5, "minus": -2, "tiny": 1e-30, "nan": math.nan, "inf": math.inf, "minusinf": -math.inf}
    inters = {"0": 0, "minus3": -3, "large": 1e6, "nan": math.nan, "inf": math.inf}
    for n, ((s, slope), (i, inter), code) in enumerate(itertools.product(slopes.items(), inters.items(), (2, 4, 8, 1280, 16, 64))):
        version, big = 1 + n % 2, n // 2 % 2 == 1
        refused = "scl_slope is infinite" if "inf" in s else ""
        plain(f"scale_{s}_{i}_type{code}", version, big, datatype=code, scl_slope=slope, scl_inter=inter, refused=refused)


def dims():
    count = math.prod(SIZE)
    for version in (1, 2):
        v = f"_v{version}"
        for n in range(1, 8):
            size = [24, *[1] * (n - 1)] if n < 3 else [*SIZE, *[1] * (n - 3)]
            plain(f"dims_{n}{v}", version, dim=[n, *size])
            plain(f"dims_{n}_no_form{v}", version, dim=[n, *size], sform_code=0)
            plain(f"dims_{n}_qform{v}", version, dim=[n, *size], sform_code=0, qform_code=1)
            if n > 3:
                for at in range(4, n + 1):
                    more = [*size]
                    more[at - 1] = 3
                    plain(f"dims_{n}_channels_at_{at}{v}", version, data=voxels(16, 3 * count), dim=[n, *more])
        plain(f"dims_two_of_channels{v}", version, data=voxels(16, 6 * count), dim=[5, *SIZE, 2, 3], refused="at most three and channels")
        plain(f"dims_vector_intent{v}", version, data=voxels(16, 3 * count), dim=[5, *SIZE, 1, 3], intent_code=1007)
        for n in (-1, 0, 8, 300, 32767):
            plain(f"dim0_{n}{v}", version, dim=[n, *SIZE], refused="dim[0]")
        for at, value in itertools.product((1, 2, 3), (0, -1, -4)):
            bad = [3, *SIZE]
            bad[at] = value
            plain(f"dim{at}_{value}{v}", version, dim=bad, refused=f"dim[{at}]")
        plain(f"dim_unused_are_nonsense{v}", version, dim=[3, *SIZE, -5, 0, 7, -1])
        plain(f"dim4_0{v}", version, dim=[4, *SIZE, 0], refused="dim[4] is 0")
        plain(f"dim_asks_18_gb{v}", version, dim=[3, 32767, 32767, 4], data=b"\0" * 25)
        plain(f"dim_overflows{v}", version, dim=[7, *[32767] * 7] if version == 1 else [3, 2**62, 2**62, 2**62])
        plain(f"dim_one_too_many{v}", version, dim=[3, 4, 3, 3])
        plain(f"dim_one_too_many_gz{v}", version, dim=[3, 4, 3, 3], end=".nii.gz")
        plain(f"dim_fewer_than_bytes{v}", version, dim=[3, 4, 3, 1])
    plain("dim_product_wraps_to_24", 2, dim=[3, 2**32, 2**32, 24])


def places():
    steps = {"minus": -2, "0": 0, "nan": math.nan, "inf": math.inf}
    forms = {"none": {"sform_code": 0}, "q": {"sform_code": 0, "qform_code": 1}, "s": {}, "sq": {"qform_code": 1}}
    for (s, step), (f, form), at in itertools.product(steps.items(), forms.items(), (1, 2, 3)):
        pixdim = [1, 1.5, 2, 2.5]
        pixdim[at] = step
        refused = f"pixdim[{at}]" if f in ("none", "q") and s != "minus" else ""
        plain(f"pixdim{at}_{s}_{f}", pixdim=pixdim, refused=refused, **form)
    turn = {"quatern_b": 0.5, "quatern_c": 0.5, "quatern_d": 0.5, "qoffset_x": 3, "qoffset_y": -4, "qoffset_z": 5.5}
    for name, qfac in {"0": 0, "minus1": -1, "2": 2, "minus2": -2, "nan": math.nan}.items():
        for version in (1, 2):
            plain(f"qfac_{name}_v{version}", version, pixdim=[qfac, 1.5, 2, 2.5], sform_code=0, qform_code=1, **turn)
    for q, s in itertools.product((-1, 0, 1, 2, 5, 6, 99), (-1, 0, 1, 2, 3, 4, 5, 6, 99)):
        plain(f"codes_q{q}_s{s}", 1 + (q + s) % 2, qform_code=q, sform_code=s, **turn)
    draw = random.Random(5)
    for n in range(60):
        q = np.array([draw.gauss(0, 1) for _ in range(4)])
        if n % 3 == 0:  # half a turn, as float32 has it
            q[0] = 0
        q /= np.linalg.norm(q)
        q = q if q[0] >= 0 else -q
        version = 1 + (n // 3) % 2
        names = dict(zip(("quatern_b", "quatern_c", "quatern_d"), q[1:].astype(floats(version))))
        plain(f"quaternion_{n}", version, n % 2 == 1, sform_code=0, qform_code=2, pixdim=[(-1) ** n, 0.7, 1.3, 4.1], **names)
    # Headers of version 2 that were made from float32 numbers go over 1, too; nibabel refuses them.
    for n, over in enumerate([-1e-3, -1e-6, -4e-7, -3e-7, -1e-7, 1e-7, 3e-7, 5e-7, 1e-6, 1e-3, 1]):
        for version in (1, 2):
            side = math.sqrt((1 + over) / 3)
            three = {f"quatern_{c}": side for c in "bcd"}
            more = "162" if version == 2 and 0 < over < 4e-7 else ""
            plain(f"quaternion_square_off_{n}_v{version}", version, sform_code=0, qform_code=1, more=more, **three)
            plain(f"quaternion_square_off_{n}_beside_sform_v{version}", version, qform_code=1, **three)
    plain("quaternion_nan", sform_code=0, qform_code=1, quatern_c=math.nan, refused="no rotation")
    zero = {"srow_x": [0] * 4, "srow_y": [0] * 4, "srow_z": [0] * 4}
    plain("sform_zero", refused="singular", **zero)
    plain("sform_two_alike", srow_y=[3, 0, 0, 1], refused="singular")
    plain("sform_nan", srow_y=[0, math.nan, 0, 1], refused="not finite")
    plain("sform_inf_origin", srow_y=[0, 2, 0, math.inf], refused="not finite")
    plain("sform_zero_not_in_force", sform_code=0, qform_code=1, **zero, **turn)
    plain("sform_sheared", srow_x=[1.5, 0.3, 0.4, 0], srow_y=[0.2, 2, 0.1, 0])
    for n in range(100):
        # Three directions at random, the third bent towards the others now and then; never nearly in one plane.
        while True:
            m = np.array([[draw.gauss(0, 1) for _ in range(3)] for _ in range(3)])
            m /= np.linalg.norm(m, axis=0)
            if n % 2:
                m = np.linalg.qr(m)[0] * [draw.choice((-1, 1)) for _ in range(3)]
            if abs(np.linalg.det(m)) > 0.2:
                break
        m = m * [0.8, 1.7, 5]
        plain(f"sform_oblique_{n}", 1 + n // 2 % 2, **{f"srow_{c}": [*m[r], 3 * r - 7] for r, c in enumerate("xyz")})
    for units in range(8):
        name = {1: "_units_meter", 3: "_units_micron"}.get(units, "")
        plain(f"units_{units}{name}", xyzt_units=units)
        plain(f"units_{units}_and_seconds{name}", 1 + units % 2, xyzt_units=units | 8)
    for code in (1, 2, 1001, 1002, 1005, 1007, 1011, 2001, 2003, -1, 32767):
        plain(f"intent_{code}", intent_code=code)
    for code in (3000, 3001, 3006):
        plain(f"intent_{code}", 2, intent_code=code, refused="CIFTI")


def starts():
    for version, first in ((1, 352), (2, 544)):
        for name, at in {"0": 0, "1": 1, "header": first - 4, "less": first - 1, "more": first + 1, "16": first + 16, "far": 10**6}.items():
            # nibabel takes offsets that are no multiple of 16, and refuses those within the header. 0 is "after the header" for the C
            # library and for ITK; nibabel reads the header as voxels.
            gap = b"\0" * 4 + b"\7" * max(0, min(at - first, 99))
            instead = header(version) + gap + voxels(16, 24) if at == 0 else None
            for end in (".nii", ".nii.gz"):
                body = header(version, vox_offset=at) + gap + voxels(16, 24)
                pack = zipped if end == ".nii.gz" else bytes
                packed = {"instead": pack(instead)} if instead else {}
                add(f"offset_{name}_v{version}{end}", [(f"offset_{name}_v{version}{end}", pack(body))], **packed)
        for n, at in enumerate((0, 3, 16, 10**6)):
            files = [(f"offset_pair_{n}_v{version}.hdr", header(version, False, True, vox_offset=at))]
            data = b"\7" * min(at, 99) + voxels(16, 24)
            add(f"offset_pair_{n}_v{version}", [*files, (f"offset_pair_{n}_v{version}.img", data)])
    for name, at in {"half": 352.5, "minus": -352, "nan": math.nan, "inf": math.inf, "huge": 1e30}.items():
        plain(f"offset_{name}", vox_offset=at, refused="vox_offset" if name == "half" else "")
    plain("offset_least", 2, vox_offset=-(2**63))
    plain("offset_greatest", 2, vox_offset=2**63 - 1)
    for name, esize in {"16": 16, "17": 17, "0": 0, "minus": -16, "huge": 2**31 - 1}.items():
        for version, first in ((1, 352), (2, 544)):
            gap = b"\1\0\0\0" + struct.pack("<ii", esize, 6) + b"comment\0"
            # A size that is not true is the extension's own matter: vox_offset says where the voxels are.
            more = "" if name == "16" else "162"
            plain(f"extension_{name}_v{version}", version, vox_offset=first + 16, gap=gap, more=more)
    plain("extension_said_and_none", gap=b"\1\0\0\0")


def marks():
    for size in (0, 1, 347, 349, 540, -348):
        plain(f"sizeof_hdr_{size}", sizeof_hdr=size, refused="header size" if size != 540 else "mark")
    for size in (0, 348, 539):
        plain(f"sizeof_hdr_{size}_v2", 2, sizeof_hdr=size, refused="header size" if size != 348 else "no NIfTI mark")
    for mark in (b"", b"n+2", b"n+3", b"ni1", b"N+1", b"n+1 "):
        said = {b"": "Analyze", b"n+2": "Analyze", b"n+3": "Analyze", b"N+1": "Analyze", b"n+1 ": "Analyze", b"ni1": "pair of files"}.get(mark, "")
        plain(f"mark_{mark.hex() or 'none'}", magic=mark, refused=said)
    plain("mark_v2_spoilt", 2, eol_check=[10, 10, 26, 10], refused="copied as text")
    plain("mark_v2_none", 2, eol_check=[0, 0, 0, 0])
    good = header(1) + b"\0" * 4 + voxels(16, 24)
    for n in (0, 1, 3, 100, 347, 348, 351, 352, 353, 447):
        add(f"cut_at_{n}.nii", [(f"cut_at_{n}.nii", good[:n])])
    add("one_byte_more.nii", [("one_byte_more.nii", good + b"\1")])
    add("plain_named_gz.nii.gz", [("plain_named_gz.nii.gz", good)], more="162")
    add("gz_named_plain.nii", [("gz_named_plain.nii", zipped(good))], more="162")


def packed():
    good = header(1) + b"\0" * 4 + voxels(16, 24)
    whole = zipped(good)

    def one(name, body, **told):
        add(f"gz_{name}.nii.gz", [(f"gz_{name}.nii.gz", body)], **told)

    one("stored", zipped(good, 0))
    for n in (2, 10, len(whole) // 2, len(whole) - 9, len(whole) - 8, len(whole) - 4, len(whole) - 1):
        one(f"cut_at_{n}", whole[:n], refused="gzip stream")
    for at in (-8, -1):
        bad = bytearray(whole)
        bad[at] ^= 1
        one(f"bad_trailer_{-at}", bytes(bad), refused="gzip stream")
    parts = [good[:n] for n in (100,)] + [good[100:400], good[400:]]
    one("three_members", b"".join(zipped(p) for p in parts))
    one("empty_member_first", zipped(b"") + whole)
    one("empty_member_last", whole + zipped(b""))
    bad = bytearray(zipped(good[:400]) + zipped(good[400:]))
    bad[len(zipped(good[:400])) - 8] ^= 1
    one("bad_trailer_of_first_member", bytes(bad))
    one("zeros_after", whole + b"\0" * 512)
    one("junk_after", whole + b"junk", refused="follow the gzip stream")
    one("half_a_member_after", whole + whole[:15], refused="gzip stream")
    one("second_file_after", whole + whole)
    named = bytearray(whole[:10])
    named[3] = 8 | 4 | 16
    one("name_extra_and_comment", bytes(named) + b"\3\0abc" + b"x.nii\0" + b"remark\0" + whole[10:])
    one("twice", zipped(whole))
    one("empty", zipped(b""))
    one("promises_more", zipped(header(1, dim=[3, 32767, 32767, 4]) + b"\0" * 4 + b"\0" * 50000))


def values():
    special = np.array([math.nan, math.inf, -math.inf, -0.0, 1e-42, 3.4e38, -3.4e38, 1] * 3)
    for code in (16, 64):
        data = special.astype(TYPES[code]).tobytes()
        plain(f"values_special_type{code}", datatype=code, data=data)
        plain(f"values_special_type{code}_doubled", datatype=code, data=data, scl_slope=2, refused="beyond the range")
    plain("values_beyond_float32", datatype=64, data=np.full(24, 1e300).tobytes(), refused="beyond the range")
    plain("values_all_nan", data=np.full(24, math.nan, "f4").tobytes())
    plain("values_scaled_beyond_float32", datatype=4, scl_slope=3e38, refused="beyond the range")


def flips():
    """Headers with a few random bytes changed. What is refused and what is read differs from nibabel only as said here."""
    draw = random.Random(11)
    for n in range(80):
        version, big = 1 + n % 2, n // 2 % 2 == 1
        fields = {"qform_code": n // 4 % 2, "sform_code": n // 8 % 2, "datatype": draw.choice(list(TYPES))}
        head = bytearray(header(version, big, **fields))
        for _ in range(draw.randint(1, 3)):
            head[draw.randrange(len(head))] ^= 1 << draw.randrange(8)
        single(f"flipped_{n}", bytes(head), voxels(fields["datatype"], 24, big), refused="*", more="*")


def axes(affine):
    """nibabel's axis order; none where it hangs on rounding, as two directions fit alike."""
    draw = np.random.default_rng(1)
    near = [affine * (1 + 1e-9 * draw.standard_normal(affine.shape)) for _ in range(20)]
    orders = {"".join(nibabel.aff2axcodes(a)) for a in [affine, *near]}
    return orders.pop() if len(orders) == 1 else ""


def asked(path):
    """What nibabel says of a file."""
    try:
        image = nibabel.load(path)
        data = np.asarray(image.dataobj)
        row = {"nib": "ok", "nib_shape": list(data.shape), "nib_dtype": str(image.get_data_dtype())}
        row["nib_affine"] = image.affine.tolist()
        row["nib_axes"] = axes(image.affine) if np.isfinite(image.affine).all() else ""
        if data.dtype.kind in "iuf":
            data = data.astype(np.float64)
            finite = np.isfinite(data)
            kept = np.where(finite, data, 0)
            flat = kept.ravel(order="F")
            row["nib_nonfinite"] = int((~finite).sum())
            row |= {"nib_sum": flat.sum(), "nib_weighted": (flat * (1 + np.arange(flat.size) % 97)).sum()}
            row |= {"nib_min": data[finite].min(), "nib_max": data[finite].max()} if finite.any() else {}
        return row
    except Exception as e:  # noqa: BLE001
        return {"nib": f"{type(e).__name__}: {e}".splitlines()[0].replace(f"{path.parent}/", "")[:120]}


def main():
    warnings.filterwarnings("ignore")
    np.seterr(all="ignore")
    logging.disable()
    # Some headers promise more than a machine has, and nibabel believes them.
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    for make in (types, scales, dims, places, starts, marks, packed, values, flips):
        make()
    rows, files = [], b""
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            for name, body in case["files"]:
                (pathlib.Path(folder) / name).write_bytes(body)
                files += f"{name} {len(body)}\n".encode() + body
            name = case["files"][0][0]
            if case["instead"]:
                (pathlib.Path(folder) / name).write_bytes(case["instead"])
            row = {"file": name} | asked(pathlib.Path(folder) / name)
            rows.append(row | {"refused": case["refused"] if row["nib"] == "ok" else "", "more": "" if row["nib"] == "ok" else case["more"]})
    columns = ["file", "nib", "nib_shape", "nib_dtype", "nib_affine", "nib_axes", "nib_sum", "nib_weighted", "nib_min", "nib_max", "nib_nonfinite"]
    with open(HERE / "odd.csv", "w", newline="") as out:
        table = csv.DictWriter(out, [*columns, "refused", "more"], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    (HERE / "odd.gz").write_bytes(zipped(files, 9))
    print(f"{len(rows)} cases, {sum(r['nib'] == 'ok' for r in rows)} read by nibabel {nibabel.__version__}")


if __name__ == "__main__":
    main()
