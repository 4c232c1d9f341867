"""The command `acmix train` for those who look for it here: python scripts/train.py CONFIG ..."""

import sys

from acmix.cli import main

sys.exit(main(["train", *sys.argv[1:]]))
