"""python read_with_ome_zarr.py GROUP OUT.npz: what ome-zarr and ome-zarr-models find in a group."""

import sys

import numpy as np
import zarr
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader
from ome_zarr_models import v04, v05

found = {}
for node in Reader(parse_url(sys.argv[1]))():
    kinds = {type(spec).__name__ for spec in node.specs}
    if "Multiscales" in kinds:
        what = "labels" if "Label" in kinds else "images"
        for level, data in enumerate(node.data):
            found[f"{what}{level}"] = np.asarray(data)
        steps = [of[0]["scale"] for of in node.metadata["coordinateTransformations"]]
        found[f"{what}_scales"] = np.array(steps)
    if "Label" in kinds:
        found["colored"] = np.array(sorted(node.metadata["color"]))
        properties = node.metadata["properties"]
        found["phrases"] = np.array([properties[i]["phrase"] for i in sorted(properties)])

root = zarr.open_group(sys.argv[1], mode="r")
models = v05 if "ome" in root.attrs else v04
image, label = models.Image.from_zarr(root), models.ImageLabel.from_zarr(root["labels/objects"])
known = label.ome_attributes if models is v05 else label.attributes
found["validated"] = np.array([color.label_value for color in known.image_label.colors])
found["listed"] = np.array(image.labels is not None)
np.savez(sys.argv[2], **found)
