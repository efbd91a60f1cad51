"""Seconds until the package and the widget class are imported, each in a fresh process.

python -m benchmarks.imports
"""

from __future__ import annotations

import subprocess
import sys
import time

STATEMENTS = {
    "nothing": "pass",
    "napari_sa2va": "import napari_sa2va",
    "napari (without us)": "import napari, napari.layers, napari.viewer",
    "the widget class": "from napari_sa2va.widgets import Sa2VAWidget",
}


def main() -> None:
    for name, statement in STATEMENTS.items():
        times = []
        for _ in range(3):
            start = time.perf_counter()
            loaded = subprocess.check_output(
                [sys.executable, "-c", f"{statement}\nimport sys; print('torch' in sys.modules)"],
                text=True,
            ).strip()
            times.append(time.perf_counter() - start)
        print(f"{name:20s} {min(times):.2f} s   torch imported: {loaded}", flush=True)


if __name__ == "__main__":
    main()
