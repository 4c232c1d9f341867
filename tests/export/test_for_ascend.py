"""Files for Ascend, made on CPU: MindIR of Ascend's formulations, and the operators of AIR."""

from __future__ import annotations

from dataclasses import replace

import mindspore as ms
import numpy as np
import pytest
from audited_models import FEW, HEADED, config, representatives
from mindspore import Tensor, nn, ops
from mindspore.train.mind_ir_pb2 import ModelProto
from variants import exhaustive

from acmix import workflows
from acmix.cli import main
from acmix.errors import UserError
from acmix.export import Exported, export_model
from acmix.export.checked_mindir import write_mindir
from acmix.export.formats.air_operators import spell_for_air
from acmix.tasks import get_task
from acmix.tools.audit.audit import audit_file
from acmix.tools.audit.evidence import evidence_of
from acmix.utils.mindir import load_graph, parse_graph
from acmix.utils.modes import built_for
from acmix.workflows.runs import build_model
from acmix.workflows.weights import save_model

STRUCTURE = {"Call", "MakeTuple", "TupleGetItem", "Depend", "Load", "Return", "UpdateState"}


@pytest.fixture
def weights(tmp_path):
    def write(name):
        file = tmp_path / f"{name}.ckpt"
        save_model(build_model(config(name), 10), file)
        return file

    return write


def size(name):
    return (96, 128) if name in HEADED else None


# Written, loaded, verified and audited. The graphs of all networks are audited without a file.
@pytest.mark.parametrize("name", exhaustive(FEW, default=["acmix_swin_base"]))
def test_a_cpu_writes_ascends_form_verified_and_it_passes_the_audit(name, weights, tmp_path):
    output, run = tmp_path / "net.mindir", config(name)
    if name not in HEADED:
        run = replace(run, data=replace(run.data, image_size=64))
    report = workflows.export(
        run, weights(name), output, format="mindir", input_size=size(name), target="Ascend"
    )
    assert report.max_abs_diff < 1e-3
    assert audit_file(output).passed(strict=False)


@pytest.mark.exhaustive
def test_a_file_for_the_cpu_of_a_grouped_path_differs_from_ascends(weights, tmp_path):
    checkpoint = weights("acmix_resnet26")
    found = {}
    for target in (None, "Ascend"):
        output = tmp_path / f"{target}.mindir"
        workflows.export(
            config("acmix_resnet26"), checkpoint, output, format="mindir", verify=False,
            fused=False, target=target,
        )  # fmt: skip
        found[target] = audit_file(output).passed(strict=False)
    assert found == {None: False, "Ascend": True}


def test_the_audit_of_a_cpus_file_names_the_command(tmp_path, capsys):
    grouped = nn.Conv2d(8, 8, 3, group=2)
    write_mindir(grouped, Tensor(shape=(1, 8, 6, 6), dtype=ms.float32), tmp_path / "net.mindir")
    assert main(["audit", str(tmp_path / "net.mindir")]) == 1
    assert "acmix export CONFIG --checkpoint CKPT --format mindir --target ascend" in (
        capsys.readouterr().out
    )


def test_air_is_refused_off_ascend_before_any_work(tmp_path):
    with pytest.raises(UserError, match="can be written on Ascend only, this process runs on CPU"):
        workflows.export(
            config("swin_small"), tmp_path / "gone.ckpt", tmp_path / "net.air", format="air",
            target="Ascend",
        )  # fmt: skip


class Products(nn.Cell):
    """Every product that has no adapter: a number's, of both kinds, and of matrices."""

    def __init__(self):
        super().__init__()
        self.matrix = Tensor(np.arange(6, dtype=np.float32).reshape(2, 3))

    def construct(self, x):
        flat = ops.matmul(x[0], self.matrix)
        stacked = ops.matmul(x * 0.5, ops.swapaxes(x, 1, 2))
        return flat * 3, stacked, (x * 2).astype(ms.int32) * 7


def test_operators_spelled_for_air_compute_the_same(tmp_path, rng):
    x = Tensor(rng.normal(size=(3, 4, 2)).astype(np.float32))
    network, file = Products(), tmp_path / "net.mindir"
    operators = write_mindir(network, x, file, spell_for_air)
    assert operators["Muls"] == 4
    assert operators["MatMulExt"] == 2
    spelled = load_graph(file).count_operators()
    assert not {"Muls", "MatMulExt"} & spelled.keys()
    assert (spelled["MatMul"], spelled["BatchMatMul"]) == (1, 1)
    for actual, expected in zip(nn.GraphCell(ms.load(str(file)))(x), network(x), strict=True):
        assert actual.dtype == expected.dtype
        np.testing.assert_allclose(actual.asnumpy(), expected.asnumpy(), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "fused"),
    exhaustive(
        # What fusing folds are BatchNorms and the masks of windows.
        [
            *((name, True) for name in representatives()),
            ("acmix_resnet26", False),
            ("acmix_swin_base", False),
        ],
        default=[("acmix_swin_base", True)],
    ),
)
def test_every_operator_of_an_air_file_has_an_adapter(name, fused, tmp_path):
    from acmix.export import fuse

    run = config(name)
    task = get_task(run.task)
    shape = (1, 3, *(size(name) or (224, 224)))
    with built_for("Ascend"):
        model = build_model(run, 10).set_train(False)
        network = task.deployed(fuse(model) if fused else model)
        file = tmp_path / "net.mindir"
        ms.export(
            Exported(network), Tensor(shape=shape, dtype=ms.float32), file_name=str(file),
            file_format="MINDIR",
        )  # fmt: skip
    model = ModelProto()
    model.ParseFromString(file.read_bytes())
    spell_for_air(model)
    used = set(parse_graph(model).count_operators()) - STRUCTURE
    assert [operator for operator in used if not evidence_of(operator).ge] == []


def test_what_the_exporter_refuses_is_one_line(tmp_path, monkeypatch):
    def refuse(*_, file_format, **__):
        if file_format == "AIR":
            raise RuntimeError("Unsupported op type list: Eig\nstack")
        return original(*_, file_format=file_format, **__)

    original = ms.export
    monkeypatch.setattr(ms, "export", refuse)
    monkeypatch.setattr("acmix.export.formats.air.Air.check_host", lambda self: None)
    with pytest.raises(UserError, match=r"refuses this network: Unsupported op type list: Eig Use"):
        export_model(
            nn.Conv2d(3, 3, 1), tmp_path / "net.air", format="air", input_shape=(1, 3, 4, 4),
            sidecar={"task": "classification", "model": "m", "classes": ["a"], "preprocess": {},
                     "post_process": {}},
        )  # fmt: skip
    assert not (tmp_path / "net.air").exists()
