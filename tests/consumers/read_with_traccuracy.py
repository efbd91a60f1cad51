"""python read_with_traccuracy.py SEQUENCE_GT OUT.npz: the labels and the lineage of a sequence."""

import sys

import numpy as np
from traccuracy import run_metrics
from traccuracy.loaders import load_ctc_data
from traccuracy.matchers import CTCMatcher
from traccuracy.metrics import CTCMetrics

folder = f"{sys.argv[1]}/TRA"
truth, same = (load_ctc_data(folder, f"{folder}/man_track.txt", name=n) for n in ("a", "b"))
((metrics, *_), _) = run_metrics(truth, same, CTCMatcher(), [CTCMetrics()])
nodes = truth.graph.nodes
edges = [
    (nodes[a]["segmentation_id"], nodes[b]["segmentation_id"], nodes[b]["t"])
    for a, b in truth.graph.edges
]
np.savez(
    sys.argv[2],
    labels=truth.segmentation,
    edges=np.array(sorted(edges)),
    scores=[metrics["results"]["TRA"], metrics["results"]["DET"]],
)
