"""mindcv's swin_tiny against ours, in turns; needs acmix[mindcv]; options of acmix bench models."""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("GLOG_v", "3")

import mindspore as ms

from acmix.export.fusion import fuse
from acmix.models import create_model
from acmix.tools.bench.candidates import bench_networks
from acmix.tools.bench.setting import Setting

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--batch-size", type=int, nargs="+", default=[8])
parser.add_argument("--warmup", type=int, default=3)
parser.add_argument("--repeats", type=int, default=20)
parser.add_argument("--json", type=Path)
options = parser.parse_args()
try:
    import mindcv
except ImportError:
    sys.exit("bench_mindcv: error: mindcv is not installed: pip install --no-deps mindcv==0.3.0")
ms.set_context(mode=ms.GRAPH_MODE)
theirs, ours = mindcv.create_model("swin_tiny"), fuse(create_model("swin_tiny"))
report = bench_networks(
    {"mindcv swin_tiny": theirs, "swin_tiny": ours},
    (3, 224, 224),
    options.batch_size,
    setting=Setting(fused=True),
    baseline="mindcv swin_tiny",
    warmup=options.warmup,
    repeats=options.repeats,
)
print(report.render())
if options.json:
    options.json.write_text(report.to_json(), encoding="utf-8")
