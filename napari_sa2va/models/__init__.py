"""Networks and their checkpoints: torch, transformers, sam2."""

from napari_sa2va.models._triton import keep_triton_out

keep_triton_out()  # before transformers is imported by any module of this room
