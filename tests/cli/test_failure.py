"""Failures: a text, and whose mistake it was."""

from __future__ import annotations

import errno
import os

from reactor import ConnectionTimeout, FrameTruncated
from reactor.cli.failure import FAILED, MISUSED, Failure, reason


def test_a_failure_is_no_misuse_unless_it_says_so() -> None:
    assert Failure("no").status == FAILED == 1
    assert Failure("no", MISUSED).status == 2


def test_the_reason_leaves_the_error_number_out() -> None:
    assert reason(ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))) == "Connection reset by peer"


def test_the_reason_of_our_own_errors_is_their_text() -> None:
    assert reason(ConnectionTimeout("idle for 3 s")) == "idle for 3 s"
    assert reason(FrameTruncated("too short")) == "too short"
