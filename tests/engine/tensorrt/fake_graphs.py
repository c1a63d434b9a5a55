"""A stand-in for cuda.bindings.driver: graphs of what the streams of a FakeDriver are given."""

import enum
from types import SimpleNamespace

CUresult = enum.Enum("CUresult", "CUDA_SUCCESS CUDA_ERROR_STREAM_CAPTURE_INVALIDATED")
CUstreamCaptureMode = enum.Enum("CUstreamCaptureMode", "CU_STREAM_CAPTURE_MODE_THREAD_LOCAL")


class FakeCuda:
    """graphs: that are there. replayed: how often any was started. refuses: to make one."""

    CUresult, CUstreamCaptureMode = CUresult, CUstreamCaptureMode

    def __init__(self, driver):
        self.graphs, self.replayed, self.refuses = [], 0, False
        self._driver = driver

    def CUstream(self, handle):  # noqa: N802
        return self._driver.streams[handle]

    def cuStreamBeginCapture(self, hStream, mode):  # noqa: N802
        self._driver.require_current()
        assert mode is CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        assert hStream.captured is None
        hStream.captured = []
        return (CUresult.CUDA_SUCCESS,)

    def cuStreamEndCapture(self, hStream):  # noqa: N802
        work, hStream.captured = hStream.captured, None
        if self.refuses:
            return CUresult.CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, None
        return self._kept(work)

    def cuGraphInstantiate(self, hGraph, flags):  # noqa: N802
        return self._kept(hGraph.work)

    def cuGraphLaunch(self, hGraphExec, hStream):  # noqa: N802
        self._driver.require_current()
        assert hGraphExec in self.graphs
        for work in hGraphExec.work:
            hStream.put(work)
        self.replayed += 1
        return (CUresult.CUDA_SUCCESS,)

    def cuGraphDestroy(self, hGraph):  # noqa: N802
        self.graphs.remove(hGraph)
        return (CUresult.CUDA_SUCCESS,)

    def cuGraphExecDestroy(self, hGraphExec):  # noqa: N802
        return self.cuGraphDestroy(hGraphExec)

    def _kept(self, work):
        self.graphs.append(SimpleNamespace(work=work))
        return CUresult.CUDA_SUCCESS, self.graphs[-1]
