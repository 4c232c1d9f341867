"""One module per command; see :class:`acmix.cli.parser.Command`."""
