"""Cameras in processes of their own: each has an interpreter for its frames, and a decoder that
crashes takes no daemon with it.

A capture process runs capture threads as the daemon does (`child`), and reports what they find over
a socket (`link`, `reports`). In the daemon a `CaptureProcess` starts it, and again where it dies;
a `RemoteCapture` stands for one of its cameras. Samples come made, with pictures and flow, unless a
GPU makes them: then what the process sends are pictures at the model's scale (`distant_sight`).
"""
