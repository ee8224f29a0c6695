"""CPython's own tests pass inside a coroutine: the part of them that is quick.

All of them: ``python -m tests.cpython``.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from .compare import Comparison, Way, compare, is_shipped

# The slow ones first: four modules are at it at a time, and wait most of it.
QUICK = {
    "test_xmlrpc": (".XMLRPCTestCase", ".SimpleServer", ".KeepaliveServer", ".Gzip", ".HeadersServer",
                    ".FailingServer", ".CGIHandler", ".MultiPathServerTestCase.test_path3"),
    "test_socket": ("BasicTCPTest", "BasicUDPTest", "TCPTimeoutTest", "UDPTimeoutTest", "NonBlockingTCPTests",
                    "FileObjectClassTestCase", "NetworkConnectionBehaviourTest", "SendmsgTCPTest",
                    "RecvmsgTCPTest", "BasicSocketPairTest"),
    "test_subprocess": ("test_communicate", "test_wait", "test_check_output", "test_run"),
    "test_selectors": (),
    "test_ssl": ("ThreadedTests.test_echo", "SimpleBackgroundTests", "ThreadedTests.test_socketserver",
                 "ThreadedTests.test_recv", "NetworkedBIOTests"),
    "test_poll": (), "test_queue": (), "test_poplib": (), "test_smtplib": (),
    "test_threading": (".LockTests.", ".RLockTests.", ".CRLockTests.", ".ConditionTests.", ".EventTests.",
                       ".SemaphoreTests.", ".BarrierTests.", ".ThreadingExceptionTests."),
    "test_select": (), "test_epoll": (), "test_thread": (), "test_httplib": (),
    "test_urllib2_localnet": (), "test_socketserver": (),
}  # fmt: skip


@pytest.fixture(scope="module")
def comparisons() -> Iterator[dict[str, Future[Comparison]]]:
    # What a module takes hold of as it is imported in the run is the harder case.
    way = Way(importing="inside", trace="on")
    with ThreadPoolExecutor(4) as pool:
        shipped = [module for module in QUICK if is_shipped(module)]
        yield {module: pool.submit(compare, module, QUICK[module], way) for module in shipped}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("module", QUICK)
def test_what_passes_plain_passes_in_a_coroutine(module, comparisons):
    if module not in comparisons:
        pytest.skip(f"this Python comes without test.{module}")
    found = comparisons[module].result()
    assert found.run
    different = [f"{test}: {outcome.kind}: {outcome.last_line}" for test, outcome in found.different.items()]
    assert not different
    assert not found.superfluous
