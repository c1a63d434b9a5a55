"""Errors of the training room.

TrainingError            exit code 2: usage or configuration
├── MissingTorch         torch or torchvision is not installed
├── WeightsError         pre-trained weights that cannot be had or do not fit
├── CheckpointError      a run's checkpoint that cannot be read or does not fit
├── RecipeError          a recipe with a wrong key or value
├── DeviceError          a device that isn't there, or processes that can't share the work
├── DataError            exit code 3: a data set or clip that cannot be used
├── ExportError          exit code 4: a bundle that cannot be made or read back
└── OutputError          exit code 5: a place that cannot be written

Every message says what happened and what to do, in a sentence or two.
"""


class TrainingError(Exception):
    """Anything that the user can put right; `str(error)` is meant for them."""

    exit_code = 2


class MissingTorch(TrainingError):  # noqa: N818  (the name says what happened)
    """torch or torchvision cannot be imported."""


class WeightsError(TrainingError):
    """Pre-trained weights that cannot be had, or do not fit the backbone."""


class CheckpointError(TrainingError):
    """A checkpoint that cannot be read, or does not fit its own configuration."""


class RecipeError(TrainingError):
    """A recipe with an unknown key or an impossible value."""


class DeviceError(TrainingError):
    """A device that is not there, or processes that cannot share the work."""


class DataError(TrainingError):
    """A data set, annotation or clip that cannot be used."""

    exit_code = 3


class ExportError(TrainingError):
    """A bundle that cannot be made, or cannot be read back into the model."""

    exit_code = 4


class OutputError(TrainingError):
    """A file or folder that cannot be written."""

    exit_code = 5
