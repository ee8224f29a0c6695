"""One kernel for all tests of a module, and interrupts wherever the tests are started."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from kernels import Kernel

# A shell starts what is to run in the background with interrupts ignored; some tests interrupt themselves.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    started = Kernel(tmp_path_factory.mktemp("kernel"))
    yield started
    started.shut_down()


@pytest.fixture
def fresh_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    started = Kernel(tmp_path_factory.mktemp("kernel"))
    yield started
    started.shut_down()
