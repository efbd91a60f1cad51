"""What `napari_sa2va.training.evaluate` measures, and how."""
