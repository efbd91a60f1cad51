"""python read_with_ultralytics.py DATASET OUT.npz: the masks that ultralytics would train on."""

import sys

import numpy as np
from ultralytics.data.dataset import YOLODataset
from ultralytics.data.utils import check_det_dataset, polygon2mask

data = check_det_dataset(f"{sys.argv[1]}/data.yaml", autodownload=False)
dataset = YOLODataset(img_path=data["train"], data=data, task="segment", augment=False)
frames, classes, masks = [], [], []
for image in dataset.labels:
    height, width = image["shape"]
    for shares, number in zip(image["segments"], image["cls"].ravel(), strict=True):
        frames.append(int(image["im_file"][-9:-4]))
        classes.append(data["names"][int(number)])
        points = (shares * (width, height)).ravel()
        masks.append(polygon2mask((height, width), [points], color=1).astype(bool))
np.savez(sys.argv[2], frames=frames, classes=classes, masks=np.array(masks))
