from __future__ import annotations

from worker.pace import Pace


def test_nothing_is_known_before_the_first_wave() -> None:
    """Then a part of a wave is closed at once."""
    assert Pace().close_at(7.0) == 7.0


def test_a_wave_is_ready_as_the_one_before_is_published() -> None:
    """Publishing takes 30 ms, the model 10: the next one is closed 20 ms after publishing began."""
    pace = Pace()
    pace.observe(infer_s=0.01, publish_s=0.03)

    assert round(pace.close_at(7.0), 6) == 7.02


def test_a_slow_model_never_waits() -> None:
    """Where the model takes longer than the brokers, there is nothing to wait for."""
    pace = Pace()
    pace.observe(infer_s=0.5, publish_s=0.03)

    assert pace.close_at(7.0) == 7.0


def test_one_slow_wave_says_little() -> None:
    """And many say all."""
    pace = Pace()
    pace.observe(infer_s=0.0, publish_s=0.01)
    pace.observe(infer_s=0.0, publish_s=0.11)

    assert round(pace.close_at(0.0), 6) == 0.03
    for _ in range(50):
        pace.observe(infer_s=0.0, publish_s=0.11)
    assert round(pace.close_at(0.0), 3) == 0.11
