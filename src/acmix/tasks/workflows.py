"""The workflow of each task."""

from acmix.tasks.classification_workflow import ClassificationWorkflow
from acmix.tasks.detection_workflow import DetectionWorkflow
from acmix.tasks.workflow import Workflow

WORKFLOWS: dict[str, Workflow] = {
    "classification": ClassificationWorkflow(),
    "detection": DetectionWorkflow(),
}
