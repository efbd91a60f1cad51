"""Runs a model on a stack."""

import os

from napari_sa2va.models._triton import keep_triton_out

# Again: the catalog may have been read before the canvas was drawn, torch is imported from here on.
keep_triton_out()
# Read by OpenMP when torch is first imported. Its threads spin while they wait for each other,
# which makes all some 20 times slower as soon as another program keeps the cores busy; threads
# that sleep at once take twice as long on idle cores. This many turns lie between the two.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
