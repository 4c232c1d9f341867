"""``acmix bench``: benchmarks, one module per kind of measurement."""

NAME = "bench"
HELP = "Measure speed on this device, or show saved results with --load."
EXAMPLE = "acmix bench models swin_tiny acmix_swin_tiny --batch-size 1 8"
COMMANDS = ("models", "table", "data", "scaling", "formulations")
