"""Run with TensorRT's real bindings on the path, prints their surface as JSON.

    python bindings_surface.py STUB CLASS...

STUB: a library that defines what the bindings link against. What is printed: the version, and by
class each member's docstring, which for a method begins with its arguments.
"""

import ctypes
import json
import sys

stub, *classes = sys.argv[1:]
for each in stub.split(":"):
    ctypes.CDLL(each, ctypes.RTLD_GLOBAL)
try:
    import tensorrt_bindings as trt
except ImportError:
    import tensorrt as trt

json.dump(
    {
        "version": trt.__version__,
        "classes": {
            name: {member: str(getattr(found, member).__doc__) for member in dir(found)}
            for name in classes
            if (found := getattr(trt, name, None)) is not None
        },
    },
    sys.stdout,
)
