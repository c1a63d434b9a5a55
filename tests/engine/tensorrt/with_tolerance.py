"""A bundle that states other tolerances."""

from dataclasses import replace

import msgspec


def with_tolerance(bundle, tolerance):
    return replace(bundle, manifest=msgspec.structs.replace(bundle.manifest, tolerance=tolerance))
