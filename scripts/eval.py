"""The command `acmix eval` for those who look for it here: python scripts/eval.py CONFIG ..."""

import sys

from acmix.cli import main

sys.exit(main(["eval", *sys.argv[1:]]))
