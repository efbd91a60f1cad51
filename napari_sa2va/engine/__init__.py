"""Runs a model on a stack."""

from napari_sa2va.models._triton import keep_triton_out

# Again: the catalog may have been read before the canvas was drawn, torch is imported from here on.
keep_triton_out()
