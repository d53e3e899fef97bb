"""Ends the program on Ctrl-C, SIGTERM and SIGHUP as an exception does, so that every `with` ends what it started."""

import contextlib
import signal
import threading

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """One of SIGNALS came. Not an Exception, so that nothing takes it for a measurement that failed."""

    def __init__(self, number):
        super().__init__(signal.Signals(number).name)
        self.number = number


class _State:
    held = 0
    pending = None


def _received(number, _frame):
    if _State.held:
        _State.pending = number
    else:
        raise Interrupted(number)


def install():
    """Called once, by the main thread. What was ignored at the start, as under nohup, stays ignored."""
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _received)


@contextlib.contextmanager
def held():
    """Puts the signals off to the end of the block: no process is started and not noted, or left while it is ended.

    Python delivers signals to the main thread only, so elsewhere this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _State.held += 1
    try:
        yield
    finally:
        _State.held -= 1
        if not _State.held and _State.pending is not None:
            number, _State.pending = _State.pending, None
            raise Interrupted(number)
