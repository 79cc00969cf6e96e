"""Makes a library for the processor of the CUDA source of one kernel, and prints its path: `translate.py SOURCE FOLDER`."""

import hashlib
import os
import pathlib
import re
import subprocess
import sys

HEAD = re.compile(r'extern "C" __global__ void __launch_bounds__\(\d+\)\s+(\w+)\(')
SHARED = re.compile(r"extern __shared__ (?:__align__|alignas)\(\d+\) char (\w+)\[\];")

ATOMIC = re.compile(r'asm volatile\("atom\.relaxed\.add\.f32 %0, \[%1\], %2;"\s*:\s*"=f"\((\w+)\)\s*:\s*"l"\((\w+)\),\s*"f"\((\w+)\)\s*\);')


def arguments(text):
    """The types of a kernel's arguments, whose list begins the text, and where the list ends."""
    end = text.index(") {")
    names = (argument.strip().rsplit(" ", 1)[0] for argument in text[:end].split(","))
    return [name.replace("__restrict__", "").replace("__grid_constant__", "").strip() for name in names], end


def translated(source, block):
    source = re.sub(r"#include <cuda\w*\.h>", "", source)
    source = SHARED.sub(r"char * \1 = thread->shared;", source)
    source = ATOMIC.sub(r"\1 = atomic_add((float*)\2, \3);", source)
    head = HEAD.search(source)
    if not head:
        sys.exit("the source has no kernel of the expected form")
    types, _ = arguments(source[head.end() :])
    given = ", ".join(f"*({name}*)arguments[{i}]" for i, name in enumerate(types))
    sizes = ", ".join(f"(int)sizeof({name})" for name in types)
    own = f"static inline void {head[1]}(Thread* thread, "
    waits = "true" if re.search("__syncthreads|__shfl", source) else "false"
    return f"""{block}
{source[: head.start()]}{own}{source[head.end() :]}
static void kernel(Thread* thread, void** arguments) {{ {head[1]}(thread, {given}); }}
extern "C" {{
int stand_in_sizes[] = {{{sizes}}};
int stand_in_count = {len(types)};
void stand_in_run(void** arguments, const unsigned* shape) {{ run_grid(arguments, shape, {waits}); }}
}}
"""


def main():
    source, folder = pathlib.Path(sys.argv[1]).read_text(), pathlib.Path(sys.argv[2])
    code = translated(source, (folder / "block.h").read_text())
    library = folder / "kernels" / f"{hashlib.sha256(code.encode()).hexdigest()[:24]}.so"
    if not library.exists():
        library.parent.mkdir(exist_ok=True)
        part = library.with_suffix(f".{os.getpid()}")
        flags = "-xc++ -O1 -w -mfma -mf16c -ffp-contract=off -fno-strict-aliasing -fopenmp -shared -fPIC"
        done = subprocess.run(["g++", *flags.split(), "-o", part, "-"], input=code, text=True, stderr=subprocess.PIPE)
        if done.returncode:
            # A source with words that block.h lacks; where a kernel is chosen by trying, another is taken.
            library.with_suffix(".cc").write_text(code)
            library.with_suffix(".log").write_text(done.stderr)
            sys.exit(f"stand-in: not compiled: {library.with_suffix('.log')}")
        part.rename(library)
    print(library)


main()
