"""python read_with_cellpose.py FOLDER OUT.npz: the training pairs that cellpose loads."""

import sys

import numpy as np
from cellpose import io

images, labels, files, *_ = io.load_train_test_data(sys.argv[1])
np.savez(sys.argv[2], images=np.array(images), labels=np.array(labels), files=files)
