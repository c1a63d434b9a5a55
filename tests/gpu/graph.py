"""CUDA graphs, which PyCUDA doesn't have: by NVIDIA's own bindings, on PyCUDA's stream."""


def captured(cuda, batch, stream):
    """What the batch puts on a stream, as a graph: a function that replays it there.

    cuda: `cuda.bindings.driver`.
    """

    def asked(result, *values):
        assert result == cuda.CUresult.CUDA_SUCCESS, result
        return values[0] if values else None

    handle = cuda.CUstream(stream.handle)
    mode = cuda.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
    asked(*cuda.cuStreamBeginCapture(handle, mode))
    batch.enqueue(stream)
    graph = asked(*cuda.cuStreamEndCapture(handle))
    executable = asked(*cuda.cuGraphInstantiate(graph, 0))

    def replay(kept=batch):  # the graph knows its kernels and memory by their addresses alone
        asked(*cuda.cuGraphLaunch(executable, handle))

    return replay
