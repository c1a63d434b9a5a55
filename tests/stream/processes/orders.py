"""What the tests' capture processes begin with."""

import logging

from engine.manifest import FlowEntry
from stream.processes.orders import Begin
from tests.stream.synthetic import small_manifest

BEGIN = Begin(
    decoder="cpu",
    manifest=small_manifest(),
    flow="dis",
    flow_entry=FlowEntry(bound_px=12.0),
    flow_device="cpu",
    log_level=logging.INFO,
)
