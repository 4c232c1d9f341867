"""Measured speed: candidates in turns, raw samples kept, tables made from them."""

from acmix.bench.models import bench_models, matmul_peak
from acmix.bench.report import BenchReport
from acmix.bench.throughput import Ratio, Timing, measure, speed_up

__all__ = [
    "BenchReport",
    "Ratio",
    "Timing",
    "bench_models",
    "matmul_peak",
    "measure",
    "speed_up",
]
