"""The drawn actor: an endless procedural scene with known truth."""

from stream.scene.scene import ACTIONS, IDLE, Scene, SceneFrame
from stream.scene.schedule import Interval

__all__ = ["ACTIONS", "IDLE", "Interval", "Scene", "SceneFrame"]
