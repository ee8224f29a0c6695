"""The output of several processes is put together line by line."""

from hypothesis import given
from hypothesis import strategies as st

from coro_magic.engines.printed import Piece, line_by_line

LINE = st.lists(st.text("ab ", min_size=1, max_size=3), min_size=1, max_size=4)


def _printed(begin: float, step: float, row: int, lines: list[list[str]]) -> list[Piece]:
    """Give the pieces that `print` writes, each a moment after the one before."""
    words = [word for line in lines for word in [*line, "\n"]]
    return [(begin + at * step, row, word) for at, word in enumerate(words)]


def test_what_two_processes_print_at_the_same_time_does_not_mix_within_a_line() -> None:
    one = _printed(0.0, 1.0, 1, [["from", " ", "0"], ["from", " ", "1"]])
    other = _printed(0.5, 1.0, 2, [["from", " ", "2"], ["from", " ", "3"]])
    text = "".join(text for _, _, text in line_by_line([one, other]))
    assert text == "from 0\nfrom 2\nfrom 1\nfrom 3\n"


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 2), st.lists(LINE, max_size=5)), max_size=4))
def test_every_line_is_one_that_a_process_printed_and_each_keeps_its_order(
    processes: list[tuple[float, float, list[list[str]]]],
) -> None:
    streams = [_printed(begin, step, row, lines) for row, (begin, step, lines) in enumerate(processes)]
    merged = line_by_line(streams)
    for row, stream in enumerate(streams):
        assert [piece for piece in merged if piece[1] == row] == stream
    written = sorted("".join(line) for _, _, lines in processes for line in lines)
    assert sorted("".join(text for _, _, text in merged).split("\n")[:-1]) == written


def test_a_line_without_an_end_stays_in_one_piece() -> None:
    dots = [(float(at), 1, ".") for at in range(3)]
    other = [(0.5, 2, "x"), (0.6, 2, "\n")]
    assert "".join(text for _, _, text in line_by_line([dots, other])) == "...x\n"
