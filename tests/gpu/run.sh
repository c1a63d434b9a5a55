#!/usr/bin/env bash
# Every test and benchmark that needs an NVIDIA GPU, from a bare checkout, in under 8 minutes:
#   [PYTHON=python3] [GESTA_DATA=folder] tests/gpu/run.sh
# What this machine lacks is said in a line, and left out. Ends with the tests' exit code.
set -uo pipefail
cd "$(dirname "$0")/../.."
PYTHON="${PYTHON:-python3}"
# What was measured is shown, even where the time runs out.
export PYTHONUNBUFFERED=1
# Plans take minutes: the benchmarks take those that the tests have built.
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
timeout 240 "$PYTHON" -m pytest -m gpu tests/gpu -q -rs
tests=$?

benchmark() { # seconds, module, options
    timeout "$1" "$PYTHON" -m "tests.gpu.benchmark_$2" "${@:3}" || echo "benchmark_$2 failed"
}
echo "== TV-L1"
benchmark 45 tvl1
echo "== a prediction"
benchmark 105 hop
echo "== the CNNs"
benchmark 40 graphs
echo "== 64 cameras in real time"
benchmark 45 load --cameras 64 --seconds 20

exit "$tests"
