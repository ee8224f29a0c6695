"""What it costs to sleep, many at a time."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

from measuring import Row, best

import coro_magic
from coro_magic import sleep, spawn


def sleepers(quick: bool, rounds: int) -> list[Row]:
    """Measure coroutines that each sleep for a random time; by processor time, as most of it is waiting."""
    count = 20_000 if quick else 100_000
    dice = random.Random(1)
    naps = [dice.uniform(0.0, count / 20_000) for _ in range(count)]

    def nap(seconds: float) -> Any:
        yield sleep(seconds)

    def body() -> Any:
        for seconds in naps:
            spawn(nap(seconds))
        yield

    async def theirs() -> None:
        await asyncio.gather(*map(asyncio.sleep, naps))

    def spent(trace: str) -> float:
        begun = time.process_time()
        coro_magic.run(body, baseline="off", trace=trace)
        return time.process_time() - begun

    def spent_by_asyncio() -> float:
        begun = time.process_time()
        asyncio.run(theirs())
        return time.process_time() - begun

    on, off, peer = best(
        lambda: spent("on"), lambda: spent("off"), spent_by_asyncio, rounds=max(1, rounds // 2)
    )
    us = 1e6 / count
    return [
        Row(f"{count:,} sleepers, random times, CPU", f"{on * us:.1f} µs each ({off * us:.1f} untraced)",
            f"asyncio {peer * us:.1f} µs", f"{on / peer:.2f} × ({off / peer:.2f} × untraced)", "≤ 0.5 ×"),
    ]  # fmt: skip
