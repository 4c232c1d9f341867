"""How long to search: seconds by default and always the same examples, minutes on request.

    pytest tests/fuzz --hypothesis-profile=deep

searches with new examples every time, and remembers what failed in ``.hypothesis/``.
"""

from hypothesis import HealthCheck, settings

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile(
    "quick", max_examples=40, deadline=None, derandomize=True, suppress_health_check=_SLOW
)
settings.register_profile("deep", max_examples=5000, deadline=None, suppress_health_check=_SLOW)
settings.load_profile("quick")  # --hypothesis-profile comes later and wins
