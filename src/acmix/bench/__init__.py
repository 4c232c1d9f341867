"""Measured speed: candidates in turns, raw samples kept, tables made from them."""

from acmix.bench.models import Prepare, bench_candidates, bench_models, on_device, with_transfer
from acmix.bench.peak import Peak
from acmix.bench.report import BenchReport
from acmix.bench.setting import Setting
from acmix.bench.throughput import Ratio, Timing, measure, speed_up

__all__ = [
    "BenchReport",
    "Peak",
    "Prepare",
    "Ratio",
    "Setting",
    "Timing",
    "bench_candidates",
    "bench_models",
    "measure",
    "on_device",
    "speed_up",
    "with_transfer",
]
