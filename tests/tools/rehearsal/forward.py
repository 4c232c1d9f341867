"""A program to rehearse: one forward of an exported network, ``forward.py FILE B C H W``.

It makes nothing else on the device, so that all kernels are those of the graph.
"""

import sys

import mindspore as ms
import numpy as np

ms.set_context(mode=ms.GRAPH_MODE)
network = ms.nn.GraphCell(ms.load(sys.argv[1]))
network(ms.Tensor(np.zeros([int(word) for word in sys.argv[2:]], np.float32)))
