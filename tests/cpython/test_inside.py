"""CPython's own tests pass inside a coroutine: the part of them that is quick.

All of them: ``python -m tests.cpython``.
"""

from __future__ import annotations

import pytest

from .compare import Way, compare, is_shipped

QUICK = {
    "test_select": (), "test_poll": (), "test_epoll": (), "test_queue": (), "test_thread": (),
    "test_selectors": (), "test_httplib": (), "test_urllib2_localnet": (), "test_xmlrpc": (),
    "test_socketserver": (),
    "test_threading": (".LockTests.", ".RLockTests.", ".CRLockTests.", ".ConditionTests.", ".EventTests.",
                       ".SemaphoreTests.", ".BarrierTests.", ".ThreadingExceptionTests."),
    "test_socket": ("BasicTCPTest", "BasicUDPTest", "TCPTimeoutTest", "UDPTimeoutTest", "NonBlockingTCPTests",
                    "FileObjectClassTestCase", "NetworkConnectionBehaviourTest", "SendmsgTCPTest",
                    "RecvmsgTCPTest", "BasicSocketPairTest"),
    "test_ssl": ("ThreadedTests.test_echo", "SimpleBackgroundTests", "ThreadedTests.test_socketserver",
                 "ThreadedTests.test_recv", "NetworkedBIOTests"),
    "test_subprocess": ("test_communicate", "test_wait", "test_check_output", "test_run"),
}  # fmt: skip


@pytest.mark.parametrize("module", QUICK)
def test_what_passes_plain_passes_in_a_coroutine(module):
    if not is_shipped(module):
        pytest.skip(f"this Python comes without test.{module}")
    # What a module takes hold of as it is imported in the run is the harder case.
    found = compare(module, QUICK[module], Way(importing="inside"))
    assert found.run
    different = [f"{test}: {outcome.kind}: {outcome.last_line}" for test, outcome in found.different.items()]
    assert not different
    assert not found.superfluous
