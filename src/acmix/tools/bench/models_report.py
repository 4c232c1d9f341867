"""Report of ``acmix bench models`` and ``table``: raw samples as JSON, and a table."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from acmix.tools.bench.machine import machine_phrase
from acmix.tools.bench.peak import Peak, rate
from acmix.tools.bench.setting import Setting
from acmix.tools.bench.timing import Timing, speed_up
from acmix.tools.saved_results import parsing
from acmix.utils.table import Style, render_table


@dataclass(frozen=True)
class ModelsReport:
    """A measurement with its conditions and raw samples.

    Attributes:
        environment: facts from ``acmix.environment.describe``.
        mode: ``graph`` or ``pynative``.
        input_shape: Shape (C, H, W) of an image.
        warmup: Rounds before the measured ones.
        probed_peak: of all probes, see :mod:`acmix.tools.bench.peak`.
        baselines: Name of the baseline of each compared network.
        macs: Multiply-adds per image by name, where known.
        published: Speed and device that the paper prints, by name.
        timings: Raw samples.
        setting: Options of the measurement.
        memory: Peak bytes of each timed network in a process of its own, its compilation included;
            empty if not measured, None if unknown.
    """

    environment: dict[str, str | int | None]
    mode: str
    input_shape: tuple[int, ...]
    warmup: int
    probed_peak: Peak
    baselines: dict[str, str]
    macs: dict[str, int]
    timings: tuple[Timing, ...]
    published: dict[str, str] = field(default_factory=dict)
    setting: Setting = field(default_factory=Setting)
    memory: tuple[int | None, ...] = ()

    def to_json(self) -> str:
        """Return text that :meth:`from_json` reads back."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> ModelsReport:
        """Read a report.

        Raises:
            UserError: ``text`` was not written by :meth:`to_json`.
        """
        with parsing("report: this is not a JSON of 'acmix bench'"):
            content = json.loads(text)
            content.pop("peaks", None)
            if "matmul_gflops" in content:  # of acmix 0.1
                content["probed_peak"] = content.pop("matmul_gflops"), "a matrix product"
            timings = tuple(
                Timing(**{**timing, "seconds": tuple(timing["seconds"])})
                for timing in content.pop("timings")
            )
            return cls(
                **{
                    **content,
                    "input_shape": tuple(content["input_shape"]),
                    "probed_peak": Peak(*content["probed_peak"]),
                    "setting": Setting(**content.get("setting", {})),
                    "memory": tuple(content.get("memory", ())),
                },
                timings=timings,
            )

    def render(self, style: Style = "markdown") -> str:
        """Return the table and the conditions of the measurement."""
        header = ["model", "batch", "img/s", "ms", "IQR ms", "compile s"]
        header += [self._comparison()] if self.baselines else []
        header += ["GMACs", "% of peak"] if self.macs else []
        header += ["the paper's"] if self.published else []
        header += ["peak MiB"] if self.memory else []
        rows = [self._row(timing) for timing in self.timings]
        for row, size in zip(rows, self.memory, strict=False):
            row.append("" if size is None else f"{size / 2**20:.0f}")
        return render_table(header, rows, style) + "\n\n" + self._conditions()

    def _row(self, timing: Timing) -> list[str]:
        cells = [
            timing.name,
            str(timing.batch_size),
            f"{timing.fps:.{1 if timing.fps >= 1 else 3}f}",
            f"{1e3 * timing.median:.2f}",
            f"{1e3 * timing.iqr:.2f}",
            f"{timing.compile_seconds:.1f}",
        ]
        if self.baselines:
            cells.append(self._ratio(timing))
        if self.macs:
            cells += self._work(timing)
        if self.published:
            cells.append(self.published.get(timing.name, ""))
        return cells

    def _comparison(self) -> str:
        common = set(self.baselines.values())
        return f"vs {common.pop()}" if len(common) == 1 else "speed-up"

    def _ratio(self, timing: Timing) -> str:
        """Return the speed-up over the baseline, with its name unless the header has it."""
        if timing.name not in self.baselines:
            return ""
        ratio = speed_up(timing, self._baseline_of(timing))
        text = f"{ratio.median:.2f}x ({ratio.low:.2f}-{ratio.high:.2f})"
        several = len(set(self.baselines.values())) > 1
        return f"{text} of {self.baselines[timing.name]}" if several else text

    def _work(self, timing: Timing) -> list[str]:
        if timing.name not in self.macs:
            return ["", ""]
        macs = self.macs[timing.name]
        return [f"{macs / 1e9:.3f}", f"{100 * self.efficiency(timing):.0f}"]

    @property
    def peak(self) -> Peak:
        """The largest rate in the run, which is that of a probe or of a network."""
        own = (
            Peak(rate(self.macs[timing.name] * timing.batch_size, timing), timing.name)
            for timing in self.timings
            if timing.name in self.macs
        )
        return max([self.probed_peak, *own])

    def efficiency(self, timing: Timing) -> float:
        """Return the share of the peak that a network reaches: 2 MACs / median time / peak."""
        done = 2 * self.macs[timing.name] * timing.batch_size / timing.median / 1e9
        return done / self.peak.gflops

    def _baseline_of(self, timing: Timing) -> Timing:
        return next(
            other
            for other in self.timings
            if (other.name, other.batch_size) == (self.baselines[timing.name], timing.batch_size)
        )

    def _conditions(self) -> str:
        rounds = len(self.timings[0].seconds)
        phrases = [f"{'x'.join(map(str, self.input_shape))} images", *self.setting.phrases()]
        return (
            f"{machine_phrase(self.environment)}, {self.mode} mode, float32, "
            f"{', '.join(phrases)}; median of {rounds} interleaved rounds "
            f"after {self.warmup} of warm-up; peak {self.peak.gflops:.0f} GFLOP/s, by "
            f"{self.peak.source}."
        )
