"""What loading the extension and a trivial cell cost."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time

from measuring import Row

_LOADING = """
import time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
begun = time.perf_counter()
shell.run_line_magic("load_ext", "coro_magic")
print(time.perf_counter() - begun)
"""


def notebook(quick: bool, rounds: int) -> list[Row]:
    """Measure loading the extension, and a trivial cell with its picture, in a kernel."""
    loads = []
    for _ in range(rounds):
        out = subprocess.run([sys.executable, "-c", _LOADING], capture_output=True, text=True, check=True)
        loads.append(float(out.stdout.split()[-1]))
    rows = [Row("loading the extension, beyond IPython", f"{min(loads) * 1e3:.0f} ms", "", "", "≤ 100 ms")]
    if importlib.util.find_spec("ipykernel") and importlib.util.find_spec("jupyter_client"):
        rows.append(_trivial_cell(rounds))
    return rows


def _trivial_cell(rounds: int) -> Row:
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3")
    try:

        def execute(code: str) -> float:
            begun = time.perf_counter()
            reply = client.execute_interactive(code, output_hook=lambda message: None, timeout=120)
            assert reply["content"]["status"] == "ok", reply["content"]
            return time.perf_counter() - begun

        execute("%load_ext coro_magic")
        execute("%%coroutines\n1")
        seconds = min(execute("%%coroutines\n1") for _ in range(max(rounds, 3)))
        empty = min(execute("1") for _ in range(max(rounds, 3)))
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return Row("a trivial cell with picture, panel and threads, warm", f"{seconds * 1e3:.0f} ms",
               f"the cell without the magic, {empty * 1e3:.0f} ms", "", "≤ 500 ms")  # fmt: skip
