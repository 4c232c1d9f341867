"""``acmix analyze``: analyses of trained models and costs, one module each."""

NAME = "analyze"
HELP = "Analyze trained models and computational costs."
EXAMPLE = "acmix analyze complexity"
COMMANDS = ("path-bias", "attention", "complexity", "curve")
