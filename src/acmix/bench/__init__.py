"""Measured speed: candidates in turns, raw samples kept, tables made from them."""

from acmix.bench.machine import machine_facts
from acmix.bench.models import (
    Prepare,
    bench_candidates,
    bench_models,
    on_device,
    with_transfer,
)
from acmix.bench.peak import Peak
from acmix.bench.pipeline import PipelineReport, measure_rates
from acmix.bench.reading import read_report
from acmix.bench.report import BenchReport
from acmix.bench.scaling import ScalingReport, ScalingRun
from acmix.bench.setting import Setting
from acmix.bench.throughput import Ratio, Timing, measure, speed_up

__all__ = [
    "BenchReport",
    "Peak",
    "PipelineReport",
    "Prepare",
    "Ratio",
    "ScalingReport",
    "ScalingRun",
    "Setting",
    "Timing",
    "bench_candidates",
    "bench_models",
    "machine_facts",
    "measure",
    "measure_rates",
    "on_device",
    "read_report",
    "speed_up",
    "with_transfer",
]
