"""Run acmix.tools.quickstart: python scripts/quickstart.py [--output DIR] [key=value ...]."""

import argparse
import logging
import os
import sys
from pathlib import Path

os.environ.setdefault("GLOG_v", "3")

from acmix.errors import UserError
from acmix.tools.quickstart import run

ROOT = Path(__file__).resolve().parent.parent

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--output", type=Path, default=ROOT / "runs" / "quickstart")
parser.add_argument("overrides", nargs="*", metavar="key=value")
options = parser.parse_args()
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
try:
    run(ROOT / "configs" / "classification", options.output, tuple(options.overrides))
except UserError as error:
    sys.exit(f"quickstart: error: {error}")
