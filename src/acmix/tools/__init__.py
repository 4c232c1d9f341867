"""Tools that measure and check networks; only ``acmix.cli`` and scripts import them."""
