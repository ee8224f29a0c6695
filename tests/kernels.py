"""A real IPython kernel for tests: cells go in, and what a notebook would show comes out."""

from __future__ import annotations

import ast
import os
import queue
import re
import sys
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.manager import KernelManager

import coro_magic

_ROOT = Path(coro_magic.__file__).parents[1]
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Output:
    """What one cell gave."""

    status: str = ""
    stdout: str = ""
    stderr: str = ""
    displays: list[dict[str, Any]] = field(default_factory=list)
    result: dict[str, Any] | None = None
    error: str = ""
    traceback: str = ""
    pages: str = ""
    order: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The plain text of everything that was displayed, the last state of each display.

        A line of the summary that was broken because it is long is one again.
        """
        text = "\n".join(data.get("text/plain", "") for data in self.displays)
        return re.sub(r"\n {4}(?=\S)", " ", text)


class Kernel:
    """A kernel with the extension loaded."""

    def __init__(self, folder: Path, load: bool = True) -> None:
        self._manager = KernelManager()
        self._manager.kernel_spec.argv = [
            sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}",
        ]  # fmt: skip
        self.folder = folder
        self._manager.start_kernel(
            cwd=str(folder),
            env={**os.environ, "PYTHONPATH": str(_ROOT), "IPYTHONDIR": str(folder / ".ipython")},
        )
        self._client = self._manager.blocking_client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)
        self.pid: int = self._manager.provisioner.process.pid
        if load:
            assert self.execute("%load_ext coro_magic").status == "ok"

    def execute(self, code: str, timeout: float = 60) -> Output:
        """Run a cell to its end."""
        return self.finish(self.begin(code), timeout)

    def begin(self, code: str) -> str:
        """Send a cell."""
        return str(self._client.execute(textwrap.dedent(code).strip("\n"), allow_stdin=False))

    def execute_in(self, cell: str, code: str, deleted: tuple[str, ...] = ()) -> Output:
        """Run a cell to its end, as JupyterLab does: it says which cell it is, and which are deleted."""
        message = self._client.session.msg(
            "execute_request",
            {"code": textwrap.dedent(code).strip("\n"), "silent": False, "store_history": True,
             "user_expressions": {}, "allow_stdin": False, "stop_on_error": True},
            metadata={"cellId": cell, "deletedCells": list(deleted)},
        )  # fmt: skip
        self._client.shell_channel.send(message)
        return self.finish(str(message["header"]["msg_id"]))

    def finish(self, request: str, timeout: float = 60) -> Output:
        """Collect what a cell gives, until it ends."""
        output, shown = Output(), {}
        deadline = time.monotonic() + timeout
        while True:
            message = self._client.get_iopub_msg(timeout=max(0.0, deadline - time.monotonic()))
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                break
            if kind == "stream":
                output.order.append(content["text"])
                setattr(output, content["name"], getattr(output, content["name"]) + content["text"])
            elif kind == "execute_result":
                output.result = content["data"]
                output.order.append(content["data"]["text/plain"])
            elif kind == "display_data":
                shown[content["transient"].get("display_id")] = len(output.displays)
                output.displays.append(content["data"])
                output.order.append(content["data"].get("text/plain", ""))
            elif kind == "update_display_data":
                at = shown.get(content["transient"]["display_id"])
                if at is not None:
                    output.displays[at] = content["data"]
            elif kind == "error":
                output.error = f"{content['ename']}: {content['evalue']}"
                output.traceback = _ESCAPES.sub("", "\n".join(content["traceback"]))
        while True:
            reply = self._client.get_shell_msg(timeout=max(0.1, deadline - time.monotonic()))
            if reply["parent_header"].get("msg_id") == request:
                break
        output.status = reply["content"]["status"]
        output.pages = _ESCAPES.sub(
            "",
            "\n".join(
                page["data"]["text/plain"] for page in reply["content"].get("payload", ()) if "data" in page
            ),
        )
        return output

    def value(self, expression: str) -> Any:
        """Give the value of an expression in the kernel: something that has a literal."""
        request = self._client.execute("", silent=True, user_expressions={"it": expression})
        while True:
            reply = self._client.get_shell_msg(timeout=60)
            if reply["parent_header"].get("msg_id") == request:
                break
        it = reply["content"]["user_expressions"]["it"]
        assert it["status"] == "ok", it
        return ast.literal_eval(it["data"]["text/plain"])

    def wait_for(self, text: str, timeout: float = 30) -> None:
        """Wait until the running cell has printed `text`."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                message = self._client.get_iopub_msg(timeout=1)
            except queue.Empty:
                continue
            if message["msg_type"] == "stream" and text in message["content"]["text"]:
                return
        raise AssertionError(f"{text!r} did not appear")

    def interrupt(self) -> None:
        """What the Stop button does."""
        self._manager.interrupt_kernel()

    def beats(self) -> bool:
        """Say whether the heartbeat answers, which the front end takes for life."""
        return bool(self._client.hb_channel.is_beating())

    def ask_on_control(self, timeout: float = 10) -> float:
        """Ask for the kernel's info on the control channel; give the seconds until the answer."""
        message = self._client.session.msg("kernel_info_request", {})
        begun = time.monotonic()
        self._client.control_channel.send(message)
        while True:
            reply = self._client.get_control_msg(timeout=timeout)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                return time.monotonic() - begun

    def children(self) -> list[psutil.Process]:
        """The processes that the kernel has started and that are there."""
        return [
            child for child in psutil.Process(self.pid).children() if child.status() != psutil.STATUS_ZOMBIE
        ]

    def files(self) -> list[str]:
        """What lies in the working directory."""
        return sorted(path.name for path in self.folder.iterdir() if not path.name.startswith("."))

    def shut_down(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
