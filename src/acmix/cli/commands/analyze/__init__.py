"""``acmix analyze``: what was learned, and what it costs; one module per analysis."""

NAME = "analyze"
HELP = "Look into trained models, and count costs."
EXAMPLE = "acmix analyze complexity"
COMMANDS = ("path-bias", "attention", "complexity", "curve")
