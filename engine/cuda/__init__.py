"""NVIDIA GPUs through PyCUDA: kernels compiled for the one that is there, memory and launches."""
