"""Names of ConViT, T2T-ViT, CvT and Conformer in files, prefixes, and classifiers of other sizes.

What the weights compute is tested with those of the authors' code, in test_golden.
"""

import re

import numpy as np
import pytest
from golden_models import build, load_golden

from acmix.convert import count_classes, load_torch_state, official_state, torch_state
from acmix.errors import UserError

NAMES = (
    "convit_small_fixture",
    "t2t_performer_small",
    "t2t_transformer_small",
    "cvt_small_fixture",
    "conformer_small_fixture",
)

# Hugging Face's CvT 4.57: its names by the authors'.
HUGGING_FACE = (
    (r"^stage(\d)\.", r"cvt.encoder.stages.\1."),
    (r"\.patch_embed\.proj\.", ".embedding.convolution_embeddings.projection."),
    (r"\.patch_embed\.norm\.", ".embedding.convolution_embeddings.normalization."),
    (r"\.blocks\.", ".layers."),
    (r"\.proj_q\.", ".proj_query."),
    (r"\.proj_k\.", ".proj_key."),
    (r"\.proj_v\.", ".proj_value."),
    (r"\.conv_proj_q\.", ".conv_proj_query."),
    (r"\.conv_proj_k\.", ".conv_proj_key."),
    (r"\.conv_proj_v\.", ".conv_proj_value."),
    (r"\.attn\.proj\.", ".attention.output.dense."),
    (
        r"\.attn\.conv_proj_(\w+)\.",
        r".attention.attention.convolution_projection_\1.convolution_projection.",
    ),
    (r"\.attn\.proj_(\w+)\.", r".attention.attention.projection_\1."),
    (r"\.conv\.", ".convolution."),
    (r"\.bn\.", ".normalization."),
    (r"\.mlp\.fc1\.", ".intermediate.dense."),
    (r"\.mlp\.fc2\.", ".output.dense."),
    (r"\.norm1\.", ".layernorm_before."),
    (r"\.norm2\.", ".layernorm_after."),
    (r"^norm\.", "layernorm."),
    (r"^head\.", "classifier."),
)


def renamed(state, rules):
    found = {}
    for name, value in state.items():
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        found[name] = value
    return found


@pytest.mark.parametrize("name", NAMES)
def test_prefixes_are_dropped_and_classes_counted(name):
    model, state = build(name), load_golden(name).state
    found = {f"module.{key}": value for key, value in state.items()}
    report = load_torch_state(model, found)
    assert "the names' prefix 'module.' dropped" in report.notes
    for key, value in torch_state(model).items():
        np.testing.assert_array_equal(value, state[key])
    assert count_classes(type(model), official_state(type(model), found).state) == 10


def test_names_of_hugging_face_become_the_official_ones():
    model, state = build("cvt_small_fixture"), load_golden("cvt_small_fixture").state
    theirs = renamed(state, HUGGING_FACE)
    official = official_state(type(model), theirs)
    assert "cvt.encoder.stages.2.cls_token" in theirs
    assert {key: value.shape for key, value in official.state.items()} == {
        key: value.shape for key, value in state.items()
    }
    assert "the names of Hugging Face Transformers recognised" in official.notes


def test_what_is_missing_is_told():
    name = "t2t_performer_small"
    state = dict(load_golden(name).state)
    del state["tokens_to_token.attention2.w"]
    with pytest.raises(UserError, match=r"missing: tokens_to_token\.attention2\.w"):
        load_torch_state(build(name), state)
