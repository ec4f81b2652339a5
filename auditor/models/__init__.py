"""From a name to a model ready to be audited."""

from auditor.models.find import find_classes
from auditor.models.libraries import Request
from auditor.models.load import InputOverrides, load_model, load_structure
from auditor.models.loaded import ClassLabel, LoadedModel

__all__ = [
    "ClassLabel",
    "InputOverrides",
    "LoadedModel",
    "Request",
    "find_classes",
    "load_model",
    "load_structure",
]
