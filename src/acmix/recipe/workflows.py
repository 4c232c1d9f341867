"""The workflow of each task."""

from acmix.recipe.classification import ClassificationWorkflow
from acmix.recipe.detection import DetectionWorkflow
from acmix.recipe.workflow import Workflow

WORKFLOWS: dict[str, Workflow] = {
    "classification": ClassificationWorkflow(),
    "detection": DetectionWorkflow(),
}
