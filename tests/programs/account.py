"""Four clerks book deposits on one account: they read the balance, check a deposit, and write the balance.

With coroutines nobody else runs between the reading and the writing, because there is no yield in between.
Threads take turns at any call, and what another clerk has booked in the meantime is lost."""

from coro_magic import spawn

balance = 0


def is_positive(amount):
    return amount > 0


def is_small(amount):
    return amount < 10_000


def with_deposit(old, amount):
    for allows in (is_positive, is_small):
        if not allows(amount):
            raise ValueError(amount)
    return old + amount


def clerk():
    global balance
    for day in range(2):
        for deposit in range(50_000):
            balance = with_deposit(balance, 1)
        yield


clerks = [spawn(clerk()) for _ in range(4)]
for each in clerks:
    each.result()
print(f"balance: {balance:,}")
