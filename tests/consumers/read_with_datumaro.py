"""python read_with_datumaro.py DATASET OUT.npz: the masks that datumaro finds in COCO files."""

import sys

import numpy as np
from datumaro.components.annotation import Mask, Polygon
from datumaro.components.dataset import Dataset
from pycocotools import mask as coco_mask

dataset = Dataset.import_from(sys.argv[1], "coco_instances")
names = [label.name for label in next(iter(dataset.categories().values()))]
frames, classes, masks = [], [], []
for item in dataset:
    height, width = item.media.size
    polygons: dict[int, list] = {}
    for found in item.annotations:
        if isinstance(found, Polygon):  # one annotation a polygon; their group is the object
            polygons.setdefault(found.group, []).append(found)
        elif isinstance(found, Mask):
            frames.append(int(item.id.rpartition("_")[2]))
            classes.append(names[found.label])
            masks.append(np.asarray(found.image, bool))
    for group in polygons.values():
        parts = coco_mask.frPyObjects([list(p.points) for p in group], height, width)
        frames.append(int(item.id.rpartition("_")[2]))
        classes.append(names[group[0].label])
        masks.append(coco_mask.decode(coco_mask.merge(parts)).astype(bool))
np.savez(sys.argv[2], frames=frames, classes=classes, masks=np.array(masks))
