"""What machines have to agree on before they train together."""

import hashlib

import pytest

from acmix.config import Config
from acmix.errors import UserError
from acmix.parallel import World
from acmix.workflows import train, training


class OtherFiles(World):
    """Two machines, of which the second lacks an image."""

    def gather(self, content):
        return [content, hashlib.sha256(b"fewer").digest()]


def test_machines_with_other_images_do_not_train(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "join", lambda: OtherFiles(0, 2))
    tree = {"runtime": {"device": "CPU"}, "data": {"name": "digits"}, "output": str(tmp_path)}
    with pytest.raises(UserError, match="training data of rank 1 is not that of rank 0"):
        train(Config.from_dict(tree))
