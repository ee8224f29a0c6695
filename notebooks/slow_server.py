"""An HTTP server on loopback that takes its time: 50 ms for every answer.

It serves the source files of Python's standard library, by number: ``/0``, ``/1``, ... Started by a
notebook in a process of its own, it prints its port and ends when its standard input does.
"""

import asyncio
import os
import sys
import sysconfig
import threading
from pathlib import Path

SECONDS = 0.05
PAGES = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read a request, wait, and send the page that it asks for."""
    try:
        request = await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(SECONDS)
        number = int(request.split()[1].lstrip(b"/"))
        page = PAGES[number % len(PAGES)].read_bytes()
        head = f"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(page)}\r\n\r\n"
        writer.write(head.encode() + page)
        await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass  # the client went away
    finally:
        writer.close()


async def serve() -> None:
    """Serve until the process ends."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def end_with_the_notebook() -> None:
    """Wait for the end of standard input, which is the end of the notebook's kernel."""
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=end_with_the_notebook, daemon=True).start()
    asyncio.run(serve())
