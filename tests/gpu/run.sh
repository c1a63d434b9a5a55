#!/usr/bin/env bash
# Every test and benchmark that needs an NVIDIA GPU, from a bare checkout, in under 8 minutes:
#   [PYTHON=python3] [GESTA_DATA=folder] tests/gpu/run.sh
# What this machine lacks is said in a line, and left out. Ends with the tests' exit code.
set -uo pipefail
cd "$(dirname "$0")/../.."
PYTHON="${PYTHON:-python3}"
# Plans take minutes: the benchmark takes those that the tests have built.
export GESTA_CACHE="${GESTA_CACHE:-$(mktemp -d)}"

echo "== this machine"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null ||
    echo "nvidia-smi: not here"
"$PYTHON" - <<'PYTHON'
import importlib, platform

print("python", platform.python_version())
for name in ("numpy", "cv2", "pytest", "pytest_timeout", "pycuda", "cuda.bindings", "tensorrt", "torch"):
    try:
        module = importlib.import_module(name)
        print(name, getattr(module, "__version__", None) or getattr(module, "VERSION_TEXT", "present"))
    except Exception as error:  # a package may be there and still not load
        print(name, "is missing:", error)
PYTHON

echo "== tests"
timeout 260 "$PYTHON" -m pytest -m gpu tests/gpu -q -rs
tests=$?

echo "== TV-L1"
timeout 100 "$PYTHON" -m tests.gpu.benchmark_tvl1 || echo "the benchmark of TV-L1 failed"

echo "== a prediction"
timeout 110 "$PYTHON" -m tests.gpu.benchmark_hop || echo "the benchmark of a prediction failed"

exit "$tests"
