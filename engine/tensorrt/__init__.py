"""NVIDIA's TensorRT: plans, which are graphs compiled for one GPU, and what runs them."""
